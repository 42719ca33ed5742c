"""What is behind the robot that LeRobot sees: a control loop in this process, or a robot_node."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Image
from hardware.spec import CameraSpec, RobotSpec

Vector = NDArray[np.float64]  # (n_joints,) in the order of the spec, rad or m

STALE_S = 0.5  # a reading that is older is none: as long as the loop waits for a silent servo
# A new one is waited for this long: while LeRobot encodes an episode, other threads may not have run.
PATIENCE_S = 2.0


def fresh(came_s: Callable[[], float | None], stale_s: float = STALE_S) -> bool:
    """Whether what `came_s` (monotonic s; None: nothing yet) is younger than `stale_s`, soon at least."""
    deadline = time.monotonic() + PATIENCE_S
    while (came := came_s()) is None or time.monotonic() - came > stale_s:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@dataclass(frozen=True)
class Reading:
    """state (n_joints,): where the arm is. sent (n_joints,): the goal that it was last sent."""

    state: Vector
    sent: Vector


class Drive(Protocol):
    """Every method raises `LimberError`, one line that says what to do."""

    @property
    def spec(self) -> RobotSpec: ...

    @property
    def cameras(self) -> Sequence[CameraSpec]:
        """Those that give pictures; known before `connect`."""

    def connect(self) -> None:
        """Ready to follow goals; nothing is left open where it raises."""

    def reading(self) -> Reading:
        """The newest; raises where there is none of the last `STALE_S`."""

    def pictures(self) -> Mapping[str, Image]:
        """The newest of every camera."""

    def send(self, goal: Vector) -> None:
        """A person's joint goal; silence releases. Raises where the arm does not follow any more."""

    def stop(self) -> None:
        """Decelerate, hold, latch; from any thread."""

    def disconnect(self) -> None:
        """Stop, park, let go. May be called twice."""
