"""What the emulated servos turn: by default one motor, gear and load a joint, in numpy."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PLANT_DT = 0.001  # s


class Plant(Protocol):
    """Joints behind servos. Arrays are (n_joints,), in rad at the output shafts."""

    @property
    def position(self) -> Array: ...

    @property
    def velocity(self) -> Array: ...

    @property
    def load(self) -> Array:
        """Torque of the motors as a share of what they can at most, -1 to 1."""

    def step(self, goal: Array, limit: Array, seconds: float) -> None:
        """Go on for `seconds`: servos drive to `goal` with at most `limit` (0..1) of their torque."""


@dataclass(frozen=True)
class ServoParameters:
    """One joint of a small arm; the defaults fit an STS3215 (7.4 V) that carries 0.3 m of arm.

    stall_torque (N m) and speed (rad/s) are the datasheet's. stiffness (N m/rad) makes the sag of
    2 degrees under half the stall torque that people measure; play is theirs too (1 degree).
    """

    stall_torque: float = 1.6
    speed: float = 4.7
    stiffness: float = 20.0
    damping: float = 0.9
    inertia: float = 0.015
    friction: float = 0.06
    viscosity: float = 0.02
    gravity: float = 0.0
    gravity_angle: float = 0.0  # rad: where the load hangs straight down
    play: float = 0.017
    lower: float = -np.inf  # rad: where the joint meets its end stops
    upper: float = np.inf


class ServoPlant:
    """Independent joints: torque falls with speed, Coulomb friction, gravity, play in the gear.

    The motor turns the gear, and the output shaft (whose angle the servo measures) lies within the
    play, on the side to which gravity pushes it.
    """

    def __init__(self, joints: list[ServoParameters], position: Array) -> None:
        def field(name: str) -> Array:
            values: Array = np.array([getattr(joint, name) for joint in joints], dtype=np.float64)
            return values

        self._stall: Array = field("stall_torque")
        self._speed: Array = field("speed")
        self._stiffness, self._damping = field("stiffness"), field("damping")
        self._inertia, self._friction, self._viscosity = (
            field("inertia"),
            field("friction"),
            field("viscosity"),
        )
        self._gravity, self._gravity_angle = field("gravity"), field("gravity_angle")
        self._half_play = 0.5 * field("play")
        self._lower, self._upper = field("lower"), field("upper")
        self._motor = np.array(position, dtype=np.float64)
        self._velocity = np.zeros_like(self._motor)
        self._output: Array = self._motor.copy()
        self._torque: Array = np.zeros_like(self._motor)
        self._free = np.ones_like(self._motor)  # 0 where something blocks the joint
        self._left = 0.0  # of the time asked for, less than a step

    @property
    def position(self) -> Array:
        return self._output

    @property
    def velocity(self) -> Array:
        return self._velocity

    @property
    def load(self) -> Array:
        return self._torque / self._stall

    def place(self, position: Array) -> None:
        """At rest at `position`: what a hand does to an arm without torque."""
        self._motor[:] = self._output[:] = position
        self._velocity[:] = 0.0

    def block(self, joint: int, blocked: bool = True) -> None:
        """Let something hold the joint where it is, however hard its servo pulls."""
        self._free[joint] = 0.0 if blocked else 1.0

    def step(self, goal: Array, limit: Array, seconds: float) -> None:
        self._left += seconds
        while self._left >= PLANT_DT - 1e-9:
            self._left -= PLANT_DT
            self._advance(goal, limit)

    def _advance(self, goal: Array, limit: Array) -> None:
        v = self._velocity
        wanted = self._stiffness * (goal - self._output) - self._damping * v
        room = limit * self._stall * np.maximum(0.0, 1.0 - np.abs(v) / self._speed * (wanted * v > 0))
        self._torque = np.minimum(np.maximum(wanted, -room), room)
        pull = -self._gravity * np.sin(self._output - self._gravity_angle)
        free = v + PLANT_DT / self._inertia * (self._torque + pull - self._viscosity * v)
        rub = PLANT_DT / self._inertia * self._friction
        moving = np.maximum(np.abs(free) - rub, 0.0)  # sticks below the friction
        self._velocity = self._free * np.sign(free) * moving
        self._motor = self._motor + PLANT_DT * self._velocity
        stopped = np.minimum(np.maximum(self._motor, self._lower), self._upper)
        self._velocity = np.where(stopped == self._motor, self._velocity, 0.0)
        self._motor = stopped
        lying = np.where(np.abs(pull) > 1e-6, self._motor + np.sign(pull) * self._half_play, self._output)
        self._output = np.minimum(
            np.maximum(lying, self._motor - self._half_play), self._motor + self._half_play
        )
