import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim
from hardware.errors import LimberError
from sim.tasks import TASKS


@pytest.mark.parametrize("obs", ["state", "pixels"])
@pytest.mark.parametrize("task", TASKS)
def test_gymnasiums_own_checker(task, obs):
    env = gymnasium.make(f"sim:{task}-v0", obs=obs, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unbounded and asymmetric boxes: joint angles are what they are
        check_env(env.unwrapped)
    env.close()


def test_every_task_is_registered():
    assert tuple(TASKS) == sim.TASK_NAMES


def test_observation_keys_are_lerobots():
    env = sim.make_env("PickPlace", cameras=("wrist",), width=64, height=48)
    observation, info = env.reset(seed=0)
    assert set(observation) == {"observation.state", "observation.images.wrist"}
    assert observation["observation.images.wrist"].shape == (48, 64, 3)
    assert info["instruction"] == env.instruction != ""
    assert not info["success"]
    env.close()
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=0)
    assert observation["observation.environment_state"].shape == (14,)
    np.testing.assert_allclose(
        observation["observation.environment_state"][:3], env.robot.objects()["cube"].position, atol=1e-6
    )


def test_the_goal_given_is_sent_on_the_steps_last_tick():
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=0)
    reports = []
    env.loop.observers.append(reports.append)
    goal = observation["observation.state"] + np.float32(0.01)
    _, _, _, _, info = env.step(goal)
    assert [r.step for r in reports] == [reports[0].step] * 5
    np.testing.assert_allclose(reports[-1].base, goal, atol=1e-6)
    np.testing.assert_array_equal(info["sent"], reports[-1].sent)
    np.testing.assert_allclose(info["base"], goal, atol=1e-6)


def test_a_correction_is_added_for_one_step_and_told_apart_from_the_goal():
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=0)
    goal = observation["observation.state"]
    for _ in range(3):
        env.set_correction(np.full(6, 0.01))
        _, _, _, _, info = env.step(goal)
    np.testing.assert_allclose(info["base"], goal, atol=1e-6)
    np.testing.assert_allclose(info["sent"], goal + 0.01, atol=2e-3)
    for _ in range(3):
        _, _, _, _, info = env.step(goal)
    np.testing.assert_allclose(info["sent"], goal, atol=2e-3)


def test_goals_pass_the_robots_safety_filter():
    env = sim.make_env("PickPlace", obs="state")
    env.reset(seed=0)
    sent = []
    env.loop.observers.append(lambda report: sent.append(report.sent))
    for action in (env.action_space.high, env.action_space.low):
        for _ in range(40):  # at first it is led slowly
            env.step(action)
    speed = np.abs(np.diff(sent, axis=0)) / env.spec_robot.control_dt
    assert (speed.max(axis=0) <= env.spec_robot.joint_array("velocity") + 1e-6).all()
    assert speed.max() > 2.0


def test_steps_and_chunks_send_the_same_goals():
    """A chunk of 8 through the loop's inbox, against the same 8 points one step at a time."""
    rng = np.random.default_rng(0)

    def play(chunked):
        env = sim.make_env("PickPlace", obs="state")
        observation, _ = env.reset(seed=5)
        points = observation["observation.state"] + np.cumsum(rng_points, axis=0)
        sent = []
        env.loop.observers.append(lambda report: sent.append(report.sent.copy()))
        if not chunked:
            for point in points:
                env.step(point)
            return np.array(sent), env.robot.data.qpos.copy()
        env.loop.scheduler.submit(points, env.loop.tick_count // env.spec_robot.ticks_per_step)
        for _ in range(len(points) * env.spec_robot.ticks_per_step):
            env.loop.tick()
            env.loop.clock.sleep_until(env.robot.now_ns() + 10_000_000)
        return np.array(sent), env.robot.data.qpos.copy()

    rng_points = rng.uniform(-0.05, 0.05, (8, 6)).astype(np.float32)
    stepped, chunked = play(False), play(True)
    np.testing.assert_array_equal(stepped[0], chunked[0])
    np.testing.assert_array_equal(stepped[1], chunked[1])


def test_a_seed_is_an_episode_whatever_came_before():
    env = sim.make_env("PickPlace", obs="pixels")

    def play(seed):
        observation, _ = env.reset(seed=seed)
        seen = [observation]
        for k in range(7):
            seen.append(env.step(seen[0]["observation.state"] + np.float32(0.02 * k))[0])
        return seen

    first = play(9)
    play(10)
    again = play(9)
    for a, b in zip(first, again, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    env.close()


def test_time_never_turns_back_and_images_are_the_latest_due():
    env = sim.make_env("PickPlace", cameras=("front",))
    last = -1
    for seed in (0, 1):
        env.reset(seed=seed)
        for _ in range(3):
            observed = env.robot.get_observation()
            assert observed.stamp_ns > last
            last = observed.stamp_ns
            assert observed.stamp_ns % 50_000_000 == 0
            age = observed.stamp_ns - observed.image_stamps_ns["front"]
            assert 0 <= age < 1e9 / 30
            env.step(observed.state)
    env.close()


def test_an_episode_that_does_nothing_is_cut_off_at_the_time_limit():
    env = sim.make_env("PickPlace", obs="state")
    observation, _ = env.reset(seed=0)
    ends = []
    for _ in range(240):
        _, reward, terminated, truncated, info = env.step(observation["observation.state"])
        assert 0.0 <= reward < 1.0
        assert not terminated
        ends.append(truncated)
    assert ends == [False] * 239 + [True]
    assert info["stamp_ns"] == 12_000_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "Pick"}, r"unknown task 'Pick'.*PickPlace"),
        ({"robot": "so102"}, r"unknown robot 'so102'.*so101"),
        ({"cameras": ("top",)}, r"unknown camera 'top'.*front, wrist"),
        ({"obs": "pixel"}, r"unknown kind of observation 'pixel'.*pixels, state"),
    ],
)
def test_unknown_names_are_refused_with_the_valid_ones(options, message):
    with pytest.raises(LimberError, match=message):
        sim.make_env(**{"task": "PickPlace", **options})


@pytest.mark.parametrize("bad", [np.zeros(5), np.full(6, np.nan)])
def test_a_bad_action_is_refused(bad):
    env = sim.make_env("PickPlace", obs="state")
    env.reset(seed=0)
    with pytest.raises(LimberError, match="expected"):
        env.step(bad)
