"""A control loop at real time over emulated servos on a pseudo-terminal, led by a thread like a person."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from support.emulated import emulated, opened_arm

from hardware.arms.serial_arm import SerialArm
from hardware.control.clock import MonotonicClock
from hardware.control.loop import ControlLoop, Mode, TickReport
from hardware.emulator.faults import FaultEvent
from hardware.emulator.robot import EmulatedRobot
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter
from hardware.spec import RobotSpec

PATIENCE_S = 20.0  # a busy machine's
ARMING_S = 0.2


class LiveLoop:
    """The loop in a thread of its own; every report is kept."""

    def __init__(self, robot: EmulatedRobot, arm: SerialArm, safety: SafetyFilter) -> None:
        self.robot = robot
        self.arm = arm
        self.reports: list[TickReport] = []
        self.loop = ControlLoop(
            arm, MonotonicClock(), safety, arming_s=ARMING_S, observers=[self.reports.append]
        )
        self.names = arm.spec.joint_names
        self.goal: np.ndarray | None = None  # where a person leads the arm
        self.raised: Exception | None = None
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._run, self._lead)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            loop = self.loop
            state = f"{loop.mode.value}, {loop.source.value}, fault {loop.fault!r}, {loop.conditions.active}"
            assert time.monotonic() < deadline, f"waited for {what}; the arm is {state}"
            time.sleep(0.005)

    def wait_for_mode(self, mode: Mode) -> None:
        self.wait(lambda: self.loop.mode is mode, f"mode {mode.value}")

    def wait_until_began(self, condition: Condition, times: int = 1) -> None:
        counts = self.loop.conditions.counts
        self.wait(lambda: counts.get(condition.value, 0) >= times, f"condition {condition.value}")

    def wait_until_over(self, condition: Condition) -> None:
        self.wait(lambda: condition not in self.loop.conditions.active, f"the end of {condition.value}")

    def arm_it(self) -> None:
        self.loop.arm()
        self.wait_for_mode(Mode.ARMED)

    def befall(self, kind: str, **details: float) -> None:
        self.robot.call(lambda: self.robot.befall(FaultEvent(kind, **details)))

    @property
    def state(self) -> np.ndarray:
        return np.array(self.reports[-1].observation.state, dtype=np.float64)

    def torque(self) -> list[int]:
        return [servo.memory["torque_enable"] for line in self.robot.lines.values() for servo in line.servos]

    def _run(self) -> None:
        try:
            self.loop.run(self.ended)
        except Exception as error:
            self.raised = error

    def _lead(self) -> None:
        while not self.ended.is_set():
            if self.goal is not None:
                self.loop.offer_teleop(self.names, self.goal)
            time.sleep(0.02)


@contextmanager
def live_loop(
    spec: RobotSpec, folder: Path, make_filter: Callable[[RobotSpec], SafetyFilter] = SafetyFilter
) -> Iterator[LiveLoop]:
    """An emulated arm in the middle of its range, disarmed, its loop running."""
    with emulated(spec, folder) as robot, opened_arm(robot, guarded=False) as arm:
        middle = 0.5 * (spec.joint_array("lower") + spec.joint_array("upper"))
        robot.call(lambda: robot.plant.place(middle))
        arm.connect()
        live = LiveLoop(robot, arm, make_filter(spec))
        try:
            live.wait(lambda: len(live.reports) > 5, "the loop")
            yield live
        finally:
            live.close()
