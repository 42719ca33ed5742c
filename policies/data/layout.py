"""Where things lie in a LeRobotDataset v3.0 (source: lerobot 0.4.4, `lerobot.datasets.utils`)."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CODEBASE_VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

# lerobot's own limits: files of one chunk folder, and the size at which a new file is begun
CHUNKS_SIZE = 1000
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200

STATE = "observation.state"
ACTION = "action"
IMAGES = "observation.images."
ENVIRONMENT_STATE = "observation.environment_state"

Feature = dict[str, Any]

# The columns every dataset has; lerobot adds them to the declared features itself.
BOOKKEEPING: dict[str, Feature] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}


def is_image(feature: Mapping[str, Any]) -> bool:
    """Whether the feature is a camera, stored as video or as single images."""
    return feature["dtype"] in ("video", "image")


def new_info(fps: int, features: Mapping[str, Mapping[str, Any]], robot_type: str | None) -> dict[str, Any]:
    """`meta/info.json` of a dataset without episodes; `features` without the bookkeeping columns."""
    declared = {
        key: {**feature, "shape": [int(n) for n in feature["shape"]], "names": feature.get("names")}
        for key, feature in features.items()
    }
    has_video = any(feature["dtype"] == "video" for feature in declared.values())
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": robot_type,
        "total_episodes": 0,
        "total_frames": 0,
        "total_tasks": 0,
        "chunks_size": CHUNKS_SIZE,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": fps,
        "splits": {},
        "data_path": DATA,
        "video_path": VIDEO if has_video else None,
        "features": {**declared, **BOOKKEEPING},
    }


def robot_features(
    joints: Sequence[str],
    cameras: Mapping[str, tuple[int, int]],
    *,
    environment_state: int = 0,
    image_dtype: str = "video",
) -> dict[str, Feature]:
    """The usual features of a robot's recording.

    joints: names of the entries of state and action. cameras: name -> (height, width).
    environment_state: entries of `observation.environment_state`, 0 for none.
    """
    names = list(joints)
    features: dict[str, Feature] = {
        key: {"dtype": "float32", "shape": [len(names)], "names": names} for key in (STATE, ACTION)
    }
    if environment_state:
        features[ENVIRONMENT_STATE] = {"dtype": "float32", "shape": [environment_state], "names": None}
    for camera, (height, width) in cameras.items():
        axes = ["height", "width", "channels"]
        features[IMAGES + camera] = {"dtype": image_dtype, "shape": [height, width, 3], "names": axes}
    return features


def write_json(path: Path, value: Any) -> None:
    """Write through a temporary name, so that a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value, indent=4, ensure_ascii=False))
    partial.replace(path)
