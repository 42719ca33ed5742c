"""Training: it learns, resumes to the same weights, stops at NaN, and leaves a whole checkpoint."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from support.learning import LINE, tiny_config, tiny_frames, tiny_model, tiny_spec

from policies.checkpoint import load_policy
from policies.contracts import Context
from policies.errors import CheckpointError, PolicyError, TrainingError
from policies.table import METHODS
from policies.train import Trainer
from policies.train_config import TrainConfig


@pytest.mark.parametrize("name", METHODS)
def test_every_policy_learns_what_the_pictures_show(name, tmp_path):
    frames = tiny_frames()
    trainer = Trainer(frames, tiny_spec(), tiny_model(name), tiny_config(steps=250), tmp_path / "run")
    trainer.train()
    policy = load_policy(tmp_path / "run")
    errors = []
    for i in range(0, len(frames), 37):
        images = {"front": frames.images["front"][i][None]}
        chunk = policy.predict_chunk(Context(frames.state[i][None], images))
        errors.append(np.abs(chunk[0] - frames.action[i]).mean())
    guess = np.abs(frames.action - frames.action.mean(axis=0)).mean()
    assert np.mean(errors) < 0.35 * guess


def test_resumed_run_ends_with_the_same_weights(tmp_path):
    frames, spec, model = tiny_frames(), tiny_spec(), tiny_model("flow")
    whole = Trainer(frames, spec, model, tiny_config(steps=30), tmp_path / "whole")
    whole.train()

    def interrupt(trainer, loss):
        if trainer.step == 13:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Trainer(frames, spec, model, tiny_config(steps=30), tmp_path / "cut").train(interrupt)
    resumed = Trainer(frames, spec, model, tiny_config(steps=30), tmp_path / "cut", resume=True)
    assert resumed.step == 13
    resumed.train()
    for name, tensor in whole.ema.weights.items():
        torch.testing.assert_close(resumed.ema.weights[name], tensor, rtol=0, atol=0)


def test_resuming_with_another_model_is_refused(tmp_path):
    frames, spec = tiny_frames(), tiny_spec()
    Trainer(frames, spec, tiny_model("flow"), tiny_config(steps=2), tmp_path / "run").train()
    with pytest.raises(CheckpointError, match="begun with model"):
        Trainer(frames, spec, tiny_model("regression"), tiny_config(steps=4), tmp_path / "run", resume=True)
    with pytest.raises(CheckpointError, match="--resume"):
        Trainer(frames, spec, tiny_model("flow"), tiny_config(steps=4), tmp_path / "run")


def test_nan_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    trainer = Trainer(tiny_frames(), tiny_spec(), tiny_model("flow"), tiny_config(steps=20), tmp_path / "run")

    def spoil(trainer, loss):
        if trainer.step == 5:
            trainer.save()
        if trainer.step == 8:
            with torch.no_grad():
                next(trainer.model.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError, match="step 8; the last good checkpoint is"):
        trainer.train(spoil)
    assert json.loads((tmp_path / "run/checkpoint/config.json").read_text())["training"]["step"] == 5
    load_policy(tmp_path / "run")


def test_run_folder_holds_the_curve(tmp_path):
    Trainer(tiny_frames(), tiny_spec(), tiny_model("flow"), tiny_config(steps=45), tmp_path / "run").train()
    points = json.loads((tmp_path / "run/loss.json").read_text())
    assert [p["step"] for p in points] == [20, 40, 45]
    assert points[-1]["held_out"] is not None
    assert (tmp_path / "run/loss.csv").read_text().startswith("step,minutes,loss,held_out")
    assert (tmp_path / "run/loss.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["000045"]


def test_a_crash_while_a_step_is_saved_again_leaves_the_checkpoint_there_was(tmp_path, monkeypatch):
    trainer = Trainer(tiny_frames(), tiny_spec(), tiny_model("flow"), tiny_config(steps=2), tmp_path / "run")
    trainer.train()

    def crash(source, target):
        raise KeyboardInterrupt

    for moment in ("pathlib.Path.replace", "os.replace"):
        trainer._saved_step = None
        with monkeypatch.context() as patch:
            patch.setattr(moment, crash)
            with pytest.raises(KeyboardInterrupt):
                trainer.save()
        load_policy(tmp_path / "run")
    trainer.save()
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1
    load_policy(tmp_path / "run")


def test_budgets():
    with pytest.raises(PolicyError, match="budget"):
        TrainConfig()
    with pytest.raises(PolicyError, match="above 0"):
        TrainConfig(minutes=0.0)
    config = TrainConfig(steps=100, core_minutes=1.0)
    assert config.progress(50, 0.0, 0.0) == 0.5
    assert config.progress(50, 9e9, 45.0) == 0.75
    assert config.learning_rate_at(1000, 1.0) == pytest.approx(0.01 * config.learning_rate)


def test_first_budget_ends_the_run(tmp_path):
    config = tiny_config(steps=10_000, core_minutes=0.02)
    trainer = Trainer(tiny_frames(), tiny_spec(), tiny_model("flow"), config, tmp_path / "run")
    trainer.train()
    assert 0 < trainer.step < 10_000
    assert trainer.core_seconds >= 1.2


def test_the_line_is_what_the_pictures_show():
    """The data of this file: the goal is where the bright column stands."""
    frames = tiny_frames()
    columns = frames.images["front"][:, 0, :, 0].argmax(axis=1)
    np.testing.assert_allclose(frames.action[:, 0], LINE[0] + LINE[1] * columns, atol=1e-6)
