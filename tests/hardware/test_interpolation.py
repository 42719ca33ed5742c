"""Goals between action points: exact at the points, continuous in velocity, never far from the motion."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hardware.control.interpolation import CommandRamp, PointInterpolator

DT = 0.05
FINE = 400  # ticks a step where the curve itself is looked at


def play(points: np.ndarray, ticks: int, start: float = 0.0, velocity: float = 0.0) -> np.ndarray:
    interpolator = PointInterpolator(ticks, DT, np.full(1, 100.0))
    interpolator.restart(np.array([start]), np.array([velocity]))
    goals = []
    for point in points:
        interpolator.begin(np.array([point]))
        goals += [interpolator.goal(phase)[0] for phase in range(ticks)]
    return np.array(goals)


POINTS = arrays(np.float64, st.integers(2, 12), elements=st.floats(-1, 1))


@settings(max_examples=40, deadline=None)
@given(points=POINTS)
def test_points_are_sent_exactly_on_the_last_tick_of_their_step(points: np.ndarray) -> None:
    assert (play(points, 5)[4::5] == points).all()


@settings(max_examples=40, deadline=None)
@given(points=POINTS)
def test_velocity_is_continuous_across_every_seam(points: np.ndarray) -> None:
    fine = DT / FINE
    rates = np.diff(np.concatenate([[0.0], play(points, FINE)])) / fine
    # A cubic's acceleration is at most some 20 rates of change a step; a jump in velocity would not shrink.
    largest = 30 * 2 * np.abs(np.diff(points, prepend=0.0)).max() / DT**2
    assert np.abs(np.diff(rates, prepend=0.0)).max() <= largest * fine + 1e-9


@given(velocity=st.floats(-2, 2), start=st.floats(-1, 1))
def test_even_motion_stays_even(velocity: float, start: float) -> None:
    points = start + velocity * DT * np.arange(1, 8)
    expected = start + velocity * (DT / 5) * np.arange(1, 36)
    np.testing.assert_allclose(play(points, 5, start, velocity), expected, atol=1e-12)


@given(acceleration=st.floats(-10, 10))
def test_constant_acceleration_is_met_within_a_twentieth_of_a_step_squared(acceleration: float) -> None:
    t = DT * np.arange(1, 15)
    true = 0.5 * acceleration * (np.arange(1, 71) * DT / 5) ** 2
    error = play(0.5 * acceleration * t**2, 5) - true
    # The first step's end velocity is its mean velocity, half of the true one; the rest is regular.
    assert np.abs(error[10:]).max() <= 0.05 * abs(acceleration) * DT**2 + 1e-12


def test_the_end_velocity_keeps_the_limit() -> None:
    interpolator = PointInterpolator(5, DT, np.array([2.0]))
    interpolator.restart(np.zeros(1), np.zeros(1))
    interpolator.begin(np.array([1.0]))  # 20 rad/s
    interpolator.begin(np.array([1.0 + 2.0 * DT]))
    assert abs(interpolator.goal(0)[0] - 1.0 - 0.02) < 1e-12


def test_a_sender_at_action_hz_is_followed_evenly() -> None:
    ramp = CommandRamp(5)
    ramp.restart(np.zeros(1))
    goals = []
    for step in range(6):
        ramp.aim(np.array([0.1 * (step + 1)]), 5 * step)
        goals += [ramp.next()[0] for _ in range(5)]
    np.testing.assert_allclose(np.diff(goals), 0.02, atol=1e-12)


def test_a_sender_at_control_hz_is_followed_at_once() -> None:
    ramp = CommandRamp(5)
    ramp.restart(np.zeros(1))
    for tick in range(10):
        ramp.aim(np.array([0.01 * tick]), tick)
        goal = ramp.next()[0]
    assert goal == 0.09


def test_a_command_that_stays_is_reached_and_kept() -> None:
    ramp = CommandRamp(5)
    ramp.restart(np.zeros(1))
    ramp.aim(np.ones(1), 0)
    np.testing.assert_allclose([ramp.next()[0] for _ in range(7)], [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
