"""The servos of a bus that answer and are of their model: what the checks of registers read."""

from dataclasses import dataclass

from hardware.arms.eeprom import read_register
from hardware.buses.bus import Bus
from hardware.servos.model import ServoModel
from hardware.spec import ServoSpec


@dataclass(frozen=True)
class Seen:
    """A servo that answered."""

    spec: ServoSpec
    model: ServoModel
    bus: Bus

    @property
    def name(self) -> str:
        return f"{self.spec.joint} (id {self.spec.id})"

    def read(self, register: str) -> int:
        """A register's number; `BusError` where it does not answer any more."""
        return read_register(self.bus, self.model, self.spec.id, register)


def listed(names: list[str]) -> str:
    return ", ".join(names)
