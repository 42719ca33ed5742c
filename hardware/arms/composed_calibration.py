"""The calibration of a robot, whose arms may have been calibrated one by one."""

from dataclasses import replace
from pathlib import Path

from hardware.arms.calibration import Calibration, CalibrationError, calibration_path, load_calibration
from hardware.spec import RobotSpec


def robot_calibration(spec: RobotSpec, path: str = "") -> Calibration:
    """From `path`, or the robot's own file; where it is composed and has none, from its arms' files.

    Raises `CalibrationError`.
    """
    own = Path(path) if path else calibration_path(spec.name)
    if path or not spec.arms or own.exists():
        return load_calibration(own)
    joints = []
    for arm in spec.arms:
        name = f"{spec.name}_{arm}"
        file = calibration_path(name)
        if not file.exists():
            raise CalibrationError(
                f"the {arm} arm of {spec.name!r}: expected a calibration file, {str(file)!r} is not there; "
                f"python -m hardware calibrate --robot {spec.name}:{arm}"
            )
        calibration = load_calibration(file)
        if calibration.robot != name:
            raise CalibrationError(f"{file}: is of robot {calibration.robot!r}, expected {name!r}")
        joints += [replace(joint, joint=f"{arm}_{joint.joint}") for joint in calibration.joints]
    return Calibration(spec.name, tuple(joints))
