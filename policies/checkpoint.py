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

from hardware.spec import RobotSpec, spec_from_dict
from policies.chunk_policy import ChunkPolicy
from policies.contracts import CameraShape, Policy, PolicySpec
from policies.errors import CheckpointError, PolicyError
from policies.model import ChunkModel, ModelConfig, model_config_from_dict
from policies.normalization import FeatureStats

FORMAT = 1


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


def checkpoint_folder(path: str | Path) -> Path:
    """The checkpoint at `path`, which may also be the folder of a training run."""
    folder = Path(path)
    if not folder.is_dir():
        raise CheckpointError(f"expected a checkpoint folder, {str(path)!r} does not exist")
    if not (folder / "config.json").is_file() and (folder / "checkpoint").is_dir():
        folder = folder / "checkpoint"
    for name in ("config.json", "model.safetensors", "stats.json"):
        if not (folder / name).is_file():
            raise CheckpointError(f"expected a checkpoint folder, {str(path)!r} has no {name}")
    return folder


def read_config(path: str | Path) -> CheckpointConfig:
    """`config.json` of a checkpoint; `CheckpointError` when it is of another format or damaged."""
    file = checkpoint_folder(path) / "config.json"
    try:
        data = json.loads(file.read_text())
        if data.get("format") != FORMAT:
            raise CheckpointError(f"{file}: expected format {FORMAT}, got {data.get('format')!r}")
        spec = dict(data["spec"])
        for key in ("state_names", "action_names"):
            spec[key] = tuple(spec[key])
        spec["cameras"] = tuple(CameraShape(**c) for c in spec["cameras"])
        return CheckpointConfig(
            model=model_config_from_dict(data["model"]),
            spec=PolicySpec(**spec),
            robot=spec_from_dict(data["robot"]) if data["robot"] else None,
            training=data["training"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: damaged: {type(error).__name__}: {error}") from None


def read_stats(path: str | Path) -> dict[str, FeatureStats]:
    """`stats.json` of a checkpoint."""
    file = checkpoint_folder(path) / "stats.json"
    try:
        return {key: FeatureStats.from_dict(value) for key, value in json.loads(file.read_text()).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: damaged: {type(error).__name__}: {error}") from None


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


def check_robot(checkpoint: str | Path | CheckpointConfig, robot: RobotSpec) -> None:
    """Raise `CheckpointError` unless the checkpoint was trained for this robot's joints and cameras.

    To be called before torque goes on. One line, with both lists.
    """
    config = checkpoint if isinstance(checkpoint, CheckpointConfig) else read_config(checkpoint)
    spec = config.spec
    if config.robot is not None and config.robot.name != robot.name:
        raise CheckpointError(f"checkpoint is for robot {config.robot.name!r}, this robot is {robot.name!r}")
    if spec.action_names != robot.joint_names or spec.state_names != robot.joint_names:
        raise CheckpointError(
            f"checkpoint is for joints [{' '.join(spec.action_names)}], "
            f"this robot has [{' '.join(robot.joint_names)}]"
        )
    if spec.action_hz != robot.action_hz:
        raise CheckpointError(
            f"checkpoint is for action_hz {spec.action_hz}, this robot runs {robot.action_hz}"
        )
    seen = {(c.name, c.width, c.height) for c in robot.cameras}
    wanted = [(c.name, c.width, c.height) for c in spec.cameras]
    if not seen.issuperset(wanted):
        raise CheckpointError(
            f"checkpoint is for cameras [{_cameras(wanted)}], this robot has [{_cameras(sorted(seen))}]"
        )


def _cameras(cameras: list[tuple[str, int, int]]) -> str:
    return " ".join(f"{name}:{width}x{height}" for name, width, height in cameras) or "none"


def all_finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether every weight is a number."""
    return all(bool(np.isfinite(t.detach().float().sum().item())) for t in weights.values())
