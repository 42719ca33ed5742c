"""The simulated arm behind emulated servos, in lock-step: real bytes, and time that waits for everybody."""

import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.arms.calibration import middle_calibration
from hardware.arms.make import make_serial_arm
from hardware.control.clock import NS
from hardware.emulator.robot import EmulatedRobot
from hardware.robot import Array, MotorRatings, MotorState, ObjectPose, Observation
from hardware.spec import RobotSpec
from sim.plant import SimPlant
from sim.robot import SimRobot
from sim.tasks.contract import Task


class EmulatedSimRobot:
    """A `SerialArm` over pseudo-terminals to servos that turn the simulated arm: what `SimRobot` is.

    Robot time is the physics, as there; each request is answered at once. So a policy or a learner meets
    ticks, gravity's sag, protections and the servos' own registers, faster than a real line would be.
    """

    def __init__(self, spec: RobotSpec, task: Task | str | None = None) -> None:
        """Raises `LimberError` for an unknown task, or an arm without servos or a model."""
        self._time_ns = 0
        self._folder = tempfile.TemporaryDirectory(prefix="limber-emulated-")
        self._plant = SimPlant(spec, task)
        self._emulator = EmulatedRobot(
            spec, Path(self._folder.name), self._plant, wire_time=False, now_s=lambda: self._time_ns / NS
        )
        ports = {bus.name: str(Path(self._folder.name) / bus.name) for bus in spec.buses}
        self._arm = make_serial_arm(spec, ports, middle_calibration(spec), guarded=False)
        self._spec = spec
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    @property
    def world(self) -> SimRobot:
        """The physics behind the servos."""
        return self._plant.robot

    # -- Robot ----------------------------------------------------------------------------

    def connect(self) -> None:
        if self._thread is None:
            self._ended.clear()
            self.world.connect()
            self.world.torque_on()
            self._emulator.open()
            self._thread = threading.Thread(target=self._serve, name="emulator", daemon=True)
            self._thread.start()
        self._arm.connect()

    def disconnect(self) -> None:
        """Torque off, ports closed, the emulator's thread ended. May be called twice."""
        if self._thread is None:
            return
        self._arm.torque_off()
        self._arm.disconnect()
        self._ended.set()
        self._thread.join()
        self._thread = None
        self._emulator.close()
        self.world.disconnect()

    def get_observation(self) -> Observation:
        seen, world = self._arm.get_observation(), self.world.get_observation()
        return replace(
            seen,
            stamp_ns=self.now_ns(),
            joint_stamps_ns=None,
            images=world.images,
            image_stamps_ns=world.image_stamps_ns,
        )

    def send_action(self, action: Array) -> Array:
        return self._arm.send_action(action)

    # -- Torque, Motors -------------------------------------------------------------------

    def torque_on(self) -> None:
        self._arm.torque_on()

    def torque_off(self) -> None:
        self._arm.torque_off()

    def set_torque_limit(self, fraction: float) -> None:
        self._arm.set_torque_limit(fraction)

    @property
    def motor_ratings(self) -> MotorRatings:
        return self._arm.motor_ratings

    def motor_state(self) -> MotorState:
        return self._arm.motor_state()

    def recover(self) -> NDArray[np.bool_]:
        return self._arm.recover()

    # -- Simulated ------------------------------------------------------------------------

    def reset(self, seed: int) -> str:
        """Place objects and arm by `seed` alone; what servos have latched is cleared, as a person would."""

        def place() -> str:
            instruction = self._plant.reset(seed)
            self._emulator.advance()
            return instruction

        instruction = self._emulator.call(place)
        self._arm.recover()
        return instruction

    def objects(self) -> Mapping[str, ObjectPose]:
        return self.world.objects()

    def success(self) -> bool:
        return self.world.success()

    def reward(self) -> float:
        """The task's reward at this instant, 0..1."""
        return self.world.reward()

    def now_ns(self) -> int:
        return self._time_ns

    def advance_to(self, time_ns: int) -> None:
        """Let servos and physics go on, once the servos have heard all that was sent to them."""

        def go_on() -> None:
            self._emulator.hear()
            self._time_ns = max(self._time_ns, time_ns)
            self._emulator.advance()

        self._emulator.call(go_on)

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._emulator.serve()


def make_robot(spec: RobotSpec, task: Task) -> SimRobot | EmulatedSimRobot:
    """What a spec's driver says: the simulated arm itself, or behind emulated servos."""
    return EmulatedSimRobot(spec, task) if spec.driver == "emulated" else SimRobot(spec, task)
