"""The request logic beside a robot: windows by stamp, one request at a time, delays counted in steps."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.control.scheduler import ChunkScheduler
from policies.runtime.observations import Missing, ObservationBuffer, Window
from policies.runtime.requester import ChunkRequester, Plan

MS = 1_000_000
STEP_NS = 50 * MS


def filled_buffer() -> ObservationBuffer:
    """100 Hz states whose value is their time in ms, 30 Hz images whose pixels are the frame's number."""
    buffer = ObservationBuffer(["front"], decode=lambda n: np.full((4, 4, 3), n, np.uint8))
    for tick in range(40):
        buffer.add_state(tick * 10 * MS, np.full(2, tick * 10, np.float32))
    for frame in range(10):
        buffer.add_image("front", frame * 33_333_333, frame)
    return buffer


def test_window_takes_of_each_step_the_latest_by_then() -> None:
    window = filled_buffer().window(200 * MS, n_obs_steps=3, action_dt_ns=STEP_NS)
    assert isinstance(window, Window)
    assert window.state[:, 0].tolist() == [100, 150, 200]
    assert window.state.dtype == np.float32
    assert window.images["front"].shape == (3, 4, 4, 3)
    # frames are at 0, 33.3, 66.7, 99.99, 133.3, 166.7, 199.99 ms
    assert window.images["front"][:, 0, 0, 0].tolist() == [3, 4, 6]


def test_window_does_not_depend_on_the_order_of_arrival() -> None:
    ordered = filled_buffer().window(200 * MS, 2, STEP_NS)
    shuffled = ObservationBuffer(["front"], decode=lambda n: np.full((4, 4, 3), n, np.uint8))
    rng = np.random.default_rng(0)
    for tick in rng.permutation(40):
        shuffled.add_state(int(tick) * 10 * MS, np.full(2, tick * 10, np.float32))
    for frame in rng.permutation(10):
        shuffled.add_image("front", int(frame) * 33_333_333, int(frame))
    again = shuffled.window(200 * MS, 2, STEP_NS)
    assert isinstance(ordered, Window)
    assert isinstance(again, Window)
    np.testing.assert_array_equal(ordered.state, again.state)
    np.testing.assert_array_equal(ordered.images["front"], again.images["front"])


def test_what_is_missing_or_stale_is_named() -> None:
    buffer = filled_buffer()
    assert buffer.window(420 * MS, 1, STEP_NS) == Missing(
        "joint_states", "the latest is 30 ms old, at most 20 ms is allowed"
    )
    assert str(ObservationBuffer(["wrist"]).window(0, 1, STEP_NS)) == "joint_states: nothing received yet"
    for tick in range(40, 60):
        buffer.add_state(tick * 10 * MS, np.zeros(2, np.float32))
    stale = buffer.window(590 * MS, 1, STEP_NS)
    assert isinstance(stale, Missing)
    assert stale.part == "front"


def test_nothing_from_before_the_epoch_is_seen() -> None:
    """After a reset the old pictures show another world: the epoch's first ones stand in their place."""
    buffer = filled_buffer()
    buffer.begin(200 * MS)
    buffer.add_image("front", 190 * MS, 99)  # rendered before, arrived after
    waiting = buffer.window(210 * MS, 2, STEP_NS)
    assert waiting == Missing("front", "nothing received yet"), "its first picture is of 233 ms"
    window = buffer.window(240 * MS, 3, STEP_NS)
    assert isinstance(window, Window)
    assert window.state[:, 0].tolist() == [200, 200, 240]
    assert window.images["front"][:, 0, 0, 0].tolist() == [7, 7, 7]


def test_waiting_ends_when_the_due_frame_arrives() -> None:
    buffer = ObservationBuffer(["front"])
    buffer.add_state(100 * MS, np.zeros(1, np.float32))
    buffer.add_image("front", 66 * MS, np.zeros((2, 2, 3), np.uint8))
    assert not buffer.wait(100 * MS, 33 * MS, timeout_s=0.01)
    late = threading.Timer(0.05, buffer.add_image, ("front", 100 * MS, np.ones((2, 2, 3), np.uint8)))
    late.start()
    assert buffer.wait(100 * MS, 33 * MS, timeout_s=30.0)
    late.join()


class RobotSide:
    """The robot's own scheduler, stepped by hand, and the plans that it would publish."""

    def __init__(self) -> None:
        self.scheduler = ChunkScheduler(action_dim=1)
        self.step = -1

    def advance(self) -> Plan:
        self.step += 1
        point = self.scheduler.commit(self.step)
        running = np.empty((0, 1)) if point is None else point[None]
        return Plan(self.step * STEP_NS, np.vstack([running, self.scheduler.plan(15)]))


@settings(max_examples=60, deadline=None)
@given(
    horizon=st.integers(1, 6),
    latencies=st.lists(st.integers(1, 7), min_size=5, max_size=25),
    seed=st.integers(0, 1000),
)
def test_counted_delay_is_the_schedulers_own(horizon: int, latencies: list[int], seed: int) -> None:
    """Whatever the latencies, the requester counts what the robot's scheduler counted."""
    rng = np.random.default_rng(seed)
    robot = RobotSide()
    requester = ChunkRequester(STEP_NS, horizon)
    pending: tuple[int, int] | None = None  # (key step, step at whose start the chunk arrives)
    counted, in_flight_keys = [], []
    waiting = iter(latencies)
    for _ in range(150):
        if pending is not None and pending[1] == robot.step + 1:
            chunk = rng.normal(size=(16, 1))
            requester.end(chunk)
            robot.scheduler.submit(chunk, pending[0])
            pending = None
        played = requester.on_plan(robot.advance())
        if played is not None:
            counted.append(played[1])
        request = requester.due()
        if request is not None:
            latency = next(waiting, None)
            if latency is None:
                break
            assert pending is None, "two requests at once"
            requester.begin(request)
            key = request.stamp_ns // STEP_NS
            in_flight_keys.append(key)
            pending = (key, key + latency)
    assert counted == robot.scheduler.counters.delays[: len(counted)]
    assert len(counted) == requester.counters.played > 0
    assert requester.counters.unplayed == 0
    gaps = np.diff(in_flight_keys)
    assert (gaps >= horizon).all(), "asked again before execution_horizon steps had passed"
    assert requester.inference_delay == max(counted[-10:])


def test_a_refused_chunk_is_asked_for_again() -> None:
    requester = ChunkRequester(STEP_NS, execution_horizon=8)
    nothing = np.empty((0, 1))
    requester.on_plan(Plan(0, nothing))
    request = requester.due()
    assert request is not None
    requester.begin(request)
    assert requester.due() is None
    requester.end(np.ones((16, 1)))
    for step in (1, 2):
        assert requester.due() is None
        assert requester.on_plan(Plan(step * STEP_NS, nothing)) is None
    assert requester.counters.unplayed == 1
    assert requester.due() is not None, "the arm has nothing to play, so ask before the horizon has passed"


def test_an_arm_that_still_moves_is_not_left_to_run_dry_by_a_request_that_came_to_nothing() -> None:
    requester = ChunkRequester(STEP_NS, execution_horizon=8)

    def request_at(step: int) -> bool:
        requester.on_plan(Plan(step * STEP_NS, np.zeros((16 - step, 1))))
        request = requester.due()
        if request is not None:
            requester.begin(request)
        return request is not None

    assert request_at(0)
    requester.end(None)  # an observation was missing
    assert requester.due() is None, "on the same observation it would only fail again"
    assert request_at(1)
    requester.end(np.ones((16, 1)))  # and this chunk is refused: no plan shows it
    assert [request_at(step) for step in (2, 3, 4)] == [False, True, False]
    assert (requester.counters.skipped, requester.counters.unplayed) == (1, 1)


def test_a_new_epoch_forgets_what_was_asked() -> None:
    requester = ChunkRequester(STEP_NS, execution_horizon=4)
    requester.on_plan(Plan(0, np.zeros((8, 1))))
    request = requester.due()
    assert request is not None
    requester.begin(request)
    requester.restart(since_ns=7 * STEP_NS)
    requester.end(np.ones((16, 1)))
    requester.on_plan(Plan(6 * STEP_NS, np.zeros((8, 1))))
    assert requester.due() is None, "no plan of the new epoch has come yet"
    requester.on_plan(Plan(7 * STEP_NS, np.empty((0, 1))))
    assert requester.due() is not None


def test_an_execution_horizon_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="execution_horizon"):
        ChunkRequester(STEP_NS, 0)
