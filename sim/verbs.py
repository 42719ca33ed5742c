"""The verbs of `python -m sim`: what there is, how it looks, how good the expert is."""

import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hardware.spec import load_spec
from sim import make_env
from sim.checking import check_expert
from sim.errors import SimError
from sim.experts import EXPERTS
from sim.robot import SimRobot
from sim.tasks import TASKS, load_task


@dataclass(frozen=True)
class Tasks:
    """List the tasks."""

    def run(self) -> None:
        table = Table("task", "environment", "held for", "time limit", "expert")
        for name in TASKS:
            task = load_task(name)
            has_expert = "yes" if name in EXPERTS else "no"
            table.add_row(name, f"sim:{name}-v0", f"{task.hold_s:g} s", f"{task.timeout_s:g} s", has_expert)
        Console().print(table)


@dataclass(frozen=True)
class Render:
    """Write what the cameras see at the start of an episode as one PNG."""

    out: Path
    """The file to write; an existing one is not overwritten."""
    task: str = "PickPlace"
    """One that `python -m sim tasks` lists."""
    robot: str = "so101"
    """A shipped robot's name, or a path to a spec's YAML file."""
    seed: int = 0
    """Of the scene."""
    width: int = 640
    """Picture width in px; 640x480 is large enough to look at."""
    height: int = 480
    """Picture height in px."""
    frames: int = 1
    """Render each picture this often, and say how long that took."""

    def run(self) -> None:
        if self.out.suffix != ".png":
            raise SimError(f"out: expected a name that ends in .png, got {str(self.out)!r}")
        if self.out.exists():
            raise SimError(f"out: expected a new file, {str(self.out)!r} exists")
        if min(self.width, self.height, self.frames) < 1:
            raise SimError("width, height and frames: expected whole numbers above 0")
        spec = load_spec(self.robot).with_cameras(None, self.width, self.height)
        robot = SimRobot(spec, self.task)
        robot.connect()
        robot.reset(self.seed)
        pictures = list(robot.get_observation().images.values())
        started = perf_counter()
        for _ in range(self.frames - 1):
            robot.reset(self.seed)
            list(robot.get_observation().images.values())
        seconds = perf_counter() - started
        robot.disconnect()
        _, encoded = cv2.imencode(".png", np.concatenate(pictures, axis=1)[..., ::-1])
        partial = self.out.with_suffix(".partial")
        partial.write_bytes(encoded.tobytes())
        partial.replace(self.out)
        print(f"written: {self.out} ({', '.join(spec.camera_names)})")
        if self.frames > 1:
            print(f"{(self.frames - 1) * len(pictures) / seconds:.0f} frames/s")


@dataclass(frozen=True)
class CheckExpert:
    """Let the scripted expert play many seeds; exit code 1 when it succeeds too rarely."""

    task: str = "PickPlace"
    """One that `python -m sim tasks` lists."""
    robot: str = "so101"
    """A shipped robot's name, or a path to a spec's YAML file."""
    episodes: int = 100
    """Episodes to play, one a seed."""
    first_seed: int = 0
    """Seed of the first scene."""
    expert_seed: int = 0
    """Of the expert's noise, pauses and choices."""
    at_least: float = 0.98
    """The success rate that is asked for."""
    pixels: bool = False
    """Render both cameras every step, as a collection does."""

    def run(self) -> None:
        if self.episodes < 1:
            raise SimError(f"episodes: expected a whole number above 0, got {self.episodes}")
        env = make_env(self.task, robot=self.robot, obs="pixels" if self.pixels else "state")
        with Progress() as progress:
            bar = progress.add_task("episodes", total=self.episodes)
            check = check_expert(
                env,
                self.episodes,
                self.first_seed,
                self.expert_seed,
                lambda seed, success: progress.advance(bar),
            )
        env.close()
        print(
            f"success {check.episodes - len(check.failed_seeds)}/{check.episodes}, "
            f"median length {check.median_length_s:.2f} s, "
            f"{check.episodes / check.wall_s:.2f} demonstrations/s"
        )
        if check.failed_seeds:
            print(f"failed seeds: {', '.join(map(str, check.failed_seeds))}")
        if check.success_rate < self.at_least:
            sys.exit(1)
