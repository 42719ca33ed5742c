"""How to stop: the quickest three-phase braking of a joint, in closed form, on whole ticks.

Units here are ticks: velocity is what a position changes by in a tick, acceleration what a
velocity changes by, jerk what an acceleration changes by. All arrays are (...,), one joint an
element, and

    A' = A + J    V' = V + A'    p' = p + V'

    A ^   n1      n2       n3            n1 ticks: ramp from A to the peak
      | A                                n2 ticks: hold the peak
      0 --\\--------------/----> t        n3 ticks: ramp to 0, where V = 0 too
      |    \\____________/  peak

Such sums equal those of the continuous profile with V - A/2 for V. So the continuous solution,
rounded up to whole ticks, gives the durations; the peak that ends exactly at V = 0 follows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

SLACK = 1e-9  # plans keep this relative distance from the limits, for rounding
TINY = 1e-300  # in place of a zero divisor whose quotient is not used

# Where rounding up breaks a limit (a few states in a hundred), other durations keep it: ticks
# added to n1, n2 and n3. Found by search over 1.6 million states and eight sets of limits.
OTHER_DURATIONS = ((4.0, 0.0, 3.0), (0.0, -1.0, 0.0), (0.0, -2.0, 0.0))


class StopPlan(NamedTuple):
    """`ramp` is the jerk of the first phase, `peak` the acceleration held, n1..n3 whole ticks."""

    ramp: Vector
    peak: Vector
    n1: Vector
    n2: Vector
    n3: Vector
    valid: Mask  # keeps the limits of acceleration and jerk

    def acceleration(self, played: Vector) -> Vector:
        """The acceleration of the tick after `played` ticks; exactly 0 once the plan has ended."""
        left = np.minimum(np.maximum(self.n1 + self.n2 + self.n3 - played - 1, 0.0), self.n3)
        first = self.n1 - played - 1
        return np.where(first > 0, self.peak - self.ramp * first, self.peak * (left / self.n3))

    def rows(self, start: int, stop: int) -> "StopPlan":
        """Some of the rows, where there are several plans an element."""
        return StopPlan._make(values[start:stop] for values in self)

    def merge(self, where: Mask, other: "StopPlan") -> "StopPlan":
        """This plan `where`, `other` elsewhere."""
        return StopPlan._make(np.where(where, mine, its) for mine, its in zip(self, other, strict=True))

    def ended(self, played: Vector) -> Mask:
        return played >= self.n1 + self.n2 + self.n3


def plan_stop(
    velocity: Vector, acceleration: Vector, max_acceleration: Vector, max_jerk: Vector, thorough: bool = False
) -> StopPlan:
    """The braking from every state; limits broadcast. `thorough` repairs all but a few in a million."""
    jerk = max_jerk * (1 - SLACK)
    shifted = velocity - 0.5 * acceleration
    # Which way to brake: what would the velocity be if the acceleration were released now?
    sign = np.where(2 * jerk * shifted + acceleration * np.abs(acceleration) > 0, -1.0, 1.0)
    need = -sign * shifted
    have = sign * acceleration
    half_square = 0.5 * have * have
    top = np.sqrt(np.maximum(jerk * need + half_square, 0.0))
    top = np.minimum(top, max_acceleration * (1 - SLACK))
    hold = (need - (top * top - half_square) / jerk) / (top + TINY)
    n1 = np.maximum(np.ceil((top - have) / jerk), 1.0)
    n2 = np.maximum(np.ceil(hold - 1e-6), 0.0)
    n3 = np.maximum(np.ceil(top / jerk), 1.0)
    peak, valid = _peak(need, have, n1, n2, n3, max_acceleration, max_jerk)
    if thorough and not valid.all():
        release = np.ceil(np.abs(have) / jerk)
        durations = [(n1 + d1, np.maximum(n2 + d2, 0.0), n3 + d3) for d1, d2, d3 in OTHER_DURATIONS]
        durations.append((release + 2.0, np.ones_like(n2), np.full_like(n3, 3.0)))
        for m1, m2, m3 in durations:
            other, good = _peak(need, have, m1, m2, m3, max_acceleration, max_jerk)
            good &= ~valid
            n1, n2, n3 = np.where(good, m1, n1), np.where(good, m2, n2), np.where(good, m3, n3)
            peak, valid = np.where(good, other, peak), valid | good
    return StopPlan(sign * (peak - have) / n1, sign * peak, n1, n2, n3, valid)


def _peak(
    need: Vector, have: Vector, n1: Vector, n2: Vector, n3: Vector, max_acceleration: Vector, max_jerk: Vector
) -> tuple[Vector, Mask]:
    """The peak that ends at V = 0 with these durations, and whether it keeps the limits."""
    peak = (2 * need - have * n1) / (n1 + 2 * n2 + n3)
    valid = np.abs(peak) <= np.minimum(max_acceleration, max_jerk * n3)
    valid &= np.abs(peak - have) <= max_jerk * n1
    return peak, valid


def end_displacement(velocity: Vector, acceleration: Vector, plan: StopPlan) -> Vector:
    """How far a plan that starts at `velocity`, `acceleration` comes to rest from where it starts."""
    n1, n2, n3 = plan.n1, plan.n2, plan.n3
    triangle = 0.5 * n1 * (n1 + 1)
    reached = velocity + acceleration * n1 + plan.ramp * triangle  # the velocity after n1
    end: Vector = (
        velocity * n1
        + acceleration * triangle
        + plan.ramp * triangle * (n1 + 2) / 3
        + reached * n2
        + plan.peak * (0.5 * n2 * (n2 + 1) + (n3 - 1) * (2 - n3) / 6)
    )
    return end


def extremes(velocity: Vector, acceleration: Vector, plan: StopPlan) -> tuple[Vector, Vector]:
    """The velocity of a plan furthest from 0 beside the first, and its displacement where it turns back.

    The velocity has its extreme where the acceleration passes 0, in the first phase or never. The
    motion turns back at most once, and before that. Where it does neither, some other velocity and
    displacement of the same plan come out, so that both may always be held against the limits.
    """
    ramp = plan.ramp + TINY
    m = np.minimum(np.maximum(np.floor(-acceleration / ramp), 0.0), plan.n1)
    extreme = velocity + acceleration * m + ramp * (0.5 * m * (m + 1))
    if not (velocity * extreme < 0).any():
        return extreme, np.zeros_like(extreme)
    slope = acceleration + 0.5 * ramp
    root = np.sqrt(np.maximum(slope * slope - 2 * ramp * velocity, 0.0))
    k = np.minimum(np.floor(2 * np.abs(velocity) / (np.abs(slope) + root + TINY)), m)
    turn = velocity * k + (0.5 * k * (k + 1)) * (acceleration + ramp * (k + 2) / 3)
    return extreme, turn
