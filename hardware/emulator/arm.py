"""An arm whose other end is emulated: starts the emulator's process and drives it over its serial line."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.arms.calibration import middle_calibration
from hardware.arms.make import make_serial_arm
from hardware.arms.serial_arm import SerialArm
from hardware.control.clock import NS
from hardware.control_socket import SimulationClient
from hardware.errors import HardwareError
from hardware.robot import Array, MotorRatings, MotorState, ObjectPose, Observation
from hardware.spec import RobotSpec

END_S = 5.0  # the emulator may take to end


class EmulatedArm:
    """A `SerialArm` and the process behind its ports; beside what that is, it is `Simulated`."""

    def __init__(self, spec: RobotSpec, robot: str, plant: str = "", task: str | None = None) -> None:
        """robot: the name or path that the emulator is to load; `spec` may have fewer cameras."""
        self._robot = robot
        self.cameras = spec.cameras if plant else ()  # with their sources, once connected
        self._options = ["--plant", plant, "--task", task or ""]
        if self.cameras:
            size = {"width": spec.cameras[0].width, "height": spec.cameras[0].height}
            self._options += ["--cameras", *spec.camera_names]
            self._options += [f"--{side}={pixels}" for side, pixels in size.items()]
        self._world: SimulationClient | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="limber-emulated-")
        ports = {bus.name: str(Path(self._folder.name) / bus.name) for bus in spec.buses}
        self.arm: SerialArm = make_serial_arm(spec, ports, middle_calibration(spec))
        self._process: subprocess.Popen[str] | None = None

    @property
    def spec(self) -> RobotSpec:
        return self.arm.spec

    def connect(self) -> None:
        if self._process is None:
            self._process = self._start()
            self._world = SimulationClient(Path(self._folder.name) / "control")
        self.arm.connect()

    def disconnect(self) -> None:
        """Close the ports and end the emulator. May be called twice."""
        self.arm.disconnect()
        if self._world:
            self._world.close()
            self._world = None
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
            self._process.kill()
            self._process.wait()
            self._process = None

    def get_observation(self) -> Observation:
        return self.arm.get_observation()

    def send_action(self, action: Array) -> Array:
        return self.arm.send_action(action)

    def torque_on(self) -> None:
        self.arm.torque_on()

    def torque_off(self) -> None:
        self.arm.torque_off()

    def set_torque_limit(self, fraction: float) -> None:
        self.arm.set_torque_limit(fraction)

    def health(self) -> Mapping[str, Mapping[str, float | str]]:
        return self.arm.health()

    @property
    def motor_ratings(self) -> MotorRatings:
        return self.arm.motor_ratings

    def motor_state(self) -> MotorState:
        return self.arm.motor_state()

    def recover(self) -> NDArray[np.bool_]:
        return self.arm.recover()

    def reset(self, seed: int) -> str:
        return self._client().reset(seed)

    def objects(self) -> Mapping[str, ObjectPose]:
        return self._client().objects()

    def success(self) -> bool:
        return self._client().success()

    def now_ns(self) -> int:
        """Robot time is the machine's monotonic clock, for the emulator too."""
        return time.monotonic_ns()

    def advance_to(self, time_ns: int) -> None:
        """Time goes on by itself; this waits for it."""
        time.sleep(max(0, time_ns - time.monotonic_ns()) / NS)

    def _client(self) -> SimulationClient:
        if self._world is None:
            raise HardwareError("robot: not connected; call connect() first")
        return self._world

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "hardware", "emulate", "--robot", self._robot]
        command += [*self._options, "--folder", self._folder.name, "--ends-with", str(os.getpid())]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for its parent
        )
        assert process.stdout is not None
        sources: dict[str, str] = {}
        for expected in ["bus "] * len(self.arm.groups) + ["camera "] * len(self.cameras):
            line = process.stdout.readline()
            if expected == "camera ":
                name, _, url = line.removeprefix(expected).strip().partition(": ")
                sources[name] = url
            if not line.startswith(expected):
                process.kill()
                process.wait()
                raise HardwareError(
                    f"the emulator of {self._robot!r} did not start: {line.strip() or 'it ended'}"
                )
        self.cameras = tuple(replace(c, source=sources[c.name]) for c in self.cameras)
        return process
