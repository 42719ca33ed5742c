"""The two slow ways to end: a move to the rest pose, and torque that fades."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.robot import Robot, Torque

Vector = NDArray[np.float64]  # (n_joints,)

PARK_SPEED = 0.5  # rad/s (m/s for a slide): slow enough to step back from
RELEASE_S = 1.0  # the torque limit is ramped to zero over this time
ARRIVED = 1e-3  # rad and rad/s, m and m/s, of what was sent
# Share of a joint's range that it may be from where it was sent: about 0.1 rad on an SO-101. Gravity and
# the lag at PARK_SPEED take up to 0.05; further off the servo is at its stall torque and does not come.
SLACK = 0.03
PATIENCE_S = 0.5  # a joint that is further off for longer is blocked; a knock is over by then


class Parking:
    """A straight move to the rest pose, its fastest joint at `PARK_SPEED`; the filter rounds its ends.

    Where the arm does not follow it is not pressed on: `blocked` says which joints, and they are
    sent back to where they are. A gripper may be off: it may hold something, and holds up no arm.
    """

    def __init__(self, robot: Robot, position: Vector) -> None:
        self.blocked = ""
        self._robot = robot
        self._spec = spec = robot.spec
        self._goal: Vector = position.copy()
        self._end = spec.joint_array("rest")
        self._fastest = np.minimum(PARK_SPEED, spec.joint_array("velocity")) * spec.control_dt
        # All joints together: from a random pose the SO-101's jaw then meets the table in 5 % of the
        # cases; with every joint as fast as it may, in 20 %.
        way = np.abs(self._end - position)
        self._stride = way / max(1.0, (way / self._fastest).max())
        slack = SLACK * (spec.joint_array("upper") - spec.joint_array("lower"))
        self._slack = np.where([joint.gripper for joint in spec.joints], np.inf, slack)
        self._followed_ns: int | None = None

    def goal(self, sent: Vector, velocity: Vector, state: Vector, now_ns: int) -> Vector | None:
        """The goal (n_joints,) of the next tick; None: it is over, the torque off unless `blocked`.

        `sent` and its `velocity` are the filter's, `state` is where the joints are; (n_joints,) each.
        """
        off = np.abs(state - sent)
        if not self.blocked:
            self._watch(off > self._slack, state, now_ns)
        stands = max(np.abs(sent - self._end).max(), np.abs(velocity).max()) < ARRIVED
        if stands and self.blocked:
            return None
        if stands and (off <= self._slack).all():
            if isinstance(self._robot, Torque):
                self._robot.torque_off()
            return None
        self._goal = self._goal + np.clip(self._end - self._goal, -self._stride, self._stride)
        return self._goal

    def _watch(self, behind: NDArray[np.bool_], state: Vector, now_ns: int) -> None:
        if self._followed_ns is None or not behind.any():
            self._followed_ns = now_ns
        if now_ns - self._followed_ns < PATIENCE_S * NS:
            return
        self.blocked = "; ".join(
            f"{self._spec.joint_names[i]} is at {state[i]:.3g}, was to go to {self._end[i]:.3g}"
            for i in np.flatnonzero(behind)
        )
        self._end = np.where(behind, state, self._goal)
        self._stride = self._fastest


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
