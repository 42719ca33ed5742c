"""Simulated time waits for a teleoperator that answers every step, so that speed changes nothing.

In real time an answer to a step's first tick is there by the second. Faster than that the
simulation would run ahead of the answer; here it stands still until the answer has come.
"""

import threading
import time

from hardware.control.loop import TickReport
from hardware.control.stamps import KEEP_NS

PATIENCE_S = 1.0  # wall time; an operator that is slower is taken to have let go


class TeleopGate:
    """A gate of the `PhysicsClock` and an observer of the loop.

    A stream (the commands, the corrections) counts as answering while its last message was keyed
    to a step of the last two seconds. One with other stamps, or none, is never waited for.
    """

    def __init__(self) -> None:
        self._key = 0
        self._answered: dict[str, int] = {}  # stream -> stamp of its last message
        self._answer = threading.Condition()
        self.wait_s = 0.0  # wall time that simulated time stood still
        self.given_up = 0

    def answer(self, stream: str, stamp_ns: int) -> None:
        """A message built on the step whose first tick has `stamp_ns` came in; from any thread."""
        with self._answer:
            self._answered[stream] = stamp_ns
            self._answer.notify_all()

    def release(self) -> None:
        """Wait no longer: an episode has ended. From any thread."""
        with self._answer:
            self._answered.clear()
            self._answer.notify_all()

    def observe(self, report: TickReport) -> None:
        if report.planned is not None:
            self._key = report.stamp_ns

    def gate(self, _time_ns: int) -> None:
        if self._is_answered():
            return
        begin = time.monotonic()
        with self._answer:
            if not self._answer.wait_for(self._is_answered, PATIENCE_S):
                self._answered.clear()
                self.given_up += 1
        self.wait_s += time.monotonic() - begin

    def _is_answered(self) -> bool:
        """Whether there is nothing to wait for."""
        oldest = self._key - KEEP_NS
        return not any(oldest <= stamp < self._key for stamp in tuple(self._answered.values()))
