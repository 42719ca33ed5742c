"""A servo's register table, as bytes."""

from collections.abc import Mapping

from hardware.servos.model import ServoModel

SIZE = 256
RETURN_DELAY_S = 2e-6  # a unit of the register, in both families


class Memory:
    """Registers by name and by address; nothing is refused here, that is the servo's business."""

    def __init__(self, model: ServoModel, values: Mapping[str, int]) -> None:
        self.model = model
        self._bauds = {code: rate for rate, code in model.baud_codes.items()}
        self._bytes = bytearray(SIZE)
        for name, value in values.items():
            self[name] = value

    @property
    def id(self) -> int:
        return self["id"]

    @property
    def baud(self) -> int:
        """In bit/s; 0 for a code that means none."""
        return self._bauds.get(self["baud"], 0)

    @property
    def return_delay_s(self) -> float:
        """What the servo waits before it answers."""
        return self["return_delay"] * RETURN_DELAY_S

    def __getitem__(self, name: str) -> int:
        register = self.model.register(name)
        return register.decode(self.read(register.address, register.size))

    def __setitem__(self, name: str, value: int) -> None:
        register = self.model.register(name)
        self.write(register.address, register.encode(value))

    def read(self, address: int, length: int) -> bytes:
        return bytes(self._bytes[address : address + length]).ljust(length, b"\0")

    def write(self, address: int, data: bytes) -> None:
        self._bytes[address : address + len(data)] = data
