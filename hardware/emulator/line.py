"""The wire between a client and the emulated servos: half duplex, at a baud rate, with faults."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hardware.buses.frames import Codec, Frame
from hardware.buses.port import BITS_A_BYTE
from hardware.emulator.dispatch import Answer
from hardware.emulator.faults import Delivery, Faults
from hardware.emulator.pty_port import PtyPort
from hardware.emulator.servo import EmulatedServo

HALF_FRAME_S = 0.05  # an instruction that is not whole by then never will be
NO_CLIENT_S = 0.005
PAUSE_S = 0.0006  # longer than an answer takes; a split one pauses for longer


class Dispatch(Protocol):
    """One protocol's way to hear and answer."""

    @property
    def codec(self) -> Codec: ...

    def answers(self, servos: Sequence[Any], frame: Frame) -> list[Answer]: ...


class Line:
    """Servos on one pseudo-terminal; `serve` does what is due.

    wire_time: answers reach the client no sooner than their bytes would at the client's baud rate. Those
    of one request are handed over together, as a USB adapter does. Without it they come at once.
    """

    def __init__(
        self,
        port: PtyPort,
        dispatch: Dispatch,
        servos: Sequence[EmulatedServo],
        faults: Faults,
        advance: Callable[[], None],
        *,
        wire_time: bool = True,
    ) -> None:
        """`advance` lets the world go on to now; asked before every instruction."""
        self.port = port
        self.servos = servos
        self.silent: set[int] = set()  # ids that neither hear nor answer
        self.frames = 0
        self.codec = dispatch.codec
        self._dispatch = dispatch
        self._faults = faults
        self._advance = advance
        self._wire_time = wire_time
        self._buffer = b""
        self._buffer_s = 0.0
        self._queue: list[tuple[float, int, bytes]] = []
        self._queued = 0
        self._busy_until_s = 0.0
        self.heard: deque[tuple[float, Frame]] | None = None  # requests and when they came, once wanted

    @property
    def next_s(self) -> float:
        """When bytes are to be handed over next (time.monotonic())."""
        return self._queue[0][0] if self._queue else float("inf")

    def deliver(self) -> None:
        """Hand over what is due."""
        while self.next_s <= time.monotonic():
            data = heapq.heappop(self._queue)[2]
            if self.port.fd >= 0:
                self.port.write(data)

    def forget(self) -> None:
        """What is on its way is lost (the port was unplugged)."""
        self._queue.clear()
        self._buffer = b""

    # -- one request --------------------------------------------------------------------------

    def receive(self) -> None:
        """Hear what the client sent, and answer."""
        data = self.port.read()
        if data is None:
            time.sleep(NO_CLIENT_S)
            return
        now = time.monotonic()
        if self._buffer and now - self._buffer_s > HALF_FRAME_S:
            self._buffer = b""
        self._buffer_s = now
        decoded = self.codec.decode(self._buffer + data, 240, False)
        self._buffer = decoded.rest
        for frame in decoded.frames:
            self.frames += 1
            if self.heard is not None:
                self.heard.append((now, frame))
            self._advance()
            self._answer(frame, now)

    def _answer(self, frame: Frame, now: float) -> None:
        baud = self.port.baud()
        heard = [s for s in self.servos if s.memory.baud == baud and s.memory.id not in self.silent]
        byte_s = BITS_A_BYTE / baud if self._wire_time and baud else 0.0
        request = self.codec.encode(frame)
        at = max(now, self._busy_until_s) + len(request) * byte_s
        stream: list[Delivery] = []  # in order, each no sooner than the one before
        if self._faults.echo():
            stream.append(Delivery(at, request))
        for answer in self._dispatch.answers(heard, frame):
            at += len(answer.data) * byte_s + (answer.delay_s if self._wire_time else 0.0)
            parts, late_s = self._faults.parts(answer.data)
            if late_s:
                self._queue_delivery(Delivery(at + late_s, parts[0].data))
                continue
            for part in parts:
                at += part.at_s
                stream.append(Delivery(at, part.data))
        self._busy_until_s = at
        for delivery in _merged(stream):
            self._queue_delivery(delivery)

    def _queue_delivery(self, delivery: Delivery) -> None:
        self._queued += 1
        heapq.heappush(self._queue, (delivery.at_s, self._queued, delivery.data))


def _merged(stream: Sequence[Delivery]) -> list[Delivery]:
    """What follows without a pause is handed over together, when its last byte is there."""
    merged: list[Delivery] = []
    for delivery in stream:
        if merged and delivery.at_s - merged[-1].at_s < PAUSE_S:
            delivery = Delivery(delivery.at_s, merged.pop().data + delivery.data)
        merged.append(delivery)
    return merged
