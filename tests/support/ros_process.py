"""Nodes as real processes, a listener on the graph beside them, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from limber_nodes import qos
from limber_nodes.diagnostics import status_name, values_of
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

REPOSITORY = Path(__file__).parents[2]
SOURCES = [REPOSITORY, *(p for p in (REPOSITORY / "ros2_ws/src").glob("*") if p.is_dir())]
PATIENCE_S = 40.0  # for a condition to come true on a busy machine; never asserted on when it does


def environment() -> dict[str, str]:
    """This process's, with the source tree before what is installed."""
    path = os.pathsep.join([*map(str, SOURCES), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class NodeProcess:
    """`python -m limber_nodes.<module> --ros-args ...` with its output kept."""

    def __init__(self, module: str, *arguments: str, **parameters: object) -> None:
        """`parameters` become `-p name:=value`; `arguments` follow them (`-r __ns:=/left`)."""
        command = [sys.executable, "-m", f"limber_nodes.{module}", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self._process = subprocess.Popen(
            [*command, *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid

    def wait(self, timeout_s: float = PATIENCE_S) -> tuple[int, str]:
        """Exit code and output, once it has ended of itself."""
        output, _ = self._process.communicate(timeout=timeout_s)
        return self._process.returncode, output

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and output after one signal."""
        self._process.send_signal(number)
        return self.wait()

    def children(self) -> list[int]:
        """Process ids of its children."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def close(self) -> None:
        """Let it end, if it still runs: what is killed leaves shared memory and a ghost on the graph."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=PATIENCE_S)
        self.kill()

    def kill(self) -> None:
        """At once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def node_process(module: str, *arguments: str, **parameters: object) -> Iterator[NodeProcess]:
    """A node for the length of a block."""
    process = NodeProcess(module, *arguments, **parameters)
    try:
        yield process
    finally:
        process.close()


class Listener:
    """A node of the test's own: keeps what it hears, calls services, publishes."""

    def __init__(self, namespace: str = "/") -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node("listener", namespace=namespace, context=self._context)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._clients: dict[str, Any] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self.listen(DiagnosticArray, "/diagnostics")

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self.node)
        while not self._closed.is_set():
            executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def listen(self, kind: type, topic: str, latched: bool = False) -> None:
        """Keep every message of `topic` in `heard[topic]`."""
        profile = qos.VERDICTS if latched else qos.recording()
        self.node.create_subscription(kind, topic, self.heard[topic].append, profile)

    def wait(self, condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
        """Poll until `condition` is true and give it; fails saying `what`."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.01)
        return value

    def wait_for(self, topic: str, count: int = 1) -> list[Any]:
        """`count` messages more than there are now."""
        before = len(self.heard[topic])
        self.wait(lambda: len(self.heard[topic]) >= before + count, f"{count} messages on {topic}")
        return self.heard[topic][before:]

    def call(self, kind: type, service: str, request: Any = None) -> Any:
        """The service's response."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(kind, service)
        self.wait(client.service_is_ready, f"service {service}")
        future = client.call_async(request or kind.Request())
        self.wait(future.done, f"an answer of {service}")
        return future.result()

    def trigger(self, service: str) -> str:
        """Call a Trigger service that must succeed; its message."""
        response = self.call(Trigger, service)
        assert response.success, f"{service}: {response.message}"
        return str(response.message)

    def diagnostics(self, name: str) -> dict[str, str]:
        """The newest values of the node called `name` beside the listener; empty before the first."""
        name = status_name(self.node, name)
        for array in reversed(self.heard["/diagnostics"]):
            values = values_of(array, name)
            if values is not None:
                return values
        return {}


@contextmanager
def listener(namespace: str = "/") -> Iterator[Listener]:
    made = Listener(namespace)
    try:
        yield made
    finally:
        made.close()
