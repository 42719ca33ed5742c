"""Percentiles of the last few hundred samples, for diagnostics."""

from collections import deque

import numpy as np


class Samples:
    """The last `keep` values of something that is measured again and again."""

    def __init__(self, keep: int = 200) -> None:
        self._recent: deque[float] = deque(maxlen=keep)

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, value: float) -> None:
        self._recent.append(value)

    def percentile(self, q: float) -> float:
        """The q-th percentile (0..100); nan before the first value."""
        values = tuple(self._recent)
        return float(np.percentile(values, q)) if values else float("nan")
