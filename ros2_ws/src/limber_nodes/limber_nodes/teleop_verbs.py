"""The robot's services as a person's keys call them: at once, whatever a session waits for."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from hardware.errors import HardwareError
from limber_nodes.teleop_calls import APPEAR_S

VERBS = ("arm", "stop", "park")


class Verbs:
    """`ask`, from any thread, sends the request and returns; what comes of it is said when it comes."""

    def __init__(self, node: Node, say: Callable[[str], None]) -> None:
        self._node = node
        self._say = say
        self._clients = {name: node.create_client(Trigger, name) for name in VERBS}

    def appear(self, wanted: Callable[[], bool]) -> None:
        """Wait for the services while it is `wanted`; `HardwareError` names one that does not come."""
        deadline = time.monotonic() + APPEAR_S
        for name, client in self._clients.items():
            while wanted() and not client.service_is_ready():
                if time.monotonic() > deadline:
                    raise HardwareError(f"expected a service {name}, nobody offers it; start robot_node")
                time.sleep(0.05)

    def ask(self, name: str) -> None:
        client = self._clients[name]
        if not client.service_is_ready():
            self._say(f"{name}: nobody offers this service; is robot_node running?")
            return
        client.call_async(Trigger.Request()).add_done_callback(partial(self._answered, name))

    def close(self) -> None:
        for client in self._clients.values():
            self._node.destroy_client(client)

    def _answered(self, name: str, future: Any) -> None:
        response = future.result()
        if response is not None:
            self._say(f"{name}: {response.message or ('done' if response.success else 'refused')}")
