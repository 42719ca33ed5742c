"""How late a camera's pictures are against their own stamps, seen in the pictures themselves.

When the joints move, the picture changes; the shift of the joints' history that explains the
changes best is the delay between what the picture shows and the time it claims. It finds a latency
that nobody declared, which no comparison of stamps or arrivals can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from policies.data.resample import Series, Stamps, sample

SHIFTS_MS = np.arange(-100.0, 201.0, 10.0)  # (T,) tried; a webcam is 30 to 150 ms late
MARGIN_NS = 200_000_000  # of joint history needed on either side
THUMBNAIL = 24  # px; enough to see the arm move, and blind to noise
MIN_SAMPLES = 60
MIN_EXPLAINED = 0.15  # share of variance; below it the pictures do not show the joints' motion


@dataclass(frozen=True)
class MotionLag:
    """lag_ms: positive when pictures are older than stamped; None when they do not tell.

    explained: share of the pictures' change that the joints' motion explains at that lag.
    """

    lag_ms: float | None
    explained: float
    samples: int


class MotionLagEstimator:
    """Collects pictures and joints of one camera over episodes; least squares over all of them."""

    def __init__(self, n_joints: int) -> None:
        n, t = n_joints + 1, len(SHIFTS_MS)
        self._gram = np.zeros((t, n, n))
        self._product = np.zeros((t, n))
        self._squares = self._sum = 0.0
        self._samples = 0

    def add(self, stamps: Stamps, change: NDArray[np.float64], joints: Series) -> None:
        """Pictures taken at `stamps` (M + 1,) that differ from one to the next by `change` (M,)."""
        first, last = joints.stamps[0] + MARGIN_NS, joints.stamps[-1] - MARGIN_NS
        known = (stamps[:-1] >= first) & (stamps[1:] <= last)
        change = change[known]
        if len(change) == 0:
            return
        for i, shift in enumerate(SHIFTS_MS):
            moved = np.abs(np.diff(sample(joints, stamps - int(shift * 1e6)), axis=0))[known]
            design = np.column_stack([moved, np.ones(len(moved))])
            self._gram[i] += design.T @ design
            self._product[i] += design.T @ change
        self._squares += float(change @ change)
        self._sum += float(change.sum())
        self._samples += len(change)

    def absorb(self, other: "MotionLagEstimator") -> None:
        """Add what another one has collected of the same camera."""
        self._gram += other._gram
        self._product += other._product
        self._squares += other._squares
        self._sum += other._sum
        self._samples += other._samples

    def result(self) -> MotionLag:
        """The lag that explains most, refined by a parabola through its neighbours."""
        spread = self._squares - self._sum**2 / max(1, self._samples)
        if self._samples < MIN_SAMPLES or spread <= 0:
            return MotionLag(None, 0.0, self._samples)
        explained = np.array([self._explained(i, spread) for i in range(len(SHIFTS_MS))])
        best = int(explained.argmax())
        at_the_edge = best in (0, len(explained) - 1)
        if explained[best] < MIN_EXPLAINED or at_the_edge:
            return MotionLag(None, float(explained[best]), self._samples)
        before, peak, after = explained[best - 1 : best + 2]
        bend = before - 2 * peak + after
        offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
        step = SHIFTS_MS[1] - SHIFTS_MS[0]
        return MotionLag(float(SHIFTS_MS[best] + offset * step), float(peak), self._samples)

    def _explained(self, index: int, spread: float) -> float:
        product = self._product[index]
        weights = np.linalg.lstsq(self._gram[index], product, rcond=None)[0]
        residual = self._squares - 2 * weights @ product + weights @ self._gram[index] @ weights
        return float(1.0 - residual / spread)


def picture_change(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Mean absolute difference (M,) between neighbours of M + 1 images (H, W, 3), on thumbnails."""
    import cv2

    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) for image in images]
    return np.array([np.abs(b - a).mean() for a, b in pairwise(small)])
