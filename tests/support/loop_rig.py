"""A fake arm under its control loop, ticked by hand."""

import numpy as np
from support.fake_robot import FakeRobot, without_cameras, without_fence

from hardware.control.loop import ControlLoop, Mode, TickReport
from hardware.safety.filter import SafetyFilter
from hardware.safety.limits import Limits
from hardware.spec import load_spec

SPEC = without_fence(without_cameras(load_spec("so101")))
NAMES = SPEC.joint_names
LIMITS = Limits.of(SPEC)
PERIOD_NS = 10_000_000
STEP_NS = 50_000_000
MIDDLE = 0.5 * (SPEC.joint_array("lower") + SPEC.joint_array("upper"))


class Rig:
    """A fake arm in the middle of its range, its loop, and every report so far."""

    def __init__(self, **options: object) -> None:
        self.robot = FakeRobot(SPEC)
        self.robot.state = MIDDLE.copy()
        self.robot.connect()
        self.clock = self.robot.clock
        self.loop = ControlLoop(self.robot, self.clock, SafetyFilter(SPEC), **options)  # type: ignore[arg-type]
        self.reports: list[TickReport] = []

    def tick(self, count: int = 1) -> TickReport:
        for _ in range(count):
            self.reports.append(self.loop.tick())
            self.clock.time_ns += PERIOD_NS
        return self.reports[-1]

    def to_step(self) -> TickReport:
        """Tick until the next tick is a step's first; the last report."""
        self.tick()
        while self.loop.tick_count % SPEC.ticks_per_step:
            self.tick()
        return self.reports[-1]

    def key(self) -> int:
        """The stamp of the first tick of a new step, with that tick done."""
        self.to_step()
        return self.tick().stamp_ns

    @property
    def sent(self) -> np.ndarray:
        return np.array([r.sent for r in self.reports if r.mode is not Mode.DISARMED])

    @property
    def refused(self) -> dict[str, int]:
        return self.loop.counters.refused


def armed(**options: object) -> Rig:
    rig = Rig(**options)
    rig.loop.arm()
    rig.to_step()
    assert rig.loop.mode is Mode.ARMED
    return rig


def slow_chunk(start: np.ndarray, length: int = 16, speed: float = 0.2) -> np.ndarray:
    """Points that leave `start` gently, all joints alike: (length, 6)."""
    return start + speed * 0.05 * (np.arange(length)[:, None] + 1)


GOOD = np.tile(MIDDLE, (16, 1))
