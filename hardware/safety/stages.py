"""What a stage of the SafetyFilter is: anything with these two methods, in a list."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation

Vector = NDArray[np.float64]  # (..., n_joints)
Mask = NDArray[np.bool_]  # (..., n_joints)


@dataclass(frozen=True)
class StageReport:
    """Where a stage changed the action, and why in a few words (empty: it changed nothing)."""

    altered: Mask
    reason: str = ""


class Stage(Protocol):
    """One check between a goal and the motors.

    A NaN in the action means "no goal for this joint: brake and hold"; a stage that refuses a goal
    sets NaN. The limiter, last but for barrier stages that keep its limits, leaves none.
    """

    def reset(self, position: Vector) -> None:
        """At rest at `position` (..., n_joints)."""

    def __call__(self, action: Vector, observation: Observation, dt: float) -> tuple[Vector, StageReport]:
        """The action (..., n_joints) to hand on, a new array where it differs."""
