"""Who drives in a teleoperation session: one line an operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError, unknown
from hardware.robot import ObjectPose
from hardware.spec import RobotSpec
from hardware.teleop.keyboard import KeyboardJog
from hardware.teleop.terminal import has_terminal

EXPERT_SEEDS = 10_000_000  # the demonstrator draws from seeds of its own, apart from the tasks'

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Command:
    """goal (n,): joint goals; correction (n,): execution noise to be added on the way, or None."""

    goal: Vector
    correction: Vector | None = None


class Operator(Protocol):
    """Decides once an action step what the arm shall do."""

    def begin(self, seed: int, objects: Mapping[str, ObjectPose], state: Vector) -> None:
        """An episode begins."""

    def act(self, state: Vector, objects: Mapping[str, ObjectPose], time_s: float) -> Command | None:
        """The goal of this step; None: let go."""

    @property
    def done(self) -> bool:
        """Nothing is left to do."""

    @property
    def is_person(self) -> bool:
        """Whether somebody has to be waited for, and no episode is too long."""

    def press(self, key: str) -> None:
        """A key was typed in the terminal."""


class ExpertOperator:
    """The task's scripted demonstrator; every episode has one of its own."""

    def __init__(self, task: str, spec: RobotSpec) -> None:
        from sim.experts import load_expert  # only here: driving by hand needs no MuJoCo

        self._make = lambda seed: load_expert(task, spec, EXPERT_SEEDS + seed)
        self._expert = self._make(0)

    def begin(self, seed: int, objects: Mapping[str, ObjectPose], state: Vector) -> None:
        self._expert = self._make(seed)
        self._expert.reset(objects, state)

    def act(self, state: Vector, objects: Mapping[str, ObjectPose], time_s: float) -> Command | None:
        action = self._expert.act(state, objects, time_s)
        # A correction in every step, so that who waits for both knows that both will come.
        calm = np.zeros(len(action.goal))
        return Command(action.goal, calm if action.correction is None else action.correction)

    @property
    def done(self) -> bool:
        return self._expert.done

    is_person = False

    def press(self, key: str) -> None:
        pass


class KeyboardOperator:
    """A person at the keys of the terminal."""

    def __init__(self, task: str, spec: RobotSpec) -> None:
        self._jog = KeyboardJog(spec)
        if not has_terminal():
            raise HardwareError(
                "operator 'keyboard': expected a terminal; start teleop_node in one of its own"
            )
        print(self._jog.help, flush=True)

    def begin(self, seed: int, objects: Mapping[str, ObjectPose], state: Vector) -> None:
        self._jog.restart(state)

    def act(self, state: Vector, objects: Mapping[str, ObjectPose], time_s: float) -> Command | None:
        return Command(self._jog.goal(state))

    done = False
    is_person = True

    def press(self, key: str) -> None:
        self._jog.press(key)


OPERATORS: Mapping[str, Callable[[str, RobotSpec], Operator]] = {
    "expert": ExpertOperator,
    "keyboard": KeyboardOperator,
}


def make_operator(name: str, task: str, spec: RobotSpec) -> Operator:
    """Raises `LimberError` for an unknown operator, or a task the expert does not know."""
    if name not in OPERATORS:
        raise HardwareError(unknown("operator", name, OPERATORS))
    return OPERATORS[name](task, spec)
