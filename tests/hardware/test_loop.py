"""The control loop, ticked by hand: who has control, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from support.loop_rig import GOOD, LIMITS, MIDDLE, NAMES, SPEC, STEP_NS, Rig, armed, slow_chunk
from support.motion import assert_within_limits

from hardware.control.loop import Mode, Source

# -- arming -----------------------------------------------------------------------------------


def test_nothing_is_sent_before_arm_and_the_arm_may_be_moved_by_hand() -> None:
    rig = Rig()
    rig.tick(5)
    rig.robot.state = MIDDLE + 0.3
    report = rig.tick()
    assert rig.robot.sent == []
    assert not rig.robot.torque
    np.testing.assert_allclose(report.sent, MIDDLE + 0.3, atol=1e-6)
    rig.loop.arm()
    rig.tick(50)
    assert rig.robot.torque
    np.testing.assert_allclose(rig.robot.sent[-1], MIDDLE + 0.3, atol=1e-6)


def test_arm_is_refused_where_the_robot_does_not_know_where_it_is() -> None:
    rig = Rig()
    rig.tick()
    rig.robot.state[2] = np.nan
    rig.loop.arm()
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert rig.refused == {"arm: not finite": 1}
    assert not rig.robot.torque


# -- chunks -----------------------------------------------------------------------------------


def test_point_i_is_sent_on_the_last_tick_of_step_k_plus_i() -> None:
    rig = armed()
    key = rig.key()
    step = rig.reports[-1].step
    points = slow_chunk(rig.loop.safety.position)
    points[0] = rig.loop.safety.position  # the running step is over by then
    points[1:] = points[0] + 0.004 * np.arange(1, 16)[:, None] ** 1.0
    rig.loop.offer_chunk(NAMES, points, key)
    rig.tick(100)
    last = {r.step: r for r in rig.reports if r.tick % 5 == 4}
    for i in range(1, 16):
        np.testing.assert_array_equal(last[step + i].base, points[i])
    assert last[step + 15].source is Source.POLICY
    assert last[step + 16].source is Source.HOLD
    assert rig.loop.scheduler.counters.delays == [1]


def test_names_in_another_order_are_put_right() -> None:
    rig = armed()
    points = slow_chunk(rig.loop.safety.position) + 0.01 * np.arange(6)
    order = [3, 1, 5, 0, 2, 4]
    rig.loop.offer_chunk([NAMES[i] for i in order], points[:, order], rig.key())
    rig.to_step()
    np.testing.assert_array_equal(rig.to_step().base, points[1])


def _with_nan() -> np.ndarray:
    bad = GOOD.copy()
    bad[9, 2] = np.nan
    return bad


BAD_CHUNKS: dict[str, tuple[tuple[str, ...], np.ndarray, str]] = {
    "a NaN": (NAMES, _with_nan(), "chunk: not finite"),
    "infinity": (NAMES, np.full((16, 6), np.inf), "chunk: not finite"),
    "five joints": (NAMES, GOOD[:, :5], "chunk: wrong shape"),
    "one point flat": (NAMES, GOOD[0], "chunk: wrong shape"),
    "no point": (NAMES, GOOD[:0], "chunk: wrong shape"),
    "another robot's names": (("a", "b", "c", "d", "e", "f"), GOOD, "chunk: wrong names"),
    "a name twice": ((*NAMES[:5], NAMES[0]), GOOD, "chunk: wrong names"),
    "a name too few": (NAMES[:5], GOOD[:, :5], "chunk: wrong names"),
}


@pytest.mark.parametrize("bad", BAD_CHUNKS)
def test_a_bad_chunk_is_refused_counted_and_changes_nothing(bad: str) -> None:
    names, points, reason = BAD_CHUNKS[bad]
    rigs = []
    for offer in (False, True):
        rig = armed()
        rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
        key = rig.key()
        if offer:
            rig.loop.offer_chunk(names, points, key)
        rig.tick(60)
        rigs.append(rig)
    assert (rigs[0].sent == rigs[1].sent).all(), "the arm keeps its last safe course"
    assert rigs[1].refused == {reason: 1}
    assert reason in rigs[1].loop.fault


def test_stamps_that_are_unknown_or_old_are_refused() -> None:
    rig = armed()
    key = rig.key()
    rig.tick(230)  # 2.3 s
    for stamp in (key, key + 1, rig.clock.now_ns() + STEP_NS, 0):
        rig.loop.offer_chunk(NAMES, GOOD, stamp)
    report = rig.tick(10)
    assert rig.refused == {"chunk: unknown stamp": 4}
    assert report.source is Source.HOLD


BOUNDARIES: dict[str, Callable[[Rig], None]] = {
    "stop and re-arm": lambda rig: (rig.loop.stop(), rig.tick(3), rig.loop.arm()),
    "re-arm": lambda rig: rig.loop.arm(),
    "takeover and hand-back": lambda rig: (rig.loop.offer_teleop(NAMES, MIDDLE), rig.tick(15)),
    "a world reset": lambda rig: (
        rig.loop.call(lambda: rig.loop.reset_world(lambda: None)),
        rig.loop.arm(),
    ),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_nothing_computed_before_a_boundary_runs_after_it(boundary: str) -> None:
    """The chunk that was playing ends, and the one being computed is refused when it comes."""
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    key = rig.key()
    epoch = rig.loop.epoch
    BOUNDARIES[boundary](rig)
    rig.tick()
    assert rig.loop.mode is Mode.ARMED
    assert rig.loop.epoch > epoch
    rig.loop.offer_chunk(NAMES, GOOD, key)
    rig.loop.offer_correction(NAMES, np.full(6, 0.01), key)
    at = len(rig.reports)
    rig.tick(20)
    assert rig.refused == {"chunk: unknown stamp": 1}
    assert rig.loop.counters.stale_corrections == 1
    assert all(r.base is None for r in rig.reports[at:])
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(5)
    assert rig.loop.source is Source.POLICY, "a chunk on a stamp of the new epoch is played"


def test_a_late_chunk_enters_where_the_arm_is_or_is_dropped() -> None:
    rig = armed(min_remaining=4)
    key = rig.key()
    step = rig.reports[-1].step
    points = slow_chunk(rig.loop.safety.position, speed=0.1)
    for _ in range(11):
        rig.to_step()
    rig.loop.offer_chunk(NAMES, points, key, expected_delay=2)
    rig.tick()
    assert rig.loop.scheduler.counters.late == 1
    assert rig.loop.source is Source.POLICY
    assert rig.loop.scheduler.counters.delays == [rig.reports[-1].step - step]
    np.testing.assert_array_equal(rig.to_step().base, points[rig.reports[-1].step - step])
    rig.to_step()
    rig.loop.offer_chunk(NAMES, points, key)
    rig.tick()
    assert rig.refused == {"chunk: too late": 1}
    assert rig.loop.scheduler.counters.dropped == 1


def test_a_dry_run_decelerates_holds_and_is_counted_once() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position, length=6, speed=0.6), rig.key())
    rig.tick(60)
    dry = [r for r in rig.reports if r.dry]
    assert len(dry) == rig.loop.counters.dry_steps == 1
    assert dry[0].source is Source.HOLD
    assert (rig.loop.safety.velocity == 0).all()
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)
    assert rig.loop.mode is Mode.ARMED
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(5)
    assert rig.loop.source is Source.POLICY


def test_the_plan_is_what_is_then_played() -> None:
    rig = armed(plan_length=8)
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.to_step()
    first = rig.tick()
    assert first.planned is not None
    assert first.planned.shape == (8, 6)
    rig.tick(60)
    last = {r.step: r.base for r in rig.reports if r.tick % 5 == 4}
    for i, point in enumerate(first.planned):
        np.testing.assert_array_equal(last[first.step + i], point)
    others = [r for r in rig.reports if r.tick % 5]
    assert all(r.planned is None for r in others)


# -- a person ---------------------------------------------------------------------------------


def test_a_person_takes_over_and_gives_back_by_silence() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(10)
    assert rig.loop.source is Source.POLICY
    goal = rig.loop.safety.position - 0.1
    for _ in range(30):
        rig.loop.offer_teleop(NAMES, goal)
        assert rig.tick().source is Source.PERSON
    np.testing.assert_allclose(rig.loop.safety.position, goal)
    silent = [rig.tick().source for _ in range(20)]
    assert silent.index(Source.HOLD) == 10, "100 ms after the last command"
    assert rig.tick(20).source is Source.HOLD, "the policy's old plan is gone"
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)


def test_chunks_are_refused_while_a_person_drives() -> None:
    rig = armed()
    for _ in range(10):
        rig.loop.offer_teleop(NAMES, MIDDLE)
        key = rig.tick().stamp_ns
    rig.loop.offer_chunk(NAMES, GOOD, key)
    rig.tick()
    assert rig.refused == {"chunk: no control": 1}


@pytest.mark.parametrize(
    ("names", "goal", "reason"),
    [
        (NAMES, np.full(6, np.nan), "teleop command: not finite"),
        (NAMES, np.zeros(5), "teleop command: wrong shape"),
        (NAMES[:5], np.zeros(5), "teleop command: wrong names"),
    ],
)
def test_a_bad_command_does_not_engage(names: tuple[str, ...], goal: np.ndarray, reason: str) -> None:
    rig = armed()
    assert not rig.loop.offer_teleop(names, goal), "who waits for an answer is told that this is none"
    assert rig.tick().source is Source.HOLD
    assert rig.refused == {reason: 1}
    assert rig.loop.offer_teleop(NAMES, MIDDLE)


# -- corrections ------------------------------------------------------------------------------


def test_a_correction_is_added_for_one_step_and_reported() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(10)
    delta = np.full(6, 0.002)
    rig.loop.offer_correction(NAMES, delta, rig.reports[-1].stamp_ns)
    reports = [rig.tick() for _ in range(8)]
    used = [r.correction is not None for r in reports]
    assert used == [True] * 5 + [False] * 3
    assert (reports[0].correction == delta).all()


def test_a_stale_or_bad_correction_is_left_out_and_counted() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    old = rig.tick().stamp_ns
    rig.tick(5)
    rig.loop.offer_correction(NAMES, np.full(6, 0.002), old)
    rig.loop.offer_correction(NAMES, np.full(6, np.nan), rig.clock.now_ns())
    assert rig.tick().correction is None
    assert rig.loop.counters.stale_corrections == 1
    assert rig.refused == {"correction: not finite": 1}


def test_a_correction_alone_moves_nothing() -> None:
    rig = armed()
    rig.loop.offer_correction(NAMES, np.full(6, 0.1), rig.clock.now_ns())
    report = rig.tick()
    assert report.base is None
    assert report.correction is None
    np.testing.assert_allclose(report.sent, MIDDLE, atol=1e-6)
