"""SimPlant: the MuJoCo arm and its task behind emulated servos."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.robot import ObjectPose
from hardware.spec import RobotSpec
from sim.camera_server import CameraServer
from sim.robot import SimRobot
from sim.tasks.contract import Task

Array = NDArray[np.float64]


class SimPlant:
    """Joints that servos drive, and a world that can be reset: a plant and `Simulated` in one.

    The servos' position control is the model's own; they set its goals and its torque limits.
    """

    def __init__(self, spec: RobotSpec, task: Task | str | None) -> None:
        """Raises `LimberError` for an unknown task, or an arm that the simulation does not have."""
        self.robot = SimRobot(spec, task)
        self._epoch_ns = 0  # of the servos' time at the beginning of the physics
        self._cameras: CameraServer | None = None
        self.robot.connect()
        self.robot.torque_on()
        self._task = task if task is None or isinstance(task, str) else task.name
        self._time_s = 0.0
        self._stall = spec.joint_array("effort")

    def serve_cameras(self, epoch_ns: int) -> Mapping[str, str]:
        """Camera -> address of its stream, stamped in a time that is `epoch_ns` at the physics' beginning."""
        self._epoch_ns = epoch_ns
        spec = self.robot.spec
        if spec.cameras and self._cameras is None:
            self._cameras = CameraServer(spec, self._task)
            self.robot.add_frame_listener(self._push)
        return self._cameras.urls if self._cameras else {}

    def close(self) -> None:
        """End the process that renders."""
        if self._cameras:
            self._cameras.close()

    def _push(self, stamp_ns: int, cameras: tuple[str, ...], state: NDArray[np.float64]) -> None:
        if self._cameras:
            self._cameras.push(stamp_ns + self._epoch_ns, cameras, state)

    @property
    def position(self) -> Array:
        return self.robot.get_observation().state.astype(np.float64)

    @property
    def velocity(self) -> Array:
        return self.robot.get_observation().velocity.astype(np.float64)

    @property
    def load(self) -> Array:
        return self.robot.get_observation().effort / self._stall

    def step(self, goal: Array, limit: Array, seconds: float) -> None:
        """Go on for `seconds`, whole physics steps at a time."""
        self.robot.send_action(goal.astype(np.float32))
        self.robot.set_torque_limits(limit.astype(np.float64))
        self._time_s += seconds
        self.robot.advance_to(round(self._time_s * NS))

    def reset(self, seed: int) -> str:
        return self.robot.reset(seed)

    def objects(self) -> Mapping[str, ObjectPose]:
        return self.robot.objects()

    def success(self) -> bool:
        return self.robot.success()

    def now_ns(self) -> int:
        return self.robot.now_ns()

    def advance_to(self, time_ns: int) -> None:
        """The plant goes on by `step` alone."""
