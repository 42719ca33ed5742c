"""The qualities of service of every topic in the graph, in one place."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# A command that was overtaken is worth nothing: only the newest is kept.
COMMAND = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)

# Chunks and corrections: each counts, none may be merged into the next.
EVENTS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)

# Sensors are published reliably (REP-2003), so that a recorder can ask for every one of them.
# Depths hold half a second at ten times real time, for a reader that the disk has stopped.
STATE_OUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=500, reliability=ReliabilityPolicy.RELIABLE)
FRAMES_OUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=150, reliability=ReliabilityPolicy.RELIABLE)

# Who only wants the newest sensor values subscribes best effort and never holds the publisher up.
SENSOR_IN = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)

# Said once, heard by everybody who comes later.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

# One an episode; who comes during an evaluation hears of the episodes before, too.
VERDICTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def recording(depth: int = 1000) -> QoSProfile:
    """Reliable with depth to spare, for a reader that must lose nothing."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)
