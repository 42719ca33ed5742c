"""Calibration: sweeps that cross the seam of a turn, servos set and read back, files of others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_arm

from hardware.arms.calibrate import Calibrator
from hardware.arms.calibration import CalibrationError, middle_calibration
from hardware.arms.eeprom import read_register, write_eeprom
from hardware.arms.lerobot_calibration import export_lerobot, import_lerobot
from hardware.arms.sweep import LARGEST_OFFSET, TURN, Sweep
from hardware.buses.errors import BusError
from hardware.servos.sts3215 import STS3215

SPECS = {"feetech": feetech_spec, "dynamixel": dynamixel_spec}


# -- a sweep --------------------------------------------------------------------------------------


@given(st.integers(0, TURN - 1), st.integers(300, 3900), st.integers(0, 2**31))
def test_a_sweep_finds_the_middle_wherever_the_seam_lies(start, width, seed):
    """A joint moved to and fro over `width` ticks from `start` on, in steps of up to half a turn."""
    random = np.random.default_rng(seed)
    path = np.cumsum(np.clip(random.normal(0, 300, 60), -2000, 2000))
    path = np.concatenate((path - path.min(), [0, 0.5, 1.0, 0.0]))
    path = np.interp(np.linspace(0, 1, 400), np.linspace(0, 1, len(path)), path)
    path = start + np.rint(path / path.max() * width).astype(int)
    sweep = Sweep()
    for ticks in path:
        sweep.see(int(ticks) % TURN)
    assert sweep.range == width
    offset = sweep.homing_offset("a")
    assert abs(offset) <= LARGEST_OFFSET
    low, high = sweep.shown_range("a")
    shown = (path - offset) % TURN
    assert shown.min() == pytest.approx(low, abs=1.5)
    assert shown.max() == pytest.approx(high, abs=1.5)
    assert 0.5 * (low + high) == pytest.approx(2048, abs=1.5)


def test_a_sweep_goes_on_after_an_interruption():
    sweep = Sweep()
    for ticks in range(3800, 4500, 50):
        sweep.see(ticks % TURN)
    again = Sweep.from_dict(json.loads(json.dumps(sweep.to_dict())))
    for ticks in range(4400, 5000, 50):
        again.see(ticks % TURN)
    assert (again.lowest, again.highest) == (3800, 4950)


@pytest.mark.parametrize("width", [0, 150, 4050])
def test_a_joint_that_was_not_swept_or_turns_without_end_is_named(width):
    sweep = Sweep()
    for ticks in range(0, width + 1, 50):
        sweep.see(ticks % TURN)
    with pytest.raises(CalibrationError, match=rf"joint 'elbow': swept {width} ticks, expected 200 to 4000"):
        sweep.homing_offset("elbow")


# -- an arm ---------------------------------------------------------------------------------------


def sweep_by_hand(robot, calibrator, share: float = 1.0) -> None:
    """A person moves every joint from stop to stop, or over a share of its range."""
    spec = robot.spec
    low, high = spec.joint_array("lower"), spec.joint_array("upper")
    middle = 0.5 * (low + high)
    for phase in np.linspace(0, 2 * np.pi, 40):
        robot.plant.place(middle + share * 0.5 * (high - low) * np.sin(phase))
        robot.plant.step(np.zeros(6), np.zeros(6), 0.0)
        robot.advance()
        calibrator.see()


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("assembly", [0, 1, 2])
def test_an_arm_mounted_anyhow_is_calibrated_and_then_tells_its_angles(name, assembly, tmp_path):
    with emulated(SPECS[name](), tmp_path, assembly=assembly) as robot, opened_arm(robot) as arm:
        for group in arm.groups:
            group.bus.open()
        calibrator = Calibrator(robot.spec, arm.groups, tmp_path / "partial.json")
        calibrator.begin()
        sweep_by_hand(robot, calibrator)
        calibration = calibrator.finish()
        arm.disconnect()
        with opened_arm(robot, calibration) as calibrated:
            calibrated.connect()
            seen = calibrated.get_observation().state
            np.testing.assert_allclose(seen, robot.plant.position, atol=0.06)  # it falls meanwhile


def test_an_interrupted_calibration_goes_on(tmp_path):
    partial = tmp_path / "partial.json"
    with emulated(feetech_spec(), tmp_path, assembly=3) as robot, opened_arm(robot) as arm:
        for group in arm.groups:
            group.bus.open()
        first = Calibrator(robot.spec, arm.groups, partial)
        assert not first.resume()
        first.begin()
        sweep_by_hand(robot, first)
        del first.sweeps["gripper"]  # the last joint was not reached
        first.keep()
        second = Calibrator(robot.spec, arm.groups, partial)
        assert second.resume()
        assert second.sweeps["gripper"].range == 0
        sweep_by_hand(robot, second, share=0.98)
        calibration = second.finish()
        assert not partial.exists()
        ranges = [j.range_max - j.range_min for j in calibration.joints]
        wanted = [round((j.upper - j.lower) / STS3215.radians_per_tick) for j in robot.spec.joints]
        np.testing.assert_allclose(ranges, wanted, atol=60)


def test_nothing_is_written_before_every_joint_was_swept(tmp_path):
    with emulated(feetech_spec(), tmp_path, assembly=4) as robot, opened_arm(robot) as arm:
        for group in arm.groups:
            group.bus.open()
        calibrator = Calibrator(robot.spec, arm.groups, tmp_path / "partial.json")
        calibrator.begin()
        sweep_by_hand(robot, calibrator, share=0.02)
        with pytest.raises(CalibrationError, match="joint 'shoulder_pan': swept"):
            calibrator.finish()
        assert all(servo.memory["homing_offset"] == 0 for servo in robot.servos)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "damaged"), ('{"robot": "x", "joints": {}}', "of another robot"), ("[]", "damaged")],
)
def test_a_damaged_partial_says_so(text, message, tmp_path):
    partial = tmp_path / "partial.json"
    partial.write_text(text)
    with pytest.raises(CalibrationError, match=message):
        Calibrator(feetech_spec(), [], partial).resume()


# -- EEPROM ---------------------------------------------------------------------------------------


def test_eeprom_is_written_read_back_and_locked_again(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_arm(robot) as arm:
        bus = arm.groups[0].bus
        bus.open()
        write_eeprom(bus, STS3215, 2, {"p_gain": 16, "return_delay": 10, "id": 9})
        assert read_register(bus, STS3215, 9, "p_gain") == 16
        assert read_register(bus, STS3215, 9, "lock") == 1
        bus.write(9, 40, b"\x01")
        with pytest.raises(BusError, match="its torque is on"):
            write_eeprom(bus, STS3215, 9, {"p_gain": 32})
        with pytest.raises(BusError, match="servo id 2: no answer"):
            write_eeprom(bus, STS3215, 2, {"p_gain": 32})


# -- LeRobot's files ------------------------------------------------------------------------------


def test_lerobots_files_come_and_go(tmp_path):
    spec, file = feetech_spec(), tmp_path / "arm.json"
    calibration = middle_calibration(spec)
    export_lerobot(file, spec, calibration)
    data = json.loads(file.read_text())
    assert set(data) == set(spec.joint_names)
    assert set(data["gripper"]) == {"id", "drive_mode", "homing_offset", "range_min", "range_max"}
    assert import_lerobot(file, spec) == calibration


def test_lerobot_itself_reads_what_was_exported(tmp_path):
    import draccus
    from lerobot.motors import MotorCalibration

    spec, file = feetech_spec(), tmp_path / "arm.json"
    export_lerobot(file, spec, middle_calibration(spec))
    with open(file) as stream, draccus.config_type("json"):
        theirs = draccus.load(dict[str, MotorCalibration], stream)
    assert theirs["elbow_flex"].id == 3
    assert theirs["elbow_flex"].range_max - theirs["elbow_flex"].range_min > 2000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: "{", "damaged"),
        (lambda d: json.dumps([d]), "expected joints with"),
        (lambda d: json.dumps({k: v for k, v in d.items() if k != "gripper"}), "has no joint 'gripper'"),
        (lambda d: json.dumps(d | {"gripper": {"id": 6}}), "expected joints with"),
        (lambda d: json.dumps(d | {"gripper": d["gripper"] | {"id": 7}}), "calibrated with sts3215 id 7"),
    ],
)
def test_files_that_are_not_this_robots_are_refused(change, message, tmp_path):
    spec, file = feetech_spec(), tmp_path / "arm.json"
    export_lerobot(file, spec, middle_calibration(spec))
    file.write_text(change(json.loads(file.read_text())))
    with pytest.raises(CalibrationError, match=message):
        import_lerobot(file, spec)
    with pytest.raises(CalibrationError, match="No such file"):
        import_lerobot(tmp_path / "nowhere.json", replace(spec))
