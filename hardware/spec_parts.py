"""The parts of a robot's spec: joints, cameras, servos and the lines they are on."""

from dataclasses import dataclass

GRIP_MARGIN = 0.025  # rad; an STS3215 pulls at 30 to 55 % of its stall torque then, by who measured


@dataclass(frozen=True)
class JointSpec:
    """One joint. Position in rad (m for a slide), then its limits per s, s^2 and s^3; effort in N m.

    grip_margin: rad or m that a gripper which stalled may press beyond where it is.
    """

    name: str
    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float
    effort: float
    rest: float
    gripper: bool = False
    grip_margin: float = GRIP_MARGIN


@dataclass(frozen=True)
class CameraSpec:
    """One camera. `latency_ms` is from exposure to the driver's stamp, and is taken off the stamp.

    source: where a real one is, as hardware/cameras/table.py reads it; a simulated one has none.
    fourcc, exposure, white_balance: what a USB camera is set to; empty and 0: left as it is.
    intrinsics: calibration file, as hardware/cameras/intrinsics.py reads it; empty: not calibrated.
    """

    name: str
    width: int
    height: int
    fps: int
    frame: str
    latency_ms: float = 0.0
    source: str = ""
    fourcc: str = "MJPG"
    exposure: float = 0.0
    white_balance: float = 0.0
    intrinsics: str = ""


@dataclass(frozen=True)
class ServoSpec:
    """The servo that moves a joint. `direction` is -1 where it counts against the joint's angle."""

    joint: str
    model: str
    id: int
    direction: int = 1


@dataclass(frozen=True)
class BusSpec:
    """One serial line and its servos. `port` is empty where only a launch argument knows it."""

    name: str
    baud: int
    servos: tuple[ServoSpec, ...]
    port: str = ""
