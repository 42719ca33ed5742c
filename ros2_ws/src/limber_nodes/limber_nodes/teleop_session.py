"""Collecting a number of episodes: a teleoperator's sequence of service calls, in a thread of its own.

reset -> arm -> start -> drive -> save or discard -> next. Written as it reads; the node's
executor answers the calls meanwhile.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from std_srvs.srv import Trigger

from hardware.errors import HardwareError
from limber_nodes.teleop_drive import Outcome

CALL_S = 20.0  # wall time; the recorder checks the disk and opens a file within this
APPEAR_S = 30.0  # wall time for the other nodes to come up


@dataclass(frozen=True)
class Plan:
    """How many episodes to save and from which seed on; `attempts` bounds the failures.

    After `seconds` of wall time the session ends as soon as `at_least` episodes are saved.
    """

    episodes: int
    first_seed: int
    record: bool
    attempts: int
    keep_failures: bool = False  # labelled as such; an export drops them unless told otherwise
    at_least: int = 1
    seconds: float = float("inf")


class SessionClosed(Exception):  # noqa: N818 - not an error: the node is being shut down
    """The session was asked to end while it waited."""


class Session:
    """Runs `plan` by calling services; `drive` moves the arm until the episode has ended."""

    def __init__(
        self,
        node: Node,
        plan: Plan,
        drive: Callable[[int, int], Outcome],
        say: Callable[[str], None],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """`drive(seed, stamp_ns)` is called with the task reset at that stamp, and the arm armed.

        `ready` is asked before each episode begins, may wait, and says no to quit.
        """
        self._node = node
        self._plan = plan
        self._drive = drive
        self._say = say
        self._ready = ready
        self._closed = threading.Event()
        names = ["arm", "stop", "task/reset"]
        names += ["episode/start", "episode/save", "episode/discard"] if plan.record else []
        self._clients = {name: node.create_client(Trigger, name) for name in names}
        self._task = AsyncParameterClient(node, "task_node")
        self.saved = self.discarded = 0

    def close(self) -> None:
        self._closed.set()

    def run(self) -> bool:
        """True when all episodes are saved; False when attempts ran out or the operator quit.

        Raises `HardwareError` for a service that is missing or refuses, `SessionClosed` on `close`.
        """
        self._appear()
        done = self._episodes()
        self.call("stop")
        return done

    def _episodes(self) -> bool:
        seed, begin = self._plan.first_seed, time.monotonic()
        for _ in range(self._plan.attempts):
            outcome = self._episode(seed)
            if outcome is Outcome.QUIT:
                return False
            rate = (time.monotonic() - begin) / max(1, self.saved + self.discarded)
            self._say(
                f"episode {self.saved}/{self._plan.episodes} seed {seed} {outcome.value}, "
                f"{self.discarded} discarded, {rate:.1f} s each"
            )
            seed += outcome is not Outcome.REPEAT
            if self.saved >= self._plan.episodes:
                return True
            if self.saved >= self._plan.at_least and time.monotonic() - begin >= self._plan.seconds:
                self._say(f"the time is up after {self.saved} episodes")
                return True
        return False

    def _episode(self, seed: int) -> Outcome:
        self.call("arm")  # an arm without torque would fall while the task is being reset
        self._set_seed(seed)
        answer = json.loads(self.call("task/reset"))
        if answer["seed"] != seed:
            raise HardwareError(f"task/reset: expected seed {seed}, got {answer['seed']}")
        self.call("arm")
        if not self._ready():
            return Outcome.QUIT
        if self._plan.record:
            self._start_recording()
        outcome = self._drive(seed, answer["stamp_ns"])
        success = outcome is Outcome.SUCCESS
        if self._plan.record:
            self.call("episode/save" if success or self._plan.keep_failures else "episode/discard")
        self.saved += success
        self.discarded += not success
        return outcome

    def _start_recording(self) -> None:
        """The recorder refuses until it has heard every sensor: be patient with the first episode."""
        deadline = time.monotonic() + APPEAR_S
        while (refusal := self._ask("episode/start")) is not None:
            if self.saved + self.discarded or time.monotonic() > deadline:
                raise HardwareError(refusal)
            self._sleep(0.2)

    def call(self, name: str) -> str:
        """Call a Trigger service and give its message; raises `HardwareError` if it refuses."""
        response = self._wait(self._clients[name].call_async(Trigger.Request()), name)
        if not response.success:
            raise HardwareError(f"{name}: {response.message}")
        return str(response.message)

    def _ask(self, name: str) -> str | None:
        """Call a Trigger service; why it refused, None if it did not."""
        response = self._wait(self._clients[name].call_async(Trigger.Request()), name)
        return None if response.success else f"{name}: {response.message}"

    def _set_seed(self, seed: int) -> None:
        future = self._task.set_parameters([Parameter("seed", value=seed)])
        self._wait(future, "task_node's parameter seed")

    def _appear(self) -> None:
        deadline = time.monotonic() + APPEAR_S
        for name, client in self._clients.items():
            while not client.service_is_ready():
                self._sleep(0.05)
                if time.monotonic() > deadline:
                    raise HardwareError(f"expected a service {name}, nobody offers it")
        while not self._task.services_are_ready():
            self._sleep(0.05)
            if time.monotonic() > deadline:
                raise HardwareError("expected a task_node with a parameter seed, nobody offers it")

    def _wait(self, future: Any, what: str) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _future: done.set())
        deadline = time.monotonic() + CALL_S
        while not done.wait(0.05):
            if self._closed.is_set():
                raise SessionClosed
            if time.monotonic() > deadline:
                raise HardwareError(f"{what}: no answer within {CALL_S:g} s")
        return future.result()

    def _sleep(self, duration_s: float) -> None:
        if self._closed.wait(duration_s):
            raise SessionClosed
