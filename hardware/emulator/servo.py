"""What an emulated servo must do, whatever its protocol."""

from dataclasses import dataclass
from typing import Protocol

from hardware.buses.frames import Frame
from hardware.emulator.memory import Memory
from hardware.emulator.motor import Motor


@dataclass(frozen=True)
class Shaft:
    """How a servo sits in its joint: what its encoder shows at joint angle 0, and which way it counts."""

    zero_ticks: int = 2048
    direction: int = 1

    def ticks(self, angle: float, radians_per_tick: float) -> float:
        return self.zero_ticks + self.direction * angle / radians_per_tick

    def angle(self, ticks: float, radians_per_tick: float) -> float:
        return self.direction * (ticks - self.zero_ticks) * radians_per_tick


@dataclass(frozen=True)
class Drive:
    """What a servo does to its joint: a goal in rad and the share (0..1) of its torque it may use."""

    goal: float
    limit: float


@dataclass(frozen=True)
class Sensed:
    """What a servo can measure of its joint and itself."""

    position: float  # rad
    velocity: float  # rad/s
    load: float  # -1..1
    voltage: float  # V of the supply


class EmulatedServo(Protocol):
    """One servo: registers, what it answers, what it drives, what it measures."""

    @property
    def memory(self) -> Memory: ...

    @property
    def motor(self) -> Motor: ...

    def power_on(self, position: float) -> None:
        """RAM as after power came: torque off, goal where the joint is."""

    def overload(self) -> None:
        """Latch the overload protection, as too heavy a load for too long does."""

    def answer(self, frame: Frame) -> Frame | None:
        """To an instruction for this servo alone; None: it keeps silent."""

    def drive(self) -> Drive: ...

    def sense(self, sensed: Sensed, seconds: float) -> None:
        """Measure, and let heat, overload and watchdog go on for `seconds`."""
