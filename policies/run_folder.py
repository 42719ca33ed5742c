"""A training run on disk: checkpoints with what is needed to resume, and the loss curve.

RUN/checkpoints/000500/   a checkpoint folder, written whole and renamed into place
    training/             raw weights, optimiser state, counters: only for resuming
RUN/checkpoint            link to the last good one
RUN/loss.json, loss.csv, loss.png
"""

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from hardware.spec import RobotSpec
from policies.checkpoint import write_checkpoint
from policies.errors import CheckpointError
from policies.model import ChunkModel


@dataclass(frozen=True)
class LossPoint:
    """One point of the loss curve."""

    step: int
    minutes: float
    loss: float
    held_out: float | None


@dataclass(frozen=True)
class Progress:
    """Counters of a run: `state.json`."""

    step: int
    seconds: float
    core_seconds: float
    sampler: Mapping[str, int]
    history: Sequence[LossPoint]
    config: Mapping[str, Any]


class RunFolder:
    """Writes and reads one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Make the folder; an existing one with anything in it is refused."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise CheckpointError(
                f"expected a new run folder, {self.path} exists; resume it (--resume) or choose another"
            )
        self.path.mkdir(parents=True, exist_ok=True)

    def save(
        self,
        model: ChunkModel,
        averaged: Mapping[str, Tensor],
        optimizer: Mapping[str, Tensor],
        robot: RobotSpec | None,
        progress: Progress,
        training: Mapping[str, Any],
    ) -> None:
        """One more checkpoint; the one before is removed when the new one is in place."""
        folder = self.path / "checkpoints" / f"{progress.step:06d}"
        if folder.resolve() == (self.path / "checkpoint").resolve():  # the same step again
            folder = folder.with_name(f"{folder.name}-again")
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "training").mkdir(parents=True)
        write_checkpoint(partial, model, robot, training, averaged)
        save_file(
            {k: t.detach().cpu().contiguous() for k, t in model.state_dict().items()},
            partial / "training/model.safetensors",
        )
        save_file(
            {k: t.detach().cpu().contiguous() for k, t in optimizer.items()},
            partial / "training/optimizer.safetensors",
        )
        state = {**progress.__dict__, "history": [p.__dict__ for p in progress.history]}
        (partial / "training/state.json").write_text(json.dumps(state))
        if folder.exists():  # left by an end before it was linked
            shutil.rmtree(folder)
        partial.replace(folder)
        link = self.path / ".checkpoint.partial"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("checkpoints") / folder.name)
        os.replace(link, self.path / "checkpoint")
        for old in folder.parent.iterdir():
            if old != folder:
                shutil.rmtree(old)
        write_curve(self.path, progress.history)

    def last(self) -> Path:
        """The last good checkpoint; `CheckpointError` when there is none to resume."""
        folder = self.path / "checkpoint" / "training"
        if not (folder / "state.json").is_file():
            raise CheckpointError(f"nothing to resume: {self.path} has no checkpoint with training state")
        return folder

    def load(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], Progress]:
        """Weights, averaged weights, optimiser state and counters of the last good checkpoint."""
        folder = self.last()
        try:
            state = json.loads((folder / "state.json").read_text())
            state["history"] = [LossPoint(**p) for p in state["history"]]
            return (
                load_file(folder / "model.safetensors"),
                load_file(folder.parent / "model.safetensors"),
                load_file(folder / "optimizer.safetensors"),
                Progress(**state),
            )
        except Exception as error:  # safetensors raises its own kinds
            raise CheckpointError(f"{folder}: damaged: {str(error).splitlines()[0]}") from None


def write_curve(folder: Path, history: Sequence[LossPoint]) -> None:
    """loss.json and loss.csv, each through a temporary name."""
    rows = [point.__dict__ for point in history]
    text = json.dumps(rows, indent=1) + "\n"
    partial = folder / ".loss.partial"
    partial.write_text(text)
    partial.replace(folder / "loss.json")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "minutes", "loss", "held_out"])
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(folder / "loss.csv")


def plot_curve(folder: Path, history: Sequence[LossPoint], title: str) -> None:
    """loss.png: training and held-out loss over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([p.step for p in history], [p.loss for p in history], label="training", linewidth=1)
    held = [(p.step, p.held_out) for p in history if p.held_out is not None]
    if held:
        axes.plot(*zip(*held, strict=True), "o-", label="held-out (averaged weights)", markersize=3)
    axes.set(xlabel="optimiser step", ylabel="loss", yscale="log", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    partial = folder / ".loss.png.partial"
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(folder / "loss.png")
