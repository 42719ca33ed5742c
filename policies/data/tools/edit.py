"""Merge, split and delete: new datasets from the episodes of old ones, videos copied, not encoded again.

Every function writes a new folder under a temporary name and renames it when it is whole.
"""

import os
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from policies.data.lerobot_reader import DatasetFiles, Episode, backup_of, open_dataset
from policies.data.sampler import split_episodes
from policies.data.tools.sources import build, sources
from policies.errors import DatasetError


def merge(roots: Sequence[Path], out: Path) -> Path:
    """One dataset of all episodes, in the order given.

    Raises DatasetError: fewer than two datasets, other fps, robot or features, `out` exists.
    """
    if len(roots) < 2:
        raise DatasetError(f"expected at least two datasets to merge, got {len(roots)}")
    datasets = [open_dataset(root) for root in roots]
    for other in datasets[1:]:
        _check_alike(datasets[0], other)
    return build(out, datasets[0].info, chain.from_iterable(sources(d, d.episodes) for d in datasets))


def split(root: Path, out: Path, test: float | Sequence[int], seed: int = 0) -> tuple[Path, Path]:
    """Two datasets, `out/train` and `out/test`.

    test: a share of the episodes, drawn by `seed`, or the episodes themselves. Raises DatasetError:
    a part would be empty, an episode does not exist, `out` exists.
    """
    dataset = open_dataset(root)
    if isinstance(test, float):
        held = set(split_episodes(len(dataset.episodes), test, seed)[1].tolist())
    else:
        held = {episode.index for episode in _chosen(dataset, test)}
    parts = {
        "train": [episode for episode in dataset.episodes if episode.index not in held],
        "test": [episode for episode in dataset.episodes if episode.index in held],
    }
    for name, episodes in parts.items():
        if not episodes:
            raise DatasetError(f"{root}: expected episodes in both parts, got none for {name!r}")
    if out.exists():
        raise DatasetError(f"expected a new folder, got {out}, which exists; choose another or remove it")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        for name, episodes in parts.items():
            build(partial / name, dataset.info, sources(dataset, episodes))
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / "train", out / "test"


def delete(root: Path, episodes: Sequence[int], out: Path | None = None) -> Path:
    """The dataset without the given episodes, which are numbered anew; in place unless `out` is given.

    In place, the old folder is renamed to `.NAME.backup`, the new one takes its name, and only then is
    the old one removed. Raises DatasetError: an episode does not exist, none would be left, `out`
    or the backup exists.
    """
    dataset = open_dataset(root)
    gone = {episode.index for episode in _chosen(dataset, episodes)}
    kept = [episode for episode in dataset.episodes if episode.index not in gone]
    if not kept:
        raise DatasetError(
            f"{root}: expected episodes to be left, got all {len(gone)} to delete; remove the folder"
        )
    if out is not None:
        return build(out, dataset.info, sources(dataset, kept))
    root = root.resolve()
    backup = backup_of(root)
    if backup.exists():
        raise DatasetError(
            f"{backup} is left from an interrupted deletion; compare it with {root} and remove one"
        )
    edited = build(root.with_name(f".{root.name}.edited"), dataset.info, sources(dataset, kept))
    root.rename(backup)
    edited.rename(root)
    shutil.rmtree(backup)
    return root


def parse_episodes(words: Sequence[str]) -> list[int]:
    """Episode numbers and ranges, as in `3 7-9`; raises DatasetError for anything else."""
    numbers: list[int] = []
    for word in words:
        first, dash, last = word.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise DatasetError(f"expected episodes such as 3 or 7-9, got {word!r}")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _chosen(dataset: DatasetFiles, episodes: Sequence[int]) -> list[Episode]:
    by_index = {episode.index: episode for episode in dataset.episodes}
    unknown = [str(index) for index in episodes if index not in by_index]
    if unknown:
        raise DatasetError(
            f"{dataset.root}: expected episodes in 0..{len(by_index) - 1}, got {', '.join(unknown)}"
        )
    if not episodes:
        raise DatasetError(f"{dataset.root}: expected at least one episode, got none")
    return [by_index[index] for index in dict.fromkeys(episodes)]


def _check_alike(a: DatasetFiles, b: DatasetFiles) -> None:
    """Raise DatasetError naming the first thing in which the datasets differ."""
    for key in ("fps", "robot_type"):
        if a.info.get(key) != b.info.get(key):
            raise DatasetError(
                f"{b.root}: expected {key} {a.info.get(key)} as in {a.root}, got {b.info.get(key)}"
            )
    if set(a.features) != set(b.features):
        only = sorted(set(a.features) ^ set(b.features))
        raise DatasetError(
            f"{b.root}: expected the features of {a.root}, got a difference in {', '.join(only)}"
        )
    for key in a.features:
        for part in ("dtype", "shape", "names"):
            want, got = _plain(a.features[key].get(part)), _plain(b.features[key].get(part))
            if want != got:
                raise DatasetError(f"{b.root}: expected {key!r} with {part} {want} as in {a.root}, got {got}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
