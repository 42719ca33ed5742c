"""What is known of a servo model: its registers and how their numbers become SI units."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hardware.buses.errors import BusError
from hardware.errors import unknown

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Register:
    """A number in a servo's table. sign: where a negative one has its sign (a bit, or two's complement)."""

    address: int
    size: int = 1
    sign: int | Literal["two's complement"] | None = None
    eeprom: bool = False
    read_only: bool = False

    def decode(self, data: bytes) -> int:
        """The number in `size` bytes, low byte first."""
        if isinstance(self.sign, int):
            value = int.from_bytes(data, "little")
            magnitude = value & (1 << self.sign) - 1
            return -magnitude if value >> self.sign & 1 else magnitude
        return int.from_bytes(data, "little", signed=self.sign is not None)

    def encode(self, number: int) -> bytes:
        """Its bytes; `BusError` where it does not fit."""
        low, high = self.interval()
        if not low <= number <= high:
            raise BusError(f"register {self.address}: expected {low} to {high}, got {number}")
        if isinstance(self.sign, int) and number < 0:
            number = -number | 1 << self.sign
        return number.to_bytes(self.size, "little", signed=number < 0)

    def interval(self) -> tuple[int, int]:
        """The least and the greatest number that fit."""
        if isinstance(self.sign, int):
            top = (1 << self.sign) - 1
            return -top, top
        bits = 8 * self.size
        return (0, (1 << bits) - 1) if self.sign is None else (-(1 << bits - 1), (1 << bits - 1) - 1)


@dataclass(frozen=True)
class Feedback:
    """What n servos measured, each (n,): a row of numbers a quantity.

    position in ticks as the servo counts them, velocity in rad/s, load as a share of the stall torque
    (-1..1), current in A (NaN where it is not measured), voltage in V, temperature in deg C, and the
    servos' error bits.
    """

    position: NDArray[np.int64]
    velocity: Array
    load: Array
    current: Array
    voltage: Array
    temperature: Array
    error: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ServoModel:
    """A family's table. `feedback` is the block that is read every control period, `spare` what follows it
    and may be read too; `decode` turns n such blocks (n * length bytes) into `Feedback`."""

    name: str
    number: int
    protocol: str
    ticks_per_turn: int
    registers: Mapping[str, Register]
    baud_codes: Mapping[int, int]
    feedback: tuple[int, int]  # address, length
    spare: int
    decode: Callable[[Sequence[bytes]], Feedback]
    torque_limit: tuple[str, int]  # register, and its value for all the torque there is
    supervised: tuple[
        int, int
    ]  # address, length of a block with torque_enable and, where it is, hardware_error
    faults: Mapping[int, str]  # error bit -> what is wrong
    protects: int  # error bits after which it does not follow until they are cleared
    clears_by: Literal["torque", "reboot"]  # how those bits go away
    rated: Mapping[str, float]  # stall_torque (N m), stall_current (A), speed (rad/s) at the rated voltage

    def register(self, name: str) -> Register:
        if name not in self.registers:
            raise BusError(unknown(f"register of {self.name}", name, self.registers))
        return self.registers[name]

    def fault_words(self, bits: int) -> str:
        """Its error bits in words."""
        return " ".join(word for bit, word in self.faults.items() if bits & bit)

    @property
    def radians_per_tick(self) -> float:
        return 2 * np.pi / self.ticks_per_turn


def rows(blocks: Sequence[bytes], dtype: Any) -> Any:
    """n blocks of bytes as a structured array (n,)."""
    return np.frombuffer(b"".join(blocks), dtype=dtype)


def signed_magnitude(values: NDArray[Any], sign_bit: int) -> NDArray[np.int64]:
    """Numbers whose sign stands in `sign_bit`, vectorised."""
    values = values.astype(np.int64)
    magnitude = values & (1 << sign_bit) - 1
    return np.where(values >> sign_bit & 1, -magnitude, magnitude)
