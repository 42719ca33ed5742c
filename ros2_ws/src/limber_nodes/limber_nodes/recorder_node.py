"""Everything the graph says, episode by episode, into raw logs."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from hardware.errors import LimberError
from limber_nodes import diagnostics, qos
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters, param
from limber_nodes.recorder_topics import RecorderTopics
from limber_nodes.robots import robot_spec
from limber_nodes.spin import run_node
from policies.data.recorder import Recorder
from policies.errors import PolicyError

SENSORS_S = 10.0  # wall time that `episode/start` waits for sensors that were never heard
CATCH_UP_S = 2.0  # wall time that `episode/save` waits for pictures that are still being made
POLL_S = 0.01
SETTLE_S = 0.05  # wall time for a label that is on its way


@dataclass(frozen=True)
class RecorderSettings:
    """Parameters of recorder_node."""

    folder: str = param("runs/raw", "where the episodes go, one MCAP file each; of one robot only")
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    cameras: tuple[str, ...] = param((), "cameras to record, separated by commas; empty: all; none: none")
    width: int = param(0, "picture width in px; 0: as the spec says", low=0, high=4096)
    height: int = param(0, "picture height in px; 0: as the spec says", low=0, high=4096)
    operator: str = param("", "who demonstrates; kept in every episode")
    calibration_hash: str = param("", "which calibration the arm runs with; kept in every episode")
    min_free_mb: float = param(500.0, "megabytes of disk that always stay free", low=0.0)
    max_episode_s: float = param(60.0, "an episode starts only with room for this many seconds", low=1.0)


class RecorderNode:
    """Subscribes in `configure`, so that discovery is long over when the first episode starts."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.settings = Parameters(node, RecorderSettings).values
        self.spec = robot_spec(self.settings)
        self.active = False
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._one_by_one = MutuallyExclusiveCallbackGroup()

    # -- life cycle -------------------------------------------------------------------------

    def configure(self) -> None:
        s = self.settings
        self.recorder = Recorder(
            Path(s.folder),
            self.spec,
            operator=s.operator,
            calibration_hash=s.calibration_hash,
            min_free_bytes=int(s.min_free_mb * 1e6),
            max_episode_s=s.max_episode_s,
            on_change=self._say,
        )
        for path in self.recorder.recovered:
            self.node.get_logger().warning(f"recovered a recording that was cut short: {path}")
        for line in self.recorder.lost:
            self.node.get_logger().error(f"not recovered: {line}")
        self.state = self.node.create_publisher(String, "episode", qos.LATCHED)
        self.topics = RecorderTopics(self.node, self.recorder)
        verbs = {
            "start": self._start,
            "save": self._save,
            "discard": self._discard,
            "rerecord": self._rerecord,
        }
        self.services = [
            self.node.create_service(
                Trigger, f"episode/{name}", self._service(verb), callback_group=self._one_by_one
            )
            for name, verb in verbs.items()
        ]

    def activate(self) -> None:
        self.active = True
        self.diagnostics = diagnostics.Diagnostics(self.node, self._diagnose, hardware_id=self.spec.name)
        self._say()

    def deactivate(self) -> None:
        self.active = False
        if self.recorder.status.state == "recording":
            self.recorder.save(None, {"ended": "interrupted"})
        self._say()
        self.diagnostics.stop()

    def cleanup(self) -> None:
        for service in self.services:
            self.node.destroy_service(service)
        self.topics.close()
        self.recorder.close()
        self.node.destroy_publisher(self.state)

    # -- episodes ---------------------------------------------------------------------------

    def _service(self, verb: Callable[[], Awaitable[str]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                if not self.active:
                    raise PolicyError("expected the recorder to be active, it is inactive")
                response.message = await verb()
                response.success = True
            except LimberError as error:
                response.message = str(error)
                self.node.get_logger().error(str(error))
            self._say()
            return response

        return answer

    async def _start(self) -> str:
        deadline = time.monotonic() + SENSORS_S
        while self.topics.silent and time.monotonic() < deadline:
            await self._pause(POLL_S)
        if self.topics.silent:
            raise PolicyError(f"expected every sensor before an episode, silent: {self.topics.silent}")
        self.topics.drain()
        self.topics.success = None
        return json.dumps({"index": self.recorder.start(self.topics.task)})

    async def _save(self) -> str:
        """Messages that were sent before the request belong to the episode, though they come after it."""
        deadline = time.monotonic() + CATCH_UP_S
        self.topics.drain()
        end = self.topics.joint_stamp_ns
        while not self.topics.has_pictures_of(end) and time.monotonic() < deadline:
            await self._pause(POLL_S)
        if not self.topics.success:  # the word of success may have reached the caller first
            await self._pause(SETTLE_S)
        self.topics.drain()
        return str(self.recorder.save(self.topics.success))

    async def _pause(self, duration_s: float) -> None:
        """Let the executor go on with its messages for a while."""
        future = Future()
        timer = self.node.create_timer(duration_s, lambda: future.set_result(None), clock=self._steady)
        await future
        self.node.destroy_timer(timer)

    async def _discard(self) -> str:
        return json.dumps({"index": self.recorder.discard()})

    async def _rerecord(self) -> str:
        await self._discard()
        return await self._start()

    def _say(self) -> None:
        """Publish the latched state; the recorder's thread calls this too, when a disk is full."""
        status = self.recorder.status
        if status.reason:
            self.node.get_logger().error(status.reason)
        self.state.publish(String(data=status.to_json()))

    def _diagnose(self) -> diagnostics.Status:
        status = self.recorder.status
        values: dict[str, object] = {
            "state": status.state,
            "episode": status.index,
            "saved": status.saved,
            "size_mb": status.size_bytes / 1e6,
            "messages": status.messages,
            "messages_dropped": status.dropped,
            "messages_unreadable": self.topics.unreadable,
            **{f"frames.{camera}": n for camera, n in status.frames.items()},
            **{f"frames_missing.{camera}": n for camera, n in status.missing.items()},
            **{f"frames_lost.{camera}": n for camera, n in status.lost.items()},
        }
        if status.reason:
            return diagnostics.ERROR, status.reason, values
        if self.topics.silent:
            return diagnostics.WARN, f"silent: {self.topics.silent}", values
        if status.dropped or any(status.missing.values()) or any(status.lost.values()):
            return diagnostics.WARN, "messages were lost", values
        return diagnostics.OK, status.state, values


def main() -> None:
    run_node(lambda: ManagedNode("recorder_node", RecorderNode))


if __name__ == "__main__":
    main()
