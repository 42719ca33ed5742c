"""Checkpoints: whole, exact, and only for the robot they were made for."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.learning import tiny_model

from hardware.spec import load_spec
from policies.checkpoint import load_policy, read_config, save_checkpoint
from policies.checkpoint_folder import check_robot
from policies.chunk_policy import ChunkPolicy
from policies.contracts import Context, policy_spec
from policies.errors import CheckpointError
from policies.model import ChunkModel
from policies.normalization import FeatureStats


@pytest.fixture
def robot():
    return load_spec("so101").with_cameras(width=32, height=32)


@pytest.fixture
def model(robot):
    values = np.random.default_rng(0).normal(size=(50, robot.n_joints)).astype(np.float32)
    stats = {key: FeatureStats.of(values) for key in ("observation.state", "action")}
    return ChunkModel(tiny_model(), policy_spec(robot, chunk_size=4), stats)


def context(seed=0):
    rng = np.random.default_rng(seed)
    images = {c: rng.integers(0, 255, (1, 32, 32, 3), dtype=np.uint8) for c in ("front", "wrist")}
    return Context(np.zeros((1, 6), np.float32), images, generator=np.random.default_rng(1))


def test_round_trip(model, robot, tmp_path):
    save_checkpoint(tmp_path / "a", model, robot, {"step": 3})
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "config.json",
        "model.safetensors",
        "stats.json",
    ]
    loaded = load_policy(tmp_path / "a")
    np.testing.assert_array_equal(
        loaded.predict_chunk(context()), ChunkPolicy(model).predict_chunk(context())
    )
    config = read_config(tmp_path / "a")
    assert config.robot == robot
    assert config.spec == model.spec
    assert config.training == {"step": 3}
    with pytest.raises(CheckpointError, match="exists"):
        save_checkpoint(tmp_path / "a", model, robot, {})


def test_other_robots_are_refused(model, robot, tmp_path):
    save_checkpoint(tmp_path / "a", model, robot, {})
    check_robot(tmp_path / "a", robot)
    check_robot(tmp_path / "a", replace(robot, description="the same arm, described anew"))
    with pytest.raises(CheckpointError, match="robot 'so101', this robot is 'other'"):
        check_robot(tmp_path / "a", replace(robot, name="other"))
    renamed = replace(robot.joints[0], name="base")
    with pytest.raises(CheckpointError, match=r"\[shoulder_pan .*has \[base "):
        check_robot(tmp_path / "a", replace(robot, joints=(renamed, *robot.joints[1:])))
    with pytest.raises(CheckpointError, match=r"\[front:32x32 wrist:32x32\], this robot has \[front:32x32\]"):
        check_robot(tmp_path / "a", robot.with_cameras(("front",)))
    with pytest.raises(CheckpointError, match="wrist:64x64"):
        check_robot(tmp_path / "a", robot.with_cameras(width=64, height=64))
    with pytest.raises(CheckpointError, match="action_hz 20, this robot runs 10"):
        check_robot(tmp_path / "a", replace(robot, action_hz=10))


def test_damage_is_one_line(model, robot, tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_policy(tmp_path / "none")
    save_checkpoint(tmp_path / "a", model, robot, {})
    weights = tmp_path / "a/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    config = tmp_path / "a/config.json"
    good = config.read_text()
    cases = [
        ("model.safetensors: damaged", None),
        ("config.json: damaged", good[:-40]),
        ("expected format 1, got 7", json.dumps({**json.loads(good), "format": 7})),
    ]
    for message, text in cases:
        if text is not None:
            config.write_text(text)
        with pytest.raises(CheckpointError, match=message) as caught:
            load_policy(tmp_path / "a")
        assert "\n" not in str(caught.value)
    config.unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load_policy(tmp_path / "a")
