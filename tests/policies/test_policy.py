"""Chunks: shapes, noise, the fixed prefix, and contexts that do not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.learning import SIZE, tiny_frames, tiny_model, tiny_spec

from policies.chunk_policy import ChunkPolicy, centre_crop, random_crop
from policies.contracts import Context, Prefix
from policies.errors import PolicyError
from policies.flow import Flow
from policies.model import ChunkModel, model_config_from_dict
from policies.normalization import FeatureStats, Normalizer
from policies.table import METHODS


def make_policy(name="flow", spec=None, **changes):
    torch.manual_seed(0)
    frames = tiny_frames()
    stats = {"observation.state": FeatureStats.of(frames.state), "action": FeatureStats.of(frames.action)}
    model = ChunkModel(tiny_model(name, **changes), spec or tiny_spec(), stats)
    for parameter in model.net.parameters():  # output and gates begin at zero
        torch.nn.init.normal_(parameter, std=0.1)
    return ChunkPolicy(model)


def make_context(n_obs_steps=1, seed=0, **changes):
    rng = np.random.default_rng(seed)
    context = Context(
        state=rng.normal(size=(n_obs_steps, 2)).astype(np.float32),
        images={"front": rng.integers(0, 255, (n_obs_steps, SIZE, SIZE, 3), dtype=np.uint8)},
        generator=np.random.default_rng(seed),
    )
    return replace(context, **changes)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("n_obs_steps", "use_state"), [(1, False), (2, True)])
def test_chunk_has_the_shape_of_the_spec(name, n_obs_steps, use_state):
    spec = tiny_spec(chunk_size=5, n_obs_steps=n_obs_steps)
    chunk = make_policy(name, spec, use_state=use_state).predict_chunk(make_context(n_obs_steps))
    assert chunk.shape == (5, 2)
    assert chunk.dtype == np.float32
    assert np.isfinite(chunk).all()


@pytest.mark.parametrize("use_state", [False, True])
def test_state_matters_only_when_it_is_used(use_state):
    policy = make_policy(use_state=use_state)
    first = policy.predict_chunk(make_context())
    other = policy.predict_chunk(make_context(state=np.full((1, 2), 0.7, np.float32)))
    assert np.allclose(first, other) is not use_state


@pytest.mark.parametrize("name", METHODS)
def test_same_generator_same_chunk(name):
    policy = make_policy(name)
    first = policy.predict_chunk(make_context())
    np.testing.assert_array_equal(first, policy.predict_chunk(make_context()))
    other = policy.predict_chunk(make_context(generator=np.random.default_rng(9)))
    assert np.array_equal(first, other) == (name == "regression")


def test_reset_repeats_the_episode():
    policy = make_policy()
    context = make_context(generator=None)
    first = [policy.predict_chunk(context) for _ in range(2)]
    assert not np.array_equal(*first)
    policy.reset()
    np.testing.assert_array_equal(first[0], policy.predict_chunk(context))


@pytest.mark.parametrize("name", METHODS)
def test_points_that_are_fixed_come_back_as_they_are(name):
    planned = np.array([[0.1, 0.2], [0.3, 0.1], [0.2, -0.1]], np.float32)
    policy = make_policy(name)
    free = policy.predict_chunk(make_context())
    chunk = policy.predict_chunk(make_context(prefix=Prefix(planned, 2, 2)))
    np.testing.assert_allclose(chunk[:2], planned[:2], atol=1e-6)
    np.testing.assert_allclose(chunk[2:], free[2:], atol=1e-6)  # not trained with a prefix: not conditioned
    none = policy.predict_chunk(make_context(prefix=Prefix(planned[:0], 2, 2)))
    np.testing.assert_array_equal(none, free)


def test_a_policy_trained_with_prefixes_is_conditioned_on_them():
    policy = make_policy(method=Flow(max_prefix=3))
    free = policy.predict_chunk(make_context())
    planned = np.array([[0.1, 0.2], [0.3, 0.1]], np.float32)
    chunk = policy.predict_chunk(make_context(prefix=Prefix(planned, 2, 2)))
    np.testing.assert_allclose(chunk[:2], planned, atol=1e-6)
    assert not np.allclose(chunk[2:], free[2:], atol=1e-4)


def test_knob_sets_the_number_of_steps():
    policy = make_policy()
    four = policy.predict_chunk(make_context())
    np.testing.assert_array_equal(four, policy.predict_chunk(make_context(knobs={"num_inference_steps": 4})))
    one = policy.predict_chunk(make_context(knobs={"num_inference_steps": 1}))
    assert not np.allclose(four, one)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"state": np.zeros((2, 2), np.float32)},
            r"observation.state: expected shape \(1, 2\), got \(2, 2\)",
        ),
        ({"state": np.full((1, 2), np.nan, np.float32)}, "expected finite"),
        ({"images": {"side": np.zeros((1, SIZE, SIZE, 3), np.uint8)}}, r"expected \[front\], got \[side\]"),
        ({"images": {"front": np.zeros((1, 8, 8, 3), np.uint8)}}, "camera 'front'"),
        ({"images": {"front": np.zeros((1, SIZE, SIZE, 3), np.float32)}}, "float32"),
    ],
)
def test_context_that_does_not_fit(changes, message):
    with pytest.raises(PolicyError, match=message):
        make_policy().predict_chunk(make_context(**changes))


def test_crops_are_windows_of_the_picture():
    images = np.random.default_rng(0).integers(0, 255, (3, 2, 12, 10, 3), dtype=np.uint8)
    cut = random_crop(images, 4, np.random.default_rng(1))
    assert cut.shape == (3, 2, 8, 6, 3)
    for one, window in zip(images, cut, strict=True):
        places = [
            (y, x) for y in range(5) for x in range(5) if np.array_equal(one[:, y : y + 8, x : x + 6], window)
        ]
        assert len(places) == 1
    np.testing.assert_array_equal(centre_crop(images, 4), images[:, :, 2:-2, 2:-2])


@pytest.mark.parametrize("mode", ["min-max", "mean-std"])
def test_normalisation_goes_back(mode):
    values = np.random.default_rng(0).normal(2.0, 3.0, (500, 2)).astype(np.float32)
    values[:, 1] = 1.0  # a joint that never moved
    normalizer = Normalizer(FeatureStats.of(values), mode)
    x = torch.from_numpy(values)
    y = normalizer(x)
    torch.testing.assert_close(normalizer.inverse(y), x)
    assert y.abs().max() < 5
    if mode == "min-max":
        assert y[:, 0].min().item() == pytest.approx(-1, abs=1e-5)
        assert y[:, 0].max().item() == pytest.approx(1, abs=1e-5)


def test_model_config_survives_json():
    for name in METHODS:
        config = tiny_model(name, use_state=True)
        assert model_config_from_dict(config.to_dict()) == config
    with pytest.raises(PolicyError, match=r"unknown policy 'flo' .did you mean 'flow'"):
        model_config_from_dict({**tiny_model().to_dict(), "method": {"name": "flo"}})
