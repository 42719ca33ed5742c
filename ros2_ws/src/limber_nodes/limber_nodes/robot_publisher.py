"""What robot_node says in every tick, from the control thread itself.

It comes after `send_action`, in time the loop would sleep; another thread would do the same
work and take the interpreter lock from the loop at moments of its own choosing.
"""

import json

import numpy as np
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from hardware.control.loop import ControlLoop, TickReport
from limber_nodes import conversions, qos


class RobotPublisher:
    """An observer of the `ControlLoop`: call it with every `TickReport`.

    joint_states and executed_action every tick; planned_action (whose stamp is the key of the
    step) on the first tick of a step; control_source, latched, when it changes.
    """

    def __init__(self, node: Node, loop: ControlLoop, with_clock: bool) -> None:
        self._node = node
        self._spec = spec = loop.spec
        self._states = node.create_publisher(JointState, "joint_states", qos.STATE_OUT)
        self._executed = node.create_publisher(JointState, "executed_action", qos.STATE_OUT)
        self._planned = node.create_publisher(JointTrajectory, "planned_action", qos.STATE_OUT)
        self._source = node.create_publisher(String, "control_source", qos.LATCHED)
        self._publishers = [self._states, self._executed, self._planned, self._source]
        self._clock = None
        if with_clock:
            self._clock = node.create_publisher(Clock, "/clock", 10)
            self._publishers.append(self._clock)
        # Made once: a message's constructor costs more than its publishing.
        zeros = np.zeros(spec.n_joints)
        self._state_message = conversions.joint_state(spec.joint_names, 0, zeros)
        self._executed_message = conversions.joint_state(spec.joint_names, 0, zeros)
        self._last_sent: np.ndarray | None = None
        self._last_source: tuple[str, str, int] | None = None

    def close(self) -> None:
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def __call__(self, report: TickReport) -> None:
        time = conversions.time_msg(report.stamp_ns)
        seen = report.observation
        message = self._state_message
        message.header.stamp = time
        message.position, message.velocity = (
            conversions.doubles(seen.state),
            conversions.doubles(seen.velocity),
        )
        message.effort = conversions.doubles(seen.effort)
        self._states.publish(message)

        sent = report.sent
        last = sent if self._last_sent is None else self._last_sent
        message = self._executed_message
        message.header.stamp = time
        message.position = conversions.doubles(sent)
        message.velocity = conversions.doubles((sent - last) * self._spec.control_hz)
        self._executed.publish(message)
        self._last_sent = sent

        source = (report.source.value, report.mode.value, report.epoch)
        if source != self._last_source:
            self._last_source = source
            keys = ("source", "mode", "epoch")
            text = json.dumps(dict(zip(keys, source, strict=True)) | {"stamp_ns": report.stamp_ns})
            self._source.publish(String(data=text))
        if report.planned is not None:
            self._planned.publish(
                conversions.trajectory(
                    self._spec.joint_names, report.stamp_ns, report.planned, self._spec.action_dt
                )
            )
            if self._clock is not None:
                self._clock.publish(Clock(clock=time))
