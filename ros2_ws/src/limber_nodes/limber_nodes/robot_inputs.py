"""What other nodes may ask of the robot: topics into the control loop's inbox, and the verbs as services."""

import threading
import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from hardware.control.commands import RefusedError
from hardware.control.loop import ControlLoop, Mode
from limber_nodes import conversions, qos
from limber_nodes.teleop_gate import TeleopGate

VERBS = ("arm", "stop", "park", "release", "torque_off", "recover")  # of the control loop
ANSWER_S = 5.0  # a tick at most, beside what holds simulated time back; a longer silence: it does not run


class RobotInputs:
    """Subscriptions `action_chunk`, `action_correction`, `teleop/joint_command`; services `VERBS`.

    What cannot be read as a message is refused and counted.
    """

    def __init__(self, node: Node, loop: ControlLoop, gate: TeleopGate, expected_delay: int) -> None:
        """`expected_delay`: steps that a chunk may take before it counts as late."""
        self._node = node
        self._gate = gate
        self._loop = loop
        self._expected_delay = expected_delay
        self._subscriptions = [
            node.create_subscription(JointTrajectory, "action_chunk", self._on_chunk, qos.EVENTS),
            node.create_subscription(JointTrajectory, "action_correction", self._on_correction, qos.EVENTS),
            node.create_subscription(JointState, "teleop/joint_command", self._on_teleop, qos.COMMAND),
        ]
        self._services = [
            node.create_service(Trigger, name, self._service(name, getattr(loop, name))) for name in VERBS
        ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for service in self._services:
            self._node.destroy_service(service)

    def _on_chunk(self, message: JointTrajectory) -> None:
        try:
            points = conversions.trajectory_array(message)
        except ValueError as error:
            self._loop.refuse(RefusedError("chunk: wrong shape", str(error)))
            return
        stamp = conversions.stamp_ns(message.header.stamp)
        self._loop.offer_chunk(message.joint_names, points, stamp, self._expected_delay)

    def _on_correction(self, message: JointTrajectory) -> None:
        try:
            points = conversions.trajectory_array(message)
            if len(points) != 1:
                raise ValueError(f"expected one point, got {len(points)}")
        except ValueError as error:
            self._loop.refuse(RefusedError("correction: wrong shape", str(error)))
            return
        stamp = conversions.stamp_ns(message.header.stamp)
        if self._loop.offer_correction(message.joint_names, points[0], stamp):
            self._gate.answer("correction", stamp)

    def _on_teleop(self, message: JointState) -> None:
        if self._loop.offer_teleop(message.name, conversions.joint_arrays(message)[0]):
            self._gate.answer("command", conversions.stamp_ns(message.header.stamp))

    def _service(self, name: str, verb: Callable[[], None]) -> Callable[..., Trigger.Response]:
        def answer(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._gate.release()
            loop = self._loop
            verb()
            done: threading.Event = loop.call(lambda: None)  # in turn, so after the verb
            response.success = done.wait(ANSWER_S)
            deadline = time.monotonic() + ANSWER_S
            while loop.mode is Mode.ARMING and time.monotonic() < deadline:
                time.sleep(0.01)
            if name == "arm" and loop.mode is not Mode.ARMED:
                loop.call(lambda: None).wait(ANSWER_S)  # by then the tick has said what is wrong
            response.message = loop.mode.value
            if not response.success:
                response.message = f"{name}: the control loop does not run"
            elif name == "arm" and loop.mode is not Mode.ARMED:
                response.success, response.message = False, loop.fault
            return response

        return answer
