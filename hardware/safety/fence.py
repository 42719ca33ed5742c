"""The barrier around the limiter: the arm stays in its workspace and clear of itself, braking included.

A next state is taken only if the whole stop from it keeps every constraint; else the arm brakes on the
stop that was looked at when the state before was taken. So, by induction, no goal whatever leads out.

Most ticks need no look: no distance shrinks by more than its slopes times the joints' travel until they
stand, which is first bounded from velocity and acceleration, then taken from the stop itself.
"""

from collections.abc import Iterator

import numpy as np

from hardware.robot import Observation
from hardware.safety.clearance import Clearance, Index
from hardware.safety.limiter import Limiter
from hardware.safety.stages import Mask, StageReport, Vector

ROUNDING = 1e-9  # m
REFRESH_TICKS = 5  # between two looks at every constraint: an action step


class Fence:
    """The last stage: the limiter, and a second and a third try where what it wants leads out.

    First towards the goal itself; then towards the pose that has as many of its joints as can be; then
    it brakes. An arm that is outside already may move as long as it comes no further out; it tries
    its joints one by one.
    """

    def __init__(self, limiter: Limiter, clearance: Clearance) -> None:
        self._limiter = limiter
        self._clearance = clearance
        self._look_at_all(limiter.position)

    def reset(self, position: Vector) -> None:
        """At rest at `position` (..., n_joints)."""
        self._limiter.reset(position)
        self._look_at_all(position)

    def __call__(self, action: Vector, observation: Observation, dt: float) -> tuple[Vector, StageReport]:
        limiter = self._limiter
        before, start = limiter.memory(), limiter.position
        sent, report = limiter(action, observation, dt)
        self._ticks += 1
        if not len(self._doubtful(np.abs(sent - self._at) + limiter.stop_bound())):
            return sent, report
        path = limiter.stop_path()
        doubtful = self._doubtful(np.abs(path - self._at).max(axis=0))
        if len(doubtful) and self._ticks >= REFRESH_TICKS:
            self._look_at_all(start)
            doubtful = self._doubtful(np.abs(path - self._at).max(axis=0))
        if not len(doubtful):
            return sent, report
        allowed = np.minimum(self._clearance(start, doubtful), 0.0) - ROUNDING
        out = self._leads_out(path, doubtful, allowed) & ~np.asarray(np.isnan(action).all(axis=-1))
        if not out.any():
            return sent, report
        altered: Mask = out[..., None] | np.zeros(start.shape, dtype=np.bool_)
        # From here on every constraint counts: other ways may meet other constraints.
        every = np.arange(len(self._clearance.slopes))
        allowed = np.minimum(self._clearance(start), 0.0) - ROUNDING
        for way in self._other_ways(action, start, allowed):
            limiter.restore(before)
            tried = np.where(out[..., None], way, action)
            sent, report = limiter(tried, observation, dt)
            stays = np.asarray((sent == start).all(axis=-1))
            out_again = (stays | self._leads_out(limiter.stop_path(), every, allowed)) & out
            action = np.where((out & ~out_again)[..., None], tried, action)
            out = out_again
            if not out.any():
                break
        else:
            limiter.restore(before)
            sent, report = limiter(np.where(out[..., None], np.nan, action), observation, dt)
        return sent, StageReport(report.altered | altered, "workspace")

    def _other_ways(self, goal: Vector, start: Vector, allowed: Vector) -> Iterator[Vector]:
        """Goals (..., n_joints) instead of one that leads out."""
        yield self._nearest(goal, start, allowed)
        if (allowed < -ROUNDING).any():  # outside: moving all joints at once may lead further out at first
            for joint in range(goal.shape[-1]):
                alone = start.copy()
                alone[..., joint] = goal[..., joint]
                yield alone

    def _look_at_all(self, position: Vector) -> None:
        self._seen, self._at, self._ticks = self._clearance(position), position.copy(), 0

    def _doubtful(self, travel: Vector) -> Index:
        """The constraints that a travel of the joints (..., n_joints) from where was looked might break."""
        left = self._seen - travel @ self._clearance.slopes.T
        return np.flatnonzero((left < 0.0).reshape(-1, left.shape[-1]).any(axis=0))

    def _leads_out(self, path: Vector, which: Index, allowed: Vector) -> Mask:
        """Of every arm (...), whether a distance falls below `allowed` (..., n_which) on the way."""
        distances = self._clearance(path, which)
        return np.asarray((distances < allowed).any(axis=(0, -1)))

    def _nearest(self, goal: Vector, start: Vector, allowed: Vector) -> Vector:
        """From `start` towards `goal` (..., n_joints), joint after joint, as far as the poses are allowed."""
        pose: Vector = start.copy()
        for joint in range(goal.shape[-1]):
            tried = pose.copy()
            tried[..., joint] = goal[..., joint]
            outside = np.asarray((self._clearance(tried) < allowed).any(axis=-1))
            pose = np.where(outside[..., None], pose, tried)
        return pose
