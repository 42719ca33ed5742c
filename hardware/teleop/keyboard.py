"""Joints moved by keys: each press shifts one joint's goal by a step; holding a key repeats it."""

import time
from collections.abc import Sequence

import numpy as np

from hardware.errors import HardwareError
from hardware.spec import RobotSpec
from hardware.teleop.contract import Sample, Vector
from hardware.teleop.terminal import has_terminal

STEP = 0.03  # rad a press; a held key repeats at about 30 Hz, which makes 0.9 rad/s
LEAD = 0.2  # rad that a goal may run ahead of the arm, so that it stops soon after the last press
UP, DOWN = "qwertyuiop", "asdfghjkl;"  # one column of the keyboard a joint


def require_terminal(operator: str) -> None:
    """Raises `HardwareError` where there is none to type in."""
    if not has_terminal():
        raise HardwareError(
            f"operator {operator!r}: expected a terminal; start teleop_node in one of its own"
        )


class KeyboardJog:
    """Keeps a joint goal; keys above each other move one joint up and down, in spec order."""

    has_buttons = False  # its keys are the terminal's

    def __init__(self, spec: RobotSpec) -> None:
        """Raises `HardwareError` for a robot with more joints than the keyboard has columns."""
        if spec.n_joints > len(UP):
            raise HardwareError(f"expected at most {len(UP)} joints, {spec.name} has {spec.n_joints}")
        self._spec = spec
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._moves = {key: (i, STEP) for i, key in enumerate(UP[: spec.n_joints])}
        self._moves |= {key: (i, -STEP) for i, key in enumerate(DOWN[: spec.n_joints])}
        self._shift = np.zeros(spec.n_joints)
        self._goal: Vector = spec.joint_array("rest")

    @property
    def help(self) -> str:
        names = zip(UP, DOWN, self._spec.joint_names, strict=False)
        return "  ".join(f"{up}/{down} {name}" for up, down, name in names)

    def connect(self) -> None:
        require_terminal("keyboard")

    def poll(self) -> Sequence[str]:
        return ()

    def begin(self, state: Vector) -> None:
        self._goal = np.clip(state, self._lower, self._upper)
        self._shift = np.zeros_like(self._shift)

    def press(self, key: str) -> None:
        if key in self._moves:
            joint, shift = self._moves[key]
            self._shift[joint] += shift

    def goal(self, state: Vector) -> Sample:
        """Never more than LEAD ahead of `state`."""
        shift, self._shift = self._shift, np.zeros_like(self._shift)
        moving = shift != 0.0
        near = np.clip(self._goal + shift, state - LEAD, state + LEAD)
        # A joint nobody moves keeps its goal: gravity's sag must not lead it down.
        self._goal = np.clip(np.where(moving, near, self._goal), self._lower, self._upper)
        return Sample(self._goal, time.monotonic_ns())

    def close(self) -> None:
        """Nothing is open."""
