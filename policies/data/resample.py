"""From streams that each have their own stamps to frames at action_hz: arrays in, indices out.

Everything is robot time in ns. The grid is the robot's own steps; a frame's state is the joint
position at that very time, its images are the latest taken by then, and `action` is the last
goal before the next frame: what the robot was told to be by then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.int64]  # (N,) ascending
Rows = NDArray[np.float64]  # (N, n)


@dataclass(frozen=True)
class Series:
    """Values (N, n) and the times (N,) at which they were true, ascending."""

    stamps: Stamps
    values: Rows

    def __len__(self) -> int:
        return len(self.stamps)


def ordered(stamps: Stamps, values: Rows) -> Series:
    """A series in the order of its stamps; of equal stamps the last one stays."""
    order = np.argsort(stamps, kind="stable")
    stamps, values = stamps[order], values[order]
    last = np.append(stamps[1:] != stamps[:-1], True) if len(stamps) else np.zeros(0, bool)
    return Series(stamps[last], values[last])


def step_grid(boundaries: Stamps, begin: int, end: int, step_ns: int) -> Stamps:
    """Frame times (K,) from `begin` to `end`: the step boundaries, lost ones filled in.

    Without boundaries (a robot that publishes no plan) the grid begins at `begin`.
    """
    known = np.unique(boundaries[(boundaries >= begin) & (boundaries <= end)])
    if len(known) == 0:
        known = np.array([begin], dtype=np.int64)
    steps = np.zeros(len(known), dtype=np.int64)
    steps[1:] = np.cumsum(np.maximum(1, np.rint(np.diff(known) / step_ns).astype(np.int64)))
    inner = np.interp(np.arange(steps[-1] + 1), steps, (known - known[0]).astype(np.float64))
    first, last = known[0], known[-1]
    before = np.arange(first - step_ns, begin - 1, -step_ns)[::-1]
    after = np.arange(last + step_ns, end + 1, step_ns)
    grid = np.concatenate([before, first + np.rint(inner).astype(np.int64), after])
    return grid.astype(np.int64)


def sample(series: Series, times: Stamps) -> Rows:
    """Values (K, n) at `times` (K,), linear between the neighbouring samples."""
    base = series.stamps[0]  # differences keep their nanoseconds in float64, stamps do not
    x, xp = (times - base).astype(np.float64), (series.stamps - base).astype(np.float64)
    return np.stack([np.interp(x, xp, column) for column in series.values.T], axis=1)


def latest(stamps: Stamps, times: Stamps) -> NDArray[np.int64]:
    """Index (K,) of the last stamp not after each time; -1 where there is none."""
    found: NDArray[np.int64] = np.searchsorted(stamps, times, side="right") - 1
    return found


def distance_to_nearest(stamps: Stamps, times: Stamps) -> NDArray[np.int64]:
    """|time - nearest stamp| (K,) in ns."""
    right = np.clip(np.searchsorted(stamps, times), 1, max(1, len(stamps) - 1))
    neighbours = np.stack([stamps[right - 1], stamps[np.minimum(right, len(stamps) - 1)]])
    distance: NDArray[np.int64] = np.abs(neighbours - times).min(axis=0)
    return distance


def base_goals(sent: Series, person: Series | None, times: Stamps, timeout_ns: int) -> Rows:
    """The clean goals (K, n) at `times`: the person's last command while engaged, else what was sent.

    Engaged: a command not older than `timeout_ns`. What was sent to a person's robot may hold
    noise that was added on purpose; the person's command does not.
    """
    goals = sent.values[np.maximum(latest(sent.stamps, times), 0)]
    if person is None or len(person) == 0:
        return goals
    index = latest(person.stamps, times)
    age = times - person.stamps[np.maximum(index, 0)]
    engaged = (index >= 0) & (age <= timeout_ns)
    return np.where(engaged[:, None], person.values[np.maximum(index, 0)], goals)


def moving_range(goals: Rows, still_rad: float, keep_head: int, keep_tail: int) -> slice:
    """The frames from `keep_head` before the first movement to `keep_tail` after the last one.

    A frame moves when any joint's goal differs by more than `still_rad` from the previous one.
    All frames when nothing moves.
    """
    moves = np.flatnonzero((np.abs(np.diff(goals, axis=0)) > still_rad).any(axis=1))
    if len(moves) == 0:
        return slice(0, len(goals))
    return slice(max(0, int(moves[0]) - keep_head), min(len(goals), int(moves[-1]) + 2 + keep_tail))


def missing_samples(stamps: Stamps, rate_hz: float) -> int:
    """How many samples due at multiples of 1 / rate_hz are not there between the first and the last."""
    if len(stamps) < 2:
        return 0
    periods = np.rint(np.diff(stamps) * (rate_hz / 1e9)).astype(np.int64)
    return int(np.maximum(periods - 1, 0).sum())
