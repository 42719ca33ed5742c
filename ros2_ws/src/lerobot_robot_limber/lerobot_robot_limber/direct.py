"""The arm driven in this process: limber's control loop in a thread, its safety chain and guardian with it.

As robot_node does it, less the topics. LeRobot's own work shares the interpreter with the loop here; where
that makes it late, `ros` keeps them apart.
"""

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from limber_nodes.robots import RobotSettings, make_robot, robot_spec

from hardware.control.clock import NS, MonotonicClock, PhysicsClock
from hardware.control.loop import ControlLoop, Mode, TickReport
from hardware.control.priority import ask_for_realtime
from hardware.control.torque_ramp import ARMING_S
from hardware.errors import HardwareError
from hardware.robot import Image, Robot, Simulated
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter
from hardware.spec import CameraSpec
from lerobot_robot_limber.camera_thread import CameraThread
from lerobot_robot_limber.drive import STALE_S, Reading, Vector, fresh

ANSWER_S = 5.0  # a tick at most; a longer silence: the loop does not run
STOP_S = 1.0  # an arm at full speed has stopped well before
SWITCH_S = 0.001  # the loop may wait that long for the interpreter lock, as in limber's nodes


@dataclass(frozen=True)
class Seen:
    """A tick, and when it came (monotonic s): a simulation's stamps are of another clock."""

    report: TickReport
    came_s: float


class DirectDrive:
    """A `Drive`. The robot is made early, so that most mistakes are found before LeRobot writes anything."""

    def __init__(self, settings: RobotSettings, seed: int) -> None:
        """`seed` places arm and objects; below 0: they stay where they begin.

        Raises `LimberError` for a spec that cannot be right.
        """
        self.spec = robot_spec(settings)
        self._settings = settings
        self._seed = seed
        self._simulated = (settings.driver or self.spec.driver) == "sim"
        self._robot: Robot | None = None
        self._loop: ControlLoop | None = None
        self._eyes: dict[str, CameraThread] = {}
        self._seen: Seen | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._died = ""

    @property
    def cameras(self) -> tuple[CameraSpec, ...]:
        """An emulated arm has those that its plant shows."""
        found: tuple[CameraSpec, ...] = getattr(self._robot, "cameras", self.spec.cameras)
        return found

    def make(self) -> Robot:
        """The robot, not connected; raises `LimberError` naming what is unknown or missing."""
        if self._robot is None:
            self._robot = make_robot(self.spec, self._settings)
        return self._robot

    def connect(self) -> None:
        with ExitStack() as undo:
            undo.callback(self.disconnect)
            self._connect()
            undo.pop_all()

    def reading(self) -> Reading:
        report = self._newest().report
        return Reading(report.observation.state.astype(np.float64), report.sent)

    def pictures(self) -> Mapping[str, Image]:
        if not self._eyes:  # a simulation's are rendered here, in the thread that wants them
            images = self._newest().report.observation.images
            return {camera.name: images[camera.name] for camera in self.cameras}
        return {name: eye.picture() for name, eye in self._eyes.items()}

    def send(self, goal: Vector) -> None:
        self._newest()
        loop = self._running()
        if loop.mode is not Mode.ARMED:
            why = loop.fault or "somebody asked for it"
            raise HardwareError(f"the arm does not follow, it is {loop.mode.value}: {why}")
        if not loop.offer_teleop(self.spec.joint_names, goal):
            raise HardwareError(f"expected {self.spec.n_joints} finite joint goals, got {goal}")

    def stop(self) -> None:
        if self._loop:
            self._loop.stop()

    def disconnect(self) -> None:
        try:
            if self._loop and self._thread and self._thread.is_alive():
                self._wind_down(self._loop)
        finally:
            self._ended.set()
            if self._thread:
                self._thread.join()
            for eye in self._eyes.values():
                eye.close()
            if self._robot:
                self._robot.disconnect()
            self._loop = self._thread = self._seen = None
            self._eyes = {}

    # -- inside ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        robot = self.make()
        robot.connect()
        if self._seed >= 0 and isinstance(robot, Simulated):
            robot.reset(self._seed)
        if not self._simulated:
            self._eyes = {camera.name: CameraThread(camera) for camera in self.cameras}
        for eye in self._eyes.values():
            eye.open()
        physics = self._simulated and isinstance(robot, Simulated)
        clock = PhysicsClock(robot, 1.0) if physics else MonotonicClock()  # type: ignore[arg-type]
        arming_s = 0.0 if self._simulated else ARMING_S
        self._loop = loop = ControlLoop(robot, clock, SafetyFilter(self.spec), arming_s=arming_s)
        loop.observers.append(self._see)
        sys.setswitchinterval(SWITCH_S)
        self._ended.clear()
        self._died = ""
        self._thread = threading.Thread(target=self._run, args=(loop,), name="control", daemon=True)
        self._thread.start()
        self._wait_until(lambda: self._seen is not None, ANSWER_S)
        self.pictures()  # the first of a simulation takes as long as opening OpenGL does
        loop.arm()
        loop.call(lambda: None).wait(ANSWER_S)
        self._wait_until(lambda: loop.mode is not Mode.ARMING, ARMING_S + ANSWER_S)
        if loop.mode is not Mode.ARMED:
            raise HardwareError(self._died or loop.fault or "the control loop does not run")

    def _wind_down(self, loop: ControlLoop) -> None:
        """Stop; park a real arm, for a bounded time."""
        loop.stop()
        self._wait_until(lambda: bool((abs(loop.safety.velocity) < 1e-3).all()), STOP_S)
        if self._simulated or loop.mode is Mode.DISARMED:
            return
        loop.exit()
        self._wait_until(lambda: Condition.EXIT in loop.conditions.active, ANSWER_S)
        self._wait_until(lambda: loop.mode is not Mode.PARKING, self._settings.park_timeout_s)
        if loop.mode is not Mode.DISARMED:
            logging.error("not parked: %s", loop.fault or "the time is up")

    def _running(self) -> ControlLoop:
        if self._loop is None:
            raise HardwareError("robot: not connected; call connect() first")
        return self._loop

    def _newest(self) -> Seen:
        self._running()
        runs = fresh(lambda: math.inf if self._died else self._seen and self._seen.came_s)
        seen = self._seen
        if self._died:
            raise HardwareError(self._died)
        if seen is None or not runs:
            raise HardwareError("the control loop does not run")
        observation = seen.report.observation
        age_s = (observation.stamp_ns - observation.oldest_ns) / NS
        if observation.joint_stamps_ns is not None and age_s > STALE_S:
            name = self.spec.joint_names[int(np.argmin(observation.joint_stamps_ns))]
            raise HardwareError(f"joint {name!r} was last read {age_s:.1f} s ago: its servo does not answer")
        if not np.isfinite(observation.state).all():
            raise HardwareError(f"joint positions are not finite: {observation.state}")
        return seen

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline and self._thread and self._thread.is_alive():
            time.sleep(0.01)

    # -- the control thread ---------------------------------------------------------------------

    def _run(self, loop: ControlLoop) -> None:
        if not self._simulated:
            ask_for_realtime()  # of this thread alone; what LeRobot starts does not inherit it
        try:
            loop.run(self._ended)
        except Exception as error:  # told by whoever asks next
            self._died = f"control loop: {type(error).__name__}: {error}"

    def _see(self, report: TickReport) -> None:
        self._seen = Seen(report, time.monotonic())
