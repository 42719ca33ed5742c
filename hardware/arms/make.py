"""From a spec to an arm on its ports."""

from collections.abc import Mapping

from hardware.arms.calibration import Calibration
from hardware.arms.guardian import Guardian
from hardware.arms.make_bus import make_bus
from hardware.arms.serial_arm import SerialArm
from hardware.arms.servo_group import ServoGroup
from hardware.errors import HardwareError, unknown
from hardware.spec import RobotSpec


def port_table(spec: RobotSpec, text: str) -> dict[str, str]:
    """Bus name -> port. `text`: one port for the one bus, or `left=/dev/a,right=/dev/b`; else the spec's."""
    ports = {bus.name: bus.port for bus in spec.buses}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, given, port = word.partition("=")
        if not given and len(ports) == 1:
            name, port = next(iter(ports)), word
        if name not in ports:
            raise HardwareError(unknown("bus", name, ports))
        ports[name] = port
    for name, port in ports.items():
        if not port:
            raise HardwareError(
                f"bus {name!r} of robot {spec.name!r}: expected its serial port, got none; "
                "give port:=/dev/... (`python -m hardware ports` lists them)"
            )
    return ports


def make_serial_arm(
    spec: RobotSpec, ports: Mapping[str, str], calibration: Calibration, *, guarded: bool = True
) -> SerialArm:
    """The arm on its ports, not connected yet; `HardwareError` where spec and calibration disagree.

    guarded: a second process holds the arm when this one dies; pointless where the arm dies with it.
    """
    if not spec.buses:
        raise HardwareError(f"robot {spec.name!r} has no servo buses; its spec needs a section `buses`")
    groups = [ServoGroup(bus, make_bus(bus, ports[bus.name])) for bus in spec.buses]
    return SerialArm(spec, groups, calibration, Guardian(groups) if guarded else None)
