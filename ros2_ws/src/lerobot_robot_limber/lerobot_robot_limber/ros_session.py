"""A node of this process, spun in a thread of its own, apart from any other use of rclpy."""

import os
import threading
import time
from collections.abc import Callable

import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidNamespaceException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from hardware.errors import LimberError

# As `python -m limber_nodes.call` waits
WAIT_S = 10.0  # for a topic or service to be seen: 3 s on a host without multicast, 5 s when it is busy
ANSWER_S = 30.0
SPIN_S = 0.05


class RosSession:
    """Open from construction to `close`."""

    def __init__(self, name: str, namespace: str) -> None:
        """Raises `LimberError` for a namespace that is none."""
        # As limber's launch files have it: nothing is visible beyond this host unless somebody says so.
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            self.node = Node(
                f"{name}_{os.getpid()}",
                namespace=namespace,
                context=self._context,
                start_parameter_services=False,
                enable_rosout=False,
            )
        except InvalidNamespaceException as error:
            rclpy.shutdown(context=self._context)
            reason = " ".join(str(error).split())
            raise LimberError(f"expected a ROS namespace, got {namespace!r}: {reason}") from None
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        """Where this is, for messages."""
        domain = os.environ.get("ROS_DOMAIN_ID") or 0
        return f"namespace {self.node.get_namespace()!r} of ROS domain {domain}"

    def wait(self, condition: Callable[[], bool], seconds: float = WAIT_S) -> bool:
        """Whether it came true in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def trigger(self, service: str) -> str:
        """Call a std_srvs/Trigger service; its answer. Raises `LimberError` where it is refused."""
        client = self.node.create_client(Trigger, service)
        try:
            if not self.wait(client.service_is_ready):
                raise LimberError(f"service {service!r}: there is none in {self.place}; start robot_node")
            future = client.call_async(Trigger.Request())
            if not self.wait(future.done, ANSWER_S):
                raise LimberError(f"service {service!r}: no answer within {ANSWER_S:g} s")
            response = future.result()
        finally:
            self.node.destroy_client(client)
        if not response.success:
            raise LimberError(f"service {service!r}: refused: {response.message}")
        return str(response.message)

    def close(self) -> None:
        """May be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _spin(self) -> None:
        while not self._ended.is_set():
            self._executor.spin_once(timeout_sec=SPIN_S)
