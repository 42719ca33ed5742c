"""The filter's stages in order: what each refuses, and that the arm brakes within its limits then."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_robot import without_fence
from support.motion import assert_within_limits

from hardware.robot import Observation
from hardware.safety.filter import SafetyFilter
from hardware.safety.limits import Limits
from hardware.safety.stages import StageReport
from hardware.safety.staleness import MAX_AGE_PERIODS
from hardware.spec import load_spec

SPEC = without_fence(load_spec("so101"))
DT = SPEC.control_dt
LIMITS = Limits.of(SPEC)
REST = SPEC.joint_array("rest")


def seen(tick: int, shape: tuple[int, ...] = (6,)) -> Observation:
    zeros = np.zeros(shape, np.float32)
    return Observation(tick * 10_000_000, zeros, zeros, zeros)


def moving_filter() -> tuple[SafetyFilter, int]:
    """A filter whose arm is on its way, and the next tick."""
    safety = SafetyFilter(SPEC)
    safety.reset(np.zeros(6))
    for tick in range(15):
        safety(np.full(6, 1.0), seen(tick), DT)
    assert (safety.velocity > 0.5).all()
    return safety, 15


BAD_GOALS = {
    "a NaN in one joint": (np.array([1, 1, np.nan, 1, 1, 1.0]), "not finite"),
    "infinity": (np.array([1, 1, 1, 1, 1, np.inf]), "not finite"),
    "five values": (np.ones(5), "wrong shape"),
    "a scalar": (np.array(1.0), "wrong shape"),
    "two arms": (np.ones((2, 6)), "wrong shape"),
}


@pytest.mark.parametrize("bad", BAD_GOALS)
def test_a_goal_that_is_no_goal_brakes_the_whole_arm(bad: str) -> None:
    goal, reason = BAD_GOALS[bad]
    safety, tick = moving_filter()
    braked, _ = moving_filter()
    for i in range(40):
        sent, report = safety(goal, seen(tick + i), DT)
        expected, _ = braked(None, seen(tick + i), DT)
        assert (sent == expected).all()
        assert reason in report.reasons
        assert report.altered.all()
    assert (safety.velocity == 0).all()
    assert safety.counters[reason] == 40


def test_an_observation_that_is_not_finite_brakes() -> None:
    safety, tick = moving_filter()
    bad = seen(tick)
    bad.state[3] = np.nan
    sent, report = safety(np.full(6, 1.0), bad, DT)
    assert report.reasons[0] == "not finite"
    assert np.isfinite(sent).all()


def test_readings_that_stand_still_brake_until_they_move_again() -> None:
    safety, tick = moving_filter()
    reasons = [safety(np.full(6, 1.0), seen(tick), DT)[1].reasons for _ in range(40)]
    fresh = [i for i, r in enumerate(reasons) if "stale observation" not in r]
    assert fresh == list(range(MAX_AGE_PERIODS + 1))
    assert (safety.velocity == 0).all()
    for i in range(80):
        sent, report = safety(np.full(6, 1.0), seen(tick + 1 + i), DT)
        assert "stale observation" not in report.reasons
    assert (sent == 1.0).all()


def test_none_decelerates_and_holds_and_is_no_refusal() -> None:
    safety, tick = moving_filter()
    sent = [safety(None, seen(tick + i), DT)[0] for i in range(60)]
    assert (sent[-1] == sent[30]).all()
    assert "not finite" not in safety.counters


def test_a_goal_beyond_the_position_limits_ends_on_them() -> None:
    safety = SafetyFilter(SPEC)
    safety.reset(REST)
    for tick in range(300):
        sent, report = safety(np.full(6, 9.0), seen(tick), DT)
    np.testing.assert_array_equal(sent, SPEC.joint_array("upper"))
    assert report.altered.all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_limits_are_kept_over_everything_at_once(seed: int) -> None:
    """Three arms, each fed with jumps, gaps, NaN and frozen stamps."""
    rng = np.random.default_rng(seed)
    safety = SafetyFilter(SPEC)
    start = np.tile(REST, (3, 1))
    safety.reset(start)
    sent, stamp, goal = [start], 0, start
    for _ in range(150):
        stamp += int(rng.random() > 0.1)
        choice = rng.random()
        if choice < 0.05:
            goal = rng.uniform(-3, 3, (3, 6))
        elif choice < 0.1:
            goal = np.where(rng.random((3, 6)) < 0.2, np.nan, goal)
        given_goal = None if choice > 0.97 else goal if choice > 0.2 else np.nan_to_num(goal) + 0.01
        sent.append(safety(given_goal, seen(stamp, (3, 6)), DT)[0])
    assert_within_limits(np.array(sent), LIMITS, DT)


def test_one_arm_refused_leaves_the_others_alone() -> None:
    safety = SafetyFilter(SPEC)
    safety.reset(np.zeros((2, 6)))
    goal = np.full((2, 6), 0.5)
    goal[0, 0] = np.nan
    for tick in range(120):
        sent, _ = safety(goal, seen(tick, (2, 6)), DT)
    assert (sent[0] == 0).all()
    assert (sent[1] == 0.5).all()


class Fence:
    """A stage of somebody else's: no goal of the first joint above 0.2 rad."""

    def reset(self, position: np.ndarray) -> None: ...

    def __call__(
        self, action: np.ndarray, observation: Observation, dt: float
    ) -> tuple[np.ndarray, StageReport]:
        over = np.zeros(action.shape, dtype=np.bool_)
        over[..., 0] = action[..., 0] > 0.2
        return np.where(over, 0.2, action), StageReport(over, "fence" if over.any() else "")


def test_a_stage_of_ones_own_comes_before_the_limiter() -> None:
    safety = SafetyFilter(SPEC, stages=[Fence()])
    safety.reset(np.zeros(6))
    sent = []
    for tick in range(100):
        action, report = safety(np.full(6, 0.4), seen(tick), DT)
        assert "fence" in report.reasons
        sent.append(action)
    assert sent[-1].tolist() == [0.2, 0.4, 0.4, 0.4, 0.4, 0.4]
    assert_within_limits(np.array([np.zeros(6), *sent]), LIMITS, DT)


def test_it_does_not_start_nowhere() -> None:
    with pytest.raises(ValueError, match="finite position"):
        SafetyFilter(SPEC).reset(np.full(6, np.nan))
