"""Devices that move the tool instead of the joints; inverse kinematics is the simulation's (mink).

It is resolved by name when such a device is made, since this room knows nothing of `sim`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.spec import RobotSpec
from hardware.teleop.contract import Sample, Vector

JOG = "sim.cartesian", "CartesianJog"
LONGEST_S = 0.1  # between two goals; after a longer pause the tool goes on as after this one
LINEAR = 0.15  # m/s of a full deflection: half a metre of workspace in 3 s
ANGULAR = 1.2  # rad/s of pitch and roll, likewise
GRIPPER = 1.5  # rad/s: from open to closed in a good second


@dataclass(frozen=True)
class ToolMove:
    """A small move of the tool: forward, left, up in m in the base frame (forward is +x); rad of the rest.

    pitch > 0 turns the fingers down, roll > 0 turns them about their own axis, gripper > 0 opens.
    """

    forward: float = 0.0
    left: float = 0.0
    up: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gripper: float = 0.0


class ToolDevice(Protocol):
    """As `Teleoperator`, but it says how the tool moves; see there."""

    @property
    def help(self) -> str: ...

    @property
    def has_buttons(self) -> bool: ...

    def connect(self) -> None: ...

    def poll(self) -> Sequence[str]: ...

    def move(self, seconds: float) -> ToolMove | None:
        """How the tool moves in the next `seconds`; None: the device is gone."""

    def press(self, key: str) -> None: ...

    def close(self) -> None: ...


class Jog(Protocol):
    """Keeps joint goals (n_joints,) that bring the tool where the moves lead it."""

    def begin(self, state: Vector) -> None: ...

    def goal(self, move: ToolMove, state: Vector) -> Vector: ...


class CartesianTeleoperator:
    """A `Teleoperator` of a `ToolDevice`."""

    def __init__(self, spec: RobotSpec, device: ToolDevice) -> None:
        """Raises `LimberError` where MuJoCo is missing, or has no model of the robot."""
        module, name = JOG
        try:
            self._jog: Jog = getattr(import_module(module), name)(spec)
        except ImportError as error:
            raise HardwareError(
                f"a device that moves the tool needs MuJoCo and mink: {error}; "
                "install them, or choose operator:=leader or operator:=keyboard"
            ) from None
        self._device = device
        self._last_ns: int | None = None  # of the last goal; None: begin anew

    @property
    def help(self) -> str:
        return self._device.help

    @property
    def has_buttons(self) -> bool:
        return self._device.has_buttons

    def connect(self) -> None:
        self._device.connect()

    def poll(self) -> Sequence[str]:
        return self._device.poll()

    def begin(self, state: Vector) -> None:
        self._jog.begin(state)
        self._last_ns = time.monotonic_ns()

    def goal(self, state: Vector) -> Sample | None:
        now_ns = time.monotonic_ns()
        seconds = 0.0 if self._last_ns is None else (now_ns - self._last_ns) / NS
        move = self._device.move(min(seconds, LONGEST_S))
        if move is None:
            self._last_ns = None
            return None
        if self._last_ns is None:  # the device is back; the arm may be elsewhere by now
            self._jog.begin(state)
        self._last_ns = now_ns
        return Sample(self._jog.goal(move, state), now_ns)

    def press(self, key: str) -> None:
        self._device.press(key)

    def close(self) -> None:
        self._device.close()
