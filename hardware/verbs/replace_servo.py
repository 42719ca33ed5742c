"""`python -m hardware replace-servo`"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.arms.calibration import calibration_path, load_calibration, save_calibration
from hardware.arms.eeprom import write_eeprom
from hardware.arms.make import port_table
from hardware.arms.make_bus import make_bus
from hardware.servos.model import ServoModel
from hardware.servos.table import SERVOS
from hardware.spec import BusSpec, ServoSpec
from hardware.verbs.calibrate import Calibrate
from hardware.verbs.new_servo import Found, find_new_servo
from hardware.verbs.on_port import OnPort
from hardware.verbs.one_joint import servo_of, with_joint

POSITION_MODE = {"feetech": 0, "dynamixel": 3}
# What a servo is to have before it is calibrated, where its model has such a register.
FRESH = {
    "return_delay": 0,
    "drive_mode": 0,  # Dynamixel: which way it counts is the spec's `direction`
    "homing_offset": 0,
    "min_position": 0,
    "max_position": 4095,
}


@dataclass(frozen=True)
class ReplaceServo(OnPort):
    """Let a new servo take a joint's place: it gets the joint's id, rate and settings, torque off.

    Plug the new servo in alone. Afterwards the joint must be calibrated again, which is offered.
    """

    joint: str = ""
    """The joint whose servo was replaced."""
    calibration: Path | None = None
    """The arm's calibration file; default: the robot's own in the user's data folder."""
    yes: bool = False
    """Ask nothing: the new servo is plugged in, and is calibrated another time."""

    def run(self) -> None:
        spec = self.spec()
        bus_spec, servo = servo_of(spec, self.joint)
        port = port_table(spec, self.port)[bus_spec.name]
        if not self.yes:
            print(f"Plug the new {servo.model} for {servo.joint} into {port}, and no other servo.")
            _ask("Then press Enter: ")
        found = self._set_up(bus_spec, servo, port)
        print(
            f"id {found.id} at {found.baud} baud is now {servo.joint}: id {servo.id} at {bus_spec.baud} baud"
        )
        self._forget(servo.joint)
        options = f"--robot {self.robot} --joint {servo.joint}" + (
            f" --port {self.port}" if self.port else ""
        )
        if self.yes or _ask(f"Plug all servos in again. Calibrate {servo.joint} now? [y/N] ") != "y":
            print(f"{servo.joint} must be calibrated: python -m hardware calibrate {options}")
            return
        Calibrate(robot=self.robot, port=self.port, joint=servo.joint, out=self.calibration).run()

    def _set_up(self, bus_spec: BusSpec, servo: ServoSpec, port: str) -> Found:
        """Find it, and write its EEPROM."""
        model = SERVOS[servo.model]
        bus = make_bus(bus_spec, port)
        bus.open()
        try:
            found = find_new_servo(bus, bus_spec, servo)
            write_eeprom(bus, model, found.id, _settings(bus_spec, servo, model))
        finally:
            bus.close()
        return found

    def _forget(self, joint: str) -> None:
        """What the calibration says of the joint was the old servo's: nothing may move by it."""
        path = self.calibration or calibration_path(self.spec().name)
        if not path.exists():
            return
        before = load_calibration(path)
        for old in before.joints:
            if old.joint == joint:  # a range that no check lets pass
                save_calibration(path, with_joint(before, replace(old, range_min=0, range_max=0)))


def _settings(bus: BusSpec, servo: ServoSpec, model: ServoModel) -> dict[str, int]:
    """Registers and their values; id and rate last, since they change how it is reached."""
    values = FRESH | {"mode": POSITION_MODE[model.protocol]}
    known = {name: value for name, value in values.items() if name in model.registers}
    return known | {"id": servo.id, "baud": model.baud_codes[bus.baud]}


def _ask(question: str) -> str:
    print(question, end="", flush=True)
    return sys.stdin.readline().strip().lower()
