"""The asking thread: what is published, what is thrown away, and what it says when it cannot ask."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from policies.contracts import Array, CameraShape, Context, PolicySpec
from policies.runtime.observations import ObservationBuffer
from policies.runtime.requester import Plan
from policies.runtime.runner import PolicyRunner

STEP_NS = 50_000_000
NOTHING = np.empty((0, 2))


class SlowPolicy:
    """Predicts the number of the call; a call ends when `may_end` is set."""

    spec = PolicySpec(1, 8, 20, ("a", "b"), ("a", "b"), (CameraShape("front", 4, 4),))

    def __init__(self) -> None:
        self.contexts: list[Context] = []
        self.resets = 0
        self.may_end = threading.Event()
        self.may_end.set()
        self.fails = False

    def reset(self) -> None:
        self.resets += 1

    def predict_chunk(self, context: Context) -> Array:
        self.contexts.append(context)
        assert self.may_end.wait(30.0)
        if self.fails:
            raise RuntimeError("out of order")
        return np.full((8, 2), len(self.contexts), np.float32)


class Bench:
    """A runner with everything around it, fed by hand."""

    def __init__(self) -> None:
        self.policy = SlowPolicy()
        self.buffer = ObservationBuffer(["front"])
        self.published: list[tuple[int, Array]] = []
        self.runner = PolicyRunner(
            self.policy,
            self.buffer,
            3,
            lambda stamp, chunk: self.published.append((stamp, chunk)),
            wait_s=0.0,
        )
        self.runner.start()

    def see(self, step: int) -> None:
        self.buffer.add_state(step * STEP_NS, np.full(2, step, np.float32))
        self.buffer.add_image("front", step * STEP_NS, np.full((4, 4, 3), step, np.uint8))

    def step(self, step: int, points: np.ndarray = NOTHING) -> None:
        self.see(step)
        self.runner.on_plan(Plan(step * STEP_NS, points))

    def wait(self, condition) -> None:
        deadline = time.monotonic() + 30.0
        while not condition():
            assert time.monotonic() < deadline, f"published: {self.published}, {self.runner.trouble}"
            time.sleep(0.001)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.policy.may_end.set()
    made.runner.stop()


def test_asks_only_while_it_may_and_with_what_the_robot_will_play(bench: Bench) -> None:
    bench.step(1)
    bench.runner.on_control(epoch=1, may_act=False, since_ns=0)
    bench.step(2)
    assert bench.policy.contexts == []
    bench.runner.on_control(epoch=2, may_act=True, since_ns=3 * STEP_NS)
    bench.step(3)
    bench.wait(lambda: len(bench.published) == 1)
    assert bench.published[0][0] == 3 * STEP_NS
    first = bench.policy.contexts[0]
    assert first.prefix is None
    assert first.state.tolist() == [[3.0, 3.0]]
    assert first.images["front"].shape == (1, 4, 4, 3)
    assert bench.policy.resets == 1, "a new epoch is a new episode"

    chunk = bench.published[0][1].astype(np.float64)
    bench.step(5, chunk[2:])  # it was played from the second step on
    assert bench.runner.take_samples()[1] == [(3 * STEP_NS, 2)]
    bench.step(6, chunk[3:])
    bench.wait(lambda: len(bench.published) == 2)
    prefix = bench.policy.contexts[1].prefix
    assert prefix is not None
    np.testing.assert_array_equal(prefix.actions, chunk[3:])
    assert (prefix.inference_delay, prefix.execution_horizon) == (2, 3)
    assert bench.policy.resets == 1


def test_a_chunk_of_an_ended_epoch_is_thrown_away(bench: Bench) -> None:
    bench.policy.may_end.clear()
    bench.runner.on_control(1, True, 0)
    bench.step(1)
    bench.wait(lambda: len(bench.policy.contexts) == 1)
    bench.runner.on_control(2, True, 2 * STEP_NS)  # re-armed while the policy was thinking
    bench.policy.may_end.set()
    bench.wait(lambda: bench.runner.discarded == 1)
    assert bench.published == []
    bench.step(2)
    bench.wait(lambda: len(bench.published) == 1)
    assert bench.published[0][0] == 2 * STEP_NS


def test_nothing_is_published_after_stop(bench: Bench) -> None:
    bench.policy.may_end.clear()
    bench.runner.on_control(1, True, 0)
    bench.step(1)
    bench.wait(lambda: len(bench.policy.contexts) == 1)
    threading.Timer(0.05, bench.policy.may_end.set).start()
    bench.runner.stop()
    assert bench.published == []


def test_trouble_is_told_and_passes(bench: Bench) -> None:
    bench.runner.on_control(1, True, 0)
    bench.runner.on_plan(Plan(STEP_NS, NOTHING))
    bench.wait(lambda: bench.runner.trouble == "joint_states: nothing received yet")
    assert bench.runner.requester.counters.skipped == 1
    bench.policy.fails = True
    bench.step(2)
    bench.wait(lambda: bench.runner.errors == 1)
    assert bench.runner.trouble == "RuntimeError: out of order"
    bench.policy.fails = False
    bench.step(3)
    bench.wait(lambda: len(bench.published) == 1)
    assert bench.runner.trouble == ""
