"""The arms whose specs are shipped, on emulated servos: driven, and calibrated by LeRobot's file."""

import json
import time

import numpy as np
import pytest
from conformance.robot_suite import RobotConformance
from support.emulated import emulated, opened_arm

from hardware.arms.calibration import CalibrationError, TickScale
from hardware.arms.lerobot_calibration import export_lerobot, import_lerobot
from hardware.control.clock import MonotonicClock
from hardware.control.loop import ControlLoop, Mode
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec

NAMES = ("so100", "dynamixel_arm")


class Shipped(RobotConformance):
    """The conformance suite on the wall clock, over the servos of a shipped spec."""

    name = ""

    @pytest.fixture
    def robot(self, tmp_path):
        spec = load_spec(self.name).with_cameras(())
        with emulated(spec, tmp_path) as emulator, opened_arm(emulator) as arm:
            yield arm

    def wait(self, robot) -> None:
        time.sleep(1 / robot.spec.control_hz)


class TestSo100(Shipped):
    name = "so100"


class TestDynamixelArm(Shipped):
    name = "dynamixel_arm"


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_arms_moves_and_parks_it(name, tmp_path):
    with emulated(load_spec(name).with_cameras(()), tmp_path) as emulator, opened_arm(emulator) as arm:
        arm.connect()
        loop = ControlLoop(arm, MonotonicClock(), SafetyFilter(arm.spec))

        def run_until(condition, goal=None, seconds: float = 30.0) -> None:
            until_s = time.monotonic() + seconds
            while not condition() and time.monotonic() < until_s:
                if goal is not None:
                    loop.offer_teleop(arm.spec.joint_names, goal)
                loop.tick()
                time.sleep(arm.spec.control_dt)
            assert condition(), loop.fault

        loop.arm()
        run_until(lambda: loop.mode is Mode.ARMED)
        goal = arm.get_observation().state.astype(np.float64)
        goal[0] += 0.4
        run_until(lambda: abs(emulator.plant.position[0] - goal[0]) < 0.05, goal)
        loop.park()
        run_until(lambda: loop.mode is Mode.DISARMED)
        np.testing.assert_allclose(emulator.plant.position, arm.spec.joint_array("rest"), atol=0.15)
        assert not any(servo.memory["torque_enable"] for servo in emulator.servos)


# -- LeRobot's calibration of an SO-100 ------------------------------------------------------------


def lerobot_file(**changes: dict) -> dict:
    """As lerobot-calibrate writes it for an so100_follower: wrist_roll is not swept but 0 to 4095."""
    ranges = {
        "shoulder_pan": (744, 3346),
        "shoulder_lift": (903, 3180),
        "elbow_flex": (1012, 3071),
        "wrist_flex": (842, 3256),
        "wrist_roll": (0, 4095),
        "gripper": (2030, 3460),
    }
    return {
        joint: {
            "id": i + 1,
            "drive_mode": 0,
            "homing_offset": 17 * i - 40,
            "range_min": low,
            "range_max": high,
        }
        | changes.get(joint, {})
        for i, (joint, (low, high)) in enumerate(ranges.items())
    }


def test_lerobots_calibration_of_an_so100_gives_its_urdfs_angles(tmp_path):
    spec, file = load_spec("so100"), tmp_path / "my_so100.json"
    file.write_text(json.dumps(lerobot_file()))
    calibration = import_lerobot(file, spec)
    assert [j.homing_offset for j in calibration.joints] == [-40, -23, -6, 11, 28, 45]
    scale = TickScale(spec, calibration)
    low, high = ([v[k] for v in lerobot_file().values()] for k in ("range_min", "range_max"))
    ends = np.array([scale.radians(np.array(low)), scale.radians(np.array(high))])
    middle = 0.5 * (spec.joint_array("lower") + spec.joint_array("upper"))
    np.testing.assert_allclose(ends.mean(axis=0), middle, atol=1e-9)
    assert (ends[0] < ends[1]).all()
    export_lerobot(tmp_path / "back.json", spec, calibration)
    back = json.loads((tmp_path / "back.json").read_text())
    assert import_lerobot(tmp_path / "back.json", spec) == calibration
    assert back == lerobot_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gripper": {"id": 5}}, "joint 'gripper': calibrated with sts3215 id 5, the spec has sts3215 id 6"),
        ({"elbow_flex": {"range_max": 1500}}, r"joint 'elbow_flex': calibrated over 0.75 rad, .* 3.14 rad"),
    ],
)
def test_a_calibration_of_another_arm_is_refused(changes, message, tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps(lerobot_file(**changes)))
    with pytest.raises(CalibrationError, match=message):
        import_lerobot(file, load_spec("so100"))
