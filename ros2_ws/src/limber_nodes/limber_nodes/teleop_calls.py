"""The services that a session calls, from a thread of its own; the node's executor answers meanwhile."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from std_srvs.srv import SetBool, Trigger

from hardware.errors import HardwareError

CALL_S = 20.0  # wall time; the recorder checks the disk and opens a file within this
APPEAR_S = 30.0  # wall time for the other nodes to come up


class SessionClosed(Exception):  # noqa: N818 - not an error: the node is being shut down
    """The session was asked to end while it waited."""


class Calls:
    """Each call waits for its answer; raises `HardwareError` for none, `SessionClosed` after `close`."""

    def __init__(self, node: Node, triggers: Iterable[str], flags: Iterable[str] = ()) -> None:
        """`triggers` and `flags` name the services, of type Trigger and SetBool."""
        self._clients = {name: node.create_client(Trigger, name) for name in triggers}
        self._clients |= {name: node.create_client(SetBool, name) for name in flags}
        self._task = AsyncParameterClient(node, "task_node")
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()

    def trigger(self, name: str) -> str:
        """The answer's message; raises `HardwareError` if the service refuses."""
        return self._accepted(name, Trigger.Request())

    def flag(self, name: str, value: bool) -> str:
        """The same of a SetBool service."""
        return self._accepted(name, SetBool.Request(data=value))

    def refusal(self, name: str) -> str | None:
        """Call a Trigger service; why it refused, None if it did not."""
        response = self._ask(name, Trigger.Request())
        return None if response.success else f"{name}: {response.message}"

    def set_seed(self, seed: int) -> None:
        """Of the task's next reset."""
        future = self._task.set_parameters([Parameter("seed", value=seed)])
        self._wait(future, "task_node's parameter seed")

    def appear(self) -> None:
        """Wait for whoever offers the services."""
        deadline = time.monotonic() + APPEAR_S
        for name, client in self._clients.items():
            if not self.wait_for(client.service_is_ready, deadline - time.monotonic()):
                raise HardwareError(f"expected a service {name}, nobody offers it")
        if not self.wait_for(self._task.services_are_ready, deadline - time.monotonic()):
            raise HardwareError("expected a task_node with a parameter seed, nobody offers it")

    def wait_for(self, condition: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> bool:
        """Wait until `condition` holds; False when it does not within `timeout_s` of wall time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.sleep(poll_s)
        return True

    def sleep(self, duration_s: float) -> None:
        if self._closed.wait(duration_s):
            raise SessionClosed

    def _accepted(self, name: str, request: Any) -> str:
        response = self._ask(name, request)
        if not response.success:
            raise HardwareError(f"{name}: {response.message}")
        return str(response.message)

    def _ask(self, name: str, request: Any) -> Any:
        return self._wait(self._clients[name].call_async(request), name)

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
