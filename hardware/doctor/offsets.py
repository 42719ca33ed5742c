"""Do the servos hold the homing offsets of the calibration?"""

from collections.abc import Iterator

from hardware.arms.calibration import Calibration
from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen


def check_offsets(seen: list[Seen], calibration: Calibration) -> Iterator[Finding]:
    """Register against file, joint by joint."""
    wanted = {joint.joint: joint.homing_offset for joint in calibration.joints}
    wrong = False
    for servo in seen:
        joint, offset = servo.spec.joint, servo.read("homing_offset")
        if joint in wanted and offset != wanted[joint]:
            wrong = True
            yield Finding(
                "wrong",
                "calibration",
                f"{servo.name} has homing offset {offset}, the calibration says {wanted[joint]}",
                "give the arm's own file with --calibration, or python -m hardware calibrate --overwrite",
            )
    if seen and not wrong:
        yield Finding("ok", "calibration", f"homing offsets are those of {calibration.hash}")
