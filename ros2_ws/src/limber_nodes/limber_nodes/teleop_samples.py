"""A person's device, read at the control rate in a thread of its own; in real time each reading is sent.

In simulated time the commands answer the robot's steps instead (`teleop_answers.py`), so that a
simulation that is slower or faster than the person changes nothing in what is recorded.
"""

import threading
import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState

from hardware.control.clock import NS
from hardware.errors import LimberError
from hardware.spec import RobotSpec
from hardware.teleop.contract import Teleoperator
from limber_nodes import conversions, qos
from limber_nodes.on_demand import OnDemand
from limber_nodes.teleop_drive import Drive
from policies.data import cdr

LOOK_S = 1.0  # wall time between two looks at whether the robot's time is simulated
PHASE = 0.3  # of a control period after the robot has read its joints: what is read then is there by its
# next tick, with some milliseconds to spare, and waits for that no longer than it must


class DeviceSamples:
    """Publishes `teleop/joint_command`, stamped with the time at which the device was read.

    `on_key` is called with every session key that is pressed on the device. `trouble` says why the
    device gives nothing, if it does not.
    """

    def __init__(
        self, node: Node, spec: RobotSpec, drive: Drive, device: Teleoperator, on_key: Callable[[str], None]
    ) -> None:
        self._node, self._spec, self._drive = node, spec, drive
        self._device, self._on_key = device, on_key
        self._states = OnDemand(node, JointState, "joint_states")
        self._command = node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        self._message = conversions.joint_state(spec.joint_names, 0, np.zeros(spec.n_joints))
        self._order: list[int] | None = None  # of the robot's joints in the spec's
        self._due_ns = time.monotonic_ns()
        self._sent_ns = -1  # stamp of the last command
        self._look_s = 0.0
        self._simulated = False
        self.trouble = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """The device is connected."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """May be called twice."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        self.stop()
        self._states.close()
        self._node.destroy_publisher(self._command)

    def simulated(self) -> bool:
        """Whether the robot's time is a simulation's: then somebody publishes /clock."""
        if time.monotonic() >= self._look_s:
            self._look_s = time.monotonic() + LOOK_S
            self._simulated = self._node.count_publishers("/clock") > 0
        return self._simulated

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                for key in self._device.poll():
                    self._on_key(key)
                if self._drive.driving and not self.simulated():
                    self._send()
                self.trouble = ""
            except (LimberError, OSError) as error:  # it lets go, and is tried again
                self.trouble = str(error)
            self._sleep()

    def _sleep(self) -> None:
        """Until the device is to be read again: in step with a robot of this machine's clock."""
        period_ns, now_ns = NS // self._spec.control_hz, time.monotonic_ns()
        data = self._states.newest()
        stamp_ns = cdr.stamp_ns(data) if data is not None else 0
        if abs(now_ns - stamp_ns) < NS:  # else its time is a simulation's, or another machine's
            self._due_ns = stamp_ns + round(PHASE * period_ns)
        periods = (now_ns - self._due_ns) // period_ns + 1
        self._due_ns += max(0, periods) * period_ns
        time.sleep((self._due_ns - now_ns) / NS)

    def _send(self) -> None:
        data = self._states.newest()
        if data is None:
            return
        joints = cdr.joints(data)
        if self._order is None:
            self._order = conversions.in_order(joints.names, self._spec.joint_names)
        command = self._drive.step(joints.position[self._order], joints.stamp_ns)
        if command is None or command.stamp_ns is None or command.stamp_ns == self._sent_ns:
            return  # an old reading is not sent as a new one
        self._sent_ns = command.stamp_ns
        self._message.header.stamp = conversions.time_msg(command.stamp_ns)
        self._message.position = conversions.doubles(command.goal)
        self._command.publish(self._message)
