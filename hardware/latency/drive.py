"""A robot driven by a measurement: armed gently, moved through the safety filter, parked whatever happens."""

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.robot import Observation, Robot, Torque
from hardware.safety.filter import SafetyFilter

Vector = NDArray[np.float64]
LOWEST_TORQUE, RAMP_S = 0.2, 1.0  # as the control loop arms
PARK_RATE = 0.5  # rad/s or m/s
SETTLE_S = 0.5
NEAR = 0.15  # rad or m: sag and friction leave less


class Powered(Robot, Torque, Protocol):
    """A robot whose torque can be switched."""


class Drive:
    """One control period at a time, in the caller's thread. Use it as a context: it parks at the end."""

    def __init__(self, robot: Powered) -> None:
        """`robot` is connected, its torque off."""
        self.robot = robot
        self.spec = robot.spec
        self._safety = SafetyFilter(robot.spec)
        self._due_s = time.monotonic()

    def __enter__(self) -> "Drive":
        """Arm: hold the present position, with a torque that comes up within a second."""
        state = self.robot.get_observation().state.astype(np.float64)
        inside = np.clip(state, self.spec.joint_array("lower"), self.spec.joint_array("upper"))
        self._safety.reset(inside)
        self.robot.set_torque_limit(LOWEST_TORQUE)
        self.robot.torque_on()
        self._due_s = begin = time.monotonic()
        try:
            while (share := (time.monotonic() - begin) / RAMP_S) < 1.0:
                self.robot.set_torque_limit(LOWEST_TORQUE + (1.0 - LOWEST_TORQUE) * share)
                self.tick(inside)
            self.robot.set_torque_limit(1.0)
        except BaseException:  # interrupted, too
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Slowly to the rest pose, then torque off; an arm that does not get there holds, and it is said."""
        rest = self.spec.joint_array("rest")
        self.go(rest)
        self.hold(SETTLE_S)
        off = np.abs(self.robot.get_observation().state - rest)
        if off.max() > NEAR:
            worst = int(np.argmax(off))
            raise HardwareError(
                f"not parked: joint {self.spec.joint_names[worst]!r} is {off[worst]:.2f} from its rest pose, "
                "and the torque stays on; support the arm, then switch the servos' supply off"
            )
        self.robot.torque_off()

    @property
    def position(self) -> Vector:
        """The goal that was sent last (n_joints,)."""
        sent: Vector = self._safety.position.copy()
        return sent

    def tick(self, goal: Vector) -> tuple[Observation, int]:
        """One control period towards `goal` (n_joints,): what was seen, and when (ns) a goal was written."""
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        self._due_s = max(self._due_s + self.spec.control_dt, time.monotonic())
        seen = self.robot.get_observation()
        safe, _ = self._safety(goal, seen, self.spec.control_dt)
        written_ns = time.monotonic_ns()
        self.robot.send_action(safe.astype(np.float32))
        return seen, written_ns

    def time_left(self) -> bool:
        """Whether something else may be read before the next tick is due."""
        return self._due_s - time.monotonic() > 0.3 * self.spec.control_dt

    def hold(self, seconds: float) -> None:
        """Stay where it is."""
        goal, until = self.position, time.monotonic() + seconds
        while time.monotonic() < until:
            self.tick(goal)

    def go(self, goal: Vector) -> None:
        """To `goal` (n_joints,), slowly."""
        start = self.position
        seconds = float(np.abs(goal - start).max()) / PARK_RATE
        begin = time.monotonic()
        while (share := (time.monotonic() - begin) / max(seconds, 1e-3)) < 1.0:
            self.tick(start + share * (goal - start))
        self.tick(goal)


def stamp_of(seen: Observation, joint: int) -> int:
    """When a joint was read, in ns."""
    return seen.stamp_ns if seen.joint_stamps_ns is None else int(seen.joint_stamps_ns[joint])


def room_around(drive: Drive, joint: int, reach: float) -> float:
    """A place for the joint from which it can move by `reach` either way; `HardwareError` where none is."""
    limits = drive.spec.joints[joint]
    low, high = limits.lower + reach, limits.upper - reach
    if low > high:
        raise HardwareError(
            f"joint {limits.name!r}: cannot move by {reach:.2f} rad either way within its limits"
        )
    return float(np.clip(drive.position[joint], low, high))


def stamp_s(stamp_ns: int) -> float:
    return stamp_ns / NS
