"""`python -m hardware scan`"""

from dataclasses import dataclass
from typing import Literal

from hardware.arms.make_bus import CODECS
from hardware.buses.bus import Bus
from hardware.buses.port import SerialPort
from hardware.errors import HardwareError
from hardware.servos.table import BY_NUMBER


@dataclass(frozen=True)
class Scan:
    """Look for servos of every id at every baud rate, and say which models they are."""

    port: str
    """Serial port, as `python -m hardware ports` lists them."""
    protocol: Literal["feetech", "dynamixel", "both"] = "both"
    """Which servos to look for."""
    baud: int = 0
    """Only this rate, in bit/s; 0: every rate that the protocol has."""

    def run(self) -> None:
        names = list(CODECS) if self.protocol == "both" else [self.protocol]
        found = 0
        for name in names:
            codec = CODECS[name]()
            if self.baud and self.baud not in codec.baud_rates:
                valid = ", ".join(map(str, codec.baud_rates))
                raise HardwareError(f"{name}: unknown baud rate {self.baud}; valid: {valid}")
            bus = Bus(SerialPort(self.port, codec.baud_rates[0]), codec)
            bus.open()
            try:
                for rate in [self.baud] if self.baud else codec.baud_rates:
                    bus.set_baud(rate)
                    print(f"{name}, {rate} baud ...", end="", flush=True)
                    servos = sorted(bus.scan(range(codec.highest_id + 1)))
                    print(f" {len(servos) or 'no'} servo{'s' * (len(servos) != 1)}")
                    for servo, number in servos:
                        model = BY_NUMBER.get((name, number))
                        print(f"  id {servo:3}  {model.name if model else f'unknown model {number}'}")
                    found += len(servos)
            finally:
                bus.close()
        if not found:
            raise HardwareError(f"no servo answers on {self.port}; is the supply on and the cable in?")
