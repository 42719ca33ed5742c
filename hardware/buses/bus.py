"""A bus of servos: requests, retries and a port that may go away.

One write, one read of the exact length, one lock. Whatever else is on the line (noise, the request's
echo, an answer that is late, split or cut short) is skipped and counted; nothing of it is raised.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hardware.buses.errors import PortError
from hardware.buses.exchange import LATE_S, BusCounters, Exchange, Unanswered
from hardware.buses.frames import Codec, Frame, Reply
from hardware.buses.port import SerialPort

PATIENCE_S = 0.002  # beyond the wire time, before an answer counts as missing in a control period
CALM_S = 0.02  # the same where nothing presses
PATIENCE, MARGIN_S = 1.25, 0.0005  # times the usual delay, and more: an adapter's jitter
SLOWER = 1.5  # times the patience: what an answer that came too late is taken to have needed
STRIDE_S = 0.0001  # least step of the usual delay's estimate
LIKELY_IDS = 16  # servos are given ids from 1 on
REOPEN_S = 0.25  # between two attempts to open a port that went away
PLAIN_AFTER_FAST = 100  # exchanges without fast sync read once one was not answered whole


class Bus:
    """One half-duplex line. Reads give what was answered and leave out what was not; they never raise.

    A port that goes away is opened again when it is back; `trouble` says what is wrong meanwhile.
    """

    def __init__(
        self,
        port: SerialPort,
        codec: Codec,
        *,
        return_delay_s: float = 0.0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """return_delay_s: what a servo waits before it answers (its register; 0.5 ms as delivered)."""
        self.port = port
        self.codec = codec
        self.return_delay_s = return_delay_s
        self._least_patience_s = patience_s
        self._delay_s = 0.0  # beyond the wire time, that answers usually take
        self.counters = BusCounters()
        self.trouble = ""
        self._exchange = Exchange(port, codec, self.counters)
        self._lock = threading.RLock()
        self._plain_left = 0
        self._next_open_s = 0.0

    def open(self) -> None:
        """Raises `PortError`, one line with what to do."""
        with self._lock:
            self.port.open()
            self.trouble = ""

    def close(self) -> None:
        with self._lock:
            self.port.close()

    def health(self) -> dict[str, float | str]:
        """Its counters, and what is wrong with the port."""
        counters = {**vars(self.counters), "errors": sum(self.counters.errors.values())}
        return {**counters, "trouble": self.trouble}

    def set_baud(self, rate: int) -> None:
        """Talk at another rate, in bit/s; what was asked at the old one is forgotten."""
        with self._lock:
            self.port.baud = rate
            self._exchange.unanswered = Unanswered()

    # -- one servo, and no hurry --------------------------------------------------------------

    def ping(self, servo: int) -> bool:
        """Whether a servo answers to this id.

        A Feetech servo whose one error is its voltage answers with the very bytes of the request,
        as an adapter's echo would be; then its model number is read.
        """
        with self._lock:
            echoes = self.counters.echoes
            if self._ask(self.codec.ping(servo), (servo,), self.codec.ping_length):
                return True
            return self.counters.echoes > echoes and self.identify(servo) is not None

    def identify(self, servo: int, attempts: int = 1) -> int | None:
        """The model number of the servo with this id; None where none answers."""
        reply = self.read(servo, *self.codec.model_register, attempts=attempts)
        return None if reply is None or not reply.data else int.from_bytes(reply.data, "little")

    def scan(self, servos: Iterable[int]) -> Iterator[tuple[int, int]]:
        """(id, model number) of those that answer at this baud rate.

        Each that does not takes 2 ms, and what request and answer would take on the wire: 5 ms at
        57 600 baud, 28 ms at 9600. Where one answered, the silent ones with a likely id are asked
        again, patiently.
        """
        silent, heard = [], False
        length = self.codec.model_register[1]
        for servo in servos:
            with self._lock:
                request = self.codec.read(servo, *self.codec.model_register)
                found = self._ask(request, (servo,), length, float("inf"))
            if found:
                heard = True
                yield servo, int.from_bytes(found[servo].data, "little")
            elif servo < LIKELY_IDS:
                silent.append(servo)
        for servo in silent if heard else ():
            number = self.identify(servo)
            if number is not None:
                yield servo, number

    def read(self, servo: int, address: int, length: int, attempts: int = 3) -> Reply | None:
        """Registers of one servo; None where it does not answer."""
        return self._insist(self.codec.read(servo, address, length), servo, length, attempts)

    def write(self, servo: int, address: int, data: bytes, attempts: int = 3) -> Reply | None:
        """Set registers of one servo; its answer, or None where none came (it may be set nevertheless)."""
        return self._insist(self.codec.write(servo, address, data), servo, 0, attempts)

    # -- all servos, in a control period --------------------------------------------------------

    def sync_read(
        self,
        servos: Sequence[int],
        address: int,
        length: int,
        *,
        spare: int = 0,
        until_s: float | None = None,
        fast: bool = False,
    ) -> dict[int, Reply]:
        """The same registers of many servos; servos that did not answer are left out.

        Those that are missing are asked again while there is time until `until_s` (time.monotonic());
        None: once, patiently. spare: bytes after `length` that may be read too: a retry asks for
        more, since an answer of that length cannot be to the request before. fast: all answers in
        one packet, where the protocol has that.
        """
        found: dict[int, Reply] = {}
        missing, retrying = list(servos), False
        with self._lock:
            while missing:
                size, askable = self._length_for(missing, length, spare)
                if retrying:
                    if not askable or until_s is None or not self._time_for(len(askable), size, until_s):
                        break
                    missing = askable
                    self.counters.retries += 1
                found |= self._sync_read_once(missing, address, size, until_s, fast and not retrying)
                missing = [servo for servo in missing if servo not in found]
                retrying = True
                if self.trouble:
                    break
        return {servo: Reply(servo, reply.error, reply.data[:length]) for servo, reply in found.items()}

    def sync_write(self, address: int, data: Mapping[int, bytes]) -> bool:
        """The same registers of many servos, each its own bytes; nobody answers. False: the port is gone."""
        return self.send(self.codec.sync_write(address, data)) if data else True

    def send(self, frame: Frame) -> bool:
        """A frame that nobody answers. False: the port is gone."""
        with self._lock:
            try:
                self._open_again()
                self._exchange.send(self.codec.encode(frame))
            except PortError as error:
                self._lose(error)
                return False
        return True

    # -- inside ---------------------------------------------------------------------------------

    def _insist(self, request: Frame, servo: int, length: int, attempts: int) -> Reply | None:
        """Ask one servo, each time when an earlier answer of this length cannot come any more."""
        for attempt in range(attempts):
            self.counters.retries += attempt > 0
            with self._lock:
                while not self._exchange.unanswered.believable(servo, length, time.monotonic()):
                    time.sleep(0.1 * LATE_S)
                found = self._ask(request, (servo,), length)
            if found:
                return found[servo]
        return None

    def _sync_read_once(
        self, servos: Sequence[int], address: int, length: int, until_s: float | None, fast: bool
    ) -> dict[int, Reply]:
        codec = self.codec
        request = codec.fast_sync_read(servos, address, length) if fast and not self._plain_left else None
        if request:
            size = codec.fast_reply_size(len(servos), length)
            found = self._ask(request, servos, length, until_s, size)
            if len(found) < len(servos):
                self._plain_left = PLAIN_AFTER_FAST
            return found
        self._plain_left = max(0, self._plain_left - 1)
        return self._ask(codec.sync_read(servos, address, length), servos, length, until_s)

    def _ask(
        self,
        request: Frame,
        servos: Sequence[int],
        length: int,
        until_s: float | None = None,
        size: int | None = None,
    ) -> dict[int, Reply]:
        """One exchange; {} where the port is gone."""
        size = len(servos) * self.codec.reply_size(length) if size is None else size
        on_wire = self.port.wire_s(size + 8 + len(request.payload)) + self.return_delay_s * len(servos)
        now, late = time.monotonic(), self.counters.late
        deadline = now + on_wire + (CALM_S if until_s is None else self.patience_s)
        if until_s is not None:
            deadline = min(deadline, max(until_s, now))
        try:
            self._open_again()
            found = self._exchange.ask(request, servos, length, size, deadline)
        except PortError as error:
            self._lose(error)
            return {}
        if self.counters.late > late:  # what was given up came after all
            self._note_delay(SLOWER * self.patience_s)
        elif len(found) == len(servos):
            self._note_delay(time.monotonic() - now - on_wire)
        return found

    @property
    def patience_s(self) -> float:
        """Beyond the wire time, before an answer of a control period counts as missing."""
        return min(max(PATIENCE * self._delay_s + MARGIN_S, self._least_patience_s), CALM_S)

    def _note_delay(self, seconds: float) -> None:
        """Follow the delay that all but one in ten answers keep, so that a few late ones change little."""
        stride = 0.1 * self._delay_s + STRIDE_S
        change = 0.9 if seconds > self._delay_s else -0.1
        self._delay_s = max(0.0, self._delay_s + change * stride)

    def _length_for(self, servos: Sequence[int], length: int, spare: int) -> tuple[int, list[int]]:
        """The length to ask for at which most answers can be believed, and whose those are."""
        now, unanswered = time.monotonic(), self._exchange.unanswered
        best: list[int] = []
        chosen = length
        for size in range(length, length + spare + 1):
            askable = [servo for servo in servos if unanswered.believable(servo, size, now)]
            if len(askable) > len(best):
                chosen, best = size, askable
            if len(best) == len(servos):
                break
        return chosen, best

    def _time_for(self, servos: int, length: int, until_s: float) -> bool:
        wire_s = self.port.wire_s(servos * self.codec.reply_size(length) + 16)
        return time.monotonic() + wire_s + self.return_delay_s * servos < until_s

    def _open_again(self) -> None:
        """A port that went away, if it is time to try."""
        if self.port.is_open:
            return
        now = time.monotonic()
        if now < self._next_open_s:
            raise PortError(self.trouble or f"port {self.port.path!r} is not open")
        self._next_open_s = now + REOPEN_S
        self.port.open()
        self.trouble = ""

    def _lose(self, error: PortError) -> None:
        if self.port.is_open:
            self.counters.lost_port += 1
            self.port.close()
            self._next_open_s = time.monotonic() + REOPEN_S
        self.trouble = str(error)
