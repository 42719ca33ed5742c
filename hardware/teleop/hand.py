"""A hand that moves an emulated leader, so that a leader can be tried without one: the plant `wave`."""

import numpy as np

from hardware.emulator.plant import Array
from hardware.errors import HardwareError, unknown
from hardware.spec import RobotSpec

REACH = 0.25  # of a joint's range to either side of the middle of the wave
PERIODS_S = (7.0, 9.0, 11.0, 5.0, 8.0, 4.0)  # a joint each, so that the arm does not repeat itself soon


class Wave:
    """A `Plant`: every joint swings slowly from its rest pose into its range; its servo moves nothing."""

    def __init__(self, spec: RobotSpec) -> None:
        lower, upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._rest = spec.joint_array("rest")
        span = REACH * (upper - lower)
        towards = np.where(upper - self._rest >= self._rest - lower, 1.0, -1.0)  # where there is room
        self._swing = span * towards
        self._rate = 2 * np.pi / np.resize(PERIODS_S, spec.n_joints)
        self._seconds = 0.0

    @property
    def position(self) -> Array:
        place: Array = self._rest + self._swing * 0.5 * (1.0 - np.cos(self._rate * self._seconds))
        return place

    @property
    def velocity(self) -> Array:
        speed: Array = self._swing * 0.5 * self._rate * np.sin(self._rate * self._seconds)
        return speed

    @property
    def load(self) -> Array:
        return np.zeros_like(self._rest)

    def step(self, goal: Array, limit: Array, seconds: float) -> None:
        self._seconds += seconds


def make_plant(name: str, spec: RobotSpec, task: str | None) -> Wave:
    """For `--plant hardware.teleop.hand:wave`."""
    if name != "wave":
        raise HardwareError(unknown("hand", name, ("wave",)))
    return Wave(spec)
