"""A smooth joint path through knots, timed by the joints' speeds."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class JointPath:
    """A cubic Hermite spline through knots (K, n): at rest at both ends, continuous in velocity."""

    def __init__(self, knots: list[Vector], speed: float, min_interval: float = 0.1) -> None:
        """Between two knots the fastest joint averages `speed` rad/s, and `min_interval` s pass at least."""
        points = np.stack(knots)
        lengths = np.abs(np.diff(points, axis=0)).max(axis=1)
        intervals = np.maximum(lengths / speed, min_interval)
        intervals[[0, -1]] *= 1.0 + 0.5 / len(intervals)  # the ends speed up from and slow down to rest
        self._times = np.concatenate([[0.0], np.cumsum(intervals)])
        self._points = points
        self._slopes = np.zeros_like(points)
        rates = np.diff(points, axis=0) / intervals[:, None]
        before, after = rates[:-1], rates[1:]
        # Harmonic mean where the direction is kept, zero where it turns: no overshoot (Fritsch-Butland).
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = 2.0 * before * after / (before + after)
        self._slopes[1:-1] = np.where(before * after > 0, mean, 0.0)

    @property
    def duration(self) -> float:
        return float(self._times[-1])

    def at(self, time_s: float) -> Vector:
        """The joints (n,) at `time_s`, held at the ends."""
        t = float(np.clip(time_s, 0.0, self.duration))
        i = min(int(np.searchsorted(self._times, t, side="right")) - 1, len(self._times) - 2)
        width = self._times[i + 1] - self._times[i]
        u = (t - self._times[i]) / width
        h00, h10 = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2
        h01, h11 = u * u * (3 - 2 * u), u * u * (u - 1)
        joints: Vector = (
            h00 * self._points[i]
            + h10 * width * self._slopes[i]
            + h01 * self._points[i + 1]
            + h11 * width * self._slopes[i + 1]
        )
        return joints
