"""From a line of a spec to a bus on its port."""

from collections.abc import Mapping

from hardware.buses.bus import Bus
from hardware.buses.dynamixel import DynamixelCodec
from hardware.buses.feetech import FeetechCodec
from hardware.buses.frames import Codec
from hardware.buses.port import SerialPort
from hardware.servos.table import SERVOS
from hardware.spec import BusSpec

CODECS: Mapping[str, type[FeetechCodec] | type[DynamixelCodec]] = {
    "feetech": FeetechCodec,
    "dynamixel": DynamixelCodec,
}


def make_bus(spec: BusSpec, port: str) -> Bus:
    """The bus of a spec on a port, not opened yet."""
    codec: Codec = CODECS[SERVOS[spec.servos[0].model].protocol]()
    return Bus(SerialPort(port, spec.baud), codec)
