"""A gripper that has something between its jaws keeps it, and presses no harder."""

import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec

Vector = NDArray[np.float64]  # (n_joints,)


class Grip:
    """Goals of a gripper that stalled go no further than its grip margin beyond where it stalled.

    It is forgotten when a goal opens the gripper again, or when it closes on: what it held is gone.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._margin = spec.joint_array("grip_margin")
        self.clear()

    def clear(self) -> None:
        """Nothing is held."""
        self._place = np.full_like(self._margin, np.nan)  # where each gripper stalled
        self._side = np.zeros_like(self._margin)  # -1 or 1: which way it pressed

    def hold(self, stalled: NDArray[np.bool_], state: Vector, sent: Vector) -> None:
        """Grippers that are `stalled` (n_joints,) at `state`, sent to `sent`."""
        new = stalled & np.isnan(self._place)
        self._place = np.where(new, state, self._place)
        self._side = np.where(new, np.sign(sent - state), self._side)

    def ease(self, goal: Vector, state: Vector) -> Vector:
        """`goal` (n_joints,) as far as the gripper may press."""
        beyond = self._side * (goal - self._place)  # NaN, and so never true, where nothing is held
        gone = self._side * (state - self._place) > self._margin
        self._place = np.where((beyond < 0) | gone, np.nan, self._place)
        held = beyond > self._margin
        return np.where(held & ~np.isnan(self._place), self._place + self._side * self._margin, goal)
