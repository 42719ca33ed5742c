"""A dataset as memory-mapped arrays: everything training needs, decoded once.

`load_dataset` decodes a LeRobotDataset's images on first use into plain arrays beside it
(`ROOT/.cache/frames-<fingerprint>/`), and afterwards only maps them: a sample costs a memory copy,
not a video seek. The cache is keyed by the dataset's content, so a changed dataset is decoded anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.cache import cached_images, fingerprint
from policies.data.lerobot_reader import DatasetFiles, open_dataset
from policies.errors import DatasetError


@dataclass(frozen=True)
class Frames:
    """All frames of a dataset, N in E episodes.

    state: (N, n) float32; action: (N, A) float32; images: camera -> (N, H, W, 3) uint8, the camera
    named without its `observation.images.` prefix; episode_starts: (E + 1,) int64, episode e is
    frames episode_starts[e] .. episode_starts[e + 1] - 1; tasks[task_index[i]] is frame i's text;
    extra: the other numeric observations, key -> (N, k) float32 (`observation.environment_state`);
    episode_info: what the recorder noted about each episode; names: feature -> names of its entries.
    """

    state: NDArray[np.float32]
    action: NDArray[np.float32]
    images: Mapping[str, NDArray[np.uint8]]
    episode_starts: NDArray[np.int64]
    tasks: list[str]
    task_index: NDArray[np.int64]
    fps: int
    names: Mapping[str, list[str]]
    extra: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    episode_info: tuple[Mapping[str, Any], ...] = ()
    robot_type: str | None = None

    def __len__(self) -> int:
        return len(self.state)

    @property
    def n_episodes(self) -> int:
        """E."""
        return len(self.episode_starts) - 1


def load_dataset(
    root: str | Path,
    cache_dir: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    progress: bool = True,
) -> Frames:
    """Load a LeRobotDataset v3.0, ours or another's.

    cache_dir: where decoded images are kept; default `ROOT/.cache`. image_size: (height, width) to
    scale every camera to while decoding; default each camera's own. progress: show a bar while decoding.

    Raises DatasetError: folder missing, truncated, of another version; values that are not finite;
    episodes of fewer than two frames; no `observation.state` or no `action`.
    """
    dataset = open_dataset(root)
    _check_lengths(dataset)
    _check_rows(dataset)
    vectors = {key: _vector(dataset, key) for key in _vector_keys(dataset)}
    cache = Path(cache_dir) if cache_dir is not None else dataset.root / ".cache"
    images = cached_images(
        dataset, cache / f"frames-{fingerprint(dataset, image_size)}", image_size, progress
    )
    lengths = [episode.length for episode in dataset.episodes]
    return Frames(
        state=vectors.pop(layout.STATE),
        action=vectors.pop(layout.ACTION),
        images={key.removeprefix(layout.IMAGES): array for key, array in images.items()},
        episode_starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tasks=list(dataset.tasks),
        task_index=dataset.column("task_index").astype(np.int64),
        fps=dataset.fps,
        names={key: _names(feature) for key, feature in dataset.features.items() if feature.get("names")},
        extra=vectors,
        episode_info=tuple(episode.info for episode in dataset.episodes),
        robot_type=dataset.info.get("robot_type"),
    )


def _check_lengths(dataset: DatasetFiles) -> None:
    if not dataset.episodes:
        raise DatasetError(f"{dataset.root}: expected at least one episode, got an empty dataset")
    short = [str(episode.index) for episode in dataset.episodes if episode.length < 2]
    if short:
        raise DatasetError(
            f"{dataset.root}: expected at least 2 frames an episode, got fewer in {', '.join(short)}; "
            f"python -m policies dataset delete {dataset.root} {' '.join(short)} removes them"
        )


def _check_rows(dataset: DatasetFiles) -> None:
    """Raise DatasetError unless the data files hold every frame once and in order."""
    index = dataset.column("index")
    n_frames = sum(episode.length for episode in dataset.episodes)
    if not np.array_equal(index, np.arange(n_frames)):
        raise DatasetError(
            f"{dataset.root}: expected frames 0..{n_frames - 1} in order in its data files, got {len(index)} "
            "frames or another order; the dataset is truncated or damaged"
        )


def _vector_keys(dataset: DatasetFiles) -> list[str]:
    """State, action, and other floating observations of one axis."""
    for key in (layout.STATE, layout.ACTION):
        if key not in dataset.features:
            raise DatasetError(
                f"{dataset.root}: expected the feature {key!r}, got {sorted(dataset.features)}"
            )
    return [
        key
        for key, feature in dataset.features.items()
        if key == layout.ACTION
        or (
            key.startswith("observation.")
            and feature["dtype"] in ("float32", "float64")
            and len(feature["shape"]) == 1
        )
    ]


def _vector(dataset: DatasetFiles, key: str) -> NDArray[np.float32]:
    """A float feature (N, n), checked to be finite."""
    values = dataset.column(key).astype(np.float32).reshape(-1, *dataset.features[key]["shape"])
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        frame = int(np.argmax(bad))
        episode = next(e for e in dataset.episodes if e.from_index <= frame < e.from_index + e.length)
        raise DatasetError(
            f"{dataset.root}: expected finite numbers, got {values[frame].tolist()} in {key!r} of "
            f"episode {episode.index}, frame {frame - episode.from_index}"
        )
    return values


def _names(feature: layout.Feature) -> list[str]:
    """Entry names; lerobot also allows {"group": [names]}."""
    names = feature["names"]
    if isinstance(names, Mapping):
        return [
            str(name) for group in names.values() for name in (group if isinstance(group, list) else [group])
        ]
    return [str(name) for name in names]
