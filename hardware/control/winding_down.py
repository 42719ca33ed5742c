"""The two slow ways to end: a move to the rest pose, and torque that fades."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.robot import Robot, Torque
from hardware.spec import RobotSpec

Vector = NDArray[np.float64]  # (n_joints,)

PARK_SPEED = 0.5  # rad/s (m/s for a slide): slow enough to step back from
RELEASE_S = 1.0  # the torque limit is ramped to zero over this time
ARRIVED = 1e-3  # rad and rad/s, m and m/s


class Parking:
    """A straight move of every joint to the rest pose at `PARK_SPEED`; the filter rounds its ends."""

    def __init__(self, spec: RobotSpec, position: Vector) -> None:
        self._rest = spec.joint_array("rest")
        self._goal: Vector = position.copy()
        speed = np.minimum(PARK_SPEED, spec.joint_array("velocity"))
        self._stride = speed * spec.control_dt

    def goal(self) -> Vector:
        """The goal (n_joints,) of the next tick."""
        self._goal = self._goal + np.clip(self._rest - self._goal, -self._stride, self._stride)
        return self._goal

    def arrived(self, position: Vector, velocity: Vector) -> bool:
        """Whether the arm was sent all the way and stands there."""
        return bool(max(np.abs(position - self._rest).max(), np.abs(velocity).max()) < ARRIVED)


class Releasing:
    """The torque limit on its way from full to nothing."""

    def __init__(self, robot: Robot, now_ns: int) -> None:
        self._robot = robot
        self._until_ns = now_ns + int(RELEASE_S * NS)

    def step(self, now_ns: int) -> bool:
        """Lower the limit; returns True when the torque is off."""
        left = max(0, self._until_ns - now_ns) / (RELEASE_S * NS)
        if isinstance(self._robot, Torque):
            self._robot.set_torque_limit(left)
            if left == 0.0:
                self._robot.torque_off()
        return left == 0.0
