"""Whoever takes the lead does so slowly: the arm goes to where they are before it follows them."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (n_joints,)

SPEED = 0.5  # rad/s or m/s, as when parking: slow enough to step back from
SPEED_UP = 1.0  # rad/s^2: whoever moves on meanwhile is caught up with all the same
CAUGHT_UP = 0.1  # rad or m from what was sent to where the source wants the arm: an action step at 2 rad/s


class SoftStart:
    """From a change of source until the goals of the new one are reached, no joint is hurried."""

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._speed: float | None = None

    @property
    def active(self) -> bool:
        return self._speed is not None

    def begin(self) -> None:
        """Somebody else leads from now on."""
        self._speed = SPEED

    def ease(self, goal: Vector, target: Vector, sent: Vector) -> Vector:
        """The goal of this tick, on the way to `target`, coming from `sent`; (n_joints,) each."""
        if self._speed is None:
            return goal
        if np.abs(target - sent).max() <= CAUGHT_UP:
            self._speed = None
            return goal
        way, stride = goal - sent, self._speed * self._dt
        self._speed += SPEED_UP * self._dt
        return sent + way * min(1.0, stride / max(stride, float(np.abs(way).max())))
