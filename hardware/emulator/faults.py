"""Everything that goes wrong on a servo line, to order: at random rates, at set times, or now."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from hardware.errors import HardwareError, unknown

EVENTS = ("vanish", "unplug", "brownout", "overload", "error", "heat", "voltage")


@dataclass(frozen=True)
class FaultRates:
    """Share of answers (0..1) to which each fault happens.

    drop: not sent. corrupt: one byte changed. late: sent `late_ms` after its time. split: sent in two
    parts, `split_ms` apart. noise: a few random bytes before it. echo (of requests): sent back first.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    late: float = 0.0
    split: float = 0.0
    noise: float = 0.0
    echo: float = 0.0
    late_ms: float = 12.0
    split_ms: float = 0.7


@dataclass(frozen=True)
class FaultEvent:
    """Something that begins `at_s` seconds after the emulator's start and lasts `seconds`.

    vanish: `servo` does not answer, nor hear. unplug: the port goes away. brownout: the supply fails,
    torque drops, RAM is as after power came. overload: `servo` latches its overload protection. error:
    `servo` shows error bits `value`. heat: `servo` is `value` deg C. voltage: the supply is at `value` V.
    """

    kind: str
    at_s: float = 0.0
    seconds: float = 0.0
    servo: int = 0
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in EVENTS:
            raise HardwareError(unknown("fault", self.kind, EVENTS))


@dataclass(frozen=True)
class Delivery:
    """Bytes that reach the host at a time, in s."""

    at_s: float
    data: bytes


class Faults:
    """Applies the rates, seeded, and counts what was injected."""

    def __init__(self, rates: FaultRates = FaultRates(), seed: int = 0) -> None:
        self.rates = rates
        self.injected: dict[str, int] = {}
        self._random = np.random.default_rng(seed)

    def set_rates(self, **changes: float) -> None:
        """Other rates from now on; `HardwareError` names the valid ones."""
        names = [field.name for field in fields(FaultRates)]
        for name, value in changes.items():
            if name not in names:
                raise HardwareError(unknown("fault rate", name, names))
            if not isinstance(value, int | float) or value < 0:
                raise HardwareError(f"fault rate {name}: expected a number of at least 0, got {value!r}")
        self.rates = replace(self.rates, **changes)

    def count(self, kind: str) -> None:
        self.injected[kind] = self.injected.get(kind, 0) + 1

    def echo(self) -> bool:
        """Whether this request is echoed."""
        return self._happens("echo")

    def parts(self, data: bytes) -> tuple[list[Delivery], float]:
        """What becomes of an answer: its parts, each with the pause before it, and how late they come."""
        if self._happens("drop"):
            return [], 0.0
        if self._happens("corrupt"):
            at = int(self._random.integers(len(data)))
            changed = data[at] ^ int(self._random.integers(1, 256))
            data = data[:at] + bytes((changed,)) + data[at + 1 :]
        if self._happens("noise"):
            data = self._random.bytes(int(self._random.integers(1, 8))) + data
        if self._happens("late"):
            return [Delivery(0.0, data)], self.rates.late_ms / 1e3
        if len(data) > 1 and self._happens("split"):
            cut = int(self._random.integers(1, len(data)))
            return [Delivery(0.0, data[:cut]), Delivery(self.rates.split_ms / 1e3, data[cut:])], 0.0
        return [Delivery(0.0, data)], 0.0

    def _happens(self, kind: str) -> bool:
        share: float = getattr(self.rates, kind)
        if not share or self._random.random() >= share:
            return False
        self.count(kind)
        return True


def load_schedule(path: Path) -> tuple[FaultRates, list[FaultEvent]]:
    """`{"rates": {...}, "events": [{"kind": ..., "at_s": ...}, ...]}`; else `HardwareError`."""
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        faults = Faults()
        faults.set_rates(**data.get("rates", {}))
        return faults.rates, [FaultEvent(**event) for event in data.get("events", [])]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise HardwareError(f"{path}: expected a fault schedule: {error}") from None
