"""The limits of motion of every joint, as arrays."""

from dataclasses import dataclass

import numpy as np

from hardware.safety.stages import Vector
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

    def in_ticks(self, shape: tuple[int, ...], dt: float) -> "Limits":
        """The same for arrays of `shape`, flat, with rates per tick of `dt` seconds."""

        def flat(values: Vector, scale: float) -> Vector:
            return np.array(np.broadcast_to(values, shape), dtype=np.float64).ravel() * scale

        return Limits(
            flat(self.lower, 1.0),
            flat(self.upper, 1.0),
            flat(self.velocity, dt),
            flat(self.acceleration, dt**2),
            flat(self.jerk, dt**3),
        )

    def at(self, index: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> "Limits":
        """Those of some elements of flat limits."""
        return Limits(
            self.lower[index],
            self.upper[index],
            self.velocity[index],
            self.acceleration[index],
            self.jerk[index],
        )
