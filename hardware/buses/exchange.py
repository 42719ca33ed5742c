"""One request and its answers on a half-duplex line: exact length, and no old answer taken for a new one.

The protocols do not number their packets, so that a late answer looks like the next one. So it is
noted what went unanswered: until an answer of that length has come after all, or `LATE_S` has passed,
one of that servo and that length is not believed. Who wants an answer sooner asks for another length.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware.buses.frames import Codec, Frame, Reply
from hardware.buses.port import SerialPort

LATE_S = 0.1  # an answer later than this has not been seen; adapters hold bytes back for 16 ms at most


@dataclass
class BusCounters:
    """What happened on the line since it was opened."""

    exchanges: int = 0
    retries: int = 0
    unanswered: int = 0
    late: int = 0  # came when nobody waited for them any more
    unbelieved: int = 0  # may have been to an earlier request
    strays: int = 0
    echoes: int = 0
    noise_bytes: int = 0
    lost_port: int = 0
    errors: dict[str, int] = field(default_factory=dict)  # error bits of answers, in words


class Unanswered:
    """Requests whose answers may still come: (servo, length of its data) -> when they are given up."""

    def __init__(self) -> None:
        self._until: dict[tuple[int, int], list[float]] = {}

    def note(self, servo: int, length: int, now: float) -> None:
        self._until.setdefault((servo, length), []).append(now + LATE_S)

    def came(self, servo: int, length: int) -> None:
        """An answer that nobody waits for any more: the oldest of its kind."""
        waiting = self._until.get((servo, length))
        if waiting:
            waiting.pop(0)

    def believable(self, servo: int, length: int, now: float) -> bool:
        """Whether an answer of this length can only be to a request made now."""
        waiting = self._until.get((servo, length))
        if not waiting:
            return True
        waiting[:] = [until for until in waiting if until > now]
        return not waiting


@dataclass
class _Collected:
    """The state of one exchange."""

    servos: Sequence[int]
    length: int
    believed: set[int]  # servos of whose answers none of this length can still come
    found: dict[int, Reply] = field(default_factory=dict)


class Exchange:
    """Sends a request and collects what is answered. Raises only `PortError`."""

    def __init__(self, port: SerialPort, codec: Codec, counters: BusCounters) -> None:
        self.port = port
        self.codec = codec
        self.counters = counters
        self.unanswered = Unanswered()

    def send(self, data: bytes) -> None:
        """Write, after hearing out what came unasked: answers that are too late, and noise."""
        early = self.port.drain()
        if early:
            decoded = self.codec.decode(early, len(early), True)
            self.counters.noise_bytes += decoded.noise
            for frame in decoded.frames:
                self._nobody_waits_for(frame)
        self.port.write(data)

    def ask(
        self, request: Frame, servos: Sequence[int], length: int, size: int, deadline_s: float
    ) -> dict[int, Reply]:
        """The answers of `servos`, each with `length` bytes of data, together `size` bytes on the wire."""
        data = self.codec.encode(request)
        self.counters.exchanges += 1
        self.send(data)
        now, unanswered = time.monotonic(), self.unanswered
        state = _Collected(servos, length, {s for s in servos if unanswered.believable(s, length, now)})
        for servo in servos:
            if servo not in state.believed:  # which of its answers is this request's, nobody can tell
                unanswered.note(servo, length, now)
        one, longest = self.codec.reply_size(length), max(size, len(data))
        rest, echo_possible = b"", True
        while True:
            wanted = max(1, size - len(rest))
            part = self.port.read(wanted, deadline_s)
            final = len(part) < wanted
            decoded = self.codec.decode(rest + part, longest, final)
            self.counters.noise_bytes += decoded.noise
            rest = decoded.rest
            for frame in decoded.frames:
                if echo_possible and frame == request:
                    echo_possible = False
                    self.counters.echoes += 1
                else:
                    self._take(frame, state)
            missing = len(servos) - len(state.found)
            if not missing or final:
                break
            size = one * missing
        self._note_silent(state)
        return state.found

    def _take(self, frame: Frame, state: _Collected) -> None:
        replies = self.codec.replies(frame, state.length)
        if not replies:
            self._nobody_waits_for(frame)
        for reply in replies:
            if reply.servo not in state.servos or reply.servo in state.found:
                self.counters.strays += 1
            elif reply.servo not in state.believed:
                self.counters.unbelieved += 1
                self.unanswered.came(reply.servo, state.length)
            else:
                state.found[reply.servo] = reply
                if reply.error:
                    self._count_error(reply.error)

    def _note_silent(self, state: _Collected) -> None:
        now = time.monotonic()
        for servo in state.servos:
            if servo not in state.found:
                self.counters.unanswered += 1
                if servo in state.believed:
                    self.unanswered.note(servo, state.length, now)

    def _nobody_waits_for(self, frame: Frame) -> None:
        """An answer to an earlier request, or nobody's."""
        length = len(frame.payload) - self.codec.error_in_payload
        self.unanswered.came(frame.servo, length)
        self.counters.late += 1

    def _count_error(self, error: int) -> None:
        for word in self.codec.error_words(error):
            self.counters.errors[word] = self.counters.errors.get(word, 0) + 1
