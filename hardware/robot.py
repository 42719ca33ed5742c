"""The robot contract: four verbs, and what a robot may offer beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec

Array = NDArray[np.float32]
Image = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Observation:
    """What a robot saw and when each part of it was true, in nanoseconds of robot time.

    state, velocity, effort: (n_joints,) float32 in rad or m, their rates, and N m or N.
    images: camera name -> (H, W, 3) uint8 RGB; may render or decode on first access.
    image_stamps_ns: exposure time of each image (not of its arrival).
    joint_stamps_ns: (n_joints,) when each joint was read, where some may be older than stamp_ns.
    """

    stamp_ns: int
    state: Array
    velocity: Array
    effort: Array
    images: Mapping[str, Image] = field(default_factory=dict)
    image_stamps_ns: Mapping[str, int] = field(default_factory=dict)
    joint_stamps_ns: NDArray[np.int64] | None = None

    @property
    def oldest_ns(self) -> int:
        """When the oldest of the joints was read."""
        return self.stamp_ns if self.joint_stamps_ns is None else int(self.joint_stamps_ns.min())


class Robot(Protocol):
    """Anything with joints that can be read and sent goals; one conformance suite tests them all.

    `connect` raises `HardwareError` naming the part that is missing. Between `connect` and
    `disconnect`, `get_observation` never blocks longer than a control period and `send_action`
    takes joint goals (n_joints,) in spec order and returns what was really sent.
    """

    @property
    def spec(self) -> RobotSpec: ...

    def connect(self) -> None: ...

    def get_observation(self) -> Observation: ...

    def send_action(self, action: Array) -> Array: ...

    def disconnect(self) -> None: ...


@runtime_checkable
class Torque(Protocol):
    """A robot whose motors can be powered and limited."""

    def torque_on(self) -> None: ...

    def torque_off(self) -> None: ...

    def set_torque_limit(self, fraction: float) -> None:
        """Limit every motor to `fraction` (0..1) of its rated torque."""


@runtime_checkable
class Health(Protocol):
    """A robot that can tell how its parts are."""

    def health(self) -> Mapping[str, Mapping[str, float | str]]:
        """Part name -> measured values (temperature_c, voltage_v, error, ...)."""


@dataclass(frozen=True)
class MotorRatings:
    """Between what its motors may be, (n_joints,) each: deg C at which they cut their torque, V of supply."""

    max_temperature: NDArray[np.float64]
    min_voltage: NDArray[np.float64]
    max_voltage: NDArray[np.float64]


@dataclass(frozen=True)
class MotorState:
    """How its motors were when they were last read, (n_joints,) each.

    effort: current as a share of stall current, 0 to 1. protected: has latched its own protection and
    does not follow; `errors` says which in words. limp: its torque is off though it was put on.
    """

    effort: NDArray[np.float64]
    temperature: NDArray[np.float64]  # deg C
    voltage: NDArray[np.float64]
    protected: NDArray[np.bool_]
    limp: NDArray[np.bool_]
    errors: tuple[str, ...]


@runtime_checkable
class Motors(Protocol):
    """A robot whose motors tell how they are, and get over what they have latched."""

    @property
    def motor_ratings(self) -> MotorRatings: ...

    def motor_state(self) -> MotorState: ...

    def recover(self) -> NDArray[np.bool_]:
        """Clear latched protections; the joints (n_joints,) that now hold where they are."""


@dataclass(frozen=True)
class ObjectPose:
    """Where a task object is: position (3,) m and quaternion (4,) wxyz in the robot's base frame."""

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    size: tuple[float, float, float]


@runtime_checkable
class Simulated(Protocol):
    """A robot whose world can be reset and asked for the truth. Reset never turns time back."""

    def reset(self, seed: int) -> str:
        """Place the task's objects and the arm as `seed` says; returns the task's instruction."""

    def objects(self) -> Mapping[str, ObjectPose]:
        """The task's objects as they are now; a policy never sees this."""

    def success(self) -> bool:
        """Whether the task's condition holds at this instant."""

    def now_ns(self) -> int:
        """Robot time: the physics."""

    def advance_to(self, time_ns: int) -> None:
        """Step the physics to `time_ns`."""
