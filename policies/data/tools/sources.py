"""Episodes of datasets that exist, ready to be put into another one."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from policies.data import layout
from policies.data.assemble import Assembler, EpisodeSource
from policies.data.lerobot_reader import DatasetFiles, Episode, read_table, to_numpy
from policies.data.stats import Stats, vector_stats
from policies.errors import DatasetError


def sources(dataset: DatasetFiles, episodes: Sequence[Episode]) -> Iterator[EpisodeSource]:
    """The given episodes, in their order; a data file is read once while its episodes come in a row."""
    import pyarrow.compute as pc

    path: Path | None = None
    table: Any = None
    for episode in episodes:
        if dataset.data_path(episode) != path:
            path = dataset.data_path(episode)
            table = read_table(path)
        part = table.filter(pc.equal(table.column("episode_index"), episode.index))
        if part.num_rows != episode.length:
            raise DatasetError(
                f"{path}: expected {episode.length} frames of episode {episode.index}, "
                f"got {part.num_rows}; the dataset is truncated"
            )
        yield EpisodeSource(
            table=part,
            tasks=[dataset.tasks[i] for i in part.column("task_index").to_pylist()],
            videos={
                key: dataset.video_segment(key, episode)
                for key, feature in dataset.features.items()
                if feature["dtype"] == "video"
            },
            stats=_stats(dataset, episode, part),
            info=episode.info,
        )


def build(out: Path, info: dict[str, Any], episodes: Iterator[EpisodeSource]) -> Path:
    """Write a new dataset at `out`, whole or not at all; raises DatasetError if `out` exists."""
    if out.exists():
        raise DatasetError(f"expected a new folder, got {out}, which exists; choose another or remove it")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        assembler = Assembler(partial, info)
        for episode in episodes:
            assembler.add(episode)
        assembler.finish()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _stats(dataset: DatasetFiles, episode: Episode, part: Any) -> Stats:
    """The episode's stored statistics of declared features; numbers without any are counted anew."""
    stats: Stats = {}
    for column, value in episode.row.items():
        if column.startswith("stats/") and value is not None:
            key, name = column.removeprefix("stats/").rsplit("/", 1)
            if key in dataset.features and key not in layout.BOOKKEEPING:
                stats.setdefault(key, {})[name] = np.array(value)
    for key, feature in dataset.features.items():
        numeric = not layout.is_image(feature) and feature["dtype"] != "string"
        if numeric and key not in layout.BOOKKEEPING and key not in stats:
            stats[key] = vector_stats(to_numpy(part.column(key), tuple(feature["shape"])))
    return stats
