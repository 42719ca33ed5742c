import numpy as np
import pytest

import sim
from hardware.errors import LimberError
from hardware.spec import load_spec
from sim.checking import check_expert
from sim.experts import EXPERTS, load_expert
from sim.experts.noise import EXECUTION_NOISE, Knock, SmoothNoise
from sim.experts.path import JointPath
from sim.experts.pick_place import KNOCK_SHARE, PickPlaceExpert

SPEC = load_spec("so101")


def demonstrate(env, expert, seed, times=lambda t: t):
    """States, goals and corrections of one episode, and whether it succeeded."""
    observation, info = env.reset(seed=seed)
    expert.reset(env.robot.objects(), observation["observation.state"])
    rows = []
    ended = False
    while not ended:
        state = observation["observation.state"]
        act = expert.act(state, env.robot.objects(), times(info["stamp_ns"] / 1e9))
        rows.append((state, act.goal, act.correction))
        env.set_correction(act.correction)
        observation, _, succeeded, truncated, info = env.step(act.goal.astype(np.float32))
        ended = succeeded or truncated
    return *map(np.array, zip(*rows, strict=True)), info["success"]


@pytest.mark.parametrize("task", EXPERTS)
def test_solves_its_task(task):
    check = check_expert(sim.make_env(task, obs="state"), episodes=10, first_seed=500)
    assert check.success_rate >= 9 / 10, check.failed_seeds
    assert 2.0 < check.median_length_s < 6.0


def test_no_two_demonstrations_of_a_seed_are_alike_but_a_seed_of_its_own_repeats_them():
    env = sim.make_env("PickPlace", obs="state")
    first = demonstrate(env, env.make_expert(0), seed=1)
    again = demonstrate(env, env.make_expert(0), seed=1)
    other = demonstrate(env, env.make_expert(1), seed=1)
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[2], again[2])
    length = min(len(first[1]), len(other[1]))
    assert np.abs(first[1][:length] - other[1][:length]).max() > 0.1


def test_goals_are_clean_and_within_the_limits_and_noise_travels_apart():
    env = sim.make_env("PickPlace", obs="state")
    expert = env.make_expert(4)
    _, goals, corrections, success = demonstrate(env, expert, seed=2)
    assert success
    assert (goals >= SPEC.joint_array("lower")).all()
    assert (goals <= SPEC.joint_array("upper")).all()
    speed = np.abs(np.diff(goals, axis=0)) / SPEC.action_dt
    assert (speed.max(axis=0)[:5] <= SPEC.joint_array("velocity")[:5]).all()
    assert (corrections[:, 5] == 0.0).all()  # the gripper has no noise
    assert 0.003 < corrections[:, :5].std() < 0.2


def test_several_ways_and_grasps_are_taken():
    """Over many plans of one scene: from above and from the side, and at least two headings."""
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=6)
    expert = env.make_expert(0)
    headings, sideways, knocks = [], [], 0
    objects = env.robot.objects()
    cube = np.array(objects["cube"].position)
    for _ in range(60):
        expert.reset(objects, observation["observation.state"])
        knocks += expert._knock is not None
        path = expert._approach()
        headings.append(round(expert._kinematics.heading(path._points[-1]), 1))
        before = expert._kinematics.tool_position(path._points[-3])
        sideways.append(np.linalg.norm((before - cube)[:2]) > 0.03)
    assert len(set(headings)) >= 2
    assert 10 < sum(sideways) < 50
    assert 0.05 < knocks / 60 < 0.4
    assert KNOCK_SHARE == 0.2


def test_recovers_from_a_knock():
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=0)
    for seed in range(30):
        expert = env.make_expert(seed)
        expert.reset(env.robot.objects(), observation["observation.state"])
        if expert._knock is not None:
            break
    _, goals, corrections, success = demonstrate(env, env.make_expert(seed), seed=0)
    assert success
    assert 0.1 < np.abs(corrections).max() < 0.35
    assert np.abs(np.diff(goals, axis=0)).max() < 0.2  # the label does not follow the push


def test_tolerates_calls_at_irregular_times():
    env = sim.make_env("PickPlace", obs="state")
    rng = np.random.default_rng(0)
    outcomes = [
        demonstrate(env, env.make_expert(k), seed=k, times=lambda t: t + rng.uniform(-0.03, 0.03))[-1]
        for k in range(2)
    ]
    assert all(outcomes)


def test_goes_after_a_cube_that_was_moved():
    env = sim.make_env("PickPlace", obs="state")
    expert = env.make_expert(2)
    observation, info = env.reset(seed=3)
    expert.reset(env.robot.objects(), observation["observation.state"])
    for step in range(240):
        if step == 12:
            env.robot.data.joint("cube").qpos[:2] += (0.03, 0.02)
        act = expert.act(observation["observation.state"], env.robot.objects(), info["stamp_ns"] / 1e9)
        observation, _, succeeded, _, info = env.step(act.goal.astype(np.float32))
        if succeeded:
            break
    assert info["success"]


def test_gives_up_when_the_cube_is_out_of_reach():
    env = sim.make_env("PickPlace", obs="state")
    expert = PickPlaceExpert(SPEC, 0)
    observation, _ = env.reset(seed=3)
    objects = env.robot.objects()
    far = type(objects["cube"])((0.7, 0.0, 0.015), (1.0, 0.0, 0.0, 0.0), (0.03, 0.03, 0.03))
    state = observation["observation.state"]
    expert.reset({**objects, "cube": far}, state)
    for k in range(5):
        act = expert.act(state, {**objects, "cube": far}, 0.05 * k)
    assert expert.done
    assert np.abs(act.goal - state).max() < 0.2


def test_unknown_task():
    with pytest.raises(LimberError, match="unknown task with an expert 'Pick'"):
        load_expert("Pick", SPEC, 0)


def test_smooth_noise_has_its_scale_and_no_jumps():
    noise = SmoothNoise(np.full(5, EXECUTION_NOISE), np.random.default_rng(0))
    values = np.array([noise.step(0.05) for _ in range(4000)])
    assert values.std() == pytest.approx(EXECUTION_NOISE, rel=0.15)
    assert np.abs(values).max() <= 2 * EXECUTION_NOISE
    assert np.abs(np.diff(values, axis=0)).mean() < 0.4 * EXECUTION_NOISE


def test_a_knock_begins_and_ends_at_nothing():
    knock = Knock(1.0, 0.4, np.array([0.2, -0.1]))
    assert (knock.at(0.99) == 0).all()
    assert (knock.at(1.41) == 0).all()
    np.testing.assert_allclose(knock.at(1.2), [0.2, -0.1])


def test_a_path_meets_its_knots_at_rest_at_both_ends_and_never_overshoots():
    rng = np.random.default_rng(0)
    knots = list(rng.uniform(-1, 1, (5, 3)))
    path = JointPath(knots, speed=2.0)
    times = np.linspace(0, path.duration, 2000)
    points = np.array([path.at(t) for t in times])
    for knot in knots:
        assert np.linalg.norm(points - knot, axis=1).min() < 5e-3
    velocity = np.diff(points, axis=0) / np.diff(times)[:, None]
    assert np.abs(velocity[[0, -1]]).max() < 0.05
    assert np.abs(np.diff(velocity, axis=0)).max() < 0.1
    assert points.max() <= np.max(knots) + 1e-9
    assert points.min() >= np.min(knots) - 1e-9
    np.testing.assert_array_equal(path.at(99.0), knots[-1])


def test_a_path_keeps_to_its_acceleration_and_is_slower_for_it():
    knots = list(np.random.default_rng(1).uniform(-1, 1, (5, 3)))
    path = JointPath(knots, speed=3.0, acceleration=10.0)
    times = np.linspace(0, path.duration, 4000)
    velocity = np.gradient(np.array([path.at(t) for t in times]), times, axis=0)
    acceleration = np.gradient(velocity, times, axis=0)
    assert 8.0 < np.abs(acceleration).max() < 10.5
    assert path.duration > JointPath(knots, speed=3.0).duration


def test_the_safety_filter_lets_nearly_all_goals_pass_as_they_are():
    env = sim.make_env("PickPlace", obs="state")
    changed = []
    env.loop.observers.append(
        lambda r: r.correction is not None and changed.append(np.abs(r.sent - r.base - r.correction).max())
    )
    demonstrate(env, env.make_expert(5), seed=5)
    assert np.median(changed) < 0.03
