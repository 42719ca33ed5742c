"""One episode of driving: when it begins, what is commanded in each step, how it ends. No ROS."""

import threading
from collections.abc import Mapping
from enum import Enum

from hardware.control.clock import NS
from hardware.robot import ObjectPose
from limber_nodes.operators import Command, Operator, Vector

AFTERWARDS_NS = 3 * NS // 2  # success must show this long after the operator is done


class Outcome(str, Enum):
    """How an episode ended."""

    SUCCESS = "success"  # the task says so
    FAILURE = "failure"  # the time is up, or a script has nothing left to do
    LABELLED_SUCCESS = "labelled success"  # a person says so
    LABELLED_FAILURE = "labelled failure"
    DISCARD = "thrown away"
    REPEAT = "repeat"  # the operator wants the same seed again
    QUIT = "quit"

    @property
    def label(self) -> bool | None:
        """What a person said; None: nothing."""
        return {Outcome.LABELLED_SUCCESS: True, Outcome.LABELLED_FAILURE: False}.get(self)

    @property
    def kept(self) -> bool:
        """Whether the episode is one to save."""
        return self is Outcome.SUCCESS or self.label is not None


class Drive:
    """Joins the session's thread, which waits in `episode`, to those that call `step`: the executor's, or
    the one that reads a person's device."""

    def __init__(self, operator: Operator, timeout_s: float, judged: bool = True) -> None:
        """`judged`: whether the task's own word of success ends the episode."""
        self._operator = operator
        self._judged = judged
        self._one_at_a_time = threading.Lock()
        self._resume = False
        self._timeout_ns = timeout_s * NS
        self._ended = threading.Event()
        self._objects: Mapping[str, ObjectPose] = {}
        self._objects_stamp = -1
        self._seed = 0
        self._fresh_after = 0
        self._begin: int | None = None
        self._done_at: int | None = None
        self.driving = False
        self.silent = False  # the arm was handed back: whoever else drives it goes on
        self.success = False
        self.steps = 0
        self.outcome = Outcome.FAILURE

    def episode(self, seed: int, reset_stamp_ns: int) -> Outcome:
        """Drive until the episode has ended; objects seen up to `reset_stamp_ns` are the last episode's."""
        self._seed, self._fresh_after = seed, reset_stamp_ns
        self._begin = self._done_at = None
        self._resume = False
        self._ended.clear()
        self.outcome = Outcome.FAILURE
        self.driving = True
        self._ended.wait()
        return self.outcome

    def hand_back(self) -> None:
        """Fall silent within the episode; from any thread."""
        self.silent = True

    def take_over(self) -> None:
        """Drive again, from where the arm is by then; from any thread."""
        self.silent = False

    def end(self, outcome: Outcome) -> None:
        """End the running episode; from any thread."""
        if self.driving:
            self.outcome = outcome
            self.driving = False
            self._ended.set()

    def close(self) -> None:
        self.end(Outcome.QUIT)
        self._ended.set()

    def see(self, objects: Mapping[str, ObjectPose], stamp_ns: int) -> None:
        """The task's objects as they were at `stamp_ns`."""
        self._objects, self._objects_stamp = objects, stamp_ns

    def sees(self, key_ns: int) -> bool:
        """Whether the operator knows the objects as they are in the step that begins at `key_ns`.

        A scripted one that runs ahead of them would take a gripped cube for one left behind.
        """
        return self._operator.is_person or self._objects_stamp >= key_ns

    def step(self, state: Vector, key_ns: int) -> Command | None:
        """The command for the step that begins at `key_ns` with the joints at `state` (n,); None: let go."""
        with self._one_at_a_time:
            return self._step(state, key_ns)

    def _step(self, state: Vector, key_ns: int) -> Command | None:
        if self._begin is None:
            # A person at a real table has no objects to be seen: the arm's own time is enough.
            fresh = key_ns if self._operator.is_person else self._objects_stamp
            if fresh <= self._fresh_after:
                return None
            self._begin, self.success = key_ns, False
            self._operator.begin(self._seed, self._objects, state)
        if self._operator.done and self._done_at is None:
            self._done_at = key_ns
        overdue = self._done_at is not None and key_ns - self._done_at >= AFTERWARDS_NS
        if self.success and self._judged:
            self.end(Outcome.SUCCESS)
        elif overdue or key_ns - self._begin >= self._timeout_ns:
            self.end(Outcome.FAILURE)
        if not self.driving:
            return None
        if self.silent:
            self._resume = True
            return None
        if self._resume:
            self._resume = False
            self._operator.begin(self._seed, self._objects, state)
        self.steps += 1
        command = self._operator.act(state, self._objects, (key_ns - self._begin) / NS)
        # Nobody waits for the first answer yet: it may be late, and a late correction is refused.
        return Command(command.goal) if command and key_ns == self._begin else command
