"""LeRobot's calibration files of SO-100 and SO-101 arms, read and written.

One JSON object, joint name -> id, drive_mode, homing_offset, range_min, range_max, with the meaning of
the servo's registers and of the ticks it shows (lerobot 0.4.4, `lerobot.motors.motors_bus`).
"""

import json
import os
from pathlib import Path

from hardware.arms.calibration import Calibration, CalibrationError, JointCalibration, check_calibration
from hardware.spec import RobotSpec

KEYS = {"id", "drive_mode", "homing_offset", "range_min", "range_max"}


def import_lerobot(path: Path, spec: RobotSpec) -> Calibration:
    """The calibration in LeRobot's file; `CalibrationError` where it is not this robot's."""
    try:
        data = json.loads(path.read_text())
        if not isinstance(data, dict) or not all(
            isinstance(v, dict) and set(v) >= KEYS for v in data.values()
        ):
            raise CalibrationError(f"{path}: expected joints with {', '.join(sorted(KEYS))} each")
    except OSError as error:
        raise CalibrationError(f"expected LeRobot's calibration file: {path}: {error.strerror}") from None
    except ValueError as error:
        raise CalibrationError(f"{path}: damaged: {error}") from None
    missing = [name for name in spec.joint_names if name not in data]
    if missing:
        raise CalibrationError(f"{path}: has no joint {missing[0]!r}; it has {', '.join(data)}")
    calibrated = tuple(
        JointCalibration(
            name,
            int(data[name]["id"]),
            spec.servos[name].model,
            int(data[name]["homing_offset"]),
            int(data[name]["range_min"]),
            int(data[name]["range_max"]),
        )
        for name in spec.joint_names
    )
    calibration = Calibration(spec.name, calibrated)
    check_calibration(spec, calibration)
    return calibration


def export_lerobot(path: Path, spec: RobotSpec, calibration: Calibration) -> None:
    """Write LeRobot's file, through a temporary name."""
    data = {
        j.joint: {
            "id": j.id,
            "drive_mode": int(spec.servos[j.joint].direction < 0),
            "homing_offset": j.homing_offset,
            "range_min": j.range_min,
            "range_max": j.range_max,
        }
        for j in calibration.joints
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(data, indent=4) + "\n")
    partial.replace(path)
