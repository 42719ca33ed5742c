"""By how much do a camera's stamps come after what its pictures show?

A joint moves to and fro while the camera looks. Two pictures in a row differ the more, the further the
joint went between their exposures. So the differences of the pictures, one each, are compared with how
far the joint went between the same two stamps, all moved back by a supposed latency; the latency at
which the two series go together best is the camera's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError

Array = NDArray[np.float64]
LEAST_S, MOST_S = -0.05, 0.5
COARSE_S, FINE_S = 0.004, 0.0005
LEAST_CORRELATION = 0.6  # 20 pictures of noise reach 0.5; a joint in the picture 0.9
LEAST_PICTURES = 30
PARTS = 4  # each measured by itself: their spread says how sure the figure is


class MeasurementError(HardwareError):
    """A measurement from which nothing can be told."""


@dataclass(frozen=True)
class CameraLatency:
    """In ms. `spread_ms`: standard deviation between the parts of the measurement."""

    latency_ms: float
    spread_ms: float
    correlation: float
    pictures: int


def camera_latency(name: str, stamps: Array, motion: Array, times: Array, angles: Array) -> CameraLatency:
    """stamps (n,) s of pictures; motion (n - 1,) their differences; angles (m,) of a joint at times (m,) s.

    `MeasurementError` where the pictures do not show the joint's motion.
    """
    inside = (stamps > times[0] + MOST_S) & (stamps < times[-1] + LEAST_S)
    pairs = np.flatnonzero(inside[:-1] & inside[1:])
    if len(pairs) < LEAST_PICTURES:
        raise MeasurementError(
            f"camera {name!r}: expected at least {LEAST_PICTURES} pictures while the joint moved, got "
            f"{len(pairs)}; measure for longer"
        )
    best, correlation = _best(pairs, stamps, motion, times, angles)
    at_an_end = not LEAST_S + COARSE_S < best < MOST_S - COARSE_S
    if correlation < LEAST_CORRELATION or at_an_end:
        raise MeasurementError(
            f"camera {name!r}: its pictures do not follow the joint (correlation {correlation:.2f} at "
            f"{1e3 * best:.0f} ms); point it at the arm, give it light, or choose with --joint what it sees"
        )
    parts = [_best(part, stamps, motion, times, angles)[0] for part in np.array_split(pairs, PARTS)]
    return CameraLatency(1e3 * best, 1e3 * float(np.std(parts)), correlation, len(pairs))


def _best(
    pairs: NDArray[np.intp], stamps: Array, motion: Array, times: Array, angles: Array
) -> tuple[float, float]:
    """(latency in s, correlation) of the pictures `pairs` and their successors."""
    low, high, step = LEAST_S, MOST_S, COARSE_S
    best = 0.0, -1.0
    for _ in range(2):
        tried = np.arange(low, high + step, step)
        found = [_correlation(late, pairs, stamps, motion, times, angles) for late in tried]
        top = int(np.argmax(found))
        best = float(tried[top]), float(found[top])
        low, high, step = best[0] - COARSE_S, best[0] + COARSE_S, FINE_S
    return best


def _correlation(
    late: float, pairs: NDArray[np.intp], stamps: Array, motion: Array, times: Array, angles: Array
) -> float:
    at = np.interp(stamps - late, times, angles)
    went = np.abs(np.diff(at))[pairs]
    if went.std() == 0.0 or motion[pairs].std() == 0.0:
        return -1.0
    return float(np.corrcoef(went, motion[pairs])[0, 1])
