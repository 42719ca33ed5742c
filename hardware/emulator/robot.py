"""A whole emulated robot: the lines of a spec, the plant behind them, and the faults that befall them."""

import os
import queue
import select
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hardware.control.clock import NS
from hardware.emulator.dispatch import DynamixelLine, FeetechLine
from hardware.emulator.dynamixel_servo import DynamixelServo
from hardware.emulator.faults import FaultEvent, Faults
from hardware.emulator.feetech_servo import FeetechServo
from hardware.emulator.line import Dispatch, Line
from hardware.emulator.plant import Plant
from hardware.emulator.plants import servo_plant
from hardware.emulator.pty_port import PtyPort
from hardware.emulator.servo import EmulatedServo, Sensed, Shaft
from hardware.errors import HardwareError
from hardware.servos.table import SERVOS
from hardware.spec import BusSpec, RobotSpec

T = TypeVar("T")
SUPPLY_V = 7.4
CALL_S = 10.0  # for the serving thread to take a call
IDLE_S = 0.01  # the plant goes on at least this often
MIDDLE = 2048  # ticks that a calibrated servo shows in the middle of its joint's range


def middle_shaft(spec: RobotSpec, joint: str, direction: int) -> Shaft:
    """A servo that shows 2048 in the middle of its joint's range, as after calibration."""
    limits = next(j for j in spec.joints if j.name == joint)
    middle = 0.5 * (limits.lower + limits.upper)
    ticks = MIDDLE - direction * middle * 4096 / (2 * np.pi)
    return Shaft(round(float(ticks)), direction)


class EmulatedRobot:
    """The servos of a spec on their lines, in one thread: `serve` until told to end.

    Links to the ports are `folder`/<name of the bus>. With wire_time False answers come at once.
    """

    def __init__(
        self,
        spec: RobotSpec,
        folder: Path,
        plant: Plant | None = None,
        faults: Faults | None = None,
        *,
        wire_time: bool = True,
        assembly: int | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """assembly: seed of how the servos were mounted; None: as after calibration."""
        if not spec.buses:
            raise HardwareError(f"robot {spec.name!r} has no servo bus to emulate")
        self.spec = spec
        self.plant = plant or servo_plant(spec)
        self.faults = faults or Faults()
        self.supply_v = SUPPLY_V
        self._now_s = now_s
        self._opened_s = self._advanced_s = now_s()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._called = -1  # an event that wakes the serving thread
        self._events: list[tuple[float, Callable[[], None]]] = []
        servos: dict[str, EmulatedServo] = {}
        mounted = np.random.default_rng(assembly) if assembly is not None else None
        self.lines: dict[str, Line] = {}
        for bus in spec.buses:
            on_bus = {s.joint: _servo(spec, bus, i, mounted) for i, s in enumerate(bus.servos)}
            servos |= on_bus
            self.lines[bus.name] = Line(
                PtyPort(folder / bus.name),
                _dispatch(bus),
                list(on_bus.values()),
                self.faults,
                self.advance,
                wire_time=wire_time,
            )
        self.servos = [servos[name] for name in spec.joint_names]

    def open(self) -> None:
        """Power on and plug in."""
        self._called = os.eventfd(0, os.EFD_NONBLOCK)
        self.power_on()
        for line in self.lines.values():
            line.port.open()

    def serve_cameras(self) -> Mapping[str, str]:
        """Camera -> address of its stream, where the plant has cameras."""
        serve = getattr(self.plant, "serve_cameras", None)
        return serve(round(self._opened_s * NS)) if serve else {}

    def close(self) -> None:
        if hasattr(self.plant, "close"):
            self.plant.close()
        for line in self.lines.values():
            line.port.close()
        if self._called >= 0:
            os.close(self._called)
            self._called = -1

    def now_ns(self) -> int:
        """Its time: the machine's monotonic clock."""
        return round(self._now_s() * NS)

    def power_on(self) -> None:
        """Every servo as after power came, where its joint is."""
        for servo, position in zip(self.servos, self.plant.position, strict=True):
            servo.power_on(float(position))

    def serve(self) -> None:
        """Wait for a client or what is due next, at most 10 ms, and do it."""
        open_lines = {line.port.fd: line for line in self.lines.values() if line.port.fd >= 0}
        due = min((line.next_s for line in self.lines.values()), default=float("inf"))
        wait = min(IDLE_S, max(0.0, due - time.monotonic()))
        for fd in select.select([self._called, *open_lines], [], [], wait)[0]:
            if fd == self._called:
                os.eventfd_read(fd)
            else:
                open_lines[fd].receive()
        for line in self.lines.values():
            line.deliver()
        now = time.monotonic()
        while self._events and self._events[0][0] <= now:
            self._events.pop(0)[1]()
        while not self._calls.empty():
            self._calls.get()()
        self.advance()

    def hear(self) -> None:
        """All that clients have sent by now; in the serving thread."""
        open_lines = {line.port.fd: line for line in self.lines.values() if line.port.fd >= 0}
        while ready := select.select(list(open_lines), [], [], 0.0)[0]:
            for fd in ready:
                open_lines[fd].receive()

    def call(self, what: Callable[[], T]) -> T:
        """What `what` gives when the serving thread runs it between two requests; called by another."""
        done = threading.Event()
        values: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                values.append(what())
            except Exception as error:  # for the caller
                errors.append(error)
            done.set()

        self._calls.put(run)
        os.eventfd_write(self._called, 1)
        if not done.wait(CALL_S):
            raise HardwareError("the emulator does not serve")
        if errors:
            raise errors[0]
        return values[0]

    def advance(self) -> None:
        """Let the plant go on to now, and the servos measure."""
        now = self._now_s()
        seconds, self._advanced_s = max(0.0, now - self._advanced_s), now
        plant = self.plant
        if seconds:
            drives = [servo.drive() for servo in self.servos]
            goal = np.array([drive.goal for drive in drives])
            limit = np.array([drive.limit if self.supply_v > 0.0 else 0.0 for drive in drives])
            plant.step(goal, limit, seconds)
        for servo, q, v, load in zip(self.servos, plant.position, plant.velocity, plant.load, strict=True):
            servo.sense(Sensed(float(q), float(v), float(load), self.supply_v), seconds)

    # -- faults ---------------------------------------------------------------------------------

    def schedule(self, events: Iterable[FaultEvent]) -> None:
        """Let each happen at its time, counted from now."""
        start = time.monotonic()
        for event in events:
            self._at(start + event.at_s, partial(self.befall, event))

    def befall(self, event: FaultEvent) -> None:
        """Let a fault begin now, and end when its time is up."""
        self.faults.count(event.kind)
        end = getattr(self, f"_{event.kind}")(event)
        self._at(time.monotonic() + event.seconds, end)

    def _at(self, when_s: float, what: Callable[[], None]) -> None:
        self._events.append((when_s, what))
        self._events.sort(key=lambda entry: entry[0])

    def _vanish(self, event: FaultEvent) -> Callable[[], None]:
        line = self._line_of(event.servo)
        line.silent.add(event.servo)
        return lambda: line.silent.discard(event.servo)

    def _unplug(self, event: FaultEvent) -> Callable[[], None]:
        for line in self.lines.values():
            line.port.close()
            line.forget()

        def replug() -> None:
            for line in self.lines.values():
                line.port.open()

        return replug

    def _brownout(self, event: FaultEvent) -> Callable[[], None]:
        self.supply_v = 0.0
        silent = [(line, {servo.memory.id for servo in line.servos}) for line in self.lines.values()]
        for line, ids in silent:
            line.silent |= ids

        def restore() -> None:
            self.supply_v = SUPPLY_V
            self.advance()
            self.power_on()
            for line, ids in silent:
                line.silent -= ids

        return restore

    def _error(self, event: FaultEvent) -> Callable[[], None]:
        motor = self._servo(event.servo).motor
        motor.held_error = int(event.value)

        def clear() -> None:
            motor.held_error = 0

        return clear

    def _overload(self, event: FaultEvent) -> Callable[[], None]:
        self._servo(event.servo).overload()
        return lambda: None

    def _heat(self, event: FaultEvent) -> Callable[[], None]:
        self._servo(event.servo).motor.temperature = event.value
        return lambda: None

    def _voltage(self, event: FaultEvent) -> Callable[[], None]:
        before, self.supply_v = self.supply_v, event.value

        def restore() -> None:
            self.supply_v = before

        return restore

    def _line_of(self, servo: int) -> Line:
        for line in self.lines.values():
            if any(s.memory.id == servo for s in line.servos):
                return line
        raise HardwareError(f"fault: no servo with id {servo}")

    def _servo(self, servo: int) -> EmulatedServo:
        return next(s for s in self._line_of(servo).servos if s.memory.id == servo)


def _servo(spec: RobotSpec, bus: BusSpec, index: int, mounted: np.random.Generator | None) -> Any:
    """The emulated servo `index` of a bus, as after calibration or as somebody `mounted` it."""
    entry = bus.servos[index]
    model = SERVOS[entry.model]
    shaft = middle_shaft(spec, entry.joint, entry.direction)
    if mounted is not None:
        shaft = replace(shaft, zero_ticks=shaft.zero_ticks + int(mounted.integers(-2047, 2048)))
    code = model.baud_codes[bus.baud]
    if model.protocol == "feetech":
        return FeetechServo(entry.id, shaft, baud=code)
    return DynamixelServo(entry.id, model, shaft, baud=code)


def _dispatch(bus: BusSpec) -> Dispatch:
    return FeetechLine() if SERVOS[bus.servos[0].model].protocol == "feetech" else DynamixelLine()
