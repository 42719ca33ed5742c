"""Reads the tables of any LeRobotDataset v3.0, ours or lerobot's, without lerobot.

`DatasetFiles` is what the loader (frames.py) and the dataset tools stand on: the info file, the
episodes' table and the frame columns, checked when opened. Errors are DatasetErrors of one line.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.video import VideoSegment
from policies.errors import DatasetError


@dataclass(frozen=True)
class Episode:
    """A row of the episodes' table."""

    index: int
    length: int
    from_index: int
    tasks: tuple[str, ...]
    row: dict[str, Any]

    @property
    def info(self) -> dict[str, Any]:
        """What the writer was told about the episode: success, operator, seed, hashes."""
        return {k.removeprefix("info/"): v for k, v in self.row.items() if k.startswith("info/")}


@dataclass(frozen=True)
class DatasetFiles:
    """An opened dataset: `root`, `info` (meta/info.json), `episodes`, `tasks` by task_index."""

    root: Path
    info: dict[str, Any]
    episodes: tuple[Episode, ...]
    tasks: tuple[str, ...]

    @property
    def fps(self) -> int:
        return int(self.info["fps"])

    @property
    def features(self) -> dict[str, layout.Feature]:
        """Declared features and bookkeeping columns by name."""
        return dict(self.info["features"])

    @property
    def cameras(self) -> list[str]:
        """Keys of image and video features, in the dataset's order."""
        return [key for key, feature in self.features.items() if layout.is_image(feature)]

    def data_path(self, episode: Episode) -> Path:
        """The parquet file that holds an episode's frames."""
        return self.root / str(self.info["data_path"]).format(
            chunk_index=episode.row["data/chunk_index"], file_index=episode.row["data/file_index"]
        )

    @cached_property
    def data_files(self) -> list[Path]:
        """Parquet files of frames in order."""
        return list(dict.fromkeys(self.data_path(episode) for episode in self.episodes))

    def video_path(self, key: str, episode: Episode) -> Path:
        """The video file that holds an episode."""
        return self.root / str(self.info["video_path"]).format(
            video_key=key,
            chunk_index=episode.row[f"videos/{key}/chunk_index"],
            file_index=episode.row[f"videos/{key}/file_index"],
        )

    def video_segment(self, key: str, episode: Episode) -> VideoSegment:
        """Where an episode's frames lie in its video file."""
        first = round(episode.row[f"videos/{key}/from_timestamp"] * self.fps)
        return VideoSegment(self.video_path(key, episode), first, episode.length)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The frame tables (pyarrow), one a file, in the order of `index`."""
        for path in self.data_files:
            yield read_table(path, columns)

    def column(self, key: str) -> NDArray[Any]:
        """A numeric column over all frames: (N,) or (N, ...)."""
        shape = tuple(self.features[key]["shape"])
        parts = [to_numpy(table.column(key), shape) for table in self.tables([key])]
        return np.concatenate(parts)


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """A parquet file as a pyarrow table; DatasetError where it is missing, cut or lacks a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise DatasetError(f"{path}: expected columns {sorted(missing)}, got {file.schema_arrow.names}")
        return file.read(columns=list(columns) if columns is not None else None)
    except FileNotFoundError:
        raise DatasetError(f"{path}: file is missing; the dataset is truncated") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{path}: expected a whole parquet file, got a truncated or damaged one ({reason})"
        ) from None


def to_numpy(column: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A pyarrow column of scalars or (nested) lists as an array (N,) or (N, *shape)."""
    flat = column.combine_chunks()
    n = len(flat)
    if hasattr(flat, "storage"):
        flat = flat.storage
    while hasattr(flat, "flatten") and str(flat.type).startswith(("list", "large_list", "fixed_size_list")):
        flat = flat.flatten()
    values: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return values if shape == (1,) and len(values) == n else values.reshape(n, *shape)


def open_dataset(root: str | Path) -> DatasetFiles:
    """Open and check a dataset folder.

    Raises DatasetError: folder missing or not a dataset, another codebase_version, a file missing or
    cut, counts that disagree.
    """
    root = Path(root)
    info = _read_info(root)
    episodes = _read_episodes(root, info)
    tasks = _read_tasks(root)
    dataset = DatasetFiles(root, info, episodes, tasks)
    _check_order(root, episodes)
    frames = sum(e.length for e in episodes)
    if (len(episodes), frames) != (info["total_episodes"], info["total_frames"]):
        raise DatasetError(
            f"{root}: expected {info['total_episodes']} episodes of {info['total_frames']} frames, "
            f"got {len(episodes)} of {frames}; the dataset is truncated"
        )
    for episode in episodes:
        for key in dataset.cameras:
            if dataset.features[key]["dtype"] == "video" and not dataset.video_path(key, episode).is_file():
                raise DatasetError(
                    f"{dataset.video_path(key, episode)}: file is missing; the dataset is truncated"
                )
    return dataset


def _read_info(root: Path) -> dict[str, Any]:
    if root.is_file():
        raise DatasetError(f"expected a dataset folder, got the file {root}")
    if not root.is_dir():
        hint = ""
        if partial_of(root).is_dir():
            hint = f"; finish its interrupted recording with: python -m policies dataset recover {root}"
        elif backup_of(root).is_dir():
            hint = f"; an interrupted deletion left it under {backup_of(root)}: rename that"
        raise DatasetError(f"expected a dataset folder, got {root}, which does not exist{hint}")
    path = root / layout.INFO
    if not path.is_file():
        raise DatasetError(f"{root}: expected a LeRobotDataset v3.0, got a folder without {layout.INFO}")
    try:
        info: dict[str, Any] = json.loads(path.read_text())
        version = info["codebase_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected a dataset's info, got a truncated or damaged file ({error})"
        ) from None
    if version != layout.CODEBASE_VERSION:
        raise DatasetError(
            f"{root}: expected codebase_version {layout.CODEBASE_VERSION}, got {version}; "
            "convert it with lerobot's convert_dataset_v21_to_v30"
        )
    needed = ("fps", "features", "data_path", "total_episodes", "total_frames")
    missing = [key for key in needed if key not in info]
    if missing:
        raise DatasetError(f"{path}: expected the keys {', '.join(needed)}, got none of {', '.join(missing)}")
    return info


def partial_of(root: Path) -> Path:
    """The folder beside `root` in which a writer keeps its episodes until the dataset is whole."""
    return root.with_name(root.name + ".partial")


def backup_of(root: Path) -> Path:
    """Where a dataset lies while another one takes its place."""
    return root.with_name(f".{root.name}.backup")


def _read_episodes(root: Path, info: dict[str, Any]) -> tuple[Episode, ...]:
    paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not paths and info["total_episodes"]:
        raise DatasetError(f"{root}: meta/episodes is missing; the dataset is truncated")
    rows = [row for path in paths for row in read_table(path).to_pylist()]
    rows.sort(key=lambda row: row["episode_index"])
    return tuple(
        Episode(
            index=row["episode_index"],
            length=row["length"],
            from_index=row["dataset_from_index"],
            tasks=tuple(row["tasks"]),
            row=row,
        )
        for row in rows
    )


def _check_order(root: Path, episodes: tuple[Episode, ...]) -> None:
    """Raise DatasetError unless episodes 0, 1, ... lie one after another."""
    first = 0
    for number, episode in enumerate(episodes):
        if (episode.index, episode.from_index) != (number, first) or episode.length < 1:
            raise DatasetError(
                f"{root}: expected episode {number} from frame {first}, got episode {episode.index} of "
                f"{episode.length} frames from {episode.from_index}; the dataset is damaged"
            )
        first += episode.length


def _read_tasks(root: Path) -> tuple[str, ...]:
    table = read_table(root / layout.TASKS)
    names = [name for name in table.column_names if name != "task_index"]
    pairs = zip(table.column("task_index").to_pylist(), table.column(names[0]).to_pylist(), strict=True)
    by_index = dict(pairs)
    if sorted(by_index) != list(range(len(by_index))):
        raise DatasetError(
            f"{root / layout.TASKS}: expected task_index 0..{len(by_index) - 1}, got {sorted(by_index)}"
        )
    return tuple(by_index[i] for i in range(len(by_index)))
