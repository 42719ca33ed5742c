"""The limiter's promise, whatever comes in: limits kept, goals reached, nothing altered in vain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.motion import assert_inside_or_inward, assert_within_limits, shortest_ticks

from hardware.robot import Observation
from hardware.safety.limiter import Limiter
from hardware.safety.limits import Limits
from hardware.safety.stop_plan import end_displacement, extremes, plan_stop
from hardware.spec import load_spec

DT = 0.01
ZERO = np.zeros(1, np.float32)
SEEN = Observation(0, ZERO, ZERO, ZERO)
SO101 = Limits.of(load_spec("so101"))


def play(limiter: Limiter, goals: np.ndarray) -> np.ndarray:
    """What is sent (T, n) for goals (T, n)."""
    return np.array([limiter(goal, SEEN, DT)[0] for goal in goals]).reshape(goals.shape)


def scale(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(np.log10(low), np.log10(high)).map(lambda x: 10**x)


@st.composite
def one_joint(draw: st.DrawFn) -> Limits:
    velocity = draw(scale(0.1, 5.0))
    acceleration = velocity * draw(scale(2.0, 30.0))
    jerk = acceleration * draw(scale(3.0, 150.0))
    lower, upper = -draw(scale(0.01, 3.0)), draw(scale(0.01, 3.0))
    return Limits(*(np.array([x]) for x in (lower, upper, velocity, acceleration, jerk)))


# What may come: a goal that holds, ramps, jitters, is none or is beyond every limit.
PIECES = st.lists(
    st.tuples(
        st.sampled_from(["hold", "ramp", "jitter", "none", "infinite", "limit"]),
        st.floats(-3.5, 3.5),
        st.integers(1, 25),
    ),
    min_size=1,
    max_size=6,
)


def goals_of(pieces: list[tuple[str, float, int]], limits: Limits, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    goals: list[float] = []
    for kind, value, ticks in pieces:
        last = goals[-1] if goals and np.isfinite(goals[-1]) else 0.0
        made = {
            "hold": np.full(ticks, value),
            "ramp": last + np.sign(value) * limits.velocity * DT * np.arange(1, ticks + 1),
            "jitter": last + rng.normal(0, abs(value) * 0.01, ticks),
            "none": np.full(ticks, np.nan),
            "infinite": np.full(ticks, np.inf if value > 0 else -np.inf),
            "limit": np.full(ticks, limits.upper[0] if value > 0 else limits.lower[0]),
        }
        goals += list(made[kind])
    return np.array(goals)[:, None]


@settings(max_examples=60, deadline=None)
@given(limits=one_joint(), pieces=PIECES, start=st.floats(-0.2, 1.2), seed=st.integers(0, 99))
def test_limits_are_kept_whatever_comes(
    limits: Limits, pieces: list[tuple[str, float, int]], start: float, seed: int
) -> None:
    """`start` below 0 or above 1 is outside the position limits."""
    limiter = Limiter(limits, DT)
    first = limits.lower + start * (limits.upper - limits.lower)
    limiter.reset(first)
    sent = np.vstack([first, play(limiter, goals_of(pieces, limits, seed))])
    assert np.isfinite(sent).all()
    assert_within_limits(sent, limits, DT)
    assert_inside_or_inward(sent, limits)


@settings(max_examples=30, deadline=None)
@given(limits=one_joint(), pieces=PIECES, seed=st.integers(0, 99))
def test_without_a_goal_it_comes_to_rest_and_stays(
    limits: Limits, pieces: list[tuple[str, float, int]], seed: int
) -> None:
    limiter = Limiter(limits, DT)
    play(limiter, goals_of(pieces, limits, seed))
    braking = limits.velocity / limits.acceleration + 3 * limits.acceleration / limits.jerk
    ticks = int(1.5 * braking[0] / DT) + 12
    sent = play(limiter, np.full((ticks + 5, 1), np.nan))
    assert (sent[ticks:] == sent[-1]).all()
    assert limiter.velocity[0] == 0.0


@pytest.mark.parametrize("distance", [0.003, 0.01, 0.05, 0.2, 0.7, 1.5, 3.0])
def test_a_step_is_reached_in_nearly_the_shortest_time_without_overshoot(distance: float) -> None:
    lower, upper = SO101.lower, SO101.upper
    middle = 0.5 * (lower + upper)
    start = np.maximum(middle - distance / 2, lower)
    goal = np.minimum(start + distance, upper)
    limiter = Limiter(SO101, DT)
    limiter.reset(start)
    sent = play(limiter, np.tile(goal, (250, 1)))
    assert (sent - goal).max() < 1e-3
    assert (sent[-1] == goal).all(), "the goal itself is sent in the end"
    for joint in range(len(start)):
        rates = (r[joint] for r in (SO101.velocity, SO101.acceleration, SO101.jerk))
        best = shortest_ticks(goal[joint] - start[joint], *rates, DT)
        settled = np.flatnonzero(np.abs(sent[:, joint] - goal[joint]) > 1e-4)[-1] + 2
        assert settled <= 1.25 * best + 3, joint


def test_random_moves_of_many_arms_settle_in_time() -> None:
    """400 joints with limits of their own, vectorised; a tenth of the goals are on a limit."""
    rng = np.random.default_rng(0)
    velocity = 10 ** rng.uniform(-0.5, 0.7, 400)
    acceleration = velocity * 10 ** rng.uniform(0.3, 1.2, 400)
    jerk = acceleration * 10 ** rng.uniform(0.7, 1.7, 400)
    limits = Limits(np.full(400, -2.0), np.full(400, 2.0), velocity, acceleration, jerk)
    start = rng.uniform(-2, 2, 400)
    goal = np.clip(start + rng.choice([-1, 1], 400) * 10 ** rng.uniform(-3, 0.3, 400), -2, 2)
    limiter = Limiter(limits, DT)
    limiter.reset(start)
    sent = np.vstack([start, play(limiter, np.tile(goal, (800, 1)))])
    assert_within_limits(sent, limits, DT)
    assert (np.sign(goal - start) * (sent - goal)).max() < 2e-3
    late = 0
    for j in range(400):
        best = shortest_ticks(goal[j] - start[j], velocity[j], acceleration[j], jerk[j], DT)
        off = np.abs(sent[:, j] - goal[j]) > 1e-4 + 1e-3 * abs(goal[j] - start[j])
        late += np.flatnonzero(off)[-1] > 1.25 * best + 4
    assert late <= 4, "at most one in a hundred takes longer than a quarter over the shortest time"


def smooth_reference(amplitude: float, frequency: float, ticks: int = 300) -> np.ndarray:
    """A sine that swells from rest with continuous jerk, (T, 1)."""
    t = np.arange(ticks) * DT
    s = np.clip(t, 0, 1)
    swell = s**4 * (35 - 84 * s + 70 * s**2 - 20 * s**3)
    return (amplitude * swell * np.sin(frequency * t))[:, None]


@settings(max_examples=15, deadline=None)
@given(amplitude=st.floats(0.01, 1.0), frequency=st.floats(0.5, 15.0))
def test_a_reference_within_the_limits_passes_unaltered(amplitude: float, frequency: float) -> None:
    limits = Limits(*(getattr(SO101, n)[:1] for n in ("lower", "upper", "velocity", "acceleration", "jerk")))
    goals = smooth_reference(amplitude, frequency)
    rates = [np.abs(np.diff(goals, n=n, axis=0)).max() / DT**n for n in (1, 2, 3)]
    share = max(
        r / x[0] for r, x in zip(rates, (limits.velocity, limits.acceleration, limits.jerk), strict=True)
    )
    goals *= min(1.0, 0.95 / share)
    limiter = Limiter(limits, DT)
    limiter.reset(np.zeros(1))
    assert (play(limiter, goals) == goals).all(), "bit for bit"


def test_a_moving_reference_is_caught_up_with_and_then_followed_exactly() -> None:
    limits = Limits(*(getattr(SO101, n)[:1] for n in ("lower", "upper", "velocity", "acceleration", "jerk")))
    goals = 0.3 * np.sin(2.0 * np.arange(400) * DT)[:, None]
    limiter = Limiter(limits, DT)
    limiter.reset(np.array([0.8]))
    sent = play(limiter, goals)
    assert (sent[100:] == goals[100:]).all()


@settings(max_examples=25, deadline=None)
@given(
    pieces=PIECES,
    change_at=st.integers(0, 100),
    factor=st.floats(0.1, 3.0),
    narrower=st.floats(0.05, 1.0),
    seed=st.integers(0, 99),
)
def test_limits_may_change_while_moving(
    pieces: list[tuple[str, float, int]], change_at: int, factor: float, narrower: float, seed: int
) -> None:
    """Never beyond the looser of both; within the new ones once they can be."""
    old = Limits(*(np.array([x]) for x in (-2.0, 2.0, 2.0, 15.0, 300.0)))
    rates = (old.velocity * factor, old.acceleration * factor, old.jerk * factor)
    new = Limits(old.lower * narrower, old.upper * narrower, *rates)
    goals = np.vstack([goals_of(pieces, old, seed), goals_of(pieces, old, seed + 1)])
    limiter = Limiter(old, DT)
    limiter.reset(np.zeros(1))
    change_at = min(change_at, len(goals))
    before = play(limiter, goals[:change_at])
    limiter.set_limits(new)
    after = play(limiter, goals[change_at:])
    sent = np.vstack([np.zeros((1, 1)), before, after])
    looser = Limits(
        old.lower,
        old.upper,
        *(np.maximum(getattr(old, n), getattr(new, n)) for n in ("velocity", "acceleration", "jerk")),
    )
    assert_within_limits(sent, looser, DT)
    assert_inside_or_inward(sent, old)
    rest = play(limiter, np.full((100, 1), np.nan))
    later = np.vstack([rest[-1:], play(limiter, goals)])
    assert_within_limits(later, new, DT)
    assert_inside_or_inward(later, new)


def test_each_arm_of_a_batch_moves_as_it_would_alone() -> None:
    rng = np.random.default_rng(3)
    spec_limits = SO101
    goals = rng.uniform(-1.5, 1.5, (4, 5, 6)).repeat(25, axis=0)
    goals[30:40, 2] = np.nan
    batch = Limiter(spec_limits, DT)
    batch.reset(np.zeros((5, 6)))
    together = play(batch, goals)
    assert together.shape == goals.shape
    for arm in range(5):
        alone = Limiter(spec_limits, DT)
        alone.reset(np.zeros(6))
        np.testing.assert_allclose(play(alone, goals[:, arm]), together[:, arm], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), jerk=scale(1e-5, 5e-3))
def test_stop_plans_do_what_their_closed_forms_say(seed: int, jerk: float) -> None:
    rng = np.random.default_rng(seed)
    v = rng.uniform(-0.05, 0.05, 200) * 10 ** rng.uniform(-2, 0, 200)
    a = rng.uniform(-1, 1, 200) * 0.0025
    plan = plan_stop(v, a, np.full(200, 0.0025), np.full(200, jerk), thorough=True)
    extreme, turn = extremes(v, a, plan)
    played, velocity, acceleration, position = np.zeros(200), v, a, np.zeros(200)
    positions, fastest, hardest = [position], np.abs(v), np.zeros(200)
    while not plan.ended(played).all():
        following = plan.acceleration(played)
        hardest = np.maximum(hardest, np.abs(following - acceleration))
        acceleration, played = following, played + 1
        velocity = velocity + acceleration
        position = position + velocity
        fastest = np.maximum(fastest, np.abs(velocity))
        positions.append(position)
    path = np.array(positions)
    assert plan.valid.mean() > 0.99
    assert (hardest[plan.valid] <= jerk * (1 + 1e-12) + 1e-18).all()
    np.testing.assert_allclose(velocity, 0, atol=1e-14)
    assert (acceleration == 0).all()
    np.testing.assert_allclose(position, end_displacement(v, a, plan), atol=1e-12)
    np.testing.assert_allclose(fastest, np.maximum(np.abs(v), np.abs(extreme)), atol=1e-14)
    furthest = np.maximum.reduce([np.zeros(200), turn, position])
    np.testing.assert_allclose(path.max(axis=0), furthest, atol=1e-12)
    np.testing.assert_allclose(
        path.min(axis=0), np.minimum.reduce([np.zeros(200), turn, position]), atol=1e-13
    )


def test_another_period_or_shape_is_refused() -> None:
    limiter = Limiter(SO101, DT)
    with pytest.raises(ValueError, match=r"made for a period of 0\.01 s, got 0\.02 s"):
        limiter(np.zeros(6), SEEN, 0.02)
    with pytest.raises(ValueError, match="expected shape"):
        limiter(np.zeros(5), SEEN, DT)
    with pytest.raises(ValueError, match="lower < upper"):
        Limits(SO101.upper, SO101.lower, SO101.velocity, SO101.acceleration, SO101.jerk)
