"""Simulated time waits for a teleoperator that answers every step, so that speed changes nothing.

In real time an answer to a step's first tick is there by the second. Faster than that the
simulation would run ahead of the answer; here it stands still until the answer has come.
"""

import threading
import time

from hardware.control.loop import TickReport

PATIENCE_S = 0.2  # wall time; an operator that is slower is taken to have let go


class TeleopGate:
    """A gate of the `PhysicsClock` and an observer of the loop.

    An operator counts as answering while its last command was keyed to one of the last three
    steps. One who sends commands with other stamps, or none, is never waited for.
    """

    def __init__(self, step_ns: int) -> None:
        self._step_ns = step_ns
        self._key = 0
        self._answered: int | None = None
        self._answer = threading.Condition()
        self.wait_s = 0.0  # wall time that simulated time stood still
        self.given_up = 0

    def answer(self, stamp_ns: int) -> None:
        """A command built on the step whose first tick has `stamp_ns` came in; from any thread."""
        with self._answer:
            self._answered = stamp_ns
            self._answer.notify_all()

    def release(self) -> None:
        """Wait no longer: an episode has ended. From any thread."""
        with self._answer:
            self._answered = None
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
                self._answered = None
                self.given_up += 1
        self.wait_s += time.monotonic() - begin

    def _is_answered(self) -> bool:
        """Whether there is nothing to wait for."""
        if self._answered is None:
            return True
        behind = self._key - self._answered
        return not 0 < behind <= 3 * self._step_ns
