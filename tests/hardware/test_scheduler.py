"""ChunkScheduler: no gap, no repeat, a committed point never changes, nothing survives `clear`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hardware.control.scheduler import ChunkScheduler, Verdict
from hardware.errors import CommandError


def chunk(name: int, built_on: int, length: int) -> np.ndarray:
    """Points that say which chunk and which step they are for: (length, 2)."""
    return np.array([[name, built_on + i] for i in range(length)], dtype=np.float64)


class Scheduling(RuleBasedStateMachine):
    """A scheduler beside a plain model of it: what each step was promised and by whom."""

    def __init__(self) -> None:
        super().__init__()
        self.min_remaining = 3
        self.scheduler = ChunkScheduler(2, self.min_remaining)
        self.step = 0
        self.names = 0
        self.cleared_at = 0  # names below were submitted before the last clear
        self.promised: dict[int, list[float]] = {}

    @rule(back=st.integers(-2, 25), length=st.integers(1, 20))
    def submit(self, back: int, length: int) -> None:
        built_on = max(0, self.step - back)
        delay = max(0, self.step - built_on)
        points = chunk(self.names, built_on, length)
        verdict = self.scheduler.submit(points, built_on, expected_delay=2)
        if length - delay < self.min_remaining:
            assert verdict is Verdict.DROPPED
        else:
            assert verdict is (Verdict.LATE if delay > 2 else Verdict.ACCEPTED)
            self.promised = {s: p for s, p in self.promised.items() if s < built_on}
            self.promised |= {built_on + i: list(points[i]) for i in range(delay, length)}
        self.names += 1

    @rule()
    def commit(self) -> None:
        point = self.scheduler.commit(self.step)
        expected = self.promised.pop(self.step, None)
        assert (None if point is None else list(point)) == expected
        if point is not None:
            assert point[1] == self.step, "no gap, no repeat: each step plays its own point"
            assert point[0] >= self.cleared_at, "nothing from before a clear is played"
        self.step += 1

    @rule()
    def skip(self) -> None:
        self.scheduler.skip(self.step)
        self.promised.pop(self.step, None)
        self.step += 1

    @rule()
    def clear(self) -> None:
        self.scheduler.clear()
        self.promised.clear()
        self.cleared_at = self.names

    @rule(kind=st.sampled_from(["nan", "width", "flat", "empty"]))
    def refuse(self, kind: str) -> None:
        bad = {
            "nan": np.full((5, 2), np.nan),
            "width": np.zeros((5, 3)),
            "flat": np.zeros(5),
            "empty": np.zeros((0, 2)),
        }
        with pytest.raises(CommandError, match="chunk: expected"):
            self.scheduler.submit(bad[kind], self.step)

    @precondition(lambda self: self.step > 0)
    @rule()
    def committed_is_committed(self) -> None:
        with pytest.raises(ValueError, match="already committed"):
            self.scheduler.commit(self.step - 1)

    @invariant()
    def the_plan_is_what_will_be_played(self) -> None:
        plan = self.scheduler.plan(30)
        expected = []
        for step in range(self.step, self.step + 30):
            if step not in self.promised:
                break
            expected.append(self.promised[step])
        assert plan.tolist() == expected
        assert plan.shape[1] == 2


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@given(delay=st.integers(0, 16), min_remaining=st.integers(1, 16))
def test_thresholds_of_a_late_chunk(delay: int, min_remaining: int) -> None:
    scheduler = ChunkScheduler(2, min_remaining)
    for step in range(delay):
        assert scheduler.commit(step) is None
    verdict = scheduler.submit(chunk(0, 0, 16), 0)
    if 16 - delay >= min_remaining:
        assert verdict is Verdict.ACCEPTED
        assert [scheduler.commit(s)[1] for s in range(delay, 16)] == list(range(delay, 16))
        assert scheduler.counters.delays == [delay]
    else:
        assert verdict is Verdict.DROPPED
        assert scheduler.counters.dropped == 1
        assert scheduler.commit(delay) is None


def test_a_chunk_for_later_leaves_the_points_before_it() -> None:
    scheduler = ChunkScheduler(2)
    scheduler.submit(chunk(0, 0, 8), 0)
    scheduler.submit(chunk(1, 4, 8), 4)
    played = [scheduler.commit(step) for step in range(12)]
    assert [p[0] for p in played] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert scheduler.commit(12) is None
    assert scheduler.counters.dry_steps == 1


def test_sizes_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="positive sizes"):
        ChunkScheduler(0)
    with pytest.raises(ValueError, match="positive sizes"):
        ChunkScheduler(2, 0)
