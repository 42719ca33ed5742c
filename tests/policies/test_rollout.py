"""Lock-step evaluation in the real environment: what is played, when, and how it is counted."""

from dataclasses import replace

import numpy as np
import pytest
from support.learning import tiny_model

from hardware.spec import load_spec
from policies.checkpoint import save_checkpoint
from policies.contracts import policy_spec
from policies.errors import PolicyError
from policies.evaluation.environment import Pictures, make_environment, policy_options
from policies.evaluation.rollout import RolloutConfig, check_horizons, evaluate, run_episode
from policies.model import ChunkModel
from policies.normalization import FeatureStats

ENV = "sim:PickPlace-v0"
SEED = 60_500
ROBOT = load_spec("so101").with_cameras(width=32, height=32)


@pytest.fixture(scope="module")
def env():
    environment = make_environment(ENV, **policy_options(policy_spec(ROBOT, 8)))
    yield environment
    environment.close()


@pytest.fixture(scope="module")
def goals(env):
    """The goals of an expert that succeeds at `SEED`, without its noise: (T, A)."""
    observation, info = env.reset(seed=SEED)
    expert = env.unwrapped.make_expert(0)
    expert.reset(env.unwrapped.robot.objects(), observation["observation.state"])
    played, ended = [], False
    while not ended:
        objects = env.unwrapped.robot.objects()
        act = expert.act(observation["observation.state"], objects, info["stamp_ns"] / 1e9)
        played.append(act.goal.astype(np.float32))
        observation, _, terminated, truncated, info = env.step(played[-1])
        ended = terminated or truncated
    assert info["success"]
    return np.stack(played)


class Replay:
    """Plays recorded goals: chunk k of a request every s steps begins at goal k s."""

    def __init__(self, goals, execution_horizon, chunk_size=8):
        self.spec = policy_spec(ROBOT, chunk_size)
        self.contexts = []
        self._goals, self._s = goals, execution_horizon

    def reset(self):
        self.contexts.clear()

    def predict_chunk(self, context):
        first = len(self.contexts) * self._s
        self.contexts.append(context)
        rows = np.minimum(np.arange(first, first + self.spec.chunk_size), len(self._goals) - 1)
        return self._goals[rows]


@pytest.mark.parametrize(("s", "d"), [(1, 0), (4, 0), (4, 1), (4, 3), (4, 4)])
def test_recorded_goals_do_again_what_they_did(env, goals, s, d):
    policy = Replay(goals, s)
    result = run_episode(env, policy, SEED, RolloutConfig(ENV, execution_horizon=s, inference_delay=d))
    assert result.verdict == "success"
    steps = round(result.seconds * 20)
    assert abs(steps - len(goals)) <= d
    assert len(policy.contexts) == len(result.latency_ms) == -(-steps // s)
    assert result.dry_steps == d  # only before the first chunk
    assert set(result.delay_steps) == {d}


def test_prefix_is_what_will_be_played(env, goals):
    policy = Replay(goals, 4)
    run_episode(env, policy, SEED, RolloutConfig(ENV, execution_horizon=4, inference_delay=2))
    assert len(policy.contexts[0].prefix.actions) == 0
    for k, context in enumerate(policy.contexts[1:], start=1):
        assert context.prefix.inference_delay == 2
        planned = context.prefix.actions
        assert len(planned) == 4  # 8 points built 4 steps ago
        rows = np.minimum(np.arange(4 * k, 4 * k + 4), len(goals) - 1)
        np.testing.assert_allclose(planned, goals[rows], atol=1e-6)
    assert policy.contexts[0].task == env.unwrapped.instruction


def test_standing_still_times_out(env):
    class Still:
        spec = policy_spec(ROBOT, 16)

        def reset(self):
            pass

        def predict_chunk(self, context):
            return np.repeat(context.state[-1:], 16, axis=0)

    result = run_episode(env, Still(), SEED, RolloutConfig(ENV, execution_horizon=16))
    assert result.verdict == "timeout"
    assert result.seconds == pytest.approx(12.0)
    assert not result.success


def test_window_holds_the_last_observations(env, goals):
    policy = Replay(goals, 3)
    policy.spec = replace(policy.spec, n_obs_steps=2)
    run_episode(env, policy, SEED, RolloutConfig(ENV, execution_horizon=3))
    first, second = policy.contexts[:2]
    np.testing.assert_array_equal(first.state[0], first.state[1])
    assert second.images["front"].shape == (2, 32, 32, 3)
    assert not np.array_equal(second.state[0], second.state[1])
    assert np.abs(second.state[1] - second.state[0]).max() < 0.2  # one step apart, not three


def test_pictures_are_those_of_the_pixel_environment(env):
    pixels = make_environment(ENV, width=32, height=32)
    observation, _ = pixels.reset(seed=SEED)
    state, _ = env.reset(seed=SEED)
    pictures = Pictures(env, ("front", "wrist")).of(state)
    for camera, image in pictures.items():
        np.testing.assert_array_equal(image, observation[f"observation.images.{camera}"])
    pixels.close()


def test_workers_give_the_results_of_one_process(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    stats = {key: FeatureStats.of(values) for key in ("observation.state", "action")}
    save_checkpoint(tmp_path / "a", ChunkModel(tiny_model(), policy_spec(ROBOT, 16), stats), ROBOT, {})
    config = RolloutConfig(ENV, execution_horizon=16)
    alone = evaluate(str(tmp_path / "a"), [1, 2], config, workers=1)
    seen = []
    together = evaluate(str(tmp_path / "a"), [1, 2], config, workers=2, report=seen.append)
    assert [r.seed for r in together] == [1, 2]
    assert sorted(r.seed for r in seen) == [1, 2]
    assert [(r.verdict, r.seconds) for r in alone] == [(r.verdict, r.seconds) for r in together]


@pytest.mark.parametrize(("s", "d"), [(0, 0), (17, 0), (4, 5), (14, 4), (4, -1)])
def test_horizons_that_cannot_fit(s, d):
    with pytest.raises(PolicyError, match=f"d={d}, s={s} and chunk_size=16"):
        check_horizons(16, RolloutConfig(ENV, execution_horizon=s, inference_delay=d))


@pytest.mark.parametrize("name", ["sim:PickPlac-v0", "nowhere:X-v0", "NotThere-v0"])
def test_unknown_environment(name):
    with pytest.raises(PolicyError, match="environment: expected a gymnasium name") as caught:
        make_environment(name)
    assert "\n" not in str(caught.value)
