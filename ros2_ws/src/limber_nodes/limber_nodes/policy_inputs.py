"""What policy_node hears of the robot, compared with the checkpoint before anything is asked of it."""

import json
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import RobotSpec
from limber_nodes import conversions, qos
from policies.contracts import CameraShape
from policies.errors import PolicyError
from policies.runtime.observations import ObservationBuffer
from policies.runtime.requester import Plan
from policies.runtime.runner import PolicyRunner


class PolicyInputs:
    """Subscriptions that fill a policy's buffer and tell its runner of plans, control and task.

    Plans are passed on only once the live robot's joints and every camera are known to be those of
    the checkpoint; `unchecked` names those still to come. A robot that does not fit raises
    `PolicyError` out of the executor.
    """

    def __init__(
        self, node: Node, spec: RobotSpec, buffer: ObservationBuffer, runner: PolicyRunner, compressed: bool
    ) -> None:
        self._node, self._spec = node, spec
        self._buffer, self._runner = buffer, runner
        cameras = runner.policy.spec.cameras
        self.unchecked = {"joint_states", *(camera.name for camera in cameras)}
        self.newest_ns = 0
        self._subscriptions = [
            node.create_subscription(JointState, "joint_states", self._on_state, qos.SENSOR_IN),
            node.create_subscription(JointTrajectory, "planned_action", self._on_plan, qos.EVENTS),
            node.create_subscription(String, "control_source", self._on_source, qos.LATCHED),
            node.create_subscription(String, "task/instruction", self._on_instruction, qos.LATCHED),
        ]
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        for camera in cameras:
            topic = f"{camera.name}/image_raw{suffix}"
            take = self._picture_taker(camera)
            self._subscriptions.append(node.create_subscription(kind, topic, take, qos.SENSOR_IN))

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_state(self, message: JointState) -> None:
        names = self._spec.joint_names
        if "joint_states" in self.unchecked:
            if sorted(message.name) != sorted(names):
                got = " ".join(message.name)
                raise PolicyError(f"checkpoint is for joints [{' '.join(names)}], the robot sends [{got}]")
            self.unchecked.discard("joint_states")
        self.newest_ns = conversions.stamp_ns(message.header.stamp)
        position = conversions.joint_arrays(message)[0]
        self._buffer.add_state(self.newest_ns, position[conversions.in_order(message.name, names)])

    def _picture_taker(self, camera: CameraShape) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            if camera.name in self.unchecked:
                height, width = self._buffer.decode(message).shape[:2]
                if (height, width) != (camera.height, camera.width):
                    raise PolicyError(
                        f"checkpoint is for camera {camera.name!r} at {camera.width}x{camera.height}, "
                        f"the robot sends {width}x{height}"
                    )
                self.unchecked.discard(camera.name)
            self._buffer.add_image(camera.name, conversions.stamp_ns(message.header.stamp), message)

        return take

    def _on_plan(self, message: JointTrajectory) -> None:
        if self.unchecked:
            return
        try:
            points = conversions.trajectory_array(message)
            if len(points):
                points = points[:, conversions.in_order(message.joint_names, self._spec.joint_names)]
        except ValueError:  # not this robot's: somebody else publishes here
            return
        self._runner.on_plan(Plan(conversions.stamp_ns(message.header.stamp), points))

    def _on_source(self, message: String) -> None:
        control = json.loads(message.data)
        may_act = control["mode"] == "armed" and control["source"] != "person"
        self._runner.on_control(control["epoch"], may_act, control["stamp_ns"])

    def _on_instruction(self, message: String) -> None:
        self._runner.task = message.data
