"""Measures of a sent sequence of positions."""

import numpy as np
from numpy.typing import NDArray

from hardware.safety.limits import Limits


def assert_within_limits(sent: NDArray[np.float64], limits: Limits, dt: float) -> None:
    """The finite differences of `sent` (T, n), which starts at rest, keep the limits of motion."""
    padded = np.concatenate([np.repeat(sent[:1], 3, axis=0), sent])
    for order, name in enumerate(("velocity", "acceleration", "jerk"), start=1):
        rate = np.abs(np.diff(padded, n=order, axis=0)) / dt**order
        # What rounding of the positions themselves may add: 4 ulp of the largest, by the differences.
        rounding = 4 * np.spacing(np.abs(padded).max()) * 2**order / dt**order
        assert (rate <= getattr(limits, name) * (1 + 1e-9) + rounding).all(), name


def assert_inside_or_inward(sent: NDArray[np.float64], limits: Limits) -> None:
    """Inside the position limits; from outside them only towards them."""
    for beyond in (np.maximum(sent - limits.upper, 0.0), np.maximum(limits.lower - sent, 0.0)):
        assert (np.diff(beyond, axis=0) <= 0).all()
        assert (beyond <= beyond[0]).all()


def shortest_ticks(distance: float, velocity: float, acceleration: float, jerk: float, dt: float) -> float:
    """Ticks that a rest-to-rest move takes at best, in continuous time (textbook S-curve)."""
    distance, ramp = abs(distance), acceleration / jerk
    top = (-acceleration * ramp + np.sqrt((acceleration * ramp) ** 2 + 4 * acceleration * distance)) / 2
    if top < acceleration * ramp:  # full acceleration is never reached
        quarter = (distance / (2 * jerk)) ** (1 / 3)
        top, duration = jerk * quarter**2, 4 * quarter
    else:
        duration = 2 * (top / acceleration + ramp)
    if top > velocity:
        rise = (
            velocity / acceleration + ramp if velocity / acceleration > ramp else 2 * np.sqrt(velocity / jerk)
        )
        duration = distance / velocity + rise
    return float(duration / dt)
