"""What a scripted demonstrator is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.robot import ObjectPose

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class ExpertAction:
    """What a demonstrator does in an action step.

    goal: (n,) absolute joint goals, the clean label. correction: (n,) execution noise or
    disturbance that is added to it on the way to the motors; None: nothing.
    """

    goal: Vector
    correction: Vector | None = None


class Expert(Protocol):
    """Decides from joint state and object poses only: what cameras could show.

    It draws from a generator of its own, so that one task seed gives many demonstrations.
    """

    def reset(self, objects: Mapping[str, ObjectPose], state: NDArray[np.floating]) -> None:
        """A new episode begins with the arm at `state` (n,)."""

    def act(
        self, state: NDArray[np.floating], objects: Mapping[str, ObjectPose], time_s: float
    ) -> ExpertAction:
        """Called once an action step; `time_s` is robot time, and may be irregular."""

    @property
    def done(self) -> bool:
        """Nothing is left to do."""
