"""The first stage: a goal or an observation that is not finite is no goal."""

import numpy as np

from hardware.robot import Observation
from hardware.safety.stages import StageReport, Vector


class FiniteStage:
    """Refuses the whole goal of an arm if any joint of it, or of what was observed, is not finite.

    `braking` (NaN in every joint) passes unremarked: it is how "no goal" is said.
    """

    def reset(self, position: Vector) -> None:
        """Nothing is kept."""

    def __call__(self, action: Vector, observation: Observation, dt: float) -> tuple[Vector, StageReport]:
        finite = np.isfinite(action)
        seen = np.isfinite(observation.state)
        if finite.all() and seen.all():
            return action, StageReport(np.zeros(action.shape, dtype=np.bool_))
        bad = ~(finite.all(axis=-1, keepdims=True) & seen.all(axis=-1, keepdims=True))
        refused = bad & ~np.isnan(action).all(axis=-1, keepdims=True)
        altered = np.broadcast_to(refused, action.shape)
        reason = "not finite" if refused.any() else ""
        return np.where(bad, np.nan, action), StageReport(altered, reason)
