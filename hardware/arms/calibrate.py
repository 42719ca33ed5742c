"""The calibration of an arm, step by step; what a person sees of it is the verb's business."""

import json
import os
from pathlib import Path

from hardware.arms.calibration import Calibration, CalibrationError, JointCalibration
from hardware.arms.eeprom import write_eeprom, write_register
from hardware.arms.servo_group import ServoGroup
from hardware.arms.sweep import TURN, Sweep
from hardware.buses.errors import BusError
from hardware.servos.table import SERVOS
from hardware.spec import RobotSpec, ServoSpec


class Calibrator:
    """Sweeps the joints of an arm whose buses are open, then sets its servos and gives the calibration.

    What was swept is kept in `partial` as it comes, so that an interrupted calibration goes on.
    """

    def __init__(self, spec: RobotSpec, groups: list[ServoGroup], partial: Path) -> None:
        self.spec = spec
        self.sweeps = {name: Sweep() for name in spec.joint_names}
        self._groups = groups
        self._partial = partial
        self._places = {s.joint: (g, s) for g in groups for s in g.spec.servos}

    def begin(self) -> None:
        """Torque off and homing offsets 0, so that the bare encoders are seen."""
        for group, servo in self._places.values():
            model = SERVOS[servo.model]
            write_register(group.bus, model, servo.id, "torque_enable", 0)
            write_eeprom(group.bus, model, servo.id, {"homing_offset": 0})

    def resume(self) -> bool:
        """Take what an interrupted calibration had swept; False where there is none."""
        try:
            kept = json.loads(self._partial.read_text())
            if kept["robot"] != self.spec.name or not set(kept["joints"]) <= set(self.sweeps):
                raise CalibrationError(f"{self._partial}: is of another robot; delete it to begin anew")
            self.sweeps |= {name: Sweep.from_dict(swept) for name, swept in kept["joints"].items()}
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError) as error:
            raise CalibrationError(f"{self._partial}: damaged ({error}); delete it to begin anew") from None
        return True

    def see(self) -> None:
        """One reading of every joint; those that do not answer are left as they were."""
        for group in self._groups:
            for place, ticks in group.positions().items():
                self.sweeps[group.spec.servos[place].joint].see(ticks % TURN)

    def keep(self) -> None:
        """Write down what was swept so far."""
        swept = {name: s.to_dict() for name, s in self.sweeps.items() if s.range}
        file = self._partial.with_name(f".{self._partial.name}.{os.getpid()}")
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"robot": self.spec.name, "joints": swept}) + "\n")
        file.replace(self._partial)

    def finish(self) -> Calibration:
        """Set every servo's homing offset and position limits; `CalibrationError` names a joint not swept."""
        joints = [self._joint(*self._places[name]) for name in self.spec.joint_names]
        calibration = Calibration(self.spec.name, tuple(joints))
        for joint in joints:  # nothing is written before every joint is known to be right
            group, servo = self._places[joint.joint]
            self._write(group, servo, joint)
        self._partial.unlink(missing_ok=True)
        return calibration

    def _joint(self, group: ServoGroup, servo: ServoSpec) -> JointCalibration:
        sweep = self.sweeps[servo.joint]
        sign = 1 if SERVOS[servo.model].protocol == "feetech" else -1  # Dynamixel adds its offset
        low, high = sweep.shown_range(servo.joint)
        offset = sign * sweep.homing_offset(servo.joint)
        return JointCalibration(servo.joint, servo.id, servo.model, offset, low, high)

    def _write(self, group: ServoGroup, servo: ServoSpec, joint: JointCalibration) -> None:
        values = {"homing_offset": joint.homing_offset}
        values |= {"min_position": joint.range_min, "max_position": joint.range_max}
        try:
            write_eeprom(group.bus, SERVOS[servo.model], servo.id, values)
        except BusError as error:
            raise BusError(f"joint {servo.joint!r}: {error}") from None
