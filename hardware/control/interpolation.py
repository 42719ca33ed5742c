"""From action points to control ticks: a cubic Hermite segment a step, continuous in velocity.

Causal: a segment ends with its own mean velocity, so the step-by-step environment and the
chunked run send the same goals. For constant acceleration a the deviation from the true
parabola is at most 0.05 a action_dt^2 (1.2 mrad at 10 rad/s^2 and 20 Hz).
"""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (A,)


class PointInterpolator:
    """Plays one action point a step as `ticks_per_step` goals; the last one is the point itself."""

    def __init__(self, ticks_per_step: int, action_dt: float, velocity_limit: Vector) -> None:
        self._ticks = ticks_per_step
        self._dt = action_dt
        self._limit = velocity_limit
        self._p0 = self._v0 = self._p1 = self._v1 = np.zeros_like(velocity_limit)

    def restart(self, position: Vector, velocity: Vector) -> None:
        """Begin the next segment at the sent `position` and `velocity` (A,)."""
        self._p1, self._v1 = position.copy(), velocity.copy()

    def begin(self, point: Vector) -> None:
        """Start the segment that ends at `point` (A,) after one step."""
        self._p0, self._v0 = self._p1, self._v1
        self._p1 = point
        self._v1 = np.clip((point - self._p0) / self._dt, -self._limit, self._limit)

    def goal(self, phase: int) -> Vector:
        """The goal (A,) of tick `phase` (0 .. ticks_per_step - 1) of the running segment."""
        u = (phase + 1) / self._ticks
        if u == 1.0:
            return self._p1
        h00, h10 = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2
        h01, h11 = u * u * (3 - 2 * u), u * u * (u - 1)
        slope0, slope1 = self._dt * self._v0, self._dt * self._v1
        goal: Vector = h00 * self._p0 + h10 * slope0 + h01 * self._p1 + h11 * slope1
        return goal


class CommandRamp:
    """Spreads a person's goals over the ticks until the next one is expected, in straight lines.

    A leader arm that sends at control_hz is followed without delay; a keyboard or a scripted
    demonstrator that sends at action_hz moves the arm evenly, not in jerks of one step.
    """

    def __init__(self, ticks_per_step: int) -> None:
        self._longest = ticks_per_step
        self._last_tick: int | None = None
        self._start = self._goal = np.zeros(0)
        self._ticks = self._played = 0

    @property
    def is_of_a_device(self) -> bool:
        """Whether goals come about every tick: somebody's hand, not a script that sends one a step."""
        return self._ticks * 2 < self._longest

    def restart(self, position: Vector) -> None:
        """The next goal is the first one; the ramp begins at `position` (A,)."""
        self._last_tick = None
        self._start = self._goal = position.copy()
        self._ticks = self._played = 0

    def aim(self, goal: Vector, tick: int) -> None:
        """A new goal (A,) came before `tick`."""
        gap = self._longest if self._last_tick is None else tick - self._last_tick
        # Messages jitter by a tick or two: above half a step the sender is taken to send at action_hz.
        self._start = self._value()
        self._ticks = gap if 0 < 2 * gap < self._longest else self._longest
        self._goal, self._played, self._last_tick = goal, 0, tick

    def next(self) -> Vector:
        """The goal (A,) of one more tick."""
        self._played = min(self._played + 1, self._ticks)
        return self._value()

    def _value(self) -> Vector:
        share = self._played / self._ticks if self._ticks else 1.0
        value: Vector = self._start + share * (self._goal - self._start)
        return value


class CommandSmoother:
    """Two moving averages in a row over a device's samples, one a tick.

    An encoder's steps are impulses of velocity, and so is a hand's jolt; an arm that followed them would be
    at its limits of acceleration and jerk half of the time (the limiter altered 41 % of the ticks of a real
    SO-101's log with averages of 4 and 2 ticks, 1 % with these). What is followed is `DELAY` ticks old.
    """

    LENGTHS = (8, 4)  # ticks
    DELAY = 5.0  # half of each length less one, together

    def __init__(self) -> None:
        self._samples: list[list[Vector]] = [[] for _ in self.LENGTHS]

    def restart(self, position: Vector) -> None:
        """At rest at `position` (A,)."""
        self._samples = [[position] * length for length in self.LENGTHS]

    def next(self, goal: Vector) -> Vector:
        """The goal (A,) of this tick, of which the device's is `goal`."""
        for samples in self._samples:
            samples.pop(0)
            samples.append(goal)
            goal = sum(samples[1:], samples[0]) / len(samples)
        return goal
