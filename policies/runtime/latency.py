"""Percentiles of the last few hundred samples, for diagnostics."""

from collections import deque

import numpy as np


class Samples:
    """The last `keep` samples for percentiles, and those not yet reported for the record."""

    def __init__(self, keep: int = 200) -> None:
        self._recent: deque[float] = deque(maxlen=keep)
        self._unreported: list[float] = []

    def add(self, value: float) -> None:
        self._recent.append(value)
        self._unreported.append(value)

    def percentile(self, q: float) -> float:
        """The q-th percentile (0..100) of the recent samples; nan before the first."""
        return float(np.percentile(self._recent, q)) if self._recent else float("nan")

    def take(self) -> list[float]:
        """The samples since the last call, each handed out once."""
        taken, self._unreported = self._unreported, []
        return taken
