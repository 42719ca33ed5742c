"""Which action point is sent at which step: pure, with no clock and no thread.

Everything is indexed by action step, so that the delay of a chunk is counted, not estimated.
Point i of a chunk built on step k is the goal to be SENT at step k + i.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hardware.errors import CommandError

Points = NDArray[np.float64]  # (H, A)


class Verdict(str, Enum):
    """What became of a chunk."""

    ACCEPTED = "accepted"  # entered at the first step not yet committed
    LATE = "late"  # entered too, but further into the chunk than was expected
    DROPPED = "dropped"  # fewer than min_remaining points were left to play


@dataclass
class SchedulerCounters:
    """Chunks by verdict, and steps at which a goal was wanted and none was there."""

    accepted: int = 0
    late: int = 0
    dropped: int = 0
    dry_steps: int = 0
    delays: list[int] = field(default_factory=list)  # counted steps, last 100 chunks


class ChunkScheduler:
    """Holds the points to come and the chunk each came from.

    Properties, proved in tests: a point once committed never changes; steps are committed in
    order, each once; a chunk enters at the first uncommitted step while at least
    `min_remaining` of its points remain; after `clear` nothing submitted before is played.
    """

    def __init__(self, action_dim: int, min_remaining: int = 1) -> None:
        if action_dim < 1 or min_remaining < 1:
            raise ValueError(f"expected positive sizes, got {action_dim=} {min_remaining=}")
        self.action_dim = action_dim
        self.min_remaining = min_remaining
        self.counters = SchedulerCounters()
        self._points: dict[int, NDArray[np.float64]] = {}
        self._next_step = 0  # the first step that is not committed

    @property
    def next_step(self) -> int:
        """The first step whose point may still change."""
        return self._next_step

    def submit(self, actions: Points, built_on_step: int, expected_delay: int | None = None) -> Verdict:
        """Take a chunk (H, A) whose point 0 belongs to `built_on_step`.

        It replaces every uncommitted point from `built_on_step` on, and is late when its counted
        delay exceeds `expected_delay` (None: whatever it is, it was expected). Raises
        `CommandError` for a wrong shape or a value not finite.
        """
        points = np.asarray(actions, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.action_dim or len(points) == 0:
            raise CommandError(f"chunk: expected shape (H, {self.action_dim}), got {points.shape}")
        if not np.isfinite(points).all():
            raise CommandError("chunk: expected finite values, got NaN or infinity")
        delay = max(0, self._next_step - built_on_step)
        if len(points) - delay < self.min_remaining:
            self.counters.dropped += 1
            return Verdict.DROPPED
        kept = {step: point for step, point in self._points.items() if step < built_on_step}
        entered = {built_on_step + i: points[i] for i in range(delay, len(points))}
        self._points = kept | entered
        self.counters.delays.append(delay)
        del self.counters.delays[:-100]
        if expected_delay is not None and delay > expected_delay:
            self.counters.late += 1
            return Verdict.LATE
        self.counters.accepted += 1
        return Verdict.ACCEPTED

    def commit(self, step: int) -> NDArray[np.float64] | None:
        """The goal (A,) to be sent at `step`, now fixed; None when the schedule has run dry."""
        if step < self._next_step:
            raise ValueError(f"step {step} is already committed; the next is {self._next_step}")
        point = self._points.pop(step, None)
        self._next_step = step + 1
        for passed in [s for s in self._points if s < step]:
            del self._points[passed]
        if point is None:
            self.counters.dry_steps += 1
        return point

    def skip(self, step: int) -> None:
        """Let `step` pass without wanting a goal (another source has control)."""
        self._next_step = max(self._next_step, step + 1)

    def plan(self, length: int) -> Points:
        """The points that will be played next if nothing new comes: (at most `length`, A)."""
        points = []
        for step in range(self._next_step, self._next_step + length):
            if step not in self._points:
                break
            points.append(self._points[step])
        return np.array(points).reshape(len(points), self.action_dim)

    def clear(self) -> None:
        """Forget every point to come: a stop, a takeover or a re-arm happened."""
        self._points.clear()
