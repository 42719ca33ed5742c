"""What turns a servo's ticks into a joint's angle: found once with the arm in hand, kept in a file.

A servo's homing offset is set so that it shows 2048 in the middle of the joint's range; the middle of
the range swept by hand is then the middle of the spec's limits. The file carries the offsets, so that
an arm whose servo was replaced, or was calibrated for another file, is found out before torque goes on.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError
from hardware.servos.table import SERVOS
from hardware.spec import RobotSpec

VERSION = 1
MIDDLE_TICKS = 2048


class CalibrationError(HardwareError):
    """A calibration that is missing, damaged, or another arm's."""


@dataclass(frozen=True)
class JointCalibration:
    """One joint. homing_offset: the servo's register. range_min and range_max: ticks as it shows them."""

    joint: str
    id: int
    model: str
    homing_offset: int
    range_min: int
    range_max: int


@dataclass(frozen=True)
class Calibration:
    """All joints of one arm, in the order of its spec."""

    robot: str
    joints: tuple[JointCalibration, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything in the calibration does."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def middle_calibration(spec: RobotSpec) -> Calibration:
    """Of an arm whose servos show 2048 in the middle of the spec's limits: an emulated one."""
    joints = []
    for joint in spec.joints:
        servo = spec.servos[joint.name]
        half = round(0.5 * (joint.upper - joint.lower) / SERVOS[servo.model].radians_per_tick)
        joints.append(
            JointCalibration(joint.name, servo.id, servo.model, 0, MIDDLE_TICKS - half, MIDDLE_TICKS + half)
        )
    return Calibration(spec.name, tuple(joints))


class TickScale:
    """Ticks to radians and back, vectorised over the joints of a spec."""

    def __init__(self, spec: RobotSpec, calibration: Calibration) -> None:
        check_calibration(spec, calibration)
        servos = [spec.servos[name] for name in spec.joint_names]
        self._per_tick = np.array([s.direction * SERVOS[s.model].radians_per_tick for s in servos])
        middle_ticks = np.array([0.5 * (j.range_min + j.range_max) for j in calibration.joints])
        middle = 0.5 * (spec.joint_array("lower") + spec.joint_array("upper"))
        self._zero = middle_ticks - middle / self._per_tick
        self._lowest = np.array([j.range_min for j in calibration.joints])
        self._highest = np.array([j.range_max for j in calibration.joints])

    def radians(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """Joint angles (n_joints,) of ticks (n_joints,)."""
        angles: NDArray[np.float64] = (ticks - self._zero) * self._per_tick
        return angles

    def ticks(self, angles: NDArray[Any]) -> NDArray[np.int64]:
        """The nearest ticks (n_joints,), inside the range that was swept."""
        nearest = np.rint(angles / self._per_tick + self._zero)
        inside: NDArray[np.int64] = np.clip(nearest, self._lowest, self._highest).astype(np.int64)
        return inside


def check_calibration(spec: RobotSpec, calibration: Calibration) -> None:
    """Raise `CalibrationError`, naming the part, unless the calibration is this spec's."""
    if calibration.robot != spec.name:
        raise CalibrationError(f"calibration is of robot {calibration.robot!r}, this robot is {spec.name!r}")
    names = tuple(j.joint for j in calibration.joints)
    if names != spec.joint_names:
        raise CalibrationError(
            f"calibration is of joints [{' '.join(names)}], this robot has [{' '.join(spec.joint_names)}]"
        )
    for joint, limits in zip(calibration.joints, spec.joints, strict=True):
        servo = spec.servos[joint.joint]
        if (joint.id, joint.model) != (servo.id, servo.model):
            raise CalibrationError(
                f"joint {joint.joint!r}: calibrated with {joint.model} id {joint.id}, "
                f"the spec has {servo.model} id {servo.id}; calibrate again"
            )
        swept = (joint.range_max - joint.range_min) * SERVOS[joint.model].radians_per_tick
        wanted = limits.upper - limits.lower
        if not 0.5 * wanted <= swept <= 1.25 * wanted:
            raise CalibrationError(
                f"joint {joint.joint!r}: calibrated over {swept:.2f} rad, the spec's limits are "
                f"{wanted:.2f} rad apart; sweep the joint from stop to stop and calibrate again"
            )


def calibration_path(robot: str) -> Path:
    """Where this user's calibration of a robot is kept unless told otherwise."""
    root = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(root) / "limber" / "calibration" / f"{robot}.json"


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file, through a temporary name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(calibration.to_dict(), indent=2) + "\n")
    partial.replace(path)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file; `CalibrationError` says what is wrong with it."""
    try:
        data = json.loads(path.read_text())
        version = data.pop("version")
        if version != VERSION:
            raise CalibrationError(f"{path}: expected version {VERSION}, got {version!r}")
        return Calibration(data["robot"], tuple(JointCalibration(**j) for j in data["joints"]))
    except FileNotFoundError:
        raise CalibrationError(f"expected a calibration file, {str(path)!r} does not exist") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(f"{path}: damaged: {type(error).__name__}: {error}") from None
