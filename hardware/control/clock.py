"""Robot time. On hardware it is the monotonic clock; in simulation it is the physics.

Stamps, staleness, delays and deadlines are all counted on the one `Clock` that is injected.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from hardware.robot import Simulated

NS = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int:
        """Robot time in nanoseconds; never goes back."""

    def sleep_until(self, time_ns: int) -> None:
        """Return when robot time is at least `time_ns`."""


class MonotonicClock:
    """The machine's monotonic clock, slept on with absolute deadlines."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until(self, time_ns: int) -> None:
        remaining = time_ns - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining / NS)


class PhysicsClock:
    """Robot time is a simulated world's; sleeping steps the physics and keeps to `speed`.

    `speed` is an upper bound on simulated seconds per second (`inf`: as fast as it goes).
    A world that cannot keep up makes time slow, never skip: the pace is anchored anew.
    Each gate is called with the time about to be stepped to, and may hold time back
    until a slower part (a renderer, a teleoperator) has caught up.
    """

    def __init__(
        self,
        world: Simulated,
        speed: float = float("inf"),
        gates: Sequence[Callable[[int], None]] = (),
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed: expected a number above 0, got {speed}")
        self._world = world
        self._speed = speed
        self._gates = list(gates)
        self._anchor_wall = time.monotonic_ns()
        self._anchor_sim = world.now_ns()

    def now_ns(self) -> int:
        return self._world.now_ns()

    def add_gate(self, gate: Callable[[int], None]) -> None:
        self._gates.append(gate)

    def sleep_until(self, time_ns: int) -> None:
        for gate in self._gates:
            gate(time_ns)
        self._world.advance_to(time_ns)
        if self._speed == float("inf"):
            return
        due = self._anchor_wall + int((time_ns - self._anchor_sim) / self._speed)
        remaining = due - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining / NS)
        else:
            self._anchor_wall, self._anchor_sim = due - remaining, time_ns
