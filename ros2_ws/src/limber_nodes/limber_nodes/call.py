"""`python -m limber_nodes.call arm`: call a service of the graph where `ros2 service call` is missing."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool, Trigger

from hardware.cli import run_command
from hardware.errors import LimberError, unknown

KINDS = {"std_srvs/srv/Trigger": Trigger, "std_srvs/srv/SetBool": SetBool}
WAIT_S = 10.0  # for the service to be seen: 3 s on a host without multicast, 5 s when it is busy
ANSWER_S = 30.0  # episode/start waits up to 10 s for sensors that were never heard
POLL_S = 0.02  # the longest that Ctrl-C waits to be noticed


class Caller:
    """A node for one call; its methods raise `LimberError`."""

    def __init__(self) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C is `run_command`'s
        self._node = Node(f"call_{os.getpid()}", start_parameter_services=False, enable_rosout=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def call(self, service: str, value: bool | None, wait_s: float) -> str:
        """The answer of `service` (its full name); `value` is for a service that takes one."""
        if not self._wait(lambda: service in self._services(), wait_s):
            raise LimberError(self._missing(service))
        kind = self._services()[service]
        request = kind.Request()
        if (kind is SetBool) != (value is not None):
            raise LimberError(f"{service}: expected {'true or false' if kind is SetBool else 'no value'}")
        if kind is SetBool:
            request.data = value
        client = self._node.create_client(kind, service)
        if not self._wait(client.service_is_ready, wait_s):
            raise LimberError(f"{service}: some node would call it, none offers it")
        future = client.call_async(request)
        if not self._wait(future.done, ANSWER_S):
            raise LimberError(f"{service}: no answer within {ANSWER_S:g} s")
        response: Any = future.result()
        if not response.success:
            raise LimberError(f"{service}: refused: {response.message}")
        return str(response.message)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _services(self) -> dict[str, Any]:
        """Name to kind of all that can be called with this program."""
        listed = self._node.get_service_names_and_types()
        return {name: KINDS[types[0]] for name, types in listed if types[0] in KINDS}

    def _missing(self, service: str) -> str:
        there = self._services()
        if there:
            return unknown("service", service, there)
        domain = os.environ.get("ROS_DOMAIN_ID") or 0
        return (
            f"expected the service {service!r}, there is none at all in ROS domain {domain}; start robot_node"
        )

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=POLL_S)
        return True


def main() -> None:
    """Exit codes: 0 when the service did it, 2 when there is none of that name or it refused."""
    parser = argparse.ArgumentParser(
        prog="python -m limber_nodes.call",
        description="Call a std_srvs service: arm, stop, park, release, task/reset, episode/start, ...",
    )
    parser.add_argument("service", help="its name, e.g. arm or task/reset")
    parser.add_argument(
        "value", nargs="?", choices=("true", "false"), help="for task/label: what the task was"
    )
    parser.add_argument("--namespace", default="/", help="ROS namespace of the robot (default: /)")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="s to wait for it (default: %(default)g)")
    options = parser.parse_args()
    service = f"/{options.namespace}/{options.service}"
    if options.service.startswith("/"):
        service = options.service
    name = "/" + "/".join(filter(None, service.split("/")))
    value = None if options.value is None else options.value == "true"
    run_command(lambda: _call(name, value, options.wait))


def _call(name: str, value: bool | None, wait_s: float) -> None:
    caller = Caller()
    try:
        print(f"{name}: {caller.call(name, value, wait_s) or 'done'}")
        sys.stdout.flush()
    finally:
        caller.close()


if __name__ == "__main__":
    main()
