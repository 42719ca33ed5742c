"""Collecting a number of episodes: a teleoperator's sequence of service calls, in a thread of its own.

reset -> arm -> start -> drive -> label and save, or discard -> next. Written as it reads; the
node's executor answers the calls meanwhile.
"""

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node

from hardware.errors import HardwareError
from limber_nodes.teleop_calls import Calls, SessionClosed
from limber_nodes.teleop_drive import Outcome
from limber_nodes.teleop_recording import LABEL, TRIGGERS, Recording

__all__ = ["Outcome", "Plan", "Session", "SessionClosed"]

WORDS = {True: "success", False: "failure", None: "not labelled"}


@dataclass(frozen=True)
class Plan:
    """How many episodes to save and from which seed on; `attempts` bounds the failures.

    0 episodes or attempts: no bound.
    After `seconds` of wall time the session ends as soon as `at_least` episodes are saved.
    """

    episodes: int
    first_seed: int
    record: bool
    attempts: int
    keep_failures: bool = False  # labelled as such; an export drops them unless told otherwise
    at_least: int = 1
    seconds: float = float("inf")


class Session:
    """Runs `plan` by calling services; `drive` moves the arm until the episode has ended."""

    def __init__(
        self,
        node: Node,
        plan: Plan,
        drive: Callable[[int, int], Outcome],
        say: Callable[[str], None],
        ready: Callable[[], bool] = lambda: True,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        """`drive(seed, stamp_ns)` is called with the task reset at that stamp, and the arm armed.

        `ready` is asked before each episode begins, may wait, and says no to quit. `on_fault` is
        called, from the executor's thread, when the recorder has ended an episode by itself.
        """
        self._plan = plan
        self._drive = drive
        self._say = say
        self._ready = ready
        recorded = TRIGGERS if plan.record else ()
        self._calls = Calls(node, ("arm", "stop", "task/reset", *recorded), [LABEL] if recorded else [])
        self._recording = Recording(node, self._calls, on_fault) if plan.record else None
        self.saved = self.discarded = 0

    def close(self) -> None:
        self._calls.close()

    def run(self) -> bool:
        """True when all episodes are saved; False when attempts ran out or the operator quit.

        Raises `HardwareError` for a service that is missing or refuses, `SessionClosed` on `close`.
        """
        self._calls.appear()
        done = self._episodes()
        self.call("stop")
        return done

    def call(self, name: str) -> str:
        """Call a Trigger service and give its message; raises `HardwareError` if it refuses."""
        return self._calls.trigger(name)

    def _episodes(self) -> bool:
        plan, seed, begin = self._plan, self._plan.first_seed, time.monotonic()
        goal = f"/{plan.episodes}" if plan.episodes else ""
        for _ in range(plan.attempts) if plan.attempts else itertools.count():
            outcome, label = self._episode(seed)
            if outcome is Outcome.QUIT:
                return False
            rate = (time.monotonic() - begin) / max(1, self.saved + self.discarded)
            self._say(
                f"episode {self.saved}{goal} seed {seed} {label}, "
                f"{self.discarded} discarded, {rate:.1f} s each"
            )
            seed += outcome is not Outcome.REPEAT
            if plan.episodes and self.saved >= plan.episodes:
                return True
            if self.saved >= plan.at_least and time.monotonic() - begin >= plan.seconds:
                self._say(f"the time is up after {self.saved} episodes")
                return True
        return False

    def _episode(self, seed: int) -> tuple[Outcome, str]:
        """How it ended, and in a word what is kept of it."""
        self.call("arm")  # an arm without torque would fall while the task is being reset
        self._calls.set_seed(seed)
        answer = json.loads(self.call("task/reset"))
        if answer["seed"] != seed:
            raise HardwareError(f"task/reset: expected seed {seed}, got {answer['seed']}")
        self.call("arm")
        if not self._ready():
            return Outcome.QUIT, Outcome.QUIT.value
        if self._recording:
            self._recording.start(patient=not self.saved + self.discarded)
        outcome = self._drive(seed, answer["stamp_ns"])
        kept = outcome.kept or (outcome is Outcome.FAILURE and self._plan.keep_failures)
        word = outcome.value if outcome.label is None else WORDS[outcome.label]
        if self._recording and kept:
            word = WORDS[self._recording.save(outcome.label)]
        elif self._recording:
            self._recording.discard()
        self.saved += kept
        self.discarded += not kept
        return outcome, word
