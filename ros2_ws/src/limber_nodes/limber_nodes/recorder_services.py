"""The recorder's services: start, save, discard and re-record an episode."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from hardware.errors import LimberError
from limber_nodes.recorder_topics import RecorderTopics
from policies.data.recorder import Recorder
from policies.errors import PolicyError

SENSORS_S = 10.0  # wall time that `episode/start` waits for sensors that were never heard
CATCH_UP_S = 2.0  # wall time that `episode/save` waits for pictures that are still being made
SILENT = "expected every sensor before an episode, silent: "  # how a refusal begins that may pass
POLL_S = 0.01
SETTLE_S = 0.05  # wall time for a label that is on its way


class RecorderServices:
    """Answers one request after another, and lets the executor take messages in while it waits."""

    def __init__(
        self, node: Node, recorder: Recorder, topics: RecorderTopics, answered: Callable[[], None]
    ) -> None:
        self.active = False  # requests are refused
        self.node, self.recorder, self.topics = node, recorder, topics
        self._answered = answered
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        one_by_one = MutuallyExclusiveCallbackGroup()
        verbs = {
            "start": self._start,
            "save": self._save,
            "discard": self._discard,
            "rerecord": self._rerecord,
        }
        self._services = [
            node.create_service(Trigger, f"episode/{name}", self._service(verb), callback_group=one_by_one)
            for name, verb in verbs.items()
        ]

    def close(self) -> None:
        for service in self._services:
            self.node.destroy_service(service)

    def _service(self, verb: Callable[[], Awaitable[str]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                if not self.active:
                    raise PolicyError("expected the recorder to be active, it is inactive")
                response.message = await verb()
                response.success = True
            except LimberError as error:
                response.message = str(error)
                if str(error) != self.recorder.status.reason:  # of a fault, who asked is told, once
                    self.node.get_logger().error(str(error))
            self._answered()
            return response

        return answer

    async def _start(self) -> str:
        deadline = time.monotonic() + SENSORS_S
        while self.topics.silent and time.monotonic() < deadline:
            await self._pause(POLL_S)
        if self.topics.silent:
            raise PolicyError(f"{SILENT}{self.topics.silent}")
        self.topics.drain()
        self.topics.success = None
        return json.dumps({"index": self.recorder.start(self.topics.task)})

    async def _save(self) -> str:
        """Messages that were sent before the request belong to the episode, though they come after it."""
        self._refuse_after_fault()
        deadline = time.monotonic() + CATCH_UP_S
        self.topics.drain()
        end = self.topics.joint_stamp_ns
        while not self.topics.has_pictures_of(end) and time.monotonic() < deadline:
            await self._pause(POLL_S)
        if not self.topics.success:  # the word of success may have reached the caller first
            await self._pause(SETTLE_S)
        self.topics.drain()
        self._refuse_after_fault()
        success = self.topics.success
        path = self.recorder.save(success)
        self.topics.success = success  # what the file says, whatever was heard while it was closed
        return str(path)

    def _refuse_after_fault(self) -> None:
        """Why an episode ended by itself says more than that none is being recorded."""
        status = self.recorder.status
        if status.state == "idle" and status.reason:
            raise PolicyError(status.reason)

    async def _pause(self, duration_s: float) -> None:
        """Let the executor go on with its messages for a while."""
        future = Future()
        timer = self.node.create_timer(duration_s, lambda: future.set_result(None), clock=self._steady)
        await future
        self.node.destroy_timer(timer)

    async def _discard(self) -> str:
        self._refuse_after_fault()
        return json.dumps({"index": self.recorder.discard()})

    async def _rerecord(self) -> str:
        await self._discard()
        self._answered()  # whoever labels has to hear of the end
        await self._pause(SETTLE_S)
        return await self._start()
