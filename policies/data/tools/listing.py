"""A table of the datasets below a folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from policies.data import layout
from policies.data.lerobot_reader import DatasetFiles, open_dataset
from policies.errors import DatasetError


@dataclass(frozen=True)
class Summary:
    """A dataset in a line, or why it cannot be opened."""

    root: Path
    robot: str = ""
    episodes: int = 0
    seconds: float = 0.0
    fps: int = 0
    cameras: str = ""
    tasks: tuple[str, ...] = ()
    success: float | None = None
    megabytes: float = 0.0
    problem: str = ""


def find_datasets(folder: Path) -> Iterator[Summary]:
    """Datasets at or below `folder` (not in hidden folders), interrupted recordings among them, by name.

    Raises DatasetError where the folder does not exist.
    """
    if not folder.is_dir():
        raise DatasetError(f"expected a folder, got {folder}, which does not exist")
    for name, inner, _ in os.walk(folder):
        root = Path(name)
        if (root / layout.INFO).is_file():
            yield summarise(root)
            inner.clear()
        elif root.suffix == ".partial" and (root / "info.json").is_file():
            n = len(list(root.glob("episode-*")))
            yield Summary(root, problem=f"interrupted with {n} episodes saved: dataset recover")
            inner.clear()
        inner[:] = sorted(child for child in inner if not child.startswith("."))


def summarise(root: Path) -> Summary:
    """One dataset's line."""
    try:
        dataset = open_dataset(root)
    except DatasetError as error:
        return Summary(root, problem=str(error))
    return Summary(
        root,
        robot=str(dataset.info.get("robot_type") or ""),
        episodes=len(dataset.episodes),
        seconds=sum(episode.length for episode in dataset.episodes) / dataset.fps,
        fps=dataset.fps,
        cameras=", ".join(key.removeprefix(layout.IMAGES) for key in dataset.cameras),
        tasks=dataset.tasks,
        success=success_rate(dataset),
        megabytes=size_of(root) / 2**20,
    )


def success_rate(dataset: DatasetFiles) -> float | None:
    """Share of successes among the episodes that note it; None where none does."""
    marks = [e.info["success"] for e in dataset.episodes if e.info.get("success") is not None]
    return sum(bool(mark) for mark in marks) / len(marks) if marks else None


def size_of(root: Path) -> int:
    """Bytes of a dataset without its cache."""
    files = (path for name in ("meta", "data", "videos") for path in (root / name).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())
