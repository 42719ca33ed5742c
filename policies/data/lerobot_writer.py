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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from policies.data import layout
from policies.data.assemble import Assembler
from policies.data.lerobot_reader import partial_of
from policies.data.staging import Note, RunningEpisode, load_note, load_source
from policies.errors import DatasetError


class DatasetWriter:
    """Records frames, saves or discards episodes, and leaves a dataset that lerobot opens.

    features: as in lerobot, key -> {"dtype", "shape", "names"}; dtype "video" or "image" with shape
    (H, W, 3), a number type or "bool" with shape (n,), or "string" with shape (1,);
    `layout.robot_features` makes the usual ones.

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
        data_file_mb: int = layout.DATA_FILE_MB,
        video_file_mb: int = layout.VIDEO_FILE_MB,
    ) -> None:
        """resume: go on with the saved episodes of an interrupted writer of the same dataset, if any.

        data_file_mb, video_file_mb: size at which a new file is begun; defaults are lerobot's.

        Raises DatasetError: `root` exists; an interrupted writer left episodes and `resume` is False,
        or they are of other features; another writer is at work; a feature that cannot be stored.
        """
        self.root = Path(root)
        self.fps = fps
        info = layout.new_info(fps, features, robot_type)
        info |= {"data_files_size_in_mb": data_file_mb, "video_files_size_in_mb": video_file_mb}
        self.features: dict[str, layout.Feature] = {key: info["features"][key] for key in features}
        _check_features(self.features)
        if self.root.exists():
            raise DatasetError(
                f"expected a new folder, got {self.root}, which exists; choose another or remove it"
            )
        self._partial = partial_of(self.root)
        self._partial.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = _lock(self._partial)
        try:
            self._n_episodes = _take_over(self.root, self._partial, info, resume)
        except BaseException:
            os.close(self._lock)
            raise
        self._episode = self._new_episode()

    @property
    def n_episodes(self) -> int:
        """Episodes saved so far, those of a resumed writer included."""
        return self._n_episodes

    @property
    def n_frames(self) -> int:
        """Frames of the running episode."""
        return self._episode.length

    def saved_info(self) -> list[dict[str, Any]]:
        """The notes of the episodes saved so far: what a resumed session asks to know its next seed."""
        return [dict(load_note(folder)["info"]) for folder in _saved(self._partial)]

    def add_frame(self, frame: Mapping[str, Any]) -> None:
        """Add one frame: exactly the declared features, as numpy arrays.

        Raises DatasetError, and adds nothing: missing or unknown keys, a wrong shape or type, NaN.
        """
        with _disk_errors(self.root):
            self._episode.add(frame)

    def save_episode(self, task: str, info: Mapping[str, Note] | None = None) -> int:
        """Keep the running episode under the text `task`; returns its index.

        info: notes kept in the episodes' table as `info/<key>`. Raises DatasetError below two frames.
        """
        with _disk_errors(self.root):
            self._episode.save(task, info or {}, self._partial / f"episode-{self._n_episodes:06d}")
        self._n_episodes += 1
        self._episode = self._new_episode()
        return self._n_episodes - 1

    def finalize(self) -> Path:
        """Join the saved episodes into the dataset at `root`; a running episode is forgotten.

        A second call does nothing. Raises DatasetError where no episode was saved; nothing is left
        behind then.
        """
        if self._lock is None:
            return self.root
        try:
            self._episode.drop()
            with _disk_errors(self.root):
                _finish(self.root, self._partial)
        finally:
            self.close()
        return self.root

    def close(self) -> None:
        """Let go without finishing: saved episodes stay in `ROOT.partial` for `recover` or `resume`."""
        self._episode.drop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finalize()
        else:
            self.close()

    def _new_episode(self) -> RunningEpisode:
        return RunningEpisode(self._partial / ".running", self.fps, self.features)


def recover(root: str | Path) -> Path:
    """Finish the dataset of a writer that was killed: all saved episodes, at `root`.

    Raises DatasetError: nothing to recover, `root` exists, or the writer is still at work.
    """
    root = Path(root)
    partial = partial_of(root)
    if not partial.is_dir():
        raise DatasetError(f"expected an interrupted recording at {partial}, got nothing there")
    if root.exists():
        raise DatasetError(f"expected to recover into a new folder, got {root}, which exists")
    lock = _lock(partial)
    try:
        with _disk_errors(root):
            _finish(root, partial)
    finally:
        os.close(lock)
    return root


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    """Name the dataset and what is safe when the disk refuses."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{root}: cannot write ({error.strerror}); episodes saved before are whole in {partial_of(root)}"
        ) from error


def _take_over(root: Path, partial: Path, info: Mapping[str, Any], resume: bool) -> int:
    """Make `partial` ready for more episodes; returns how many it holds."""
    n_saved = len(_saved(partial))
    if n_saved == 0:
        layout.write_json(partial / "info.json", info)
        return 0
    if not resume:
        raise DatasetError(
            f"{partial} holds {n_saved} episodes of an interrupted recording: resume it, remove the folder, "
            f"or finish it with: python -m policies dataset recover {root}"
        )
    kept = json.loads((partial / "info.json").read_text())
    for key in ("fps", "robot_type", "features"):
        if kept[key] != info[key]:
            raise DatasetError(f"{partial}: expected to resume with the {key} {kept[key]}, got {info[key]}")
    return n_saved


def _finish(root: Path, partial: Path) -> None:
    folders = _saved(partial)
    if not folders:
        shutil.rmtree(partial)
        raise DatasetError(f"{root}: expected at least one saved episode, got none; nothing was written")
    building = partial / "dataset"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    info = json.loads((partial / "info.json").read_text())
    assembler = Assembler(building, info)
    for folder in folders:
        assembler.add(load_source(folder, info["features"]))
    assembler.finish()
    building.rename(root)
    shutil.rmtree(partial)


def _saved(partial: Path) -> list[Path]:
    return sorted(partial.glob("episode-*"))


def _lock(partial: Path) -> int:
    """An exclusive lock that dies with its process."""
    lock = os.open(partial / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise DatasetError(f"{partial}: another process is writing this dataset") from None
    return lock


def _check_features(features: Mapping[str, layout.Feature]) -> None:
    for key, feature in features.items():
        shape = tuple(feature["shape"])
        if "/" in key or key in layout.BOOKKEEPING:
            raise DatasetError(
                f"feature {key!r} cannot be stored: no '/', none of {', '.join(layout.BOOKKEEPING)}"
            )
        if layout.is_image(feature):
            if len(shape) != 3 or shape[2] != 3:
                raise DatasetError(f"expected {key!r} of shape (H, W, 3), got {shape}")
            if feature["dtype"] == "video" and (shape[0] % 2 or shape[1] % 2):
                raise DatasetError(
                    f"expected {key!r} of even height and width, got {shape}; or use dtype 'image'"
                )
        elif len(shape) != 1:
            raise DatasetError(f"expected {key!r} of shape (n,), got {shape}")
