"""Who drives in a teleoperation session: the task's scripted expert, or a person with a device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError, unknown
from hardware.robot import ObjectPose
from hardware.spec import RobotSpec
from hardware.teleop.contract import Teleoperator
from hardware.teleop.table import TELEOPERATORS, DeviceSettings

EXPERT_SEEDS = 10_000_000  # the demonstrator draws from seeds of its own, apart from the tasks'

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Command:
    """goal (n,): joint goals; correction (n,): execution noise to be added on the way, or None.

    stamp_ns: when a person's device was read (time.monotonic_ns); None: a script's.
    """

    goal: Vector
    correction: Vector | None = None
    stamp_ns: int | None = None


class Operator(Protocol):
    """Decides what the arm shall do: in every action step, or as often as its device is read."""

    def begin(self, seed: int, objects: Mapping[str, ObjectPose], state: Vector) -> None:
        """An episode begins, or goes on after somebody else had the arm."""

    def act(self, state: Vector, objects: Mapping[str, ObjectPose], time_s: float) -> Command | None:
        """The goal of this step; None: let go."""

    @property
    def done(self) -> bool:
        """Nothing is left to do."""

    @property
    def is_person(self) -> bool:
        """Whether somebody has to be waited for, and no episode is too long."""

    @property
    def device(self) -> Teleoperator | None:
        """What the person holds; a script holds none."""


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
    device = None


class PersonOperator:
    """A person with any device of `hardware/teleop/table.py`."""

    done = False
    is_person = True

    def __init__(self, device: Teleoperator) -> None:
        self.device = device

    def begin(self, seed: int, objects: Mapping[str, ObjectPose], state: Vector) -> None:
        self.device.begin(state)

    def act(self, state: Vector, objects: Mapping[str, ObjectPose], time_s: float) -> Command | None:
        sample = self.device.goal(state)
        return None if sample is None else Command(sample.goal, stamp_ns=sample.stamp_ns)


OPERATORS = ("expert", *TELEOPERATORS)


def make_operator(name: str, task: str, spec: RobotSpec, devices: DeviceSettings | None = None) -> Operator:
    """Raises `LimberError` for an unknown operator, a task the expert does not know, a device's mistake."""
    if name == "expert":
        return ExpertOperator(task, spec)
    if name not in TELEOPERATORS:
        raise HardwareError(unknown("operator", name, OPERATORS))
    return PersonOperator(TELEOPERATORS[name](spec, devices or DeviceSettings()))
