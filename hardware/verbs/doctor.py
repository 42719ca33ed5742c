"""`python -m hardware doctor`"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.arms.calibration import Calibration, calibration_path, load_calibration, middle_calibration
from hardware.arms.eeprom import write_eeprom
from hardware.arms.make import port_table
from hardware.arms.make_bus import make_bus
from hardware.arms.servo_group import ServoGroup
from hardware.buses.errors import BusError
from hardware.doctor.adapter import check_adapter
from hardware.doctor.camera_pictures import check_camera
from hardware.doctor.errors import check_errors
from hardware.doctor.finding import Finding
from hardware.doctor.firmware import check_firmware
from hardware.doctor.grabbers import check_grabbers
from hardware.doctor.machine import Machine
from hardware.doctor.offsets import check_offsets
from hardware.doctor.port import check_port
from hardware.doctor.presence import check_presence
from hardware.doctor.return_delay import check_return_delay
from hardware.doctor.servos import Seen
from hardware.doctor.supply import check_supply
from hardware.doctor.temperature import check_temperature
from hardware.doctor.usb_bandwidth import check_usb_bandwidth
from hardware.errors import HardwareError
from hardware.spec import BusSpec, RobotSpec, load_spec
from hardware.verbs.on_port import OnPort

PORT_CHECKS = (check_port, check_grabbers, check_adapter)
SERVO_CHECKS = (
    check_firmware,
    check_return_delay,
    check_supply,
    check_temperature,
    check_errors,
)


@dataclass(frozen=True)
class Doctor(OnPort):
    """Look for what is wrong with an arm, its port and its cameras, and say the line that mends it.

    Nothing moves and no torque goes on. Exit code 0: all well; 1: something is wrong.
    """

    calibration: Path | None = None
    """Calibration file; default: the robot's own in the user's data folder."""
    cameras: bool = True
    """Open the cameras too, and count their pictures."""
    mend: bool = False
    """Set the servos' return delay to 0, in their EEPROM; refused where the torque is on."""

    def run(self) -> None:
        spec = load_spec(self.robot)
        ports = port_table(spec, self.port)
        if not ports and not spec.cameras:
            raise HardwareError(f"robot {spec.name!r} has neither servo buses nor cameras to look at")
        counts = {"ok": 0, "warning": 0, "wrong": 0}
        for finding in self._findings(spec, ports):
            counts[finding.level] += 1
            print(f"{finding.level:8} {finding.subject}: {finding.said}", flush=True)
            if finding.mend:
                print(f"{'':8} mend: {finding.mend}", flush=True)
        print(", ".join(f"{count} {level}" for level, count in counts.items()))
        if counts["wrong"]:
            sys.exit(1)

    def _findings(self, spec: RobotSpec, ports: dict[str, str]) -> Iterator[Finding]:
        machine = Machine()
        for bus in spec.buses:
            looked = [f for check in PORT_CHECKS for f in check(machine, ports[bus.name])]
            yield from looked
            if not any(f.subject in ("port", "rights", "holder") and f.level == "wrong" for f in looked):
                yield from self._servos(spec, bus, ports[bus.name])
        real = [c for c in spec.cameras if c.source or spec.driver == "serial"] if self.cameras else []
        yield from check_usb_bandwidth(machine, real)
        for camera in real:
            yield from check_camera(camera)

    def _servos(self, spec: RobotSpec, bus: BusSpec, port: str) -> Iterator[Finding]:
        group = ServoGroup(bus, make_bus(bus, port))
        seen: list[Seen] = []
        try:
            group.bus.open()
            yield from check_presence(group, seen)
            if self.mend:
                for servo in seen:
                    write_eeprom(group.bus, servo.model, servo.spec.id, {"return_delay": 0})
            for check in SERVO_CHECKS:
                yield from check(seen)
            yield from self._calibrated(spec, seen)
        except BusError as error:
            yield Finding("wrong", "bus", str(error), "what it says, then run this again")
        finally:
            group.bus.close()

    def _calibrated(self, spec: RobotSpec, seen: list[Seen]) -> Iterable[Finding]:
        try:
            return check_offsets(seen, self._calibration(spec))
        except HardwareError as error:
            return [Finding("wrong", "calibration", str(error), "python -m hardware calibrate")]

    def _calibration(self, spec: RobotSpec) -> Calibration:
        if spec.driver == "emulated" and self.calibration is None:
            return middle_calibration(spec)
        return load_calibration(self.calibration or calibration_path(spec.name))
