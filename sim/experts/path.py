"""A smooth joint path through knots, timed by the joints' speeds and accelerations."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

STRETCHES = 40  # rounds of slowing down; each interval gains at most a fifth in one


class JointPath:
    """A cubic Hermite spline through knots (K, n): at rest at both ends, continuous in velocity."""

    def __init__(
        self, knots: list[Vector], speed: float, acceleration: float = np.inf, min_interval: float = 0.05
    ) -> None:
        """Between two knots the fastest joint averages `speed` rad/s, and `min_interval` s pass at least.

        Intervals in which a joint would exceed `acceleration`, in rad/s^2, take longer.
        """
        self._points = np.stack(knots)
        lengths = np.abs(np.diff(self._points, axis=0)).max(axis=1)
        intervals = np.maximum(lengths / speed, min_interval)
        for _ in range(STRETCHES):
            self._slopes = self._choose_slopes(intervals)
            excess = self._peak_accelerations(intervals) / acceleration
            if excess.max() <= 1.0:
                break
            intervals = intervals * np.clip(np.sqrt(excess), 1.0, 1.2)
        self._times = np.concatenate([[0.0], np.cumsum(intervals)])

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

    def _choose_slopes(self, intervals: Vector) -> Vector:
        """(K, n): the harmonic mean where the direction is kept, else 0: no overshoot (Fritsch-Butland)."""
        slopes = np.zeros_like(self._points)
        rates = np.diff(self._points, axis=0) / intervals[:, None]
        before, after = rates[:-1], rates[1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = 2.0 * before * after / (before + after)
        slopes[1:-1] = np.where(before * after > 0, mean, 0.0)
        return slopes

    def _peak_accelerations(self, intervals: Vector) -> Vector:
        """(K - 1,) of any joint; within an interval it changes linearly, so the ends tell."""
        width = intervals[:, None]
        rates = np.diff(self._points, axis=0) / width
        v0, v1 = self._slopes[:-1], self._slopes[1:]
        at_start, at_end = (6 * rates - 4 * v0 - 2 * v1) / width, (2 * v0 + 4 * v1 - 6 * rates) / width
        peaks: Vector = np.maximum(np.abs(at_start), np.abs(at_end)).max(axis=1)
        return peaks
