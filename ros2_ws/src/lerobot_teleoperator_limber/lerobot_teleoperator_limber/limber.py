"""Any of limber's devices as a LeRobot `Teleoperator`."""

import atexit
import logging
import time
from functools import cached_property
from typing import Any

import numpy as np
from lerobot.teleoperators.teleoperator import Teleoperator as LeRobotTeleoperator
from lerobot_robot_limber import present
from lerobot_robot_limber.calibration import LimberCalibration
from lerobot_robot_limber.drive import Drive

from hardware.errors import HardwareError, LimberError, unknown
from hardware.spec import load_spec
from hardware.teleop import keys
from hardware.teleop.contract import Teleoperator, Vector
from hardware.teleop.table import TELEOPERATORS, DeviceSettings
from hardware.teleop.terminal import KeyReader
from lerobot_teleoperator_limber.config_limber import LimberTeleoperatorConfig

OPERATORS = (*TELEOPERATORS, "topic")
TYPED = ("keyboard", "keyboard_tool")  # operators whose keys are the terminal's
PAUSE_S = 0.5  # without being asked, after which the person takes the arm anew


class LimberTeleoperator(LeRobotTeleoperator):
    """Goals are `<joint>.pos` in rad (a slide's in m), of the robot that the same command drives.

    Of the session's keys only stop (Space, B on a gamepad) has a meaning here: episodes are LeRobot's. A
    device that lets go leaves the arm where it was last sent.
    """

    config_class = LimberTeleoperatorConfig
    name = "limber"

    def __init__(self, config: LimberTeleoperatorConfig) -> None:
        """Raises `LimberError` for what can be known to be wrong before anything is opened."""
        super().__init__(config)
        self.config = config
        self.spec = load_spec(config.spec)
        if config.operator not in OPERATORS:
            raise HardwareError(unknown("operator", config.operator, OPERATORS))
        self._calibration = LimberCalibration(
            config.leader, config.leader_driver, config.leader_port, config.leader_calibration
        )
        self._device: Teleoperator | None = self._make() if self.is_calibrated else None
        self._keys: KeyReader | None = None
        self._asked_s = -np.inf
        self._connected = False

    @cached_property
    def action_features(self) -> dict[str, type]:
        return {f"{joint}.pos": float for joint in self.spec.joint_names}

    @property
    def feedback_features(self) -> dict[str, type]:
        return {}

    @property
    def is_connected(self) -> bool:
        return self._connected

    def connect(self, calibrate: bool = True) -> None:
        """Raises `LimberError` naming the device that is missing, and what to do.

        Without `calibrate` a leader that has no calibration is left alone: `calibrate()` comes next.
        """
        if self._connected:
            raise HardwareError("teleoperator: connected already")
        if not self.is_calibrated and not calibrate:
            return
        if self.config.operator == "leader":
            self._calibration.require(may_ask=calibrate)
        self._device = device = self._device or self._make()
        try:
            device.connect()
        except BaseException:
            device.close()
            raise
        self._connected = True
        self.configure()

    @property
    def is_calibrated(self) -> bool:
        """limber's calibration file of the leader arm is there; no other device needs one."""
        return self.config.operator != "leader" or self._calibration.is_there

    def calibrate(self) -> None:
        """The leader arm anew, guided, in this terminal; it is not connected afterwards."""
        if self.config.operator != "leader":
            raise HardwareError(f"operator {self.config.operator!r} needs no calibration")
        self.disconnect()
        self._calibration.make()

    def configure(self) -> None:
        """Keys are read from now on, and the terminal is put back however the process ends."""
        if self.config.operator in TYPED:
            self._keys = KeyReader(self._on_key)
        print(self._require().help, flush=True)
        atexit.register(self.disconnect)

    def get_action(self) -> dict[str, Any]:
        """Raises `HardwareError` where this process drives no limber robot with these joints."""
        device, arm = self._require(), self._arm()
        for key in device.poll():
            self._on_key(key)
        reading, now_s = arm.reading(), time.monotonic()
        if now_s - self._asked_s > PAUSE_S:
            device.begin(reading.state)
        self._asked_s = now_s
        sample = device.goal(reading.state)
        return self._named(reading.sent if sample is None else sample.goal)

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """None of these devices can push back."""

    def disconnect(self) -> None:
        """May be called twice."""
        atexit.unregister(self.disconnect)
        self._connected = False
        if self._keys:
            self._keys.close()
            self._keys = None
        if self._device:
            self._device.close()

    # -- inside ---------------------------------------------------------------------------------

    def _make(self) -> Teleoperator:
        config = self.config
        if config.operator == "topic":
            from lerobot_teleoperator_limber.topic import TopicTeleoperator  # only here: it needs ROS

            return TopicTeleoperator(self.spec, config.namespace)
        settings = DeviceSettings(
            config.device,
            config.leader,
            config.leader_driver,
            config.leader_port,
            config.leader_calibration,
        )
        return TELEOPERATORS[config.operator](self.spec, settings)

    def _require(self) -> Teleoperator:
        if not self._connected or self._device is None:
            raise HardwareError("teleoperator: not connected; call connect() first")
        return self._device

    def _arm(self) -> Drive:
        arm = present.arm(self.spec.joint_names)
        if arm is None:
            raise HardwareError(
                f"--teleop.type=limber leads robot {self.spec.name!r}: expected --robot.type=limber with its "
                "joints in the same command, connected"
            )
        return arm

    def _on_key(self, key: str) -> None:
        if key == keys.STOP:
            self._stop()
        elif key not in keys.SESSION_KEYS and self._device:
            self._device.press(key)

    def _stop(self) -> None:
        try:
            self._arm().stop()
        except LimberError as error:  # in the thread that reads the keys, and goes on
            logging.error("stop: %s", error)

    def _named(self, values: Vector) -> dict[str, Any]:
        return dict(zip(self.action_features, values.tolist(), strict=True))
