"""The only way to `send_action`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation
from hardware.spec import RobotSpec

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class SafetyReport:
    """What the filter did in a tick; `altered` (..., n_joints) where the goal was changed."""

    altered: NDArray[np.bool_]
    reasons: tuple[str, ...] = ()


class SafetyFilter:
    """PLACEHOLDER being written: position and velocity clamp only."""

    def __init__(self, spec: RobotSpec) -> None:
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._velocity_limit = spec.joint_array("velocity")
        self.position: Vector = spec.joint_array("rest")
        self.velocity: Vector = np.zeros_like(self.position)

    def reset(self, position: Vector) -> None:
        """At rest at `position` (..., n_joints)."""
        self.position, self.velocity = position.copy(), np.zeros_like(position)

    def __call__(
        self, goal: Vector | None, observation: Observation, dt: float
    ) -> tuple[Vector, SafetyReport]:
        """The goal that is safe to send now (..., n_joints); None: decelerate and hold."""
        wanted = self.position if goal is None else np.clip(goal, self._lower, self._upper)
        step = np.clip(wanted - self.position, -self._velocity_limit * dt, self._velocity_limit * dt)
        self.velocity = step / dt
        self.position = self.position + step
        return self.position, SafetyReport(np.abs(self.position - wanted) > 1e-9)
