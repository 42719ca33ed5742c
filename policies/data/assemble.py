"""Puts episodes together into the files of a LeRobotDataset v3.0.

The writer, `merge`, `split` and `delete` all end here. Episodes are joined into shared files that
are rolled at lerobot's sizes; videos are joined by copying packets, so nothing is encoded twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.stats import FeatureStats, Stats, combine, vector_stats
from policies.data.video import (
    VideoEncoder,
    VideoJoiner,
    VideoSegment,
    begins_at_key_frame,
    coding_of,
    decode,
    video_info,
)

# lerobot compares video stamps in float32 with a tolerance of 0.1 ms; above 1024 s float32 steps
# by 0.12 ms. So a file also ends before this length, whatever its size.
VIDEO_FILE_SECONDS = 1000.0


@dataclass(frozen=True)
class EpisodeSource:
    """One episode to be put in.

    table: pyarrow, the declared features that are not videos; tasks: the text of every frame;
    videos: feature key -> where its frames lie now; stats: of the declared features; info: notes.
    """

    table: Any
    tasks: list[str]
    videos: Mapping[str, VideoSegment]
    stats: Stats
    info: Mapping[str, Any] = field(default_factory=dict)


class Assembler:
    """Writes a dataset into `root`, an empty folder that the caller renames when `finish` returned."""

    def __init__(self, root: Path, info: Mapping[str, Any]) -> None:
        """info: of the dataset to be, as `layout.new_info` makes it; counts are filled in."""
        self.root = root
        self.info = {**info, "total_episodes": 0, "total_frames": 0, "total_tasks": 0, "splits": {}}
        self.info["data_path"] = layout.DATA
        video_keys = [key for key, f in info["features"].items() if f["dtype"] == "video"]
        self.info["video_path"] = layout.VIDEO if video_keys else None
        self._fps = int(info["fps"])
        self._rows: list[dict[str, Any]] = []
        self._stats: list[Stats] = []
        self._tasks: dict[str, int] = {}
        self._data = _DataFiles(root, int(self.info["data_files_size_in_mb"]), int(self.info["chunks_size"]))
        self._videos = {
            key: _VideoFiles(
                root, key, self._fps, int(self.info["video_files_size_in_mb"]), int(self.info["chunks_size"])
            )
            for key in video_keys
        }

    def add(self, source: EpisodeSource) -> None:
        """Append an episode."""
        import pyarrow as pa

        length = len(source.tasks)
        number, first = len(self._rows), int(self.info["total_frames"])
        frame_index = np.arange(length)
        columns: dict[str, NDArray[Any]] = {
            "timestamp": (frame_index / self._fps).astype(np.float32),
            "frame_index": frame_index,
            "episode_index": np.full(length, number),
            "index": first + frame_index,
            "task_index": np.array([self._tasks.setdefault(t, len(self._tasks)) for t in source.tasks]),
        }
        declared = [k for k, f in self.info["features"].items() if f["dtype"] != "video" and k not in columns]
        kept = {key: source.table.column(key) for key in declared}
        table = pa.table({**kept, **{key: pa.array(values) for key, values in columns.items()}})
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": list(dict.fromkeys(source.tasks)),
            "length": length,
            "dataset_from_index": first,
            "dataset_to_index": first + length,
        }
        row["data/chunk_index"], row["data/file_index"] = self._data.append(table)
        for key, files in self._videos.items():
            place, begin = files.append(source.videos[key])
            row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"] = place
            row[f"videos/{key}/from_timestamp"] = begin / self._fps
            row[f"videos/{key}/to_timestamp"] = (begin + length) / self._fps
        stats = {**source.stats, **{key: vector_stats(values) for key, values in columns.items()}}
        for key, feature_stats in stats.items():
            for name, value in feature_stats.items():
                row[f"stats/{key}/{name}"] = value.astype(
                    np.int64 if name == "count" else np.float64
                ).tolist()
        row.update({f"info/{key}": value for key, value in source.info.items()})
        row["meta/episodes/chunk_index"], row["meta/episodes/file_index"] = 0, 0
        self._rows.append(row)
        self._stats.append(stats)
        self.info["total_episodes"] += 1
        self.info["total_frames"] += length

    def finish(self) -> None:
        """Close the files and write the metadata; the folder is a whole dataset afterwards."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._data.close()
        for key, files in self._videos.items():
            files.close()
            self.info["features"][key]["info"] = video_info(files.path(0, 0), self._fps)
        self.info["total_tasks"] = len(self._tasks)
        self.info["splits"] = {"train": f"0:{len(self._rows)}"}
        keys = list(dict.fromkeys(key for row in self._rows for key in row))
        episodes = pa.table({key: _episode_column([row.get(key) for row in self._rows]) for key in keys})
        path = self.root / layout.EPISODES.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        pq.write_table(episodes, path)
        tasks = pd.DataFrame({"task_index": list(self._tasks.values())}, index=list(self._tasks))
        tasks.to_parquet(self.root / layout.TASKS)
        totals = combine(self._stats)
        layout.write_json(self.root / layout.STATS, {key: _lists(value) for key, value in totals.items()})
        layout.write_json(self.root / layout.INFO, self.info)


def _lists(stats: FeatureStats) -> dict[str, Any]:
    return {name: value.tolist() for name, value in stats.items()}


def _episode_column(values: list[Any]) -> Any:
    """A column of the episodes' table; notes of mixed kinds become text, as do empty ones."""
    import pyarrow as pa

    try:
        column = pa.array(values)
    except pa.ArrowException:
        column = pa.array([None if value is None else str(value) for value in values])
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


class _DataFiles:
    """Parquet files of frames, one row group an episode, rolled at a size."""

    def __init__(self, root: Path, limit_mb: int, chunks_size: int) -> None:
        self._root, self._limit, self._chunks_size = root, limit_mb * 2**20, chunks_size
        self._number = -1
        self._writer: Any = None
        self._path = root

    def append(self, table: Any) -> tuple[int, int]:
        """Write an episode's frames; returns (chunk_index, file_index)."""
        import pyarrow.parquet as pq

        if self._writer is None or self._path.stat().st_size + table.nbytes > self._limit:
            self.close()
            self._number += 1
            chunk, file = divmod(self._number, self._chunks_size)
            self._path = self._root / layout.DATA.format(chunk_index=chunk, file_index=file)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy")
        self._writer.write_table(table)
        return divmod(self._number, self._chunks_size)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _VideoFiles:
    """One camera's video files, rolled at a size, a length, or where the coding changes."""

    def __init__(self, root: Path, key: str, fps: int, limit_mb: int, chunks_size: int) -> None:
        self._root, self._key, self._fps = root, key, fps
        self._limit, self._chunks_size = limit_mb * 2**20, chunks_size
        self._number = -1
        self._joiner: VideoJoiner | None = None

    def path(self, chunk: int, file: int) -> Path:
        """The video file of that number."""
        name = layout.VIDEO.format(video_key=self._key, chunk_index=chunk, file_index=file)
        return self._root / name

    def append(self, segment: VideoSegment) -> tuple[tuple[int, int], int]:
        """Copy an episode in; returns ((chunk_index, file_index), its first frame in that file)."""
        if begins_at_key_frame(segment, self._fps):
            return self._copy(segment)
        recoded = self._root / f".{self._key}.recoded.mp4"
        encode_again(segment, recoded, self._fps)
        place = self._copy(VideoSegment(recoded, 0, segment.n_frames))
        recoded.unlink()
        return place

    def _copy(self, segment: VideoSegment) -> tuple[tuple[int, int], int]:
        coding = coding_of(segment.path)
        joiner = self._joiner
        if joiner is None or joiner.coding != coding or self._is_full(joiner, segment):
            self.close()
            self._number += 1
            chunk, file = divmod(self._number, self._chunks_size)
            joiner = self._joiner = VideoJoiner(self.path(chunk, file), self._fps, coding)
        begin = joiner.frames
        joiner.append(segment)
        return divmod(self._number, self._chunks_size), begin

    def _is_full(self, joiner: VideoJoiner, segment: VideoSegment) -> bool:
        expected = joiner.bytes / max(1, joiner.frames) * (joiner.frames + segment.n_frames)
        seconds = (joiner.frames + segment.n_frames) / self._fps
        return joiner.frames > 0 and (expected > self._limit or seconds > VIDEO_FILE_SECONDS)

    def close(self) -> None:
        if self._joiner is not None:
            self._joiner.close()
            self._joiner = None


def encode_again(segment: VideoSegment, path: Path, fps: int) -> None:
    """Decode a segment that does not begin at a key frame and encode it to a file of its own."""
    encoder: VideoEncoder | None = None
    for number, image in decode(segment.path, fps, first_frame=segment.first_frame):
        if number >= segment.first_frame + segment.n_frames:
            break
        encoder = encoder or VideoEncoder(path, fps, image.shape[0], image.shape[1])
        encoder.add(image)
    if encoder is not None:
        encoder.close()
