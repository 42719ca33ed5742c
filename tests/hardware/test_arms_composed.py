"""Two arms in one spec: how it is read, calibrated arm by arm, and driven by one loop on two lines."""

import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conformance.robot_suite import RobotConformance
from support.emulated import emulated, opened_arm

from hardware.arms.calibration import CalibrationError, calibration_path, middle_calibration, save_calibration
from hardware.arms.composed_calibration import robot_calibration
from hardware.control.clock import MonotonicClock
from hardware.control.loop import ControlLoop, Mode
from hardware.errors import SpecError
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec, spec_from_dict

PAIR = load_spec("so101_pair_emulated")
ONE = load_spec("so101")


# -- the spec -------------------------------------------------------------------------------------


def test_joints_and_buses_carry_their_arms_name():
    assert PAIR.arms == ("left", "right")
    assert PAIR.joint_names == tuple(f"{arm}_{name}" for arm in PAIR.arms for name in ONE.joint_names)
    assert [bus.name for bus in PAIR.buses] == ["left", "right"]
    for i, joint in enumerate(PAIR.joints):
        assert replace(joint, name=ONE.joints[i % 6].name) == ONE.joints[i % 6]
    assert {s.id for s in PAIR.buses[1].servos} == set(range(1, 7))
    assert PAIR.servos["right_gripper"].model == "sts3215"
    assert spec_from_dict(PAIR.to_dict()) == PAIR


def test_one_arm_of_a_pair_is_the_arm_itself():
    left = load_spec("so101_pair:left")
    assert (left.name, left.arms, left.model) == ("so101_pair_left", (), "so101")
    assert (left.joints, left.workspace) == (ONE.joints, ONE.workspace)
    assert left.buses == (replace(ONE.buses[0], name="left"),)
    assert left.camera_names == ("wrist",)
    assert load_spec("so101_pair_emulated:right").driver == "emulated"


def test_a_pair_of_ones_own(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: so101_pair\nname: mine\nports: {left: /dev/a, right: /dev/b}\naction_hz: 25\n")
    spec = load_spec(str(file))
    assert [bus.port for bus in spec.buses] == ["/dev/a", "/dev/b"]
    assert (spec.name, spec.action_hz, spec.arms) == ("mine", 25, ("left", "right"))
    assert load_spec(f"{file}:right").buses[0].port == "/dev/b"
    file.write_text("name: mixed\ncompose: {a: so100, b: dynamixel_arm, c: so101_leader}\n")
    assert load_spec(str(file)).n_joints == 18
    assert load_spec(str(file)).camera_names == ("a_front", "a_wrist", "b_front")
    assert load_spec(str(file)).cameras[1].frame == "a_wrist_optical_frame"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name: x\ncompose:\n  left: so101\n  right: so110\n", 4, "unknown robot 'so110'"),
        ("name: x\ncompose:\n  left: so101_pair\n", 3, "expected one arm, 'so101_pair' has several"),
        ("name: x\ncompose:\n  left arm: so101\n", 3, "expected a letter, then letters"),
        ("name: x\ncompose: {}\n", 2, "expected arms, as {left: so101"),
        ("name: x\ncompose: so101\n", 2, "compose: expected a mapping, got 'so101'"),
        ("extends: so101_pair\nports: {lft: /dev/a}\n", 2, "unknown bus 'lft' .did you mean 'left'"),
        ("extends: so101\nports: {arm: 3}\n", 2, "arm: expected text, got 3"),
    ],
)
def test_what_cannot_be_composed_is_named(text, line, message, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(str(file))
    assert str(caught.value).startswith(f"{file}:{line}: ")


def test_an_arm_that_is_not_there_is_named():
    with pytest.raises(SpecError, match=r"unknown arm 'so101_pair:lef' \(did you mean 'so101_pair:left'\?\)"):
        load_spec("so101_pair:lef")
    with pytest.raises(SpecError, match="robot 'so101' is one arm and has no arm 'left'; write so101"):
        load_spec("so101:left")


# -- calibration ----------------------------------------------------------------------------------


def test_arms_are_calibrated_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    pair = load_spec("so101_pair")
    with pytest.raises(CalibrationError, match=r"the left arm of 'so101_pair': .*--robot so101_pair:left"):
        robot_calibration(pair)
    for arm in pair.arms:
        calibration = middle_calibration(load_spec(f"so101_pair:{arm}"))
        save_calibration(calibration_path(calibration.robot), calibration)
    assert robot_calibration(pair) == middle_calibration(pair)
    other = calibration_path("so101_pair_left")
    save_calibration(other, middle_calibration(ONE))
    with pytest.raises(CalibrationError, match="is of robot 'so101', expected 'so101_pair_left'"):
        robot_calibration(pair)
    save_calibration(calibration_path("so101_pair"), middle_calibration(pair))
    assert robot_calibration(pair) == middle_calibration(pair)
    assert robot_calibration(ONE, str(other)).robot == "so101"


# -- driven ---------------------------------------------------------------------------------------


class TestPair(RobotConformance):
    @pytest.fixture
    def robot(self, tmp_path):
        with emulated(PAIR, tmp_path) as emulator, opened_arm(emulator) as arm:
            yield arm

    def wait(self, robot) -> None:
        time.sleep(1 / robot.spec.control_hz)


@contextmanager
def rig(folder: Path):
    """(emulator, loop) of an armed pair."""
    with emulated(PAIR, folder) as emulator, opened_arm(emulator) as arm:
        arm.connect()
        loop = ControlLoop(arm, MonotonicClock(), SafetyFilter(arm.spec))
        loop.arm()
        run_until(loop, lambda: loop.mode is Mode.ARMED)
        yield emulator, loop


def run_until(loop: ControlLoop, condition, goal=None, seconds: float = 30.0) -> None:
    until_s = time.monotonic() + seconds
    while not condition() and time.monotonic() < until_s:
        if goal is not None:
            loop.offer_teleop(loop.spec.joint_names, goal)
        loop.tick()
        time.sleep(loop.spec.control_dt)
    assert condition(), loop.fault


def test_one_loop_moves_both_arms(tmp_path):
    with rig(tmp_path) as (emulator, loop):
        goal = emulator.plant.position.copy()
        goal[[0, 6]] += 0.5, -0.5
        run_until(loop, lambda: (np.abs(emulator.plant.position - goal)[[0, 6]] < 0.05).all(), goal)
        loop.park()
        run_until(loop, lambda: loop.mode is Mode.DISARMED)
        assert not any(servo.memory["torque_enable"] for servo in emulator.servos)


@pytest.mark.parametrize(
    ("befall", "condition", "words"),
    [
        (lambda line: line.silent.add(3), Condition.SERVO_SILENT, "servo silent: right_elbow_flex"),
        (lambda line: line.port.close(), Condition.ROBOT_ERROR, "robot error: port"),
    ],
)
def test_a_fault_on_one_bus_stops_both(befall, condition, words, tmp_path):
    """Both arms on their way; the right one's line fails, and the left one comes to rest and stays there."""
    with rig(tmp_path) as (emulator, loop):
        goal = emulator.plant.position.copy()
        goal[[0, 6]] += 1.5, 1.5
        run_until(loop, lambda: emulator.plant.velocity[0] > 0.3 and emulator.plant.velocity[6] > 0.3, goal)
        emulator.call(lambda: befall(emulator.lines["right"]))
        run_until(loop, lambda: loop.mode is Mode.STOPPED, goal)
        assert condition in loop.conditions.active
        assert loop.fault.startswith(words)
        run_until(loop, lambda: (np.abs(loop.safety.velocity) < 1e-3).all(), goal)
        run_until(loop, lambda: (np.abs(emulator.plant.velocity) < 0.02).all(), goal)
        rests = emulator.plant.position[0]
        assert abs(rests - goal[0]) > 0.1, "it did not go on to its goal"
        until_s = time.monotonic() + 0.5
        run_until(loop, lambda: time.monotonic() > until_s, goal)
        assert emulator.plant.position[0] == pytest.approx(rests, abs=0.02)
        assert all(servo.memory["torque_enable"] for servo in emulator.servos), "held, not dropped"
        assert any("arm: not now" in reason for reason in _refusal_of_arming(loop))


def _refusal_of_arming(loop: ControlLoop) -> list[str]:
    loop.arm()
    loop.tick()
    return list(loop.counters.refused)
