"""Subscriptions that a thread empties a hundred times a second, past the executor.

rclpy's executor builds its wait set anew for every message: 0.2 ms of CPU each, a quarter of a core
for a recorder of 500 messages/s, and no more than about 3000/s. Taking whatever has come in costs
a tenth of that. Nothing is late by it: the middleware keeps the time of arrival of each message.
"""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from limber_nodes.on_demand import Unattended

POLL_S = 0.01

Take = Callable[[bytes, dict[str, Any]], None]  # (serialised message, times of sending and arrival)


class PolledSubscriptions:
    """`add` subscriptions to serialised messages, then `start`; `take` is called in the thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._group = Unattended()
        self._taken: list[tuple[Subscription, Take]] = []
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriptions", daemon=True)

    def add(self, kind: type, topic: str, profile: QoSProfile, take: Take) -> str:
        """Subscribe; returns the topic's fully resolved name."""
        subscription = self._node.create_subscription(
            kind, topic, take, profile, callback_group=self._group, raw=True
        )
        self._taken.append((subscription, take))
        return str(subscription.topic_name)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread and unsubscribe."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for subscription, _ in self._taken:
            self._node.destroy_subscription(subscription)

    def drain(self) -> None:
        """Take all that has come; from any thread."""
        with self._one_at_a_time:
            for subscription, take in self._taken:
                handle, kind = subscription.handle, subscription.msg_type
                with handle:
                    while (taken := handle.take_message(kind, True)) is not None:
                        take(*taken)

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            self.drain()
