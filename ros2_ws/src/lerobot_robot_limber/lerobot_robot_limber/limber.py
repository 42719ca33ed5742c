"""Any limber robot as a LeRobot `Robot`."""

import atexit
import signal
import sys
import threading
from functools import cached_property
from typing import Any

import numpy as np
from lerobot.robots.robot import Robot
from limber_nodes.robots import DRIVERS, RobotSettings, robot_spec

from hardware.errors import HardwareError, unknown
from hardware.spec import CameraSpec
from lerobot_robot_limber import present
from lerobot_robot_limber.calibration import LimberCalibration
from lerobot_robot_limber.config_limber import LimberRobotConfig
from lerobot_robot_limber.direct import DirectDrive
from lerobot_robot_limber.drive import Drive


class LimberRobot(Robot):
    """Joints are `<joint>.pos` in rad (a slide's in m), pictures (height, width, 3) uint8 RGB.

    Armed from `connect` to `disconnect`, which stops and parks it. What is sent went through limber's
    SafetyFilter; while LeRobot sends nothing for 100 ms the arm holds.
    """

    config_class = LimberRobotConfig
    name = "limber"

    def __init__(self, config: LimberRobotConfig) -> None:
        """Raises `LimberError` for what can be known to be wrong before anything is opened."""
        super().__init__(config)
        self.config = config
        self._calibration = LimberCalibration(config.spec, config.driver, config.port, config.calibration)
        self._connected = False
        self._catches_sigterm = False
        if config.driver and config.driver not in DRIVERS:
            raise HardwareError(unknown("driver", config.driver, DRIVERS))
        chosen = tuple(part.strip() for part in config.only_cameras.split(",") if part.strip())
        settings = RobotSettings(
            robot=config.spec,
            driver=config.driver,
            port=config.port,
            calibration=config.calibration,
            task=config.task,
            cameras=chosen,
            park_timeout_s=config.park_timeout_s,
        )
        self._drive: Drive
        if config.ros:
            from lerobot_robot_limber.through_ros import RosDrive  # only here: direct needs no discovery

            spec = robot_spec(settings)
            self._drive = RosDrive(spec, config.namespace, config.drive, config.park_timeout_s)
        else:
            direct = DirectDrive(settings, config.seed)
            if self.is_calibrated:
                direct.make()
            self._drive = direct
        self.spec = self._drive.spec
        # LeRobot counts them for its picture writers
        self.cameras: dict[str, CameraSpec] = {camera.name: camera for camera in self._drive.cameras}

    @cached_property
    def action_features(self) -> dict[str, type]:
        return {f"{joint}.pos": float for joint in self.spec.joint_names}

    @cached_property
    def observation_features(self) -> dict[str, Any]:
        pictures = {name: (camera.height, camera.width, 3) for name, camera in self.cameras.items()}
        return {**self.action_features, **pictures}

    @property
    def is_connected(self) -> bool:
        return self._connected

    def connect(self, calibrate: bool = True) -> None:
        """Raises `LimberError` naming what is wrong; the torque is off then.

        Without `calibrate` an arm that has no calibration is left alone: `calibrate()` comes next.
        """
        if self._connected:
            raise HardwareError("robot: connected already")
        if not self.is_calibrated and not calibrate:
            return
        if not self.config.ros:
            self._calibration.require(may_ask=calibrate)
        self._drive.connect()
        self._connected = True
        present.enter(self._drive)
        self.configure()

    @property
    def is_calibrated(self) -> bool:
        """limber's calibration file is there; robot_node has its own."""
        return self.config.ros or self._calibration.is_there

    def calibrate(self) -> None:
        """Anew, guided, in this terminal; the arm is parked first, and not connected afterwards."""
        if self.config.ros:
            raise HardwareError("the arm is robot_node's; end that, then: python -m hardware calibrate")
        self.disconnect()
        self._calibration.make()

    def configure(self) -> None:
        """The servos are configured by limber; here every way to end is made to end in `disconnect`."""
        atexit.register(self.disconnect)
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
            self._catches_sigterm = True

    def get_observation(self) -> dict[str, Any]:
        state = self._drive.reading().state
        return {**self._named(state), **self._drive.pictures()}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """The goal that the arm was last sent, which is on its way to `action` within its limits."""
        missing = [key for key in self.action_features if key not in action]
        if missing:
            raise HardwareError(f"action: expected {' '.join(self.action_features)}, got {' '.join(action)}")
        self._drive.send(np.array([float(action[key]) for key in self.action_features]))
        return self._named(self._drive.reading().sent)

    def disconnect(self) -> None:
        """Stop, park, let go; may be called twice."""
        present.leave(self._drive)
        atexit.unregister(self.disconnect)
        self._connected = False
        self._drive.disconnect()
        if self._catches_sigterm and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._catches_sigterm = False

    def _named(self, values: np.ndarray) -> dict[str, Any]:
        return dict(zip(self.action_features, values.tolist(), strict=True))
