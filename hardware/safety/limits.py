"""The limits of motion of every joint, as arrays."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.safety.stages import Mask, Vector
from hardware.spec import RobotSpec


@dataclass(frozen=True)
class Limits:
    """Position in rad (m for a slide), then its limits per s, s^2 and s^3; (..., n_joints) or broadcast."""

    lower: Vector
    upper: Vector
    velocity: Vector
    acceleration: Vector
    jerk: Vector

    def __post_init__(self) -> None:
        if not (self.lower < self.upper).all():
            raise ValueError(f"limits: expected lower < upper, got {self.lower} and {self.upper}")
        for name in ("velocity", "acceleration", "jerk"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"limits: expected {name} above 0, got {getattr(self, name)}")

    @classmethod
    def of(cls, spec: RobotSpec) -> "Limits":
        """The limits a robot's spec gives."""
        names = ("lower", "upper", "velocity", "acceleration", "jerk")
        return cls(*(spec.joint_array(name) for name in names))

    def scaled(self, velocity: float, acceleration: float, jerk: float) -> "Limits":
        """A share of each rate."""
        return replace(
            self,
            velocity=velocity * self.velocity,
            acceleration=acceleration * self.acceleration,
            jerk=jerk * self.jerk,
        )

    def in_ticks(self, shape: tuple[int, ...], dt: float) -> "TickLimits":
        """The same for arrays of `shape`, flat, with rates per tick of `dt` seconds."""

        def flat(values: Vector, scale: float) -> Vector:
            return np.array(np.broadcast_to(values, shape), dtype=np.float64).ravel() * scale

        return TickLimits(
            flat(self.lower, 1.0),
            flat(self.upper, 1.0),
            flat(self.velocity, dt),
            flat(self.acceleration, dt**2),
            flat(self.jerk, dt**3),
        )


class TickLimits(NamedTuple):
    """Limits by the tick, one element a joint: what the limiter computes with."""

    lower: Vector
    upper: Vector
    velocity: Vector
    acceleration: Vector
    jerk: Vector

    def at(self, index: NDArray[np.intp]) -> "TickLimits":
        """Those of some elements."""
        return TickLimits._make(values[index] for values in self)

    def merge(self, where: Mask, other: "TickLimits") -> "TickLimits":
        """These `where`, `other` elsewhere."""
        return TickLimits._make(np.where(where, mine, its) for mine, its in zip(self, other, strict=True))
