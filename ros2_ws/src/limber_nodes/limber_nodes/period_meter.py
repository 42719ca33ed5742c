"""How regular the control loop is, in wall time."""

import time
from collections import deque

import numpy as np

KEEP = 1000  # periods the percentiles are taken over: ten seconds at 100 Hz


class PeriodMeter:
    """Call `tick` once a period from the loop's thread; read `figures` from any."""

    def __init__(self, period_s: float) -> None:
        """`period_s`: the wall time from one tick to the next as it should be; 0: as fast as it goes."""
        self._period = period_s
        self._last: float | None = None
        self._periods: deque[float] = deque(maxlen=KEEP)
        self._begin = time.monotonic()
        self.ticks = 0

    def tick(self) -> None:
        now = time.monotonic()
        if self._last is not None:
            self._periods.append(now - self._last)
        self._last = now
        self.ticks += 1

    def figures(self) -> dict[str, float]:
        """Percentiles of |period - what it should be| in ms, and the mean rate in Hz."""
        periods = np.array(tuple(self._periods))
        if len(periods) < 2:
            return {}
        values = {"rate_hz": float(1.0 / periods.mean())}
        if self._period > 0:
            error = np.abs(periods - self._period) * 1e3
            values |= {f"period_error_p{q}_ms": float(np.percentile(error, q)) for q in (50, 99)}
            values["period_error_max_ms"] = float(error.max())
        return values
