"""LeRobot's three words for calibrating, for limber's calibration file of an arm on its serial port."""

import sys
from dataclasses import dataclass
from pathlib import Path

from hardware.arms.calibration import (
    CalibrationError,
    calibration_path,
    check_calibration,
    load_calibration,
)
from hardware.spec import load_spec
from hardware.verbs.calibrate import Calibrate


@dataclass(frozen=True)
class LimberCalibration:
    """Of the arm whose spec is `robot`; empty driver, port, file: as the spec says, as robot_node has it."""

    robot: str
    driver: str = ""
    port: str = ""
    file: str = ""

    @property
    def path(self) -> Path:
        return Path(self.file or calibration_path(load_spec(self.robot).name))

    @property
    def is_there(self) -> bool:
        """True for what needs none. Raises `CalibrationError` for a damaged file, or another arm's."""
        spec = load_spec(self.robot)
        if (self.driver or spec.driver) != "serial":
            return True
        if not self.path.exists():
            return False
        check_calibration(spec, load_calibration(self.path))
        return True

    def require(self, may_ask: bool) -> None:
        """Calibrate now where there is a person who may be asked to; else `CalibrationError`."""
        if self.is_there:
            return
        if not (may_ask and sys.stdin is not None and sys.stdin.isatty()):
            port = f" --port {self.port}" if self.port else ""
            raise CalibrationError(
                f"robot {self.robot!r}: expected its calibration file, {str(self.path)!r} does not exist; "
                f"calibrate with: python -m hardware calibrate --robot {self.robot}{port}"
            )
        self.make()

    def make(self) -> None:
        """Guided, in this terminal; its port must be free. Replaces the file."""
        if (self.driver or load_spec(self.robot).driver) != "serial":
            raise CalibrationError(f"robot {self.robot!r} has no servos of its own that need a calibration")
        Calibrate(robot=self.robot, port=self.port, out=self.path, overwrite=True).run()
