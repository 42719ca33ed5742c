"""How goals reach somebody else's controller: one class a kind of command topic."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from builtin_interfaces.msg import Duration
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.control.clock import NS
from hardware.spec import Ros2ControlSpec
from limber_nodes import conversions, qos

AHEAD_PERIODS = 2  # a trajectory's end: with one, a goal that comes a little late finds the arm standing


class Writer(Protocol):
    """A publisher of goals."""

    kind: type

    @property
    def listeners(self) -> int:
        """Controllers that take them."""

    def write(self, goal: NDArray[np.float64]) -> None:
        """Joint goals (n_joints,) in the order of the spec."""


class _Topic:
    """The command topic of one node."""

    kind: type

    def __init__(self, node: Node, topics: Ros2ControlSpec, control_dt: float) -> None:
        self._publisher = node.create_publisher(self.kind, topics.command, qos.COMMAND)
        self._joints = list(topics.joints)
        ahead_ns = round(AHEAD_PERIODS * control_dt * NS)
        self._ahead = Duration(sec=ahead_ns // NS, nanosec=ahead_ns % NS)

    @property
    def listeners(self) -> int:
        count: int = self._publisher.get_subscription_count()
        return count


class PositionWriter(_Topic):
    """For forward_command_controller and position_controllers: their joints are the spec's, in its order."""

    kind: Any = Float64MultiArray

    def write(self, goal: NDArray[np.float64]) -> None:
        self._publisher.publish(Float64MultiArray(data=conversions.doubles(goal)))


class TrajectoryWriter(_Topic):
    """For joint_trajectory_controller: one point, to be reached `AHEAD_PERIODS` from when it comes.

    The header's stamp stays 0, which says: now, by the controller's own clock.
    """

    kind: Any = JointTrajectory

    def write(self, goal: NDArray[np.float64]) -> None:
        point = JointTrajectoryPoint(positions=conversions.doubles(goal), time_from_start=self._ahead)
        self._publisher.publish(JointTrajectory(joint_names=self._joints, points=[point]))


INTERFACES: Mapping[str, type[PositionWriter] | type[TrajectoryWriter]] = {
    "position": PositionWriter,
    "trajectory": TrajectoryWriter,
}
