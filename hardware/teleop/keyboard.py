"""Joints moved by keys: each press shifts one joint's goal by a step; holding a key repeats it."""

import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec

Vector = NDArray[np.float64]  # (n_joints,)

STEP = 0.03  # rad a press; a held key repeats at about 30 Hz, which makes 0.9 rad/s
LEAD = 0.2  # rad that a goal may run ahead of the arm, so that it stops soon after the last press
UP, DOWN = "qwertyuiop", "asdfghjkl;"  # one column of the keyboard a joint


class KeyboardJog:
    """Keeps a joint goal; keys above each other move one joint up and down, in spec order."""

    def __init__(self, spec: RobotSpec) -> None:
        """Raises `ValueError` for a robot with more joints than the keyboard has columns."""
        if spec.n_joints > len(UP):
            raise ValueError(f"expected at most {len(UP)} joints, {spec.name} has {spec.n_joints}")
        self._spec = spec
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._moves = {key: (i, STEP) for i, key in enumerate(UP[: spec.n_joints])}
        self._moves |= {key: (i, -STEP) for i, key in enumerate(DOWN[: spec.n_joints])}
        self._shift = np.zeros(spec.n_joints)
        self._goal: Vector = spec.joint_array("rest")

    @property
    def help(self) -> str:
        """One line that says which keys move which joint."""
        names = zip(UP, DOWN, self._spec.joint_names, strict=False)
        return "  ".join(f"{up}/{down} {name}" for up, down, name in names)

    def restart(self, state: Vector) -> None:
        """Begin at the arm's position (n_joints,)."""
        self._goal = np.clip(state, self._lower, self._upper)
        self._shift[:] = 0.0

    def press(self, key: str) -> bool:
        """A key was pressed; False when it moves nothing. May be called from another thread."""
        if key not in self._moves:
            return False
        joint, shift = self._moves[key]
        self._shift[joint] += shift
        return True

    def goal(self, state: Vector) -> Vector:
        """The goal (n_joints,) now, with the arm at `state`; never more than LEAD ahead of it."""
        shift, self._shift = self._shift, np.zeros_like(self._shift)
        moving = shift != 0.0
        near = np.clip(self._goal + shift, state - LEAD, state + LEAD)
        # A joint nobody moves keeps its goal: gravity's sag must not lead it down.
        goal: Vector = np.clip(np.where(moving, near, self._goal), self._lower, self._upper)
        self._goal = goal
        return goal
