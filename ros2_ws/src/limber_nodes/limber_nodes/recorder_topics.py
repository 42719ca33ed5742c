"""What a recorder hears: every topic of the graph, serialised, and the little it understands of it."""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, JointState
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from limber_nodes import diagnostics, qos
from limber_nodes.polled import PolledSubscriptions
from policies.data import cdr
from policies.data.raw_log import Channel
from policies.data.recorder import Recorder
from policies.data.schemas import message_definition
from policies.errors import PolicyError

# topic -> (type, latched). Latched ones are repeated at the start of every episode.
TOPICS: dict[str, tuple[type, bool]] = {
    "joint_states": (JointState, False),
    "executed_action": (JointState, False),
    "planned_action": (JointTrajectory, False),
    "teleop/joint_command": (JointState, False),
    "action_chunk": (JointTrajectory, False),
    "action_correction": (JointTrajectory, False),
    "control_source": (String, True),
    "robot_description": (String, True),
    "task/instruction": (String, True),
    "task/objects": (MarkerArray, False),
    "task/success": (Bool, False),
    "/diagnostics": (DiagnosticArray, False),
}
CAMERA_TOPICS: dict[str, type] = {
    "image_raw/compressed": CompressedImage,
    "camera_info": CameraInfo,
}


class RecorderTopics:
    """Feeds a `Recorder` from a node's subscriptions, and keeps what labels and counts an episode.

    task: the task's text. success: the last word on the running episode, after it on the last one.
    silent: sensors that were never heard. `on_success` is called, in a thread of its own, when that
    word changes. Raises `PolicyError` when a type's definition is not installed.
    """

    def __init__(self, node: Node, recorder: Recorder, on_success: Callable[[], None]) -> None:
        self._recorder = recorder
        self._on_success = on_success
        self._cameras = recorder.spec.camera_names
        self._robot_name = diagnostics.status_name(node, "robot_node")
        self._ears = PolledSubscriptions(node)
        self.task = ""
        self.success: bool | None = None
        self.unreadable = 0  # messages that are not what their type says
        self._joint_states = b""  # the newest
        self._frame_stamps = dict.fromkeys(self._cameras, 0)
        self._silent = {"joint_states", *(f"{c}/image_raw/compressed" for c in self._cameras)}
        self._watched = {
            "joint_states": self._see_joints,
            "task/instruction": self._see_instruction,
            "task/success": self._see_success,
            "/diagnostics": self._see_diagnostics,
        }
        for name, (kind, latched) in TOPICS.items():
            self._record(name, kind, latched=latched)
        for camera in self._cameras:
            for name, kind in CAMERA_TOPICS.items():
                self._record(f"{camera}/{name}", kind, camera=camera)
        self._ears.start()

    @property
    def silent(self) -> str:
        """Sensors that were never heard, separated by commas; empty when all were."""
        return ", ".join(sorted(self._silent))

    @property
    def joint_stamp_ns(self) -> int:
        """The newest joint state's."""
        return cdr.stamp_ns(self._joint_states) if self._joint_states else 0

    def has_pictures_of(self, stamp_ns: int) -> bool:
        """Whether every camera has delivered the frame that was due last at `stamp_ns`."""
        periods = {c.name: 1_000_000_000 // c.fps for c in self._recorder.spec.cameras}
        return all(self._frame_stamps[name] > stamp_ns - period for name, period in periods.items())

    def drain(self) -> None:
        """Take all that has come by now."""
        self._ears.drain()

    def close(self) -> None:
        self._ears.close()

    def _record(self, name: str, kind: type, *, latched: bool = False, camera: str = "") -> None:
        """Nothing is decoded but the stamps of pictures, and what is watched."""
        type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        message_definition(type_name)  # a missing one is said now, not in the first episode
        picture = camera if kind is CompressedImage else ""
        put, watch = self._recorder.put, self._watched.get(name)

        def take(data: bytes, info: dict[str, Any]) -> None:
            try:
                stamp = 0
                if picture:
                    stamp = self._frame_stamps[picture] = cdr.stamp_ns(data)
                if watch is not None:
                    watch(data)
            except PolicyError:
                self.unreadable += 1
                return
            arrival, sent = info["received_timestamp"], info["source_timestamp"]
            put(channel, data, arrival, sent, latched=latched, camera=picture, stamp_ns=stamp)
            if self._silent:
                self._silent.discard(name)

        profile = qos.LATCHED if latched else qos.recording()
        channel = Channel(self._ears.add(kind, name, profile, take), type_name)

    def _see_joints(self, data: bytes) -> None:
        self._joint_states = data

    def _see_instruction(self, data: bytes) -> None:
        self.task = cdr.string(data)

    def _see_success(self, data: bytes) -> None:
        success = cdr.boolean(data)
        if success is not self.success and self._recorder.status.state == "recording":
            self.success = success
            self._on_success()

    def _see_diagnostics(self, data: bytes) -> None:
        said = diagnostics.values_of(deserialize_message(data, DiagnosticArray), self._robot_name) or {}
        until = int(said.get("frames_published_until_ns", -1))
        for camera in self._cameras if until >= 0 else ():
            count = said.get(f"frames_published.{camera}")
            if count is not None:
                self._recorder.published(camera, int(count), until)
