"""The LeRobot plugins in process: found, made, refused, driven over a serial line, and let go of."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lerobot.robots.config import RobotConfig
from lerobot.robots.utils import make_robot_from_config
from lerobot.teleoperators.config import TeleoperatorConfig
from lerobot.teleoperators.utils import make_teleoperator_from_config
from lerobot.utils.import_utils import register_third_party_plugins
from lerobot_robot_limber import LimberRobot, LimberRobotConfig, one_line, present
from lerobot_teleoperator_limber import LimberTeleoperator, LimberTeleoperatorConfig
from support.devices import EV_ABS, EV_KEY, PipeDevice
from support.emulated import emulated, feetech_spec

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.buses.port import SerialPort
from hardware.emulator.faults import FaultEvent
from hardware.emulator.robot import EmulatedRobot
from hardware.errors import HardwareError, LimberError
from hardware.spec import load_spec
from hardware.teleop import evdev

SPEC = load_spec("so101")
PATIENCE_S = 20.0  # a busy machine's


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the user's is read or written."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("lerobot.robots.robot.HF_LEROBOT_CALIBRATION", tmp_path / "home")
    monkeypatch.setattr("lerobot.teleoperators.teleoperator.HF_LEROBOT_CALIBRATION", tmp_path / "home")


@contextmanager
def connected(**options: Any) -> Iterator[LimberRobot]:
    robot = LimberRobot(LimberRobotConfig(**options))
    robot.connect()
    try:
        yield robot
    finally:
        robot.disconnect()


@pytest.fixture
def servos(tmp_path: Path) -> Iterator[EmulatedRobot]:
    """An arm on a pseudo-terminal, in the middle of its range."""
    spec = feetech_spec()
    with emulated(spec, tmp_path) as made:
        middle = 0.5 * (spec.joint_array("lower") + spec.joint_array("upper"))
        made.call(lambda: made.plant.place(middle))
        yield made


@pytest.fixture
def serial(servos: EmulatedRobot, tmp_path: Path) -> dict[str, str]:
    """Options of the robot behind which they are."""
    path = tmp_path / "calibration.json"
    save_calibration(path, middle_calibration(servos.spec))
    port = str(servos.lines["arm"].port.link)
    return {"driver": "serial", "port": port, "calibration": str(path), "only_cameras": "none"}


def torque(servos: EmulatedRobot) -> list[int]:
    return [servo.memory["torque_enable"] for servo in servos.lines["arm"].servos]


def drive_until(robot: LimberRobot, action: dict[str, float], done: Callable[[dict[str, Any]], bool]) -> dict:
    """Send `action` as LeRobot does, until `done` holds of what is seen."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        robot.send_action(action)
        seen = robot.get_observation()
        if done(seen):
            return seen
        assert time.monotonic() < deadline, f"waited in vain; at {seen}"
        time.sleep(0.02)


def lead_until(robot: LimberRobot, teleop: LimberTeleoperator, done: Callable[[], bool]) -> None:
    """As LeRobot does it."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, f"waited in vain; at {pose(robot)}"
        robot.send_action(teleop.get_action())
        time.sleep(0.02)


def pose(robot: LimberRobot) -> dict[str, float]:
    seen = robot.get_observation()
    return {key: seen[key] for key in robot.action_features}


# -- found and made ----------------------------------------------------------------------------


def test_lerobot_finds_and_makes_them() -> None:
    """By the distributions' names, whose underscores matter, and by the types that they register."""
    names = {distribution.metadata["Name"] for distribution in metadata.distributions()}
    assert {"lerobot_robot_limber", "lerobot_teleoperator_limber"} <= names
    register_third_party_plugins()
    robot = make_robot_from_config(RobotConfig.get_choice_class("limber")(driver="sim", task="none"))
    teleop = make_teleoperator_from_config(TeleoperatorConfig.get_choice_class("limber")(operator="keyboard"))
    assert isinstance(robot, LimberRobot)
    assert isinstance(teleop, LimberTeleoperator)
    assert list(robot.action_features) == list(teleop.action_features)
    assert robot.observation_features["front"] == (96, 96, 3)
    assert robot.is_calibrated
    assert teleop.is_calibrated
    assert not robot.is_connected
    assert not teleop.is_connected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": "so102"}, "unknown robot 'so102' (did you mean 'so101'?)"),
        ({"spec": "none.yaml"}, "expected a robot spec file, 'none.yaml' does not exist"),
        ({"driver": "seral"}, "unknown driver 'seral' (did you mean 'serial'?)"),
        ({"only_cameras": "top"}, "unknown camera 'top'"),
        ({"task": "PickPlaice"}, "unknown task 'PickPlaice' (did you mean 'PickPlace'?)"),
        ({"driver": "serial", "port": "left=/dev/a"}, "expected its calibration file"),
    ],
)
def test_a_robot_that_cannot_be_is_one_line(options: dict[str, str], message: str) -> None:
    with pytest.raises(LimberError) as caught:
        LimberRobot(LimberRobotConfig(**options)).connect()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operator": "joystick"}, "unknown operator 'joystick'"),
        ({"spec": "so102"}, "unknown robot 'so102'"),
        ({"operator": "leader"}, "calibrate with: python -m hardware calibrate --robot so101_leader"),
        ({"operator": "leader", "leader": "so100_ruler"}, "unknown robot 'so100_ruler'"),
        ({"operator": "gamepad"}, "expected a gamepad at /dev/input/by-id/"),
        ({"operator": "spacemouse", "device": "/dev/none"}, "/dev/none: expected a device that can be read"),
        ({"operator": "keyboard"}, "expected a terminal"),
        ({"operator": "topic", "namespace": "9"}, "expected a ROS namespace, got '9'"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(options: dict[str, str], message: str) -> None:
    with pytest.raises(LimberError) as caught:
        LimberTeleoperator(LimberTeleoperatorConfig(**options)).connect()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_mistake_is_found_under_what_lerobot_wraps_it_in() -> None:
    with pytest.raises(ValueError, match="Error creating robot") as caught:
        make_robot_from_config(LimberRobotConfig(spec="so102"))
    assert str(one_line.find(caught.value)).startswith("unknown robot")
    assert one_line.find(ValueError("something else")) is None


# -- driven ------------------------------------------------------------------------------------


def test_it_follows_stops_and_holds_the_simulated_arm() -> None:
    with connected(driver="sim", only_cameras="front") as robot:
        seen = robot.get_observation()
        assert set(seen) == set(robot.observation_features)
        assert seen["front"].shape == (96, 96, 3)
        assert seen["front"].dtype == np.uint8
        goal = pose(robot) | {"shoulder_pan.pos": 0.4}
        sent = robot.send_action(goal)
        assert abs(sent["shoulder_pan.pos"]) < 0.1, "limited: what was sent is on its way"
        drive_until(robot, goal, lambda now: abs(now["shoulder_pan.pos"] - 0.4) < 0.02)
        assert robot.send_action(goal)["shoulder_pan.pos"] == pytest.approx(0.4, abs=0.01)
        with pytest.raises(HardwareError, match="finite joint goals"):
            robot.send_action(goal | {"gripper.pos": float("nan")})
        with pytest.raises(HardwareError, match=r"action: expected shoulder_pan\.pos"):
            robot.send_action({"shoulder_pan.pos": 0.0})
        arm = present.arm(robot.spec.joint_names)
        assert arm is not None
        arm.stop()
        with pytest.raises(HardwareError, match="the arm does not follow, it is stopped"):
            drive_until(robot, goal, lambda _now: False)
    assert present.arm(robot.spec.joint_names) is None
    with pytest.raises(HardwareError, match="not connected"):
        robot.get_observation()
    robot.connect()
    assert robot.is_connected
    robot.get_observation()
    robot.disconnect()
    robot.disconnect()


def test_a_seed_places_the_simulated_world() -> None:
    with connected(driver="sim", only_cameras="none", seed=3) as robot:
        seeded = pose(robot)
    with connected(driver="sim", only_cameras="none") as robot:
        rest = pose(robot)
    assert np.allclose(list(rest.values()), SPEC.joint_array("rest"), atol=0.05)
    assert max(abs(seeded[key] - rest[key]) for key in rest) > 0.5


def test_it_parks_an_arm_on_its_serial_line(servos: EmulatedRobot, serial: dict[str, str]) -> None:
    with connected(**serial) as robot:
        assert torque(servos) == [1] * 6
        goal = pose(robot) | {"wrist_roll.pos": 0.5}
        drive_until(robot, goal, lambda now: abs(now["wrist_roll.pos"] - 0.5) < 0.05)
        with pytest.raises(HardwareError, match="connected already"):
            robot.connect()
    assert torque(servos) == [0] * 6
    np.testing.assert_allclose(servos.plant.position, SPEC.joint_array("rest"), atol=0.15)


def test_a_servo_that_falls_silent_ends_the_session(servos: EmulatedRobot, serial: dict[str, str]) -> None:
    """A recording of a joint that nobody reads is worth nothing."""
    with connected(**serial) as robot:
        goal = pose(robot)
        servos.call(lambda: servos.befall(FaultEvent("vanish", servo=3, seconds=60.0)))
        with pytest.raises(HardwareError, match="elbow_flex"):
            drive_until(robot, goal, lambda _now: False)


def test_a_busy_port_is_named(serial: dict[str, str]) -> None:
    robot = LimberRobot(LimberRobotConfig(**serial))
    port = SerialPort(serial["port"], 1_000_000)
    port.open()
    try:
        with pytest.raises(HardwareError, match=r"port .* cannot be opened: Could not exclusively lock"):
            robot.connect()
    finally:
        port.close()
    assert not robot.is_connected


def test_a_camera_that_is_not_there_is_named_before_torque(
    servos: EmulatedRobot, serial: dict[str, str], tmp_path: Path
) -> None:
    spec = tmp_path / "arm.yaml"
    camera = "{name: top, width: 96, height: 96, fps: 30, frame: top, latency_ms: 0, source: 'folder:none'}"
    spec.write_text(f"extends: so101\ncameras:\n  - {camera}\n")
    robot = LimberRobot(LimberRobotConfig(**serial | {"spec": str(spec), "only_cameras": ""}))
    assert robot.observation_features["top"] == (96, 96, 3)
    with pytest.raises(LimberError, match="camera 'top'"):
        robot.connect()
    assert torque(servos) == [0] * 6


# -- calibration -------------------------------------------------------------------------------


def test_calibration_is_limbers_file(servos: EmulatedRobot, serial: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "data" / "limber" / "calibration" / "so101.json"
    options = serial | {"calibration": ""}
    robot = LimberRobot(LimberRobotConfig(**options))
    assert not robot.is_calibrated
    robot.connect(calibrate=False)  # as lerobot-calibrate does, before it calibrates
    assert not robot.is_connected
    save_calibration(path, middle_calibration(servos.spec))
    assert robot.is_calibrated
    with connected(**options) as robot:
        assert torque(servos) == [1] * 6
    path.write_text(json.dumps({"version": 1, "robot": "so101", "joints": []}))
    with pytest.raises(LimberError, match="calibration is of joints"):
        LimberRobot(LimberRobotConfig(**options))


# -- led ---------------------------------------------------------------------------------------


def test_a_gamepad_leads_and_stops_the_arm(tmp_path: Path) -> None:
    pipe = PipeDevice(tmp_path / "event0")
    teleop = LimberTeleoperator(LimberTeleoperatorConfig(operator="gamepad", device=pipe.path))
    teleop.connect()
    with pytest.raises(HardwareError, match=r"expected --robot\.type=limber"):
        teleop.get_action()
    with connected(driver="sim", only_cameras="none", seed=3) as robot:
        start = pose(robot)
        begun = teleop.get_action()
        assert max(abs(begun[key] - start[key]) for key in start) < 0.02, "no jump"
        pipe.event(EV_ABS, evdev.ABS_RY, -32768)
        lead_until(robot, teleop, lambda: max(abs(pose(robot)[key] - start[key]) for key in start) > 0.2)
        pipe.unplug()
        teleop.get_action()
        held = teleop.get_action()
        robot.send_action(held)
        time.sleep(0.5)
        assert teleop.get_action() == pytest.approx(held, abs=0.1), "it is left where it was sent"
        pipe.plug()
        time.sleep(0.6)  # a device that went away is looked for twice a second
        teleop.get_action()
        pipe.event(EV_KEY, evdev.BTN_EAST, 1)
        with pytest.raises(HardwareError, match="it is stopped"):
            lead_until(robot, teleop, lambda: False)
    teleop.disconnect()
    pipe.close()
