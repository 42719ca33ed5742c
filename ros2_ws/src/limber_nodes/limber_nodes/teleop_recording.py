"""The recorder as a session sees it: what it is asked for, and what its `episode` topic says back."""

import json
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from hardware.errors import HardwareError
from limber_nodes import qos
from limber_nodes.recorder_services import SILENT
from limber_nodes.teleop_calls import APPEAR_S, Calls

TRIGGERS = ("episode/start", "episode/save", "episode/discard")
LABEL = "task/label"
HEARD_S = 2.0  # wall time for the recorder to hear a label, and for its state to come
POLL_S = 0.01


class Recording:
    """One episode after another; `on_fault` is called when the recorder ends one by itself.

    Every method raises `HardwareError` with the recorder's own reason when it refuses.
    """

    def __init__(self, node: Node, calls: Calls, on_fault: Callable[[], None]) -> None:
        self._calls = calls
        self._on_fault = on_fault
        self._state: dict[str, Any] = {}
        node.create_subscription(String, "episode", self._on_state, qos.LATCHED)

    def start(self, *, patient: bool) -> None:
        """Begin an episode; if `patient`, wait for sensors that are still silent, and for nothing else."""
        refusals: list[str] = []

        def decided() -> bool:
            refusal = self._calls.refusal("episode/start")
            refusals[:] = [] if refusal is None else [refusal]
            return refusal is None or SILENT not in refusal

        self._calls.wait_for(decided, APPEAR_S if patient else 0.0)
        if refusals:
            raise HardwareError(refusals[0])

    def save(self, label: bool | None) -> bool | None:
        """Keep the episode with a person's `label`, if there is one; gives what the file says of success."""
        if label is not None:
            self._calls.flag(LABEL, label)
            self._until(lambda said: said["state"] != "recording" or said["success"] is label)
        saved = self._state.get("saved", 0)
        self._calls.trigger("episode/save")
        self._until(lambda said: said["state"] == "idle" and said["saved"] > saved)
        success: bool | None = self._state.get("success")
        return success

    def discard(self) -> None:
        self._calls.trigger("episode/discard")

    def _until(self, said: Callable[[dict[str, Any]], bool]) -> None:
        self._calls.wait_for(lambda: bool(self._state) and said(self._state), HEARD_S, POLL_S)

    def _on_state(self, message: String) -> None:
        before, self._state = self._state, json.loads(message.data)
        if before.get("state") == "recording" and self._state["state"] == "idle" and self._state["reason"]:
            self._on_fault()
