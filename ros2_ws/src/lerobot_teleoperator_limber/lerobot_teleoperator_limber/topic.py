"""What a teleop_node drives the robot with, as one more device."""

import time
from collections.abc import Sequence

import numpy as np
from lerobot_robot_limber.ros_session import RosSession
from limber_nodes import conversions, qos
from sensor_msgs.msg import JointState

from hardware.control.clock import NS
from hardware.control.sources import TELEOP_TIMEOUT_NS
from hardware.errors import HardwareError
from hardware.spec import RobotSpec
from hardware.teleop.contract import Sample, Vector

COMMAND = "teleop/joint_command"


class TopicTeleoperator:
    """A `Teleoperator`. Whoever commands the robot drives it already: this one only hears what is said."""

    has_buttons = True  # the keys are teleop_node's
    help = f"{COMMAND} leads"

    def __init__(self, spec: RobotSpec, namespace: str) -> None:
        self._spec = spec
        self._namespace = namespace
        self._session: RosSession | None = None
        self._newest: Sample | None = None

    def connect(self) -> None:
        """Raises `HardwareError` where nobody commands."""
        self._session = session = RosSession("lerobot_teleoperator", self._namespace)
        session.node.create_subscription(JointState, COMMAND, self._hear, qos.SENSOR_IN)
        if not session.wait(lambda: session.node.count_publishers(COMMAND) > 0):
            self.close()
            raise HardwareError(
                f"expected a teleop_node in {session.place}, nobody commands on {COMMAND}; start one"
            )

    def poll(self) -> Sequence[str]:
        return ()

    def begin(self, state: Vector) -> None:
        """The person at teleop_node has begun elsewhere."""

    def goal(self, state: Vector) -> Sample | None:
        """None after 100 ms of silence, as the robot takes it."""
        newest = self._newest
        if newest is None or time.monotonic() * NS - newest.stamp_ns > TELEOP_TIMEOUT_NS:
            return None
        return newest

    def press(self, key: str) -> None:
        """The terminal's keys move nothing here."""

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None

    def _hear(self, message: JointState) -> None:
        if sorted(message.name) == sorted(self._spec.joint_names):  # else robot_node refuses it, too
            order = conversions.in_order(message.name, self._spec.joint_names)
            self._newest = Sample(np.array(message.position)[order], time.monotonic_ns())
