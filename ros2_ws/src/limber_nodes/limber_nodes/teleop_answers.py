"""What teleop_node hears of the robot and the task, and its answer to every action step."""

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from hardware.spec import RobotSpec
from limber_nodes import conversions, qos
from limber_nodes.on_demand import OnDemand
from limber_nodes.teleop_drive import Drive
from policies.data import cdr

STATE_S = 0.02  # wall time that a joint state may come after the plan of the same tick


class StepAnswers:
    """Answers every action step, keyed by `planned_action`'s stamp, with the operator's goal as
    `teleop/joint_command`, and before it the execution noise, if any, as `action_correction`."""

    def __init__(
        self, node: Node, spec: RobotSpec, drive: Drive, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """`wanted`: whether steps are to be answered at all; in real time a person's device is not held
        to them (see `teleop_samples.py`)."""
        self._node = node
        self._wanted = wanted
        self._spec = spec
        self._drive = drive
        self._key: int | None = None  # the step that is not answered yet
        self._states = OnDemand(node, JointState, "joint_states")
        self._command = node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        self._correction = node.create_publisher(JointTrajectory, "action_correction", qos.EVENTS)
        self._subscriptions = [
            node.create_subscription(JointTrajectory, "planned_action", self._on_step, qos.COMMAND, raw=True),
            node.create_subscription(MarkerArray, "task/objects", self._on_objects, qos.EVENTS),
            node.create_subscription(Bool, "task/success", self._on_success, qos.EVENTS),
        ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._states.close()

    def _on_objects(self, message: MarkerArray) -> None:
        if message.markers:
            stamp = conversions.stamp_ns(message.markers[0].header.stamp)
            self._drive.see(conversions.object_poses(message), stamp)
            self._answer()

    def _on_success(self, message: Bool) -> None:
        self._drive.success = message.data

    def _on_step(self, planned: bytes) -> None:
        self._key = cdr.stamp_ns(planned)
        self._answer()

    def _answer(self) -> None:
        """Answer the step that began, once all that the answer rests on is there."""
        key = self._key
        if key is None or not self._wanted() or not self._drive.driving or not self._drive.sees(key):
            return
        self._key = None
        state = self._state_of(key)
        if state is None:
            return
        message = deserialize_message(state, JointState)
        names = self._spec.joint_names
        order = conversions.in_order(message.name, names)
        command = self._drive.step(np.array(message.position)[order], key)
        if command is None:
            return
        if command.correction is not None:
            point = command.correction[None]
            self._correction.publish(conversions.trajectory(names, key, point, self._spec.action_dt))
        self._command.publish(conversions.joint_state(names, key, command.goal))

    def _state_of(self, key: int) -> bytes | None:
        """The joint state of the step's first tick or later; it was published just before the plan."""
        deadline = time.monotonic() + STATE_S
        while (state := self._states.newest()) is None or cdr.stamp_ns(state) < key:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.0005)
        return state
