"""What a robot is: joints, cameras, rates and a rest pose, read from one YAML file a robot.

A spec that cannot be right is refused with the file and line of the mistake.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from hardware.errors import SpecError, unknown
from hardware.servos.table import SERVOS
from hardware.spec_yaml import Located, load_located

CONTROL_HZ = 100  # default of the robot loop
HIGHEST_ID = 0xFC  # of a servo, in both protocols
DRIVERS = ("sim", "serial", "emulated")  # what may stand behind a spec
ACTION_HZ = 20  # default rate of datasets, chunks and policies


@dataclass(frozen=True)
class JointSpec:
    """One joint. Position in rad (m for a slide), then its limits per s, s^2 and s^3; effort in N m."""

    name: str
    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float
    effort: float
    rest: float
    gripper: bool = False


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


@dataclass(frozen=True)
class RobotSpec:
    """A robot's joints (in the order of every array), cameras, rates and the wires to its servos."""

    name: str
    joints: tuple[JointSpec, ...]
    cameras: tuple[CameraSpec, ...]
    control_hz: int = CONTROL_HZ
    action_hz: int = ACTION_HZ
    description: str = ""
    buses: tuple[BusSpec, ...] = ()
    driver: str = "sim"  # what stands behind it unless a launch argument says otherwise

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(j.name for j in self.joints)

    @cached_property
    def camera_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.cameras)

    @cached_property
    def servos(self) -> dict[str, ServoSpec]:
        """Joint -> the servo that moves it, on whichever bus; empty without buses."""
        return {servo.joint: servo for bus in self.buses for servo in bus.servos}

    @property
    def n_joints(self) -> int:
        return len(self.joints)

    @property
    def ticks_per_step(self) -> int:
        return self.control_hz // self.action_hz

    @property
    def control_dt(self) -> float:
        return 1.0 / self.control_hz

    @property
    def action_dt(self) -> float:
        return 1.0 / self.action_hz

    def joint_array(self, field: str) -> NDArray[np.float64]:
        """One field of every joint, e.g. `joint_array("velocity")`, as (n_joints,) float64."""
        return np.array([getattr(j, field) for j in self.joints], dtype=np.float64)

    def with_cameras(
        self, names: tuple[str, ...] | None = None, width: int | None = None, height: int | None = None
    ) -> "RobotSpec":
        """The same robot with only the named cameras, and another picture size."""
        chosen = self.camera_names if names is None else names
        for side, size in (("width", width), ("height", height)):
            if size is not None and size < 1:
                raise SpecError(f"{side}: expected a whole number above 0, got {size}")
        for name in chosen:
            if name not in self.camera_names:
                raise SpecError(unknown("camera", name, self.camera_names))
        cameras = tuple(
            replace(
                c,
                width=c.width if width is None else width,
                height=c.height if height is None else height,
            )
            for c in self.cameras
            if c.name in chosen
        )
        return replace(self, cameras=cameras)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything in the spec does."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def spec_from_dict(data: dict[str, Any]) -> RobotSpec:
    """The inverse of `RobotSpec.to_dict`, as kept in checkpoints and recordings."""
    joints = tuple(JointSpec(**j) for j in data["joints"])
    cameras = tuple(CameraSpec(**c) for c in data["cameras"])
    buses = tuple(
        BusSpec(**{**b, "servos": tuple(ServoSpec(**s) for s in b["servos"])}) for b in data.get("buses", ())
    )
    return RobotSpec(**{**data, "joints": joints, "cameras": cameras, "buses": buses})


def robot_names() -> list[str]:
    """The robots whose specs are shipped."""
    return sorted(p.name.removesuffix(".yaml") for p in _shipped().iterdir() if p.name.endswith(".yaml"))


def load_spec(name_or_path: str) -> RobotSpec:
    """Read the spec of a shipped robot (`so101`) or of a YAML file; `SpecError` names file and line."""
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            raise SpecError(f"expected a robot spec file, {name_or_path!r} does not exist")
        try:
            return _parse(path.read_text(), str(path))
        except UnicodeDecodeError as error:
            raise SpecError(f"{path}: expected text in UTF-8: {error}") from None
    return _parse(_shipped_text(name_or_path), f"{name_or_path}.yaml")


def _shipped_text(name: str) -> str:
    if name not in robot_names():
        raise SpecError(unknown("robot", name, robot_names()))
    text: str = (_shipped() / f"{name}.yaml").read_text()
    return text


def _shipped() -> Any:
    return files("hardware") / "robots"


def _load(text: str, file: str) -> Located:
    """The mapping in a file, over the shipped spec that it `extends`."""
    try:
        root = load_located(text, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{file}:{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    base = root.text("extends", "")
    if not base:
        return root
    if base not in robot_names():
        raise root.error("extends", unknown("robot", base, robot_names()))
    return root.over(_load(_shipped_text(base), f"{base}.yaml"))


def _parse(text: str, file: str) -> RobotSpec:
    root = _load(text, file)
    root.only(
        "extends", "name", "description", "driver", "control_hz", "action_hz", "joints", "cameras", "buses"
    )
    driver = root.text("driver", "sim")
    if driver not in DRIVERS:
        raise root.error("driver", unknown("driver", driver, DRIVERS))
    control_hz = root.positive_int("control_hz", CONTROL_HZ)
    action_hz = root.positive_int("action_hz", ACTION_HZ)
    if control_hz % action_hz:
        raise root.error("action_hz", f"action_hz {action_hz} must divide control_hz {control_hz}")
    joints: list[JointSpec] = []
    for item in root.items("joints"):
        joint = _joint(item)
        if joint.name in [j.name for j in joints]:
            raise item.error("name", f"joint {joint.name!r} is named twice")
        joints.append(joint)
    if not joints:
        raise root.error("joints", "expected at least one joint")
    cameras: list[CameraSpec] = []
    for item in root.items("cameras", optional=True):
        camera = _camera(item)
        if camera.name in [c.name for c in cameras]:
            raise item.error("name", f"camera {camera.name!r} is named twice")
        cameras.append(camera)
    return RobotSpec(
        name=root.text("name"),
        joints=tuple(joints),
        cameras=tuple(cameras),
        control_hz=control_hz,
        action_hz=action_hz,
        description=root.text("description", ""),
        buses=_buses(root, tuple(joint.name for joint in joints)),
        driver=driver,
    )


def _joint(item: Located) -> JointSpec:
    item.only("name", "position", "velocity", "acceleration", "jerk", "effort", "rest", "gripper")
    lower, upper = item.interval("position")
    rest = item.number("rest")
    if not lower <= rest <= upper:
        raise item.error("rest", f"rest {rest:g} is outside the position limits [{lower:g}, {upper:g}]")
    return JointSpec(
        name=item.name("name"),
        lower=lower,
        upper=upper,
        velocity=item.positive("velocity"),
        acceleration=item.positive("acceleration"),
        jerk=item.positive("jerk"),
        effort=item.positive("effort"),
        rest=rest,
        gripper=item.flag("gripper", False),
    )


def _camera(item: Located) -> CameraSpec:
    item.only(
        *("name", "width", "height", "fps", "frame", "latency_ms"),
        *("source", "fourcc", "exposure", "white_balance", "intrinsics"),
    )
    name = item.name("name")
    return CameraSpec(
        name=name,
        width=item.positive_int("width"),
        height=item.positive_int("height"),
        fps=item.positive_int("fps"),
        frame=item.text("frame", f"{name}_optical_frame"),
        latency_ms=item.not_negative("latency_ms", 0.0),
        source=item.text("source", ""),
        fourcc=item.text("fourcc", "MJPG"),
        exposure=item.not_negative("exposure", 0.0),
        white_balance=item.not_negative("white_balance", 0.0),
        intrinsics=item.text("intrinsics", ""),
    )


def _buses(root: Located, joints: tuple[str, ...]) -> tuple[BusSpec, ...]:
    """The lines; where there are any, every joint has one servo on one of them."""
    buses: list[BusSpec] = []
    wired: set[str] = set()
    for item in root.items("buses", optional=True):
        item.only("name", "baud", "port", "servos")
        name = item.name("name")
        if name in [b.name for b in buses]:
            raise item.error("name", f"bus {name!r} is named twice")
        servos: list[ServoSpec] = []
        for entry in item.items("servos"):
            servo = _servo(entry, joints)
            if servo.joint in wired:
                raise entry.error("joint", f"joint {servo.joint!r} has two servos")
            if servo.id in [s.id for s in servos]:
                raise entry.error("id", f"id {servo.id} is on bus {name!r} twice")
            wired.add(servo.joint)
            servos.append(servo)
        buses.append(BusSpec(name, item.positive_int("baud"), tuple(servos), item.text("port", "")))
    missing = [joint for joint in joints if joint not in wired]
    if buses and missing:
        raise root.error("buses", f"no servo for joint {missing[0]!r}")
    return tuple(buses)


def _servo(item: Located, joints: tuple[str, ...]) -> ServoSpec:
    item.only("joint", "model", "id", "direction")
    joint, model = item.text("joint"), item.text("model")
    if joint not in joints:
        raise item.error("joint", unknown("joint", joint, joints))
    if model not in SERVOS:
        raise item.error("model", unknown("servo model", model, SERVOS))
    servo = item.positive_int("id")
    if servo > HIGHEST_ID:
        raise item.error("id", f"id: expected 1 to {HIGHEST_ID}, got {servo}")
    direction = item.number("direction", 1)
    if direction not in (-1, 1):
        raise item.error("direction", f"direction: expected 1 or -1, got {direction:g}")
    return ServoSpec(joint, model, servo, int(direction))
