"""A servo's register table, as bytes."""

from collections.abc import Mapping

from hardware.servos.model import ServoModel

SIZE = 256


class Memory:
    """Registers by name and by address; nothing is refused here, that is the servo's business."""

    def __init__(self, model: ServoModel, values: Mapping[str, int]) -> None:
        self.model = model
        self._bytes = bytearray(SIZE)
        for name, value in values.items():
            self[name] = value

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
