"""The stage that brakes when the robot's readings stand still."""

import numpy as np

from hardware.robot import Observation
from hardware.safety.stages import StageReport, Vector

MAX_AGE_PERIODS = 5  # control periods; half an action step at 100 Hz and 20 Hz is 2.5


class StalenessStage:
    """Refuses goals while the observation's stamp has not moved on for some control periods.

    A filter has no clock: it counts its own calls since the newest stamp. How old that stamp was
    when it came is for the loop to say, which has one.
    """

    def __init__(self, max_age_periods: int = MAX_AGE_PERIODS) -> None:
        self._max_age = max_age_periods
        self._newest: int | None = None
        self._age = 0

    def reset(self, position: Vector) -> None:
        """Forget the stamps seen."""
        self._newest, self._age = None, 0

    def __call__(self, action: Vector, observation: Observation, dt: float) -> tuple[Vector, StageReport]:
        if self._newest is None or observation.stamp_ns > self._newest:
            self._newest, self._age = observation.stamp_ns, 0
        else:
            self._age += 1
        stale = self._age > self._max_age
        altered = np.full(action.shape, stale and not np.isnan(action).all())
        if not stale:
            return action, StageReport(altered)
        return np.full(action.shape, np.nan), StageReport(
            altered, "stale observation" if altered.any() else ""
        )
