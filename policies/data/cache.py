"""Decodes a dataset's images once into memory-mapped arrays, whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data.images import decode_image, image_shape
from policies.data.lerobot_reader import DatasetFiles, Episode, read_table
from policies.data.video import decode
from policies.errors import DatasetError

# Two decoders at a time: PyAV lets go of the interpreter while it decodes, and the machine this
# must run on has two cores.
WORKERS = 2
EDGE_BYTES = 65536
CACHE_VERSION = 1


def fingerprint(dataset: DatasetFiles, image_size: tuple[int, int] | None) -> str:
    """A short name for the dataset's content.

    Hashes the metadata whole and of each large file its size and both ends: an MP4's index and a
    Parquet's footer lie there and change with any content, and a copied dataset keeps its name.
    """
    digest = hashlib.sha256(f"{CACHE_VERSION} {image_size}".encode())
    for path in sorted(p for p in dataset.root.glob("meta/**/*") if p.is_file()):
        digest.update(path.relative_to(dataset.root).as_posix().encode())
        digest.update(path.read_bytes())
    large = [*dataset.root.glob("data/*/*.parquet"), *dataset.root.glob("videos/*/*/*.mp4")]
    for path in sorted(large):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(dataset.root).as_posix()} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE_BYTES))
            file.seek(max(0, size - EDGE_BYTES))
            digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()[:16]


def cached_images(
    dataset: DatasetFiles, folder: Path, image_size: tuple[int, int] | None, progress: bool
) -> dict[str, NDArray[np.uint8]]:
    """Memory-mapped images by feature key, (N, H, W, 3) each; decodes them if `folder` is not there yet."""
    if not dataset.cameras:
        return {}
    if folder.is_dir():
        try:
            return _map(dataset, folder)
        except (OSError, ValueError):  # a file of the cache is gone or cut
            shutil.rmtree(folder)
    _fill(dataset, folder, image_size, progress)
    return _map(dataset, folder)


def _map(dataset: DatasetFiles, folder: Path) -> dict[str, NDArray[np.uint8]]:
    return {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in dataset.cameras}


def _fill(dataset: DatasetFiles, folder: Path, image_size: tuple[int, int] | None, progress: bool) -> None:
    """Decode into a temporary folder and rename it, so that the cache is whole or absent."""
    from rich.progress import Progress

    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise DatasetError(
            f"{folder.parent}: cannot keep decoded images there ({error}); pass cache_dir"
        ) from None
    n_frames = sum(episode.length for episode in dataset.episodes)
    try:
        _check_space(dataset, partial, n_frames, image_size)
        jobs = []
        for key in dataset.cameras:
            height, width = image_size or image_shape(dataset.features[key])
            array = np.lib.format.open_memmap(
                partial / f"{key}.npy", mode="w+", dtype=np.uint8, shape=(n_frames, height, width, 3)
            )
            jobs += [_Job(dataset, key, path, episodes, array) for path, episodes in _by_file(dataset, key)]
        with Progress(disable=not progress, transient=True) as bar, ThreadPoolExecutor(WORKERS) as pool:
            line = bar.add_task("decoding images once", total=n_frames * len(dataset.cameras))
            running = [pool.submit(job.run, lambda n: bar.advance(line, n)) for job in jobs]
            try:
                for future in running:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        for job in jobs:
            job.array.flush()
        (partial / "cache.json").write_text(json.dumps({"image_size": image_size, "frames": n_frames}))
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster with the same content
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_space(
    dataset: DatasetFiles, folder: Path, n_frames: int, image_size: tuple[int, int] | None
) -> None:
    """Raise DatasetError if the disk cannot take the images: a full disk kills who writes to a map of it."""
    sizes = [image_size or image_shape(dataset.features[key]) for key in dataset.cameras]
    needed = sum(n_frames * height * width * 3 for height, width in sizes)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{folder.parent}: expected {needed / 2**30:.1f} GiB of free disk for decoded images, got "
            f"{free / 2**30:.1f}; pass a cache_dir elsewhere or a smaller image_size"
        )


def _by_file(dataset: DatasetFiles, key: str) -> list[tuple[Path, list[Episode]]]:
    """Episodes by the file that holds their images of one camera."""
    is_video = dataset.features[key]["dtype"] == "video"

    def file_of(episode: Episode) -> Path:
        return dataset.video_path(key, episode) if is_video else dataset.data_path(episode)

    return [(path, list(group)) for path, group in groupby(dataset.episodes, key=file_of)]


@dataclass(frozen=True)
class _Job:
    """Decodes one file's images of one camera into their rows of `array` (N, H, W, 3)."""

    dataset: DatasetFiles
    key: str
    path: Path
    episodes: list[Episode]
    array: np.memmap[Any, np.dtype[np.uint8]]

    def run(self, advance: Callable[[int], None]) -> None:
        if self.dataset.features[self.key]["dtype"] == "video":
            self._decode_video(advance)
        else:
            self._decode_images(advance)

    def _decode_video(self, advance: Callable[[int], None]) -> None:
        rows = {}  # frame number in the file -> row of the array
        for episode in self.episodes:
            segment = self.dataset.video_segment(self.key, episode)
            for i in range(episode.length):
                rows[segment.first_frame + i] = episode.from_index + i
        size = self.array.shape[1], self.array.shape[2]
        for number, image in decode(self.path, self.dataset.fps, size, first_frame=min(rows)):
            row = rows.pop(number, None)
            if row is not None:
                self.array[row] = image
                advance(1)
            if not rows:
                return
        row = min(rows.values())
        episode = next(e for e in self.episodes if row < e.from_index + e.length)
        raise DatasetError(
            f"{self.path}: expected {episode.length} frames of {self.key!r} in episode {episode.index}, "
            f"got {row - episode.from_index}; the video is truncated"
        )

    def _decode_images(self, advance: Callable[[int], None]) -> None:
        size = self.array.shape[1], self.array.shape[2]
        table = read_table(self.path, [self.key, "index"])
        indices = table.column("index").to_pylist()
        for index, cell in zip(indices, table.column(self.key), strict=True):
            self.array[index] = decode_image(cell.as_py(), self.dataset.root, size)
            advance(1)
