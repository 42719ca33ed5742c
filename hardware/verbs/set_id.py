"""`python -m hardware set-id`"""

from dataclasses import dataclass

from hardware.arms.eeprom import write_eeprom
from hardware.arms.make_bus import CODECS
from hardware.buses.bus import Bus
from hardware.buses.port import SerialPort
from hardware.errors import HardwareError, unknown
from hardware.servos.table import BY_NUMBER, SERVOS


@dataclass(frozen=True)
class SetId:
    """Give a servo another id, and a baud rate. Best with this servo alone on the line."""

    port: str
    """Serial port, as `python -m hardware ports` lists them."""
    new: int
    """The id it is to have."""
    old: int = 1
    """The id it has; servos are delivered with 1."""
    model: str = "sts3215"
    """Its model."""
    baud: int = 1_000_000
    """The rate in bit/s that it is to have; it is looked for at every rate."""

    def run(self) -> None:
        if self.model not in SERVOS:
            raise HardwareError(unknown("servo model", self.model, SERVOS))
        model = SERVOS[self.model]
        codec = CODECS[model.protocol]()
        if not 0 <= self.new <= codec.highest_id:
            raise HardwareError(f"new: expected an id of 0 to {codec.highest_id}, got {self.new}")
        if self.baud not in model.baud_codes:
            raise HardwareError(unknown("baud rate", str(self.baud), map(str, model.baud_codes)))
        bus = Bus(SerialPort(self.port, self.baud), codec)
        bus.open()
        try:
            rate = self._find(bus)
            if self.new != self.old and bus.identify(self.new) is not None:
                raise HardwareError(f"id {self.new} is taken by another servo on {self.port}")
            values = {"id": self.new, "baud": model.baud_codes[self.baud]}
            write_eeprom(bus, model, self.old, values)
        finally:
            bus.close()
        print(f"id {self.old} at {rate} baud is now id {self.new} at {self.baud} baud")

    def _find(self, bus: Bus) -> int:
        """The rate at which the old id answers; the bus is left at it."""
        rates = [self.baud, *(r for r in bus.codec.baud_rates if r != self.baud)]
        for rate in rates:
            bus.set_baud(rate)
            number = bus.identify(self.old)
            if number is None:
                continue
            if number != SERVOS[self.model].number:
                there = BY_NUMBER.get((bus.codec.name, number))
                name = there.name if there else f"model {number}"
                raise HardwareError(f"id {self.old}: expected a {self.model}, got {name}")
            return rate
        raise HardwareError(f"no servo with id {self.old} answers on {self.port} at any baud rate")
