"""From a goal's write to the first motion of the joint's encoder.

The joint is let stand, then told to move by a small step, through the safety filter. The time of the
write is that of the first goal which differs from the one held; the encoder is read as fast as the line
goes, and the time of motion is when the reading was asked for that first left the noise. So the serial
line, the servo's control period, its dead zone, the gear's play and the filter's jerk limit are all in
the figure, as they are in everything that a policy does.
"""

from dataclasses import dataclass

import numpy as np

from hardware.errors import HardwareError
from hardware.latency.drive import Drive, room_around, stamp_of

STEP = 0.06  # rad or m; 40 ticks, and 3 times a gear's play
MOVED = 0.004  # rad or m: 2.5 ticks of 4096 a turn
STILL_S = (0.3, 0.5)  # between two steps, so that they are not in step with anything
GIVE_UP_NS = 1_000_000_000


@dataclass(frozen=True)
class JointLatency:
    """`delays_ms` (n,): one a step that moved; `missed`: steps that did not within a second."""

    joint: str
    delays_ms: tuple[float, ...]
    missed: int

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.delays_ms, percent))


def measure_joint(drive: Drive, joint: int, steps: int, seed: int = 0) -> JointLatency:
    """`HardwareError` where the joint never moved."""
    random = np.random.default_rng(seed)
    home = drive.position
    home[joint] = room_around(drive, joint, STEP)
    drive.go(home)
    delays: list[float] = []
    for i in range(steps):
        goal = home.copy()
        goal[joint] += STEP if i % 2 == 0 else 0.0
        drive.hold(float(random.uniform(*STILL_S)))
        delay = _one_step(drive, joint, goal)
        if delay is not None:
            delays.append(delay)
    name = drive.spec.joint_names[joint]
    if not delays:
        raise HardwareError(f"joint {name!r}: did not move in {steps} steps of {STEP:g} rad; is it blocked?")
    return JointLatency(name, tuple(delays), steps - len(delays))


def _one_step(drive: Drive, joint: int, goal: np.ndarray) -> float | None:
    """Its delay in ms; None where it did not move."""
    held = drive.position
    still = float(np.median([drive.tick(held)[0].state[joint] for _ in range(3)]))
    told_ns: int | None = None
    while True:
        seen, written_ns = drive.tick(goal)
        if told_ns is None and drive.position[joint] != held[joint]:
            told_ns = written_ns
        while True:
            if told_ns is not None and stamp_of(seen, joint) > told_ns:
                if abs(float(seen.state[joint]) - still) > MOVED:
                    return (stamp_of(seen, joint) - told_ns) / 1e6
                if stamp_of(seen, joint) - told_ns > GIVE_UP_NS:
                    return None
            if not drive.time_left():
                break
            seen = drive.robot.get_observation()
