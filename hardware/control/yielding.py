"""A stopped arm that lets go of what it presses on."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (n_joints,)
AT_REST = 1e-3  # rad/s or m/s


class Yielding:
    """Once it has braked, the goals of `joints` (n_joints,) go back to where those joints are."""

    def __init__(self, joints: NDArray[np.bool_]) -> None:
        self._joints = joints
        self._goal: Vector | None = None

    def goal(self, sent: Vector, velocity: Vector, state: Vector) -> Vector | None:
        """The goal (n_joints,) of the next tick; None: brake. `sent` and `velocity` are the filter's."""
        if self._goal is None:
            if np.abs(velocity).max() > AT_REST:
                return None
            self._goal = np.where(self._joints, state, sent)
        return self._goal
