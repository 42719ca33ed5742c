"""Writes a LeRobotDataset v3.0, one episode at a time, so that a crash loses none that was saved.

While recording, episodes lie one folder each in `ROOT.partial/`, written under another name and
renamed when whole; images are encoded as they come. `finalize` joins them into the dataset's files
and renames the result to ROOT, which therefore is a whole dataset or does not exist. After a crash
`DatasetWriter(..., resume=True)` goes on, or `recover` finishes what was saved.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.assemble import Assembler, EpisodeSource
from policies.data.images import encode_image
from policies.data.lerobot_reader import partial_of, read_table
from policies.data.stats import ImageHistogram, Stats, vector_stats
from policies.data.video import VideoEncoder, VideoSegment
from policies.errors import PolicyError


class DatasetWriter:
    """Records frames, saves or discards episodes, and leaves a dataset that lerobot opens.

    features: as in lerobot, key -> {"dtype", "shape", "names"}; dtype "video" or "image" with shape
    (H, W, 3), a number type or "bool" with shape (n,), or "string" with shape (1,).

    with DatasetWriter(root, 20, features, "so101") as writer:
        writer.add_frame({"observation.state": state, "action": action, ...})
        writer.save_episode("put the cube into the bin", {"success": True, "seed": 7})
    """

    def __init__(
        self,
        root: str | Path,
        fps: int,
        features: Mapping[str, Mapping[str, Any]],
        robot_type: str | None = None,
        *,
        resume: bool = False,
    ) -> None:
        """resume: go on with the saved episodes of an interrupted writer of the same dataset, if any.

        Raises PolicyError: `root` exists; an interrupted writer left episodes and `resume` is False,
        or they are of other features; another writer is at work; a feature that cannot be stored.
        """
        self.root = Path(root)
        self.features = {key: dict(feature) for key, feature in features.items()}
        self.fps = fps
        _check_features(self.features)
        info = layout.new_info(fps, self.features, robot_type)
        if self.root.exists():
            raise PolicyError(
                f"expected a new folder, got {self.root}, which exists; choose another or remove it"
            )
        self._partial = partial_of(self.root)
        if self._partial.exists() and not resume:
            raise PolicyError(
                f"{self._partial} holds {len(_saved(self._partial))} episodes of an interrupted recording; finish "
                f"them with: python -m policies dataset recover {self.root}, resume the recording, or remove the folder"
            )
        self._partial.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._partial)
        info_path = self._partial / "info.json"
        if info_path.exists():
            _check_same(self.root, json.loads(info_path.read_text()), json.loads(json.dumps(info)))
        else:
            layout.write_json(info_path, info)
        self._saved = len(_saved(self._partial))
        self._running = self._partial / ".running"
        self._start_episode()

    @property
    def n_episodes(self) -> int:
        """Episodes saved so far, those of a resumed writer included."""
        return self._saved

    @property
    def n_frames(self) -> int:
        """Frames of the running episode."""
        return self._length

    def saved_info(self) -> list[dict[str, Any]]:
        """The notes of the episodes saved so far: what a resumed session asks to know its next seed."""
        return [
            dict(json.loads((folder / "episode.json").read_text())["info"])
            for folder in _saved(self._partial)
        ]

    def add_frame(self, frame: Mapping[str, Any]) -> None:
        """Add one frame: exactly the declared features, as numpy arrays.

        Raises PolicyError, and adds nothing: missing or unknown keys, a wrong shape or type, NaN.
        """
        values = {key: self._checked(key, value) for key, value in self._named(frame).items()}
        for key, value in values.items():
            feature = self.features[key]
            if not layout.is_image(feature):
                self._columns[key].append(value)
                continue
            self._histograms[key].add(value)
            if feature["dtype"] == "image":
                self._columns[key].append({"bytes": encode_image(value), "path": None})
                continue
            if key not in self._encoders:
                height, width = value.shape[:2]
                self._encoders[key] = VideoEncoder(self._running / f"{key}.mp4", self.fps, height, width)
            self._encoders[key].add(value)
        self._length += 1

    def save_episode(
        self, task: str, info: Mapping[str, bool | int | float | str | None] | None = None
    ) -> int:
        """Keep the running episode under the text `task`; returns its index.

        info: notes kept in the episodes' table as `info/<key>`. Raises PolicyError for fewer than two frames.
        """
        import pyarrow.parquet as pq

        if self._length < 2:
            raise PolicyError(f"expected an episode of at least 2 frames, got {self._length}; discard it")
        for encoder in self._encoders.values():
            encoder.close()
        self._encoders = {}
        table, stats = self._table_and_stats()
        pq.write_table(table, self._running / "frames.parquet")
        note = {
            "task": task,
            "length": self._length,
            "info": dict(info or {}),
            "stats": {key: {name: v.tolist() for name, v in part.items()} for key, part in stats.items()},
        }
        layout.write_json(self._running / "episode.json", note)
        self._running.rename(self._partial / f"episode-{self._saved:06d}")
        self._saved += 1
        self._start_episode()
        return self._saved - 1

    def discard_episode(self) -> None:
        """Forget the running episode."""
        self._start_episode()

    def finalize(self) -> Path:
        """Join the saved episodes into the dataset at `root`; a running episode is forgotten.

        Raises PolicyError where no episode was saved; nothing is left behind then.
        """
        self.discard_episode()
        try:
            _finish(self.root, self._partial)
        finally:
            self.close()
        return self.root

    def close(self) -> None:
        """Let go without finishing: saved episodes stay in `ROOT.partial` for `recover` or `resume`."""
        self._drop_encoders()
        os.close(self._lock)
        self._lock = os.open(os.devnull, os.O_RDONLY)

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finalize()
        else:
            self.close()

    def _start_episode(self) -> None:
        self._drop_encoders()
        shutil.rmtree(self._running, ignore_errors=True)
        self._running.mkdir()
        self._length = 0
        self._columns: dict[str, list[Any]] = {
            k: [] for k, f in self.features.items() if f["dtype"] != "video"
        }
        self._histograms = {k: ImageHistogram() for k, f in self.features.items() if layout.is_image(f)}

    def _drop_encoders(self) -> None:
        for encoder in getattr(self, "_encoders", {}).values():
            encoder.close()
        self._encoders: dict[str, VideoEncoder] = {}

    def _named(self, frame: Mapping[str, Any]) -> Mapping[str, Any]:
        if set(frame) != set(self.features):
            raise PolicyError(f"expected the features {sorted(self.features)}, got {sorted(frame)}")
        return frame

    def _checked(self, key: str, value: Any) -> Any:
        """The value as it will be stored."""
        feature = self.features[key]
        if feature["dtype"] == "string":
            return str(value)
        shape = tuple(feature["shape"])
        dtype = np.dtype(np.uint8 if layout.is_image(feature) else feature["dtype"])
        array = np.asarray(value)
        if shape == (1,) and array.ndim == 0:
            array = array[None]
        if array.shape != shape:
            raise PolicyError(f"expected {key!r} of shape {shape}, got {array.shape}")
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise PolicyError(f"expected {key!r} of type {dtype}, got {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise PolicyError(
                f"expected finite numbers in {key!r}, got {array.tolist()} in frame {self._length}"
            )
        return array.astype(dtype)

    def _table_and_stats(self) -> tuple[Any, Stats]:
        """The running episode's columns as a pyarrow table, and all its statistics."""
        import pyarrow as pa

        stats: Stats = {key: histogram.stats() for key, histogram in self._histograms.items()}
        columns: dict[str, Any] = {}
        for key, values in self._columns.items():
            dtype = self.features[key]["dtype"]
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


def recover(root: str | Path) -> Path:
    """Finish the dataset of a writer that was killed: all saved episodes, at `root`.

    Raises PolicyError: nothing to recover, `root` exists, or the writer is still at work.
    """
    root = Path(root)
    partial = partial_of(root)
    if not partial.is_dir():
        raise PolicyError(f"expected an interrupted recording at {partial}, got nothing there")
    if root.exists():
        raise PolicyError(f"expected to recover into a new folder, got {root}, which exists")
    lock = _lock(partial)
    try:
        _finish(root, partial)
    finally:
        os.close(lock)
    return root


def _finish(root: Path, partial: Path) -> None:
    folders = _saved(partial)
    if not folders:
        shutil.rmtree(partial)
        raise PolicyError(f"{root}: expected at least one saved episode, got none; nothing was written")
    building = partial / "dataset"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    info = json.loads((partial / "info.json").read_text())
    assembler = Assembler(building, info)
    for folder in folders:
        assembler.add(_source(folder, info))
    assembler.finish()
    building.rename(root)
    shutil.rmtree(partial)


def _source(folder: Path, info: Mapping[str, Any]) -> EpisodeSource:
    note = json.loads((folder / "episode.json").read_text())
    length = int(note["length"])
    videos = {
        key: VideoSegment(folder / f"{key}.mp4", 0, length)
        for key, feature in info["features"].items()
        if feature["dtype"] == "video"
    }
    stats = {key: {name: np.array(v) for name, v in part.items()} for key, part in note["stats"].items()}
    return EpisodeSource(
        read_table(folder / "frames.parquet"), [note["task"]] * length, videos, stats, note["info"]
    )


def _saved(partial: Path) -> list[Path]:
    return sorted(partial.glob("episode-*"))


def _lock(partial: Path) -> int:
    """An exclusive lock that dies with its process."""
    lock = os.open(partial / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise PolicyError(f"{partial}: another process is writing this dataset") from None
    return lock


def _check_same(root: Path, got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key in ("fps", "robot_type", "features"):
        if got[key] != expected[key]:
            raise PolicyError(
                f"{partial_of(root)}: expected to resume a recording with {key} {expected[key]}, got {got[key]}"
            )


def _check_features(features: Mapping[str, Mapping[str, Any]]) -> None:
    for key, feature in features.items():
        shape = tuple(feature["shape"])
        if "/" in key or key in layout.BOOKKEEPING:
            raise PolicyError(
                f"feature name {key!r} cannot be used: no '/', none of {', '.join(layout.BOOKKEEPING)}"
            )
        if layout.is_image(feature):
            if len(shape) != 3 or shape[2] != 3:
                raise PolicyError(f"expected {key!r} of shape (H, W, 3), got {shape}")
        elif len(shape) != 1:
            raise PolicyError(f"expected {key!r} of shape (n,), got {shape}")
