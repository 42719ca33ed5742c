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
from hardware.spec_compose import arm_of, composed
from hardware.spec_parse import ACTION_HZ, CONTROL_HZ, DRIVERS, parse_spec
from hardware.spec_parts import BusSpec, CameraSpec, JointSpec, ServoSpec
from hardware.spec_ros2_control import Ros2ControlSpec
from hardware.spec_yaml import NAME, Located, load_located

__all__ = [
    "DRIVERS",
    "BusSpec",
    "CameraSpec",
    "JointSpec",
    "RobotSpec",
    "Ros2ControlSpec",
    "ServoSpec",
    "load_spec",
    "robot_names",
    "spec_from_dict",
]


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
    workspace: tuple[tuple[float, float], ...] | None = None  # least and greatest x, y, z of the arm, m
    self_collision_margin: float | None = None  # m between links that are no neighbours
    model: str = ""  # whose kinematics and simulation it has: a shipped robot's, by default its own
    driver: str = "sim"  # what stands behind it unless a launch argument says otherwise
    arms: tuple[str, ...] = ()  # of one that is composed: the prefixes of its joints
    ros2_control: Ros2ControlSpec | None = None  # how it is reached by the driver of this name

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
    workspace = data.get("workspace")
    if workspace is not None:
        workspace = tuple(tuple(axis) for axis in workspace)
    model = data.get("model") or data["name"]
    topics = data.get("ros2_control")
    if topics is not None:
        topics = Ros2ControlSpec(**{**topics, "joints": tuple(topics["joints"])})
    return RobotSpec(
        **{
            **data,
            "model": model,
            "arms": tuple(data.get("arms", ())),
            "ros2_control": topics,
            "workspace": workspace,
            "joints": joints,
            "cameras": cameras,
            "buses": buses,
        }
    )


def robot_names() -> list[str]:
    """The robots whose specs are shipped."""
    return sorted(p.name.removesuffix(".yaml") for p in _shipped().iterdir() if p.name.endswith(".yaml"))


def load_spec(name_or_path: str) -> RobotSpec:
    """Read the spec of a shipped robot (`so101`) or of a YAML file; `SpecError` names file and line.

    `so101_pair:left` is one arm of a robot that is composed of several.
    """
    name, colon, arm = name_or_path.rpartition(":")
    if not colon or not NAME.fullmatch(arm):
        name, arm = name_or_path, ""
    root = composed(_root(name), _base)
    return RobotSpec(**parse_spec(arm_of(root, name, arm, _base) if arm else root))


def _root(name_or_path: str) -> Located:
    if not name_or_path.endswith((".yaml", ".yml")):
        return _load(_shipped_text(name_or_path), f"{name_or_path}.yaml")
    path = Path(name_or_path)
    if not path.is_file():
        raise SpecError(f"expected a robot spec file, {name_or_path!r} does not exist")
    try:
        return _load(path.read_text(), str(path))
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: expected text in UTF-8: {error}") from None


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
    if not root.has("extends"):
        return root
    extended = _base(root, "extends")
    if not extended.has("model"):
        extended = root.given(model=extended.text("name")).over(extended)
    return root.over(extended)


def _base(root: Located, key: str) -> Located:
    """The shipped spec that a key names."""
    base = root.text(key)
    if base not in robot_names():
        raise root.error(key, unknown("robot", base, robot_names()))
    return _load(_shipped_text(base), f"{base}.yaml")
