"""The limiter: position, velocity, acceleration and jerk limits that always leave room to brake.

Each tick a joint's state (p, V, A) moves by a jerk (see stop_plan.py for the units). A next
state is taken only if a stop plan from it keeps every limit; where none is, the joint plays the
next tick of the plan of the state before. So, by induction, the finite differences of what is
sent keep the limits whatever comes in, and the joint can always come to rest inside them.

A goal that can be sent as it is, is sent as it is. Otherwise the jerk is chosen whose stop plan
comes to rest on the goal, in the frame that moves with the (smoothed) reference: nearly the
time-optimal approach, without overshoot.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation
from hardware.safety.limits import Limits, TickLimits
from hardware.safety.stages import Mask, StageReport, Vector
from hardware.safety.stop_plan import StopPlan, end_displacement, extremes, plan_stop

ROUNDING = 1e-10  # relative; a reference exactly at a limit differs from it by rounding
ULP = 2e-15  # rad or m; what adding up a plan's positions may be off by
GRID = 9  # candidate jerks an approach looks at; 17 gain nothing (2,000 random moves)
BLOCK = 512  # elements looked at together, so that the candidates stay in the cache
SHARE = 0.2  # of each tick in that velocity: what jitters faster than an action step is not chased
STILL = 0.1  # of the jerk limit (per tick): a reference slower than this stands still
OVERSHOOT_COST = 4.0  # a rest beyond the goal by x is as bad as one short of it by 4 x
Index = NDArray[np.intp]

ALTERED = 1e-9  # rad or m; less than this is not called altered


class Limiter:
    """The stage that keeps the limits; vectorised, the state of every element is independent."""

    def __init__(self, limits: Limits, dt: float) -> None:
        self._dt = dt
        self._wanted = limits
        self._pending: TickLimits | None = None  # limits not yet in force everywhere
        self._fractions = np.linspace(0.0, 1.0, GRID)[:, None]
        self.reset(0.5 * (limits.lower + limits.upper))

    @property
    def position(self) -> Vector:
        """The last position sent (..., n_joints)."""
        return self._p.reshape(self._shape)

    @property
    def velocity(self) -> Vector:
        """Its rate per second (..., n_joints)."""
        return (self._v / self._dt).reshape(self._shape)

    def set_limits(self, limits: Limits) -> None:
        """Change the limits while moving.

        From the next tick on each joint takes the new limits as soon as it can stop within them;
        until then it brakes on the plan it has, within the old ones. A joint left outside the new
        position limits moves only inward.
        """
        self._wanted = limits
        self._pending = limits.in_ticks(self._shape, self._dt)

    def reset(self, position: Vector) -> None:
        """At rest at `position` (..., n_joints); the limits last set are in force at once."""
        self._shape = position.shape
        self._p = np.array(position, dtype=np.float64).ravel()
        self._v = np.zeros_like(self._p)
        self._a = np.zeros_like(self._p)
        self._limits = self._wanted.in_ticks(self._shape, self._dt)
        self._pending = None
        self._goal = self._before = self._p
        self._drift = np.zeros_like(self._p)  # the reference's velocity, smoothed
        self._plan = plan_stop(self._v, self._a, self._limits.acceleration, self._limits.jerk)
        self._played = np.zeros_like(self._p)  # 0: the plan of the present state is not made yet
        self._rest = np.full_like(self._p, np.nan)  # where that plan ends, where known

    def memory(self) -> dict[str, Any]:
        """All that the next tick depends on, to be given to `restore` as often as one likes."""
        return {**vars(self), "_rest": self._rest.copy(), "_played": self._played.copy()}

    def restore(self, memory: dict[str, Any]) -> None:
        """As it was when `memory` was asked for."""
        vars(self).update(memory, _rest=memory["_rest"].copy(), _played=memory["_played"].copy())

    def stop_path(self) -> Vector:
        """Where it would pass (K, ..., n_joints) if it braked from now on, the present position first."""
        fresh = plan_stop(self._v, self._a, self._limits.acceleration, self._limits.jerk, thorough=True)
        plan = fresh.merge(self._played == 0.0, self._plan)
        ticks = int(np.max(plan.n1 + plan.n2 + plan.n3 - self._played, initial=0.0))
        played = self._played + np.arange(max(ticks, 0))[:, None]  # (K, m)
        velocity = self._v + np.cumsum(plan.acceleration(played), axis=0)
        velocity = np.where(plan.ended(played + 1.0), 0.0, velocity)
        path = np.concatenate((self._p[None], self._p + np.cumsum(velocity, axis=0)))
        return path.reshape(-1, *self._shape)

    def stop_bound(self) -> Vector:
        """How far (..., n_joints) each joint can still travel until it stands, at most.

        The acceleration it has lasts |a| / J more and adds a^2 / 2J to the speed; a stop from speed v then
        takes no longer than v / A + A / J (the mean of sqrt(v / J) and its like), here and in whole ticks.
        """
        limits = self._limits
        fading = np.abs(self._a) / limits.jerk + 1.0
        speed = np.abs(self._v) + fading * np.abs(self._a)
        ticks = fading + speed / limits.acceleration + limits.acceleration / limits.jerk + 4.0
        bound: Vector = (speed * ticks).reshape(self._shape)
        return bound

    def __call__(self, action: Vector, observation: Observation, dt: float) -> tuple[Vector, StageReport]:
        if abs(dt - self._dt) > 1e-9:
            raise ValueError(f"limiter: made for a period of {self._dt:g} s, got {dt:g} s")
        if action.shape != self._shape:
            raise ValueError(f"limiter: expected shape {self._shape} as reset with, got {action.shape}")
        asked = action.ravel()
        braking = np.isnan(asked)
        if self._pending is not None:
            braking = braking | ~self._take_limits(self._pending)
        goal = np.where(
            braking, np.nan, np.minimum(np.maximum(asked, self._limits.lower), self._limits.upper)
        )
        self._advance(goal, braking)
        altered = ~(np.abs(self._p - asked) <= ALTERED)
        reason = "limited" if altered.any() else ""
        return self.position.copy(), StageReport(altered.reshape(self._shape), reason)

    def _take_limits(self, wanted: TickLimits) -> Mask:
        """Put `wanted` in force where a stop within it exists; where it is in force."""
        plan = plan_stop(self._v, self._a, wanted.acceleration, wanted.jerk, thorough=True)
        end = end_displacement(self._v, self._a, plan)
        ready = _safe(self._p, self._v, self._a, plan, end, wanted)
        self._limits = wanted.merge(ready, self._limits)
        self._played = np.where(ready, 0.0, self._played)
        if ready.all():
            self._pending = None
        return ready

    def _advance(self, goal: Vector, braking: Mask) -> None:
        """Move the state one tick, towards `goal` where it is not NaN."""
        speed, change = self._reference(goal)
        drift = self._drift + SHARE * (speed - self._drift)
        self._drift = np.where(np.abs(drift) > STILL * self._limits.jerk, drift, 0.0)
        v = goal - self._p
        a = v - self._v
        taken = self._locks(goal, v, a, speed, change)
        self._rest[taken] = np.nan
        p = goal
        if not taken.all():
            p, v, a = np.where(taken, p, 0.0), np.where(taken, v, 0.0), np.where(taken, a, 0.0)
            searched = np.flatnonzero(~taken & ~braking)
            for start in range(0, len(searched), BLOCK):
                search = searched[start : start + BLOCK]
                found, jerk, rest = self._approach(search, goal[search], self._drift[search])
                chosen = search[found]
                self._rest[chosen] = rest[found]
                a[chosen] = self._a[chosen] + jerk[found]
                v[chosen] = self._v[chosen] + a[chosen]
                p[chosen] = self._p[chosen] + v[chosen]
                taken[chosen] = True
        if not taken.all():
            p, v, a = self._brake(~taken, p, v, a)
        self._played[taken] = 0.0
        low, high = np.minimum(self._limits.lower, self._p), np.maximum(self._limits.upper, self._p)
        self._before = self._goal
        self._p, self._v, self._a = np.minimum(np.maximum(p, low), high), v, a
        self._goal = np.where(braking, self._p, goal)

    def _reference(self, goal: Vector) -> tuple[Vector, Vector]:
        """Velocity and acceleration of the goals; 0 where the last three are not one motion."""
        speed = goal - self._goal
        change = speed - (self._goal - self._before)
        smooth = (np.abs(speed) <= self._limits.velocity) & (np.abs(change) <= self._limits.acceleration)
        return np.where(smooth, speed, 0.0), np.where(smooth, change, 0.0)

    def _locks(self, goal: Vector, v: Vector, a: Vector, speed: Vector, change: Vector) -> Mask:
        """Where the goal can be sent as it is, and the reference followed from there on."""
        limits = self._limits
        jerk = limits.jerk * (1 + ROUNDING)
        ahead, surplus = np.abs(v - speed), np.abs(v - speed + a - change)
        locks = (np.abs(a - self._a) <= jerk) & (ahead <= jerk) & (surplus <= jerk)
        if not locks.any():
            return locks
        # Elements that do not lock (NaN among them) are planned from rest, to keep NaN out.
        v, a = np.where(locks, v, 0.0), np.where(locks, a, 0.0)
        plan = plan_stop(v, a, limits.acceleration, limits.jerk, thorough=True)
        return locks & _safe(goal, v, a, plan, end_displacement(v, a, plan), limits)

    def _approach(self, index: Index, goal: Vector, speed: Vector) -> tuple[Mask, Vector, Vector]:
        """The best jerk of the elements `index` and where the stop after it rests.

        The mask is False where no jerk is safe, or none is better than to go on with the stop plan.
        """
        limits = self._limits.at(index)
        p, v, a = self._p[index], self._v[index], self._a[index]
        low = np.maximum(np.maximum(-limits.jerk, -limits.acceleration - a), -limits.velocity - v - a)
        high = np.minimum(np.minimum(limits.jerk, limits.acceleration - a), limits.velocity - v - a)
        side = np.sign(goal - speed - p)
        moves = speed.any()

        def judge(jerk: Vector) -> tuple[Vector, Vector]:
            """How far beyond the goal the stop after each jerk (K, m) ends, and what that costs."""
            count = len(jerk)
            a1 = a + jerk
            v1 = v + a1
            p1 = p + v1
            if moves:  # plans at rest and in the reference's frame, in one go
                a2, v2 = np.concatenate((a1, a1)), np.concatenate((v1, v1 - speed))
                both = plan_stop(v2, a2, limits.acceleration, limits.jerk)
                ends = end_displacement(v2, a2, both)
                plan, end, landing = both.rows(0, count), ends[:count], ends[count:]
            else:
                plan = plan_stop(v1, a1, limits.acceleration, limits.jerk)
                end = landing = end_displacement(v1, a1, plan)
            safe = _safe(p1, v1, a1, plan, end, limits)
            safe &= (p1 >= floor) & (p1 <= ceiling)
            error = landing + (p1 - goal)
            return error, np.where(safe, _cost(error, side), np.inf)

        floor, ceiling = np.minimum(limits.lower, p), np.maximum(limits.upper, p)
        jerk = low + self._fractions * (high - low)  # (GRID, m)
        error, cost = judge(jerk)
        column = np.arange(len(index))
        best = cost.argmin(axis=0)
        jerk0, error0, cost0 = jerk[best, column], error[best, column], cost[best, column]
        # The end grows with the jerk: look once more, between the best and its neighbour beyond the goal.
        beside = np.clip(best + np.where(error0 < 0, 1, -1), 0, GRID - 1)
        error1 = error[beside, column]
        crosses = error0 * error1 < 0
        part = np.where(crosses, error0 / np.where(crosses, error0 - error1, 1.0), 0.0)
        between = jerk0 + part * (jerk[beside, column] - jerk0)
        error2, cost2 = (row[0] for row in judge(between[None]))
        better = cost2 < cost0
        cost0 = np.where(better, cost2, cost0)
        going_on = _cost(self._rest[index] - goal, side)  # NaN, and so no reason to, where unknown
        found = np.isfinite(cost0) & (low <= high) & ~((going_on <= cost0) & (speed == 0.0))
        rest = np.where(speed == 0.0, goal + np.where(better, error2, error0), np.nan)
        return found, np.where(better, between, jerk0), rest

    def _brake(self, where: Mask, p: Vector, v: Vector, a: Vector) -> tuple[Vector, Vector, Vector]:
        """Play the next tick of the stop plan `where`; the other elements of p, v, a as they are."""
        unplanned = where & (self._played == 0.0)
        if unplanned.any():
            fresh = plan_stop(self._v, self._a, self._limits.acceleration, self._limits.jerk, thorough=True)
            self._plan = fresh.merge(unplanned, self._plan)
        acceleration = self._plan.acceleration(self._played)
        self._played = np.where(where, self._played + 1.0, self._played)
        velocity = np.where(self._plan.ended(self._played), 0.0, self._v + acceleration)
        a = np.where(where, acceleration, a)
        v = np.where(where, velocity, v)
        return np.where(where, self._p + velocity, p), v, a


def _cost(error: Vector, side: Vector) -> Vector:
    """What it costs to rest `error` beyond the goal that lies on `side`."""
    return np.abs(error) * np.where(error * side > 0, OVERSHOOT_COST, 1.0)


def _safe(p: Vector, v: Vector, a: Vector, plan: StopPlan, end: Vector, limits: TickLimits) -> Mask:
    """Whether the state (p, v, a) and all of its stop plan, that ends `end` further, keep the limits."""
    fastest, turn = extremes(v, a, plan)
    up, down = limits.upper - p, limits.lower - p
    most = np.maximum(np.abs(v), np.abs(fastest))
    safe = plan.valid & (np.abs(a) <= limits.acceleration * (1 + ROUNDING))
    safe &= most <= limits.velocity * (1 + ROUNDING)
    safe &= (turn <= np.maximum(up, 0.0) + ULP) & (turn >= np.minimum(down, 0.0) - ULP)
    # From outside the position limits a plan may not come in and turn back out.
    safe &= end <= np.maximum(up, np.minimum(turn, 0.0)) + ULP
    safe &= end >= np.minimum(down, np.maximum(turn, 0.0)) - ULP
    return safe
