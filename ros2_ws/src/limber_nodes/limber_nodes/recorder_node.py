"""Everything the graph says, episode by episode, into raw logs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from std_msgs.msg import String

from limber_nodes import diagnostics, qos
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters, param
from limber_nodes.recorder_services import RecorderServices
from limber_nodes.recorder_topics import RecorderTopics
from limber_nodes.robots import calibration_of, robot_spec
from limber_nodes.spin import run_node
from policies.data.recorder import Recorder


@dataclass(frozen=True)
class RecorderSettings:
    """Parameters of recorder_node."""

    folder: str = param("runs/raw", "where the episodes go, one MCAP file each; of one robot only")
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    cameras: tuple[str, ...] = param((), "cameras to record, separated by commas; empty: all; none: none")
    width: int = param(0, "picture width in px; 0: as the spec says", low=0, high=4096)
    height: int = param(0, "picture height in px; 0: as the spec says", low=0, high=4096)
    operator: str = param("", "who demonstrates; kept in every episode")
    driver: str = param("", "what stands behind the robot; empty: as its spec says")
    calibration: str = param(
        "", "the robot's calibration file, whose hash is kept in every episode; empty: its own"
    )
    min_free_mb: float = param(500.0, "megabytes of disk that always stay free", low=0.0)
    max_episode_s: float = param(60.0, "an episode starts only with room for this many seconds", low=1.0)


class RecorderNode:
    """Subscribes in `configure`, so that discovery is long over when the first episode starts."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.settings = Parameters(node, RecorderSettings).values
        self.spec = robot_spec(self.settings)

    # -- life cycle -------------------------------------------------------------------------

    def configure(self) -> None:
        s = self.settings
        calibration = calibration_of(self.spec, s.driver, s.calibration)
        self.recorder = Recorder(
            Path(s.folder),
            self.spec,
            operator=s.operator,
            calibration_hash=calibration.hash if calibration else "",
            min_free_bytes=int(s.min_free_mb * 1e6),
            max_episode_s=s.max_episode_s,
            on_change=self._on_fault,
        )
        for path in self.recorder.recovered:
            self.node.get_logger().warning(f"recovered a recording that was cut short: {path}")
        for line in self.recorder.lost:
            self.node.get_logger().error(f"not recovered: {line}")
        self.state = self.node.create_publisher(String, "episode", qos.LATCHED)
        self.topics = RecorderTopics(self.node, self.recorder, self._say)
        self.services = RecorderServices(self.node, self.recorder, self.topics, self._say)

    def activate(self) -> None:
        self.services.active = True
        self.diagnostics = diagnostics.Diagnostics(self.node, self._diagnose, hardware_id=self.spec.name)
        self._say()

    def deactivate(self) -> None:
        self.services.active = False
        if self.recorder.status.state == "recording":
            self.topics.drain()
            self.recorder.save(self.topics.success, {"ended": "interrupted"})
        self._say()
        self.diagnostics.stop()

    def cleanup(self) -> None:
        self.services.close()
        self.topics.close()
        self.recorder.close()
        self.node.destroy_publisher(self.state)

    def _say(self) -> None:
        """Publish the latched state, from any thread; `success` is of the running or the last episode."""
        said = {**asdict(self.recorder.status), "success": self.topics.success}
        self.state.publish(String(data=json.dumps(said)))

    def _on_fault(self) -> None:
        """The recorder's thread calls this when it has ended an episode by itself: a disk is full."""
        self.node.get_logger().error(self.recorder.status.reason)
        self.topics.success = None  # as the file says: the end was not heard
        self._say()

    def _diagnose(self) -> diagnostics.Status:
        status = self.recorder.status
        values: dict[str, object] = {
            "state": status.state,
            "episode": status.index,
            "saved": status.saved,
            "size_mb": status.size_bytes / 1e6,
            "messages": status.messages,
            "messages_dropped": status.dropped,
            "messages_unreadable": self.topics.unreadable,
            **{f"frames.{camera}": n for camera, n in status.frames.items()},
            **{f"frames_missing.{camera}": n for camera, n in status.missing.items()},
            **{f"frames_lost.{camera}": n for camera, n in status.lost.items()},
        }
        if status.reason:
            return diagnostics.ERROR, status.reason, values
        if self.topics.silent:
            return diagnostics.WARN, f"silent: {self.topics.silent}", values
        if status.dropped or any(status.missing.values()) or any(status.lost.values()):
            return diagnostics.WARN, "messages were lost", values
        return diagnostics.OK, status.state, values


def main() -> None:
    run_node(lambda: ManagedNode("recorder_node", RecorderNode))


if __name__ == "__main__":
    main()
