"""What a task is: things on the table, where they start, and when the job is done."""

from collections.abc import Mapping
from typing import Protocol

import mujoco
import numpy as np

from hardware.robot import ObjectPose


class Task(Protocol):
    """One file a task. A task keeps no state: the world's is all in `MjData`."""

    name: str
    hold_s: float  # the condition must hold this long
    timeout_s: float

    def add_to_scene(self, scene: mujoco.MjSpec) -> None:
        """Put the task's bodies into the world."""

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> str:
        """Place the objects; returns the instruction in words."""

    def start_pose(self, rng: np.random.Generator) -> Mapping[str, float]:
        """Joint name -> where the arm starts, rad or m."""

    def objects(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, ObjectPose]:
        """The task's objects as they are now."""

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """0..1, rising along the way to success, 1 at success."""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Whether the condition holds at this instant."""
