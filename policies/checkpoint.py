"""Checkpoints: a folder that holds all a robot needs to run a policy. No pickle anywhere.

config.json         format, policy and network options, what goes in and out, the robot's spec
model.safetensors   weights (averaged, EMA)
stats.json          normalisation statistics of observation.state and action
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from hardware.spec import RobotSpec
from policies.checkpoint_folder import (
    DAMAGE,
    FORMAT,
    checkpoint_folder,
    damaged,
    read_json,
    trained_for,
)
from policies.chunk_policy import ChunkPolicy
from policies.contracts import Policy, PolicySpec
from policies.errors import CheckpointError, PolicyError
from policies.model import ChunkModel, ModelConfig, model_config_from_dict
from policies.normalization import FeatureStats


@dataclass(frozen=True)
class CheckpointConfig:
    """What `config.json` says. `robot` is None when the data did not name a known robot."""

    model: ModelConfig
    spec: PolicySpec
    robot: RobotSpec | None
    training: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model": self.model.to_dict(),
            "spec": asdict(self.spec),
            "robot": self.robot.to_dict() if self.robot else None,
            "training": dict(self.training),
        }


def save_checkpoint(
    folder: Path,
    model: ChunkModel,
    robot: RobotSpec | None,
    training: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint to `folder`, which must not exist, through a temporary name.

    weights: in place of the model's own (EMA). training: what to remember about the run (JSON).
    """
    if folder.exists():
        raise CheckpointError(f"expected a new folder, {folder} exists; nothing was overwritten")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_checkpoint(partial, model, robot, training, weights)
    partial.replace(folder)


def write_checkpoint(
    folder: Path,
    model: ChunkModel,
    robot: RobotSpec | None,
    training: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """The three files, into an existing `folder`."""
    config = CheckpointConfig(model.config, model.spec, robot, training)
    tensors = dict(weights if weights is not None else model.state_dict())
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, folder / "model.safetensors"
    )
    stats = {key: asdict(value) for key, value in model.stats.items()}
    (folder / "stats.json").write_text(json.dumps(stats, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")


def read_config(path: str | Path) -> CheckpointConfig:
    """`config.json` of a checkpoint; `CheckpointError` when it is of another format or damaged."""
    file = checkpoint_folder(path) / "config.json"
    data = read_json(path, "config.json")
    purpose = trained_for(data, file)
    try:
        model = model_config_from_dict(data["model"])
        return CheckpointConfig(model, purpose.spec, purpose.robot, data["training"])
    except DAMAGE as error:
        raise damaged(file, error) from None


def read_stats(path: str | Path) -> dict[str, FeatureStats]:
    """`stats.json` of a checkpoint."""
    data = read_json(path, "stats.json")
    try:
        return {key: FeatureStats.from_dict(value) for key, value in data.items()}
    except DAMAGE as error:
        raise damaged(checkpoint_folder(path) / "stats.json", error) from None


def load_policy(path: str | Path, device: str = "cpu") -> Policy:
    """The policy in a checkpoint or run folder, ready for `device` (`cpu`, `cuda`)."""
    folder = checkpoint_folder(path)
    config = read_config(folder)
    try:
        model = ChunkModel(config.model, config.spec, read_stats(folder))
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except PolicyError:
        raise
    except Exception as error:  # safetensors and torch raise half a dozen kinds
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{folder / 'model.safetensors'}: damaged: {reason}") from None
    return ChunkPolicy(model, device)


def all_finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether every weight is a number."""
    return all(bool(np.isfinite(t.detach().float().sum().item())) for t in weights.values())
