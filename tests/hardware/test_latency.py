"""`python -m hardware latency`: known delays are found again, and the arm is parked whatever happens."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.emulated import emulated, feetech_spec, opened_arm
from support.ros_process import environment

from hardware.__main__ import VERBS
from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.cameras.table import make_camera
from hardware.cli import parse
from hardware.emulator.stream import StreamServer
from hardware.errors import HardwareError, LimberError
from hardware.latency.camera import measure_camera
from hardware.latency.correlate import MeasurementError, camera_latency
from hardware.latency.drive import Drive
from hardware.latency.joint import measure_joint
from hardware.spec import CameraSpec

# -- the figures, from made-up pictures ------------------------------------------------------------


def angle(t: np.ndarray) -> np.ndarray:
    return 0.1 * (np.sin(2.7 * t) + np.sin(4.5 * t) + np.sin(7.1 * t))


def made_up(late_s: float, noise: float = 0.1, lost: float = 0.0) -> tuple[np.ndarray, ...]:
    """(stamps, motion, times, angles) of 12 s before a camera of 30 Hz whose stamps are `late_s` late."""
    random = np.random.default_rng(0)
    exposed = np.arange(0.0, 12.0, 1 / 30) + random.normal(0, 0.001, 360)
    exposed = np.sort(exposed[random.random(360) >= lost])
    went = np.abs(np.diff(angle(exposed)))
    motion = 3.0 * went**0.8 * (1 + noise * random.normal(size=went.shape)) + 0.05
    times = np.arange(0.0, 12.0, 0.01)
    return exposed + late_s, motion, times, angle(times)


@pytest.mark.parametrize("late_ms", [0.0, 37.5, 120.0, 333.0])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_a_known_delay_is_found_in_noisy_pictures(late_ms: float, lost: float) -> None:
    found = camera_latency("front", *made_up(late_ms / 1e3, lost=lost))
    assert abs(found.latency_ms - late_ms) < 5.0
    assert found.spread_ms < 10.0
    assert found.correlation > 0.8


def test_pictures_that_show_something_else_tell_nothing() -> None:
    stamps, motion, times, angles = made_up(0.1)
    noise = np.random.default_rng(1).random(motion.shape)
    with pytest.raises(MeasurementError, match="camera 'front': its pictures do not follow the joint"):
        camera_latency("front", stamps, noise, times, angles)
    with pytest.raises(MeasurementError, match="do not follow the joint"):
        camera_latency("front", stamps, np.zeros_like(motion), times, angles)
    with pytest.raises(MeasurementError, match="expected at least 30 pictures while the joint moved, got "):
        camera_latency("front", stamps[:30], motion[:29], times, angles)


# -- on a real serial line --------------------------------------------------------------------------


class Late:
    """An arm whose goals take `seconds` more to reach its servos."""

    def __init__(self, arm, seconds: float) -> None:
        self._arm = arm
        self._seconds = seconds
        self._goals: deque[tuple[float, np.ndarray]] = deque()

    def __getattr__(self, name: str):
        return getattr(self._arm, name)

    def get_observation(self):
        while self._goals and self._goals[0][0] <= time.monotonic():
            self._arm.send_action(self._goals.popleft()[1])
        return self._arm.get_observation()

    def send_action(self, action: np.ndarray) -> np.ndarray:
        self._goals.append((time.monotonic() + self._seconds, action))
        return action


@pytest.fixture
def robot(tmp_path: Path) -> Iterator:
    with emulated(feetech_spec(), tmp_path) as made:
        yield made


def parked(robot) -> bool:
    """At rest, without torque, once the last write has arrived."""
    deadline = time.monotonic() + 10.0
    while any(servo.memory["torque_enable"] for servo in robot.servos) and time.monotonic() < deadline:
        time.sleep(0.01)
    off = np.abs(robot.plant.position - robot.spec.joint_array("rest")).max()
    return bool(off < 0.15) and not any(servo.memory["torque_enable"] for servo in robot.servos)


def test_what_a_goal_is_later_a_joint_is_later(robot) -> None:
    with opened_arm(robot) as arm:
        arm.connect()
        medians = []
        for late_s in (0.0, 0.08):
            with Drive(Late(arm, late_s)) as drive:
                found = measure_joint(drive, 0, 12)
            assert found.missed == 0
            assert len(found.delays_ms) == 12
            medians.append(found.percentile(50))
        assert parked(robot)
    assert medians[0] > 0
    assert abs(medians[1] - medians[0] - 80.0) < 20.0, medians


def test_a_joint_that_something_holds_is_named(robot) -> None:
    robot.call(lambda: robot.plant.block(0))
    with opened_arm(robot) as arm:
        arm.connect()
        with (
            pytest.raises(HardwareError, match="joint 'shoulder_pan': did not move in 2 steps"),
            Drive(arm) as drive,
        ):
            measure_joint(drive, 0, 2)
    assert parked(robot)


@contextmanager
def looking_at(robot, late_s: float) -> Iterator[CameraSpec]:
    """A stream of pictures of the arm's first joint, whose stamps are `late_s` after the exposure."""
    server, ended = StreamServer(("front",)), threading.Event()

    def film() -> None:
        texture = np.random.default_rng(0).integers(0, 255, (48, 640), np.uint8)
        texture = cv2.GaussianBlur(texture, (0, 0), 4)
        texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
        while not ended.wait(1 / 30):
            now_ns, turned = robot.call(lambda: (time.monotonic_ns(), float(robot.plant.position[0])))
            shift = np.float32([[1, 0, 120 * turned - 288], [0, 1, 0]])
            picture = cv2.warpAffine(texture, shift, (64, 48), flags=cv2.INTER_LINEAR)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            server.publish("front", now_ns + int(late_s * 1e9), data)

    thread = threading.Thread(target=film)
    thread.start()
    try:
        yield CameraSpec("front", 64, 48, 30, "f", source=server.url("front"))
    finally:
        ended.set()
        thread.join()
        server.close()


def test_a_cameras_late_stamps_are_found(robot) -> None:
    with opened_arm(robot) as arm, looking_at(robot, 0.12) as spec:
        arm.connect()
        camera = make_camera(spec)
        camera.open()
        with Drive(arm) as drive:
            found = measure_camera(drive, "front", camera, 0, 8.0)
        camera.close()
    assert abs(found.latency_ms - 120.0) < 15.0, found
    assert parked(robot)


def test_an_interruption_parks_the_arm(robot) -> None:
    with opened_arm(robot) as arm:
        arm.connect()
        with pytest.raises(KeyboardInterrupt):
            interrupted(robot, arm)
    assert parked(robot)


def interrupted(robot, arm) -> None:
    """Somebody presses Ctrl-C while the arm is up."""
    with Drive(arm) as drive:
        goal = drive.position
        goal[0] += 0.5
        drive.go(goal)
        assert robot.servos[0].memory["torque_enable"]
        raise KeyboardInterrupt


def test_an_arm_that_cannot_park_holds(robot) -> None:
    with opened_arm(robot) as arm:
        arm.connect()
        drive = Drive(arm).__enter__()
        goal = drive.position
        goal[0] += 0.5
        drive.go(goal)
        drive.hold(0.5)
        robot.call(lambda: robot.plant.block(0))
        with pytest.raises(
            HardwareError, match=r"not parked: joint 'shoulder_pan' is 0\.\d+ from its rest pose"
        ):
            drive.__exit__()
        assert robot.servos[0].memory["torque_enable"]


# -- the verb ----------------------------------------------------------------------------------------


def test_the_emulated_arm_and_its_cameras_are_measured_as_they_are() -> None:
    command = [sys.executable, "-m", "hardware", "latency", "--robot", "so101_emulated", "--yes"]
    done = subprocess.run(
        [*command, "--camera", "front", "--steps", "4", "--seconds", "6"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shoulder_pan: from goal to motion p50 " in done.stdout
    assert "n 4, missed 0" in done.stdout
    assert "camera front: " in done.stdout
    assert "\n    latency_ms: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--joint", "elbow"), "unknown joint 'elbow'"),
        (("--camera", "top"), "unknown camera 'top'"),
        (("--steps", "1"), "expected 2 steps at least and 2 to 600 seconds, got 1 and 12"),
        (("--seconds", "1"), "expected 2 steps at least and 2 to 600 seconds, got 40 and 1"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(LimberError, match=message):
        parse(VERBS["latency"], "python -m hardware latency", arguments).run()


def test_nothing_is_armed_unless_somebody_says_yes(robot, tmp_path: Path, monkeypatch) -> None:
    keys, person = os.pipe()
    os.write(person, b"no\n")
    port = str(robot.lines["arm"].port.link)
    with os.fdopen(keys) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        verb = parse(VERBS["latency"], "latency", ["--port", port, "--calibration", calibrated(tmp_path)])
        with pytest.raises(LimberError, match="not armed: yes was not typed"):
            verb.run()
    os.close(person)
    assert not any(servo.memory["torque_enable"] for servo in robot.servos)


def calibrated(folder: Path) -> str:
    save_calibration(folder / "so101.json", middle_calibration(feetech_spec()))
    return str(folder / "so101.json")
