"""Somebody else's arm as a `Robot`: ros2_control runs it already, and is spoken to over its topics.

Its own safety stays its own: no torque is switched here, and no guardian holds it. When this process
dies its controller has the last goal and goes there, one control period further at most.
"""

import time
from collections.abc import Mapping

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState

from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.robot import Array, Observation
from hardware.spec import RobotSpec, Ros2ControlSpec
from limber_nodes import qos
from limber_nodes.on_demand import Unattended
from limber_nodes.ros2_control_readings import Readings
from limber_nodes.ros2_control_topics import topics_of, type_name
from limber_nodes.ros2_control_writer import INTERFACES

NODE = "ros2_control_arm"
APPEAR_S = 5.0  # discovery takes a second on a busy machine
OWN = "joint_states"  # what robot_node publishes itself


class Ros2ControlArm:
    """Implements `Robot` and `Health`. One thread drives it: the control loop's, which takes the messages.

    A reading's time is that of its arrival, on this machine's monotonic clock: the header's is another
    clock's, maybe another machine's, and those are never compared. A joint that is not heard of any
    more keeps its last reading, and `joint_stamps_ns` says how old that is.
    """

    def __init__(self, spec: RobotSpec, context: Context | None = None) -> None:
        """context: of rclpy, initialised; None: the process's, or one of its own where nobody has begun it.

        `HardwareError` where the spec has no topics.
        """
        if spec.ros2_control is None:
            raise HardwareError(
                f"robot {spec.name!r}: driver ros2_control needs a section ros2_control in its spec: "
                "joint_states, command, interface"
            )
        self._spec = spec.with_cameras(())  # cameras have processes of their own
        self._topics: Ros2ControlSpec = spec.ros2_control
        self._given_context = context
        self._own_context: Context | None = None
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._node: Node | None = None

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    def connect(self) -> None:
        """Wait for a reading of every joint and for the controller; `HardwareError` says what is missing."""
        if self._node is not None:
            return
        # A node of its own: whoever spins robot_node's must not take what the loop waits for.
        own_name = ["--ros-args", "-r", f"__node:={NODE}"]
        self._node = node = Node(
            NODE,
            context=self._open_context(),
            cli_args=own_name,
            enable_rosout=False,
            start_parameter_services=False,
        )
        try:
            if self._own_context is None:
                self._refuse_own_topic(node)
            self._readings = Readings(self._topics.joints)
            self._subscription = node.create_subscription(
                JointState,
                self._topics.joint_states,
                lambda _message: None,
                qos.SENSOR_IN,
                callback_group=Unattended(),
            )
            self._writer = INTERFACES[self._topics.interface](node, self._topics, self._spec.control_dt)
            self._wait_for_joints(node)
            self._wait_for_controller(node)
        except HardwareError:
            self.disconnect()
            raise

    def get_observation(self) -> Observation:
        self._require_connection()
        now_ns = time.monotonic_ns()
        self._take()
        readings = self._readings
        return Observation(
            stamp_ns=max(now_ns, int(readings.stamps_ns.max())),
            state=readings.position.astype(np.float32),
            velocity=readings.velocity.astype(np.float32),
            effort=readings.effort.astype(np.float32),
            joint_stamps_ns=readings.stamps_ns.copy(),
        )

    def send_action(self, action: Array) -> Array:
        """Goals (n_joints,), clipped to the limits; `HardwareError` where no controller listens any more."""
        self._require_connection()
        goal = np.asarray(action, dtype=np.float64)
        if goal.shape != self._lower.shape or not np.isfinite(goal).all():
            raise HardwareError(f"action: expected {len(self._lower)} finite values, got {action!r}")
        if not self._writer.listeners:
            raise HardwareError(f"no controller takes goals on {self._topics.command} any more")
        goal = np.clip(goal, self._lower, self._upper)
        self._writer.write(goal)
        return goal.astype(np.float32)

    def disconnect(self) -> None:
        """Say nothing more: its controller holds the last goal. May be called twice."""
        node, self._node = self._node, None
        if node is not None:
            node.destroy_node()
        context, self._own_context = self._own_context, None
        if context is not None:
            rclpy.shutdown(context=context)

    def health(self) -> Mapping[str, Mapping[str, float | str]]:
        """What is heard of each joint, and whether the controller listens."""
        self._require_connection()
        ages = (time.monotonic_ns() - self._readings.stamps_ns) / NS
        said: dict[str, Mapping[str, float | str]] = {
            name: {"age_s": float(age)} for name, age in zip(self._spec.joint_names, ages, strict=True)
        }
        return said | {"controller": {"topic": self._topics.command, "listeners": self._writer.listeners}}

    # -- inside -------------------------------------------------------------------------------------

    def _open_context(self) -> Context | None:
        """None: the process's own."""
        if self._given_context is None and not rclpy.ok():
            self._own_context = Context()
            rclpy.init(context=self._own_context)
        return self._given_context or self._own_context

    def _require_connection(self) -> None:
        if self._node is None:
            raise HardwareError("robot: not connected; call connect() first")

    def _take(self) -> None:
        """Every message that has come since the last time."""
        ahead_ns = time.monotonic_ns() - time.time_ns()
        handle = self._subscription.handle
        with handle:
            while (taken := handle.take_message(JointState, False)) is not None:
                message, info = taken
                # The middleware's stamp is this machine's wall clock; where it has none, now.
                came_ns = info["received_timestamp"] or time.time_ns()
                self._readings.take(message, came_ns + ahead_ns)

    def _refuse_own_topic(self, node: Node) -> None:
        topic = node.resolve_topic_name(self._topics.joint_states)
        if topic == node.resolve_topic_name(OWN):
            raise HardwareError(
                f"ros2_control: {topic} is where robot_node itself publishes; give robot_node a namespace "
                "(namespace:=limber), and the spec's topic a leading /"
            )

    def _wait_for_joints(self, node: Node) -> None:
        until_s = time.monotonic() + APPEAR_S
        while True:
            self._take()
            missing = self._readings.missing
            if not missing.any():
                return
            if time.monotonic() > until_s:
                break
            time.sleep(0.02)
        topic = node.resolve_topic_name(self._topics.joint_states)
        if not node.count_publishers(topic):
            raise HardwareError(
                f"ros2_control: nobody publishes {topic}; joint states are on: {topics_of(node, JointState)}"
            )
        there = ", ".join(sorted(self._readings.heard)) or "none"
        name = self._topics.joints[int(np.argmax(missing))]
        raise HardwareError(f"ros2_control: expected joint {name!r} on {topic}, it tells of: {there}")

    def _wait_for_controller(self, node: Node) -> None:
        until_s = time.monotonic() + APPEAR_S
        while not self._writer.listeners:
            if time.monotonic() > until_s:
                topic, kind = node.resolve_topic_name(self._topics.command), self._writer.kind
                raise HardwareError(
                    f"ros2_control: no controller takes {type_name(kind)} on {topic}; is it loaded and "
                    f"active? Such topics are: {topics_of(node, kind)}"
                )
            time.sleep(0.02)
