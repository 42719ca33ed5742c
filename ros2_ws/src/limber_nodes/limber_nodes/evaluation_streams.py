"""What an evaluation listens to: the running episode's streams, sorted into its log by stamp."""

import json
import time
from collections.abc import Callable, Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import RobotSpec
from limber_nodes import conversions, diagnostics, qos
from policies.evaluation.episode_log import EpisodeLog

DEPTH = 500  # messages a topic: the evaluator's process may be held up for seconds at speed 1


class EvaluationStreams:
    """Subscriptions of the evaluator; fills every log in `logs` whose time a message is of."""

    def __init__(self, node: Node, spec: RobotSpec) -> None:
        self._node = node
        self._spec = spec
        self.logs: list[EpisodeLog] = []
        self.newest_ns = 0
        self.newest_wall = time.monotonic()
        self.success_ns: int | None = None  # robot time of the first "the task is done" in this episode
        self.listen_from_ns = 0  # robot time before which that is about the world before the reset
        self.mode, self.mode_ns = "", -1  # and since when
        self._epoch: int | None = None
        self.instruction = ""
        self.policy: dict[str, str] = {}  # the last diagnostics of policy_node
        self.policy_ready = False
        reliable = qos.recording(DEPTH)
        self._subscriptions = [
            node.create_subscription(JointState, "joint_states", self._on_state, reliable),
            node.create_subscription(JointState, "executed_action", self._on_sent, reliable),
            node.create_subscription(JointTrajectory, "action_chunk", self._on_chunk, reliable),
            node.create_subscription(JointTrajectory, "planned_action", self._on_plan, reliable),
            node.create_subscription(Bool, "task/success", self._on_success, qos.EVENTS),
            node.create_subscription(String, "task/instruction", self._on_instruction, qos.LATCHED),
            node.create_subscription(String, "control_source", self._on_source, qos.LATCHED),
            node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50),
        ]
        self._policy_name = diagnostics.status_name(node, "policy_node")
        for camera in spec.camera_names:
            topic, take = f"{camera}/image_raw/compressed", self._frame_taker(camera)
            self._subscriptions.append(node.create_subscription(CompressedImage, topic, take, reliable))

    def close(self) -> None:
        """Hear nothing more; from any thread, done by the executor's."""
        self._node.executor.create_task(self._destroy)

    def _destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _logs_at(self, stamp_ns: int) -> Sequence[EpisodeLog]:
        return [log for log in self.logs[-2:] if log.covers(stamp_ns)]

    def _positions(self, message: JointState) -> NDArray[np.float64] | None:
        """Joint positions (n_joints,); None where the message is not of this robot's joints."""
        try:
            order = conversions.in_order(message.name, self._spec.joint_names)
            return conversions.joint_arrays(message)[0][order]
        except (ValueError, IndexError):
            return None

    def _on_state(self, message: JointState) -> None:
        positions = self._positions(message)
        if positions is None:
            return
        self.newest_ns = stamp = conversions.stamp_ns(message.header.stamp)
        self.newest_wall = time.monotonic()
        for log in self._logs_at(stamp):
            log.states.append((stamp, positions))

    def _on_sent(self, message: JointState) -> None:
        stamp, positions = conversions.stamp_ns(message.header.stamp), self._positions(message)
        for log in self._logs_at(stamp) if positions is not None else ():
            log.sent.append((stamp, positions))

    def _frame_taker(self, camera: str) -> Callable[[CompressedImage], None]:
        def take(message: CompressedImage) -> None:
            stamp = conversions.stamp_ns(message.header.stamp)
            for log in self._logs_at(stamp):
                if log.keep_frames:
                    log.frames.setdefault(camera, []).append((stamp, bytes(message.data)))

        return take

    def _on_chunk(self, message: JointTrajectory) -> None:
        stamp = conversions.stamp_ns(message.header.stamp)
        try:
            order = conversions.in_order(message.joint_names, self._spec.joint_names)
            points = conversions.trajectory_array(message)[:, order]
        except ValueError:  # robot_node refuses it, and counts it; the evaluation goes on
            return
        for log in self._logs_at(stamp):
            log.chunks[stamp] = points

    def _on_plan(self, message: JointTrajectory) -> None:
        stamp = conversions.stamp_ns(message.header.stamp)
        for log in self._logs_at(stamp):
            log.plans[stamp] = len(message.points)

    def _on_success(self, message: Bool) -> None:
        if message.data and self.success_ns is None and self.newest_ns >= self.listen_from_ns:
            self.success_ns = self.newest_ns

    def _on_instruction(self, message: String) -> None:
        self.instruction = message.data

    def _on_source(self, message: String) -> None:
        control = json.loads(message.data)
        if control["epoch"] == self._epoch:
            return  # only who has control changed
        self._epoch = control["epoch"]
        self.mode, self.mode_ns = control["mode"], control["stamp_ns"]

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name != self._policy_name:
                continue
            self.policy = {pair.key: pair.value for pair in status.values}
            self.policy_ready = status.level == diagnostics.OK
            for stamp, latency_ms, _inference_ms in json.loads(self.policy.get("chunks", "[]")):
                for log in self.logs:
                    if log.covers(stamp):
                        log.latency_ms[stamp] = latency_ms
            for stamp, steps in json.loads(self.policy.get("delays", "[]")):
                for log in self.logs:
                    if log.covers(stamp):
                        log.delay_steps[stamp] = steps
