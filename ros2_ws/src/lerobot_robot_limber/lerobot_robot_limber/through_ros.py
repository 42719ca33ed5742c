"""The arm driven by the robot_node that runs already: its topics, its loop, its safety chain.

Goals go out as a person's command, on `teleop/joint_command`; silence releases.
"""

import json
import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

import numpy as np
from limber_nodes import conversions, qos
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String

from hardware.control.loop import Mode
from hardware.errors import HardwareError, LimberError
from hardware.robot import Image
from hardware.spec import CameraSpec, RobotSpec
from lerobot_robot_limber.drive import Reading, Vector, fresh
from lerobot_robot_limber.ros_session import RosSession

COMMAND = "teleop/joint_command"
PICTURE_STALE_S = 1.0  # as a camera's own process waits for one
STOP_S = 1.0  # an arm at full speed has stopped well before
ALONE_S = 1.0  # in which whoever else commands the arm is seen


class RosDrive:
    """A `Drive`. With drive=False it only listens: a teleop_node or a policy_node drives."""

    def __init__(self, spec: RobotSpec, namespace: str, drive: bool, park_timeout_s: float) -> None:
        self.spec = spec
        self._namespace = namespace
        self._drives = drive
        self._park_timeout_s = park_timeout_s
        self._session: RosSession | None = None
        self._armed = False
        self._joints: dict[str, tuple[Vector, float]] = {}  # topic -> (n_joints,), when it came
        self._jpegs: dict[str, tuple[CompressedImage, float]] = {}
        self._decoded: dict[str, tuple[CompressedImage, Image]] = {}
        self._mode = ""
        self._order: list[int] = []
        self._wrong = ""

    @property
    def cameras(self) -> tuple[CameraSpec, ...]:
        return self.spec.cameras

    def connect(self) -> None:
        with ExitStack() as undo:
            self._session = session = RosSession("lerobot_robot", self._namespace)
            undo.callback(self.disconnect)
            self._listen(session)
            self._check(session)
            if self._drives:
                self._take(session)
            undo.pop_all()

    def reading(self) -> Reading:
        return Reading(self._newest("joint_states"), self._newest("executed_action"))

    def pictures(self) -> Mapping[str, Image]:
        return {camera.name: self._picture(camera) for camera in self.spec.cameras}

    def send(self, goal: Vector) -> None:
        if not self._drives:
            return
        if self._mode != Mode.ARMED.value:
            raise HardwareError(f"the arm does not follow, it is {self._mode}: see robot_node's /diagnostics")
        if not np.isfinite(goal).all():
            raise HardwareError(f"expected {self.spec.n_joints} finite joint goals, got {goal}")
        stamp_ns = time.monotonic_ns()  # as teleop_node stamps a device's readings
        self._command.publish(conversions.joint_state(self.spec.joint_names, stamp_ns, goal))

    def stop(self) -> None:
        if self._session:
            self._session.trigger("stop")

    def disconnect(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if self._armed:
                self._park(session)
        except LimberError as error:
            logging.error("not parked: %s", error)
        finally:
            self._armed = False
            session.close()

    # -- inside ---------------------------------------------------------------------------------

    def _listen(self, session: RosSession) -> None:
        node = session.node
        for topic in ("joint_states", "executed_action"):
            node.create_subscription(JointState, topic, partial(self._hear_joints, topic), qos.SENSOR_IN)
        for camera in self.spec.cameras:
            topic = f"{camera.name}/image_raw/compressed"
            hear = partial(self._hear_picture, camera.name)
            node.create_subscription(CompressedImage, topic, hear, qos.SENSOR_IN)
        node.create_subscription(String, "control_source", self._hear_source, qos.LATCHED)

    def _check(self, session: RosSession) -> None:
        """robot_node is there, has this spec's joints, and gives every camera's pictures in its size."""
        if not session.wait(lambda: (len(self._joints) == 2 and bool(self._mode)) or bool(self._wrong)):
            raise HardwareError(
                f"expected a robot_node in {session.place}, nobody publishes joint_states; start one: "
                f"python -m limber_bringup launch/robot.launch.xml robot:={self.spec.name}"
            )
        if self._wrong:
            raise HardwareError(self._wrong)
        for camera in self.spec.cameras:
            if not session.wait(lambda name=camera.name: name in self._jpegs):  # type: ignore[misc]
                raise HardwareError(
                    f"camera {camera.name!r}: robot_node in {session.place} publishes no pictures of it; "
                    "start it with this camera, or choose others with --robot.only_cameras"
                )
            height, width, _ = self._picture(camera).shape
            if (width, height) != (camera.width, camera.height):
                raise HardwareError(
                    f"camera {camera.name!r}: the spec says {camera.width}x{camera.height}, robot_node "
                    f"publishes {width}x{height}; give --robot.spec the spec that robot_node has"
                )

    def _take(self, session: RosSession) -> None:
        """Nobody else commands the arm; it is armed."""
        node = session.node
        if session.wait(lambda: node.count_publishers(COMMAND) > 0, ALONE_S):
            raise HardwareError(
                f"somebody else commands the arm on {COMMAND} in {session.place}; end that teleop_node, or "
                "give --robot.drive=false --teleop.operator=topic to record what it does"
            )
        self._command = node.create_publisher(JointState, COMMAND, qos.COMMAND)
        session.trigger("arm")
        self._armed = True
        session.wait(lambda: self._mode == Mode.ARMED.value)
        session.wait(lambda: self._command.get_subscription_count() > 0)

    def _park(self, session: RosSession) -> None:
        session.trigger("stop")
        time.sleep(STOP_S)
        session.trigger("park")
        parked = session.wait(lambda: self._mode == Mode.DISARMED.value, self._park_timeout_s)
        if not parked:
            logging.error("not parked: the arm is %s", self._mode)

    def _newest(self, topic: str) -> Vector:
        if self._session is None:
            raise HardwareError("robot: not connected; call connect() first")
        if not fresh(lambda: self._joints[topic][1]):
            raise HardwareError(f"robot_node in {self._session.place} is silent: no {topic}")
        return self._joints[topic][0]

    def _picture(self, camera: CameraSpec) -> Image:
        if not fresh(lambda: self._jpegs[camera.name][1], PICTURE_STALE_S):
            raise HardwareError(f"camera {camera.name!r}: robot_node gives no pictures of it any more")
        message, _ = self._jpegs[camera.name]
        decoded = self._decoded.get(camera.name)
        if decoded is None or decoded[0] is not message:
            decoded = self._decoded[camera.name] = message, conversions.compressed_array(message)
        return decoded[1]

    # -- the session's thread -------------------------------------------------------------------

    def _hear_joints(self, topic: str, message: JointState) -> None:
        if not self._order:
            if sorted(message.name) != sorted(self.spec.joint_names):
                self._wrong = (
                    f"robot {self.spec.name!r} has joints {' '.join(self.spec.joint_names)}, robot_node's "
                    f"has {' '.join(message.name)}; give --robot.spec the spec that robot_node has"
                )
                return
            self._order = conversions.in_order(message.name, self.spec.joint_names)
        self._joints[topic] = np.array(message.position)[self._order], time.monotonic()

    def _hear_picture(self, name: str, message: CompressedImage) -> None:
        self._jpegs[name] = message, time.monotonic()

    def _hear_source(self, message: String) -> None:
        self._mode = str(json.loads(message.data)["mode"])
