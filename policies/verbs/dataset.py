"""`python -m policies dataset VERB`: list, inspect, merge, split, delete and recover whole datasets."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from policies.data.layout import STATS
from policies.data.lerobot_writer import recover
from policies.data.tools.edit import delete, merge, parse_episodes, split
from policies.data.tools.listing import find_datasets
from policies.data.tools.page import write_page
from policies.errors import DatasetError

Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True)
class List:
    """The datasets at or below a folder, as a table."""

    folder: Folder = Path(".")
    """Where to look; the working folder by default."""

    def run(self) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        summaries = list(find_datasets(self.folder))
        if not summaries:
            print(f"no LeRobotDataset v3.0 below {self.folder}")
            return
        columns = ("dataset", "robot", "episodes", "minutes", "Hz", "cameras", "success", "MB", "task")
        table = Table(*columns, box=SIMPLE_HEAD)
        for s in summaries:
            name = str(s.root.relative_to(self.folder)) if s.root != self.folder else s.root.resolve().name
            if s.problem:
                table.add_row(name, *[""] * 7, f"[red]{s.problem}[/red]")
                continue
            success = "" if s.success is None else f"{100 * s.success:.0f} %"
            more = f" (+{len(s.tasks) - 1})" if len(s.tasks) > 1 else ""
            task = f"{s.tasks[0]}{more}" if s.tasks else ""
            counts = f"{s.episodes}", f"{s.seconds / 60:.1f}", f"{s.fps}"
            table.add_row(name, s.robot, *counts, s.cameras, success, f"{s.megabytes:.1f}", task)
        Console().print(table)


@dataclass(frozen=True)
class Inspect:
    """One HTML page of a dataset: figures, rates, ranges, and episodes in pictures and plots."""

    root: Folder
    """The dataset."""
    out: Path | None = None
    """Where the page goes; default NAME.html beside the dataset."""
    episodes: int = 40
    """Episodes shown at most, evenly spread over the dataset; 40 make a page of about 4 MB."""
    open: bool = False
    """Show it in the web browser."""

    def run(self) -> None:
        root = self.root.resolve()
        page = write_page(self.root, self.out or root.with_name(f"{root.name}.html"), self.episodes)
        print(f"written: {page}")
        if not (root / STATS).is_file():
            print(f"warning: {self.root / STATS} is missing: limber counts its own, lerobot needs it")
        if self.open:
            webbrowser.open(page.resolve().as_uri())


@dataclass(frozen=True)
class Merge:
    """One new dataset of all episodes of several; they must agree in robot, rate and features."""

    roots: tyro.conf.Positional[tuple[Path, ...]]
    """The datasets, in the order of their episodes."""
    out: Path
    """The new dataset's folder."""

    def run(self) -> None:
        print(f"written: {merge(self.roots, self.out)}")


@dataclass(frozen=True)
class Split:
    """Two new datasets, OUT/train and OUT/test."""

    root: Folder
    """The dataset."""
    out: Path
    """The folder of both."""
    ratio: float = 0.1
    """Share of the episodes that goes to test, drawn by the seed; a tenth is the usual hold-out."""
    episodes: tuple[str, ...] = ()
    """Instead of a share: the episodes that go to test, such as 3 7-9."""
    seed: int = 0
    """Which episodes a share draws."""

    def run(self) -> None:
        test = parse_episodes(self.episodes) if self.episodes else self.ratio
        for part in split(self.root, self.out, test, self.seed):
            print(f"written: {part}")


@dataclass(frozen=True)
class Delete:
    """The dataset without some episodes, the rest numbered anew; in place unless --out is given."""

    root: Folder
    """The dataset."""
    episodes: tyro.conf.Positional[tuple[str, ...]]
    """Episodes to leave out, such as 3 7-9."""
    out: Path | None = None
    """Write a new dataset instead of changing this one."""

    def run(self) -> None:
        print(f"written: {delete(self.root, parse_episodes(self.episodes), self.out)}")


@dataclass(frozen=True)
class Recover:
    """Finish the dataset of an interrupted recording: every episode that had been saved."""

    root: Folder
    """The dataset's folder as it was to be named (or the .partial beside it)."""

    def run(self) -> None:
        name = self.root.name.removesuffix(".partial")
        print(f"written: {recover(self.root.with_name(name))}")


@dataclass(frozen=True)
class Dataset:
    """Look at LeRobotDatasets v3.0 and change them safely."""

    command: Annotated[
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Inspect, tyro.conf.subcommand("inspect")]
        | Annotated[Merge, tyro.conf.subcommand("merge")]
        | Annotated[Split, tyro.conf.subcommand("split")]
        | Annotated[Delete, tyro.conf.subcommand("delete")]
        | Annotated[Recover, tyro.conf.subcommand("recover")],
        tyro.conf.arg(name=""),
    ]

    def run(self) -> None:
        try:
            self.command.run()
        except OSError as error:
            raise DatasetError(f"{error.filename}: {error.strerror}") from None
