"""Somebody else's arm on the graph: joints of the first order behind a controller, as ros2_control has them.

`python tests/support/foreign_arm.py --ros-args -p interface:=position`: publishes joint_states under
foreign names, half of the joints in each of two messages, and takes goals as the two common controllers do.
"""

import os
import sys
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

NAMES = ("joint_1", "joint_2", "joint_3", "finger")
LAG_S = 0.03
PERIOD_S = 0.01
START = (0.0, -0.3, 0.3, 0.0)


class ForeignArm(Node):
    """100 Hz; velocities are not told, as many drivers have it."""

    def __init__(self) -> None:
        super().__init__("controller_manager", namespace="/foreign")
        interface = self.declare_parameter("interface", "position").value
        self._broken = self.declare_parameter("broken_joint", "").value  # its encoder shows NaN
        self._position = np.array(START)
        self._goal = self._position.copy()
        self._states = self.create_publisher(JointState, "joint_states", 10)
        if interface == "position":
            self.create_subscription(Float64MultiArray, "position_controller/commands", self._on_array, 10)
        elif interface == "trajectory":
            topic = "trajectory_controller/joint_trajectory"
            self.create_subscription(JointTrajectory, topic, self._on_trajectory, 10)
        self.create_timer(PERIOD_S, self._tick)

    def _on_array(self, message: Float64MultiArray) -> None:
        if len(message.data) == len(NAMES):
            self._goal = np.array(message.data)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        """Refuses what joint_trajectory_controller does: other joints, no time, a stamp in the past."""
        stamped = message.header.stamp.sec or message.header.stamp.nanosec
        (point,) = message.points
        ahead_s = point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
        if set(message.joint_names) == set(NAMES) and not stamped and ahead_s > 0:
            places = [message.joint_names.index(name) for name in NAMES]
            self._goal = np.array(point.positions)[places]

    def _tick(self) -> None:
        self._position += (self._goal - self._position) * (1 - np.exp(-PERIOD_S / LAG_S))
        shown = np.where([name == self._broken for name in NAMES], np.nan, self._position)
        for half in (slice(0, 2), slice(3, 1, -1)):  # two broadcasters, the second in another order
            message = JointState(name=list(NAMES[half]), position=shown[half].tolist())
            message.header.stamp = self.get_clock().now().to_msg()
            self._states.publish(message)


def main() -> None:
    rclpy.init()
    node, executor = ForeignArm(), SingleThreadedExecutor()
    executor.add_node(node)
    parent = os.getppid()
    until_s = time.monotonic() + 600
    while rclpy.ok() and os.getppid() == parent and time.monotonic() < until_s:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
