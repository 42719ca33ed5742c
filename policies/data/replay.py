"""An episode's goals, taken out of its log or dataset for any robot with the same joints."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec
from policies.data.episode_streams import read_streams
from policies.data.export import ACTIONS, ExportOptions, resample
from policies.data.layout import ACTION
from policies.data.lerobot_reader import open_dataset
from policies.data.raw_log_reader import read_raw_log
from policies.errors import DatasetError

Goals = NDArray[np.float64]  # (K, n) one a step, in the spec's joint order


def load_goals(path: Path, spec: RobotSpec, index: int = 0, goals: str = "sent") -> Goals:
    """The goals of a raw log, or of episode `index` of a LeRobotDataset, at the spec's action_hz.

    `goals`: of a raw log `sent` (what the motors got) or `base` (what the demonstrator wanted); a
    dataset has one kind. `DatasetError` for other joints, a missing episode or an unreadable file.
    """
    if goals not in ACTIONS:
        raise DatasetError(f"expected goals of {', '.join(ACTIONS)}, got {goals!r}")
    if path.is_dir():
        values, names, rate_hz = _from_dataset(path, index)
    elif path.is_file():
        streams = read_streams(read_raw_log(path))
        frames = resample(streams, ExportOptions(action=goals, trim_idle=False))
        values, names, rate_hz = frames.action, streams.spec.joint_names, streams.spec.action_hz
    else:
        raise DatasetError(f"expected a raw log or a LeRobotDataset, {path} does not exist")
    if sorted(names) != sorted(spec.joint_names):
        raise DatasetError(
            f"expected joints {' '.join(spec.joint_names)} as {spec.name!r} has, {path} has {' '.join(names)}"
        )
    if len(values) == 0:
        raise DatasetError(f"expected at least one goal in {path}, found none")
    ordered = values.astype(np.float64)[:, [list(names).index(name) for name in spec.joint_names]]
    return at_rate(ordered, rate_hz, spec.action_hz)


def at_rate(goals: Goals, rate_hz: int, wanted_hz: int) -> Goals:
    """The same movement in the same time with goals at another rate, linear in between."""
    if rate_hz == wanted_hz:
        return goals
    times = np.arange(len(goals)) / rate_hz
    wanted = np.arange(0.0, times[-1] + 1e-9, 1.0 / wanted_hz)
    return np.stack([np.interp(wanted, times, column) for column in goals.T], axis=1)


def approach(position: NDArray[np.float64], goal: NDArray[np.float64], speed: float, action_hz: int) -> Goals:
    """Goals (K, n) from `position` (n,) to `goal` (n,) that start and end at rest.

    A minimum-jerk path whose fastest joint reaches `speed` in rad/s, 15/8 of its mean.
    """
    distance = float(np.abs(goal - position).max())
    steps = max(1, math.ceil(15 / 8 * distance / speed * action_hz))
    u = np.arange(1, steps + 1)[:, None] / steps
    return position + (goal - position) * (10 * u**3 - 15 * u**4 + 6 * u**5)


def _from_dataset(root: Path, index: int) -> tuple[NDArray[np.float32], Sequence[str], int]:
    dataset = open_dataset(root)
    if not 0 <= index < len(dataset.episodes):
        raise DatasetError(f"expected an episode of 0..{len(dataset.episodes) - 1} in {root}, got {index}")
    names = dataset.features[ACTION]["names"] if ACTION in dataset.features else None
    if not isinstance(names, list):
        raise DatasetError(f"expected joint names for {ACTION!r} in {root}, found none")
    episode = dataset.episodes[index]
    first = episode.from_index
    return dataset.column(ACTION)[first : first + episode.length], names, dataset.fps
