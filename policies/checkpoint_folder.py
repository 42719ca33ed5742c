"""A checkpoint's folder and the robot it is for, read without torch: a launch file checks it in no time."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.spec import RobotSpec, spec_from_dict
from policies.contracts import CameraShape, PolicySpec
from policies.errors import CheckpointError, PolicyError

FORMAT = 1
FILES = ("config.json", "model.safetensors", "stats.json")
DAMAGE = (ValueError, KeyError, TypeError, AttributeError)
"""What reading a damaged JSON file raises."""


@dataclass(frozen=True)
class TrainedFor:
    """What goes in and out of a policy, and the robot it was trained for.

    `robot` is None when the data did not name a known robot.
    """

    spec: PolicySpec
    robot: RobotSpec | None


def checkpoint_folder(path: str | Path) -> Path:
    """The checkpoint at `path`, which may also be the folder of a training run."""
    folder = Path(path)
    if not folder.is_dir():
        raise CheckpointError(f"expected a checkpoint folder, {str(path)!r} does not exist")
    if not (folder / "config.json").is_file() and (folder / "checkpoint").is_dir():
        folder = folder / "checkpoint"
    for name in FILES:
        if not (folder / name).is_file():
            raise CheckpointError(f"expected a checkpoint folder, {str(path)!r} has no {name}")
    return folder


def read_json(path: str | Path, name: str) -> Any:
    """A JSON file of the checkpoint at `path`; `CheckpointError` when it is damaged."""
    file = checkpoint_folder(path) / name
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise damaged(file, error) from None


def damaged(file: Path, error: Exception) -> CheckpointError:
    """The one line about a file that is not what it should be."""
    return CheckpointError(f"{file}: damaged: {type(error).__name__}: {error}")


def read_trained_for(path: str | Path) -> TrainedFor:
    """What the checkpoint at `path` is for; `CheckpointError` when it is of another format or damaged."""
    return trained_for(read_json(path, "config.json"), checkpoint_folder(path) / "config.json")


def trained_for(data: Any, file: Path) -> TrainedFor:
    """The same of the contents of the config file `file`."""
    try:
        if data.get("format") != FORMAT:
            raise CheckpointError(f"{file}: expected format {FORMAT}, got {data.get('format')!r}")
        spec = dict(data["spec"])
        for key in ("state_names", "action_names"):
            spec[key] = tuple(spec[key])
        spec["cameras"] = tuple(CameraShape(**c) for c in spec["cameras"])
        return TrainedFor(PolicySpec(**spec), spec_from_dict(data["robot"]) if data["robot"] else None)
    except DAMAGE as error:
        raise damaged(file, error) from None


def check_horizon(execution_horizon: int, chunk_size: int) -> None:
    """Raise `PolicyError` unless a new chunk comes before the last one has ended."""
    if not execution_horizon < chunk_size:
        raise PolicyError(
            f"execution_horizon: expected less than chunk_size {chunk_size}, got {execution_horizon}"
        )


def check_robot(checkpoint: str | Path, robot: RobotSpec) -> None:
    """Raise `CheckpointError` unless the checkpoint was trained for this robot's joints and cameras.

    To be called before torque goes on. One line, with both lists.
    """
    trained_for = read_trained_for(checkpoint)
    spec = trained_for.spec
    if trained_for.robot is not None and trained_for.robot.name != robot.name:
        raise CheckpointError(
            f"checkpoint is for robot {trained_for.robot.name!r}, this robot is {robot.name!r}"
        )
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
