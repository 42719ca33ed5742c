"""The only way to `send_action`: ordered stages between any goal and the motors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation
from hardware.safety.clearance import clearance_of
from hardware.safety.fence import Fence
from hardware.safety.finite import FiniteStage
from hardware.safety.limiter import Limiter
from hardware.safety.limits import Limits
from hardware.safety.stages import Stage
from hardware.safety.staleness import StalenessStage
from hardware.spec import RobotSpec

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class SafetyReport:
    """What the filter did in a tick; `altered` (..., n_joints) where the goal was changed."""

    altered: NDArray[np.bool_]
    reasons: tuple[str, ...] = ()


class SafetyFilter:
    """Finite, then fresh, then `stages`, then the limiter, inside a fence where the spec asks for one.

    Vectorised: `reset` says the shape (..., n_joints), and every row is an arm of its own. What
    comes out keeps position, velocity, acceleration and jerk limits in its finite differences,
    whatever goes in. `counters` says how often each reason was given.
    """

    def __init__(self, spec: RobotSpec, stages: Sequence[Stage] = ()) -> None:
        """`HardwareError` where the spec has a workspace or margin, and its robot no URDF."""
        self.limiter = Limiter(Limits.of(spec), spec.control_dt)
        clearance = clearance_of(spec)
        last: Stage = Fence(self.limiter, clearance) if clearance else self.limiter
        self.stages: list[Stage] = [FiniteStage(), StalenessStage(), *stages, last]
        self.counters: dict[str, int] = {}
        self.reset(spec.joint_array("rest"))

    @property
    def position(self) -> Vector:
        """The last position sent (..., n_joints)."""
        return self.limiter.position

    @property
    def velocity(self) -> Vector:
        """Its rate (..., n_joints) per s."""
        return self.limiter.velocity

    def reset(self, position: Vector) -> None:
        """At rest at `position` (..., n_joints), which must be finite."""
        if not np.isfinite(position).all():
            raise ValueError(f"safety filter: expected a finite position, got {position}")
        self._shape = position.shape
        for stage in self.stages:
            stage.reset(position)

    def set_limits(self, limits: Limits) -> None:
        """Change the limits while moving; see `Limiter.set_limits`."""
        self.limiter.set_limits(limits)

    def __call__(
        self, goal: Vector | None, observation: Observation, dt: float
    ) -> tuple[Vector, SafetyReport]:
        """The goal that is safe to send now (..., n_joints); None or NaN: decelerate and hold."""
        reasons: list[str] = []
        action = np.full(self._shape, np.nan) if goal is None else np.asarray(goal, dtype=np.float64)
        if action.shape != self._shape:
            reasons.append("wrong shape")
            action = np.full(self._shape, np.nan)
        altered = np.zeros(self._shape, dtype=np.bool_)
        for stage in self.stages:
            action, report = stage(action, observation, dt)
            altered = altered | report.altered
            if report.reason:
                reasons.append(report.reason)
        for reason in reasons:
            self.counters[reason] = self.counters.get(reason, 0) + 1
        return action, SafetyReport(altered, tuple(reasons))
