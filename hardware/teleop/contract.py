"""What a device in a person's hands has to offer: an arm of the same joints, keys, sticks, a knob."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (n_joints,) in the order of the follower's spec, rad or m


@dataclass(frozen=True)
class Sample:
    """goal (n_joints,): joint goals of the follower. stamp_ns: when the device was read, monotonic."""

    goal: Vector
    stamp_ns: int


class Teleoperator(Protocol):
    """One device. `poll` and `goal` are called at the control rate, `press` from another thread.

    A device that is silent or unplugged lets go of the arm: `goal` gives None until it is back, which
    `poll` sees to. Adding one is a file here and a line in `hardware/teleop/table.py`.
    """

    @property
    def help(self) -> str:
        """One line that says what moves what."""

    @property
    def has_buttons(self) -> bool:
        """Whether `poll` can give the session's keys, so that no terminal is needed."""

    def connect(self) -> None:
        """Open the device; raises `HardwareError` that names it and says what to do."""

    def poll(self) -> Sequence[str]:
        """Take what the device says now; the session's keys (`keys.py`) pressed on it since the last time."""

    def begin(self, state: Vector) -> None:
        """The person takes the arm, which is at `state`; no goal jumps from there but a leader arm's."""

    def goal(self, state: Vector) -> Sample | None:
        """Where the arm, now at `state`, shall go; None: let go."""

    def press(self, key: str) -> None:
        """A key was typed in the terminal that is none of the session's."""

    def close(self) -> None:
        """Let go of the device; may be called twice."""
