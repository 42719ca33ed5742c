"""One recorded episode as a folder of its own: what survives a crash of the writer.

frames.parquet   the columns that are not videos
<camera>.mp4     one file a video feature, encoded frame by frame as they came
episode.json     task, length, notes and statistics; written last
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.assemble import EpisodeSource
from policies.data.images import encode_image
from policies.data.lerobot_reader import read_table
from policies.data.stats import ImageHistogram, Stats, vector_stats
from policies.data.video import VideoEncoder, VideoSegment
from policies.errors import DatasetError

Note = bool | int | float | str | None


class RunningEpisode:
    """Takes frames into `folder`, which is made anew, until `save` or `drop`."""

    def __init__(self, folder: Path, fps: int, features: Mapping[str, layout.Feature]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.length = 0
        self._folder, self._fps, self._features = folder, fps, features
        self._columns: dict[str, list[Any]] = {k: [] for k, f in features.items() if f["dtype"] != "video"}
        self._histograms = {k: ImageHistogram() for k, f in features.items() if layout.is_image(f)}
        self._encoders: dict[str, VideoEncoder] = {}

    def add(self, frame: Mapping[str, Any]) -> None:
        """Take one frame; raises DatasetError, and takes nothing, if it is not as declared."""
        if set(frame) != set(self._features):
            raise DatasetError(f"expected the features {sorted(self._features)}, got {sorted(frame)}")
        values = {key: self._checked(key, value) for key, value in frame.items()}
        for key, value in values.items():
            dtype = self._features[key]["dtype"]
            if dtype in ("video", "image"):
                self._histograms[key].add(value)
            if dtype == "video":
                self._encoder(key, value).add(value)
            elif dtype == "image":
                self._columns[key].append({"bytes": encode_image(value), "path": None})
            else:
                self._columns[key].append(value)
        self.length += 1

    def save(self, task: str, notes: Mapping[str, Note], destination: Path) -> None:
        """Close the files and give the folder its final name; raises DatasetError below two frames."""
        import pyarrow.parquet as pq

        if self.length < 2:
            raise DatasetError(f"expected an episode of at least 2 frames, got {self.length}; discard it")
        for encoder in self._encoders.values():
            encoder.close()
        self._encoders = {}
        table, stats = self._table_and_stats()
        pq.write_table(table, self._folder / "frames.parquet")
        note = {
            "task": task,
            "length": self.length,
            "info": dict(notes),
            "stats": {key: {name: v.tolist() for name, v in part.items()} for key, part in stats.items()},
        }
        layout.write_json(self._folder / "episode.json", note)
        self._folder.rename(destination)

    def drop(self) -> None:
        """Forget the frames."""
        for encoder in self._encoders.values():
            encoder.abandon()
        self._encoders = {}
        shutil.rmtree(self._folder, ignore_errors=True)

    def _encoder(self, key: str, image: NDArray[np.uint8]) -> VideoEncoder:
        if key not in self._encoders:
            path = self._folder / f"{key}.mp4"
            self._encoders[key] = VideoEncoder(path, self._fps, image.shape[0], image.shape[1])
        return self._encoders[key]

    def _checked(self, key: str, value: Any) -> Any:
        """The value as it will be stored."""
        feature = self._features[key]
        if feature["dtype"] == "string":
            return str(value)
        shape = tuple(feature["shape"])
        dtype = np.dtype(np.uint8 if layout.is_image(feature) else feature["dtype"])
        array = np.asarray(value)
        if shape == (1,) and array.ndim == 0:
            array = array[None]
        if array.shape != shape:
            raise DatasetError(f"expected {key!r} of shape {shape}, got {array.shape}")
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise DatasetError(f"expected {key!r} of type {dtype}, got {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DatasetError(
                f"expected finite numbers in {key!r}, got {array.tolist()} in frame {self.length}"
            )
        return array.astype(dtype)

    def _table_and_stats(self) -> tuple[Any, Stats]:
        """The columns as a pyarrow table, and the statistics of every feature."""
        import pyarrow as pa

        stats: Stats = {key: histogram.stats() for key, histogram in self._histograms.items()}
        columns: dict[str, Any] = {}
        for key, values in self._columns.items():
            dtype = self._features[key]["dtype"]
            if dtype == "string":
                columns[key] = pa.array(values, pa.string())
            elif dtype == "image":
                columns[key] = pa.array(values, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
            else:
                stacked: NDArray[np.generic] = np.stack(values)  # (T, n)
                stats[key] = vector_stats(stacked)
                flat = pa.array(stacked.reshape(-1))
                n = stacked.shape[1]
                columns[key] = flat if n == 1 else pa.FixedSizeListArray.from_arrays(flat, n)
        return pa.table(columns), stats


def load_note(folder: Path) -> dict[str, Any]:
    """A saved episode's `episode.json`."""
    note: dict[str, Any] = json.loads((folder / "episode.json").read_text())
    return note


def load_source(folder: Path, features: Mapping[str, layout.Feature]) -> EpisodeSource:
    """A saved episode, ready to be put into a dataset."""
    note = load_note(folder)
    length = int(note["length"])
    return EpisodeSource(
        table=read_table(folder / "frames.parquet"),
        tasks=[note["task"]] * length,
        videos={
            key: VideoSegment(folder / f"{key}.mp4", 0, length)
            for key, feature in features.items()
            if feature["dtype"] == "video"
        },
        stats={key: {name: np.array(v) for name, v in part.items()} for key, part in note["stats"].items()},
        info=note["info"],
    )
