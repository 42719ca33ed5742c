"""The arm over emulated servos on a real pseudo-terminal: the robot contract, and arms that are wrong."""

import time
from dataclasses import replace

import numpy as np
import pytest
from conformance.robot_suite import RobotConformance
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_arm

from hardware.arms.calibration import (
    CalibrationError,
    TickScale,
    load_calibration,
    middle_calibration,
    save_calibration,
)
from hardware.buses.errors import BusError
from hardware.errors import HardwareError
from hardware.robot import Health, Torque

SPECS = {"feetech": feetech_spec, "dynamixel": dynamixel_spec}


class OverTheWire(RobotConformance):
    """The conformance suite on the wall clock."""

    spec = staticmethod(feetech_spec)

    @pytest.fixture
    def robot(self, tmp_path):
        with emulated(self.spec(), tmp_path) as emulator, opened_arm(emulator) as arm:
            yield arm

    def wait(self, robot) -> None:
        time.sleep(1 / robot.spec.control_hz)


class TestFeetechArm(OverTheWire):
    pass


class TestDynamixelArm(OverTheWire):
    spec = staticmethod(dynamixel_spec)


@pytest.fixture(params=SPECS)
def rig(request, tmp_path):
    """(emulator, connected arm) of either protocol."""
    with emulated(SPECS[request.param](), tmp_path) as emulator, opened_arm(emulator) as arm:
        arm.connect()
        yield emulator, arm


def wait_for(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_is_a_robot_with_torque_and_health(rig):
    _, arm = rig
    assert isinstance(arm, Torque)
    assert isinstance(arm, Health)
    arm.get_observation()
    health = dict(arm.health())
    assert health.pop("bus.arm")["exchanges"] > 0
    assert tuple(health) == arm.spec.joint_names
    assert all(20 < part["temperature_c"] < 40 and 7 < part["voltage_v"] < 8 for part in health.values())
    assert all(part["error"] == "" for part in health.values())


def test_joints_are_where_the_plant_is_and_torque_holds_them_there(rig):
    emulator, arm = rig
    pose = arm.spec.joint_array("rest") * 0.5
    emulator.plant.place(pose)
    time.sleep(0.02)
    arm.torque_on()
    before = arm.get_observation().state
    np.testing.assert_allclose(before, emulator.plant.position, atol=0.02)
    time.sleep(0.3)
    np.testing.assert_allclose(arm.get_observation().state, before, atol=0.06)  # sags, and does not jump


def test_a_servo_that_falls_silent_shows_its_age_and_the_others_go_on(rig):
    emulator, arm = rig
    arm.get_observation()
    emulator.lines["arm"].silent.add(3)
    stamps = [arm.get_observation().joint_stamps_ns for _ in range(20)]
    assert len({s[2] for s in stamps}) == 1
    assert stamps[-1][0] > stamps[0][0]
    seen = arm.get_observation()
    assert seen.oldest_ns == seen.joint_stamps_ns[2] < seen.stamp_ns


def test_error_bits_are_told_in_words(rig):
    emulator, arm = rig
    emulator.servos[1].motor.held_error = 32
    name = arm.spec.joint_names[1]

    def told() -> bool:
        arm.get_observation()
        return arm.health()[name]["error"] in ("overload", "hardware alert")

    assert wait_for(told)


def test_what_is_sent_is_what_the_wire_carries(rig):
    emulator, arm = rig
    goal = arm.spec.joint_array("rest").astype(np.float32)
    sent = arm.send_action(goal)
    assert np.abs(sent - goal).max() <= 0.5 * 2 * np.pi / 4096 + 1e-6
    assert wait_for(
        lambda: [s.memory["goal_position"] for s in emulator.servos] == arm.scale.ticks(sent).tolist()
    )


# -- what is wrong with an arm is named before torque goes on -------------------------------------


def refused(emulator, message: str, calibration=None) -> None:
    with opened_arm(emulator, calibration=calibration) as arm, pytest.raises(HardwareError, match=message):
        arm.connect()
    assert not any(servo.memory["torque_enable"] for servo in emulator.servos)


def test_a_silent_servo_is_named(tmp_path):
    with emulated(feetech_spec(), tmp_path) as emulator:
        emulator.servos[3].memory["id"] = 11
        refused(emulator, r"joint 'wrist_flex': servo id 4 does not answer on .* 1000000 baud.*nobody's: 11")


def test_a_servo_of_another_model_is_named(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as emulator:
        emulator.servos[0].memory["model"] = 1190
        refused(emulator, "joint 'shoulder_pan': expected a xl430_w250 with id 1 on .*, got xl330_m077")


def test_another_arms_homing_offset_is_named(tmp_path):
    with emulated(feetech_spec(), tmp_path) as emulator:
        emulator.servos[2].memory["homing_offset"] = 100
        refused(emulator, "joint 'elbow_flex': its servo's homing offset is 100, the calibration says 0")


def test_calibrations_of_other_arms_are_refused(tmp_path):
    spec = feetech_spec()
    good = middle_calibration(spec)
    first = good.joints[0]
    for wrong, message in (
        (replace(good, robot="so100"), "calibration is of robot 'so100', this robot is 'so101'"),
        (replace(good, joints=good.joints[1:]), "calibration is of joints .shoulder_lift"),
        (replace(good, joints=(replace(first, id=7), *good.joints[1:])), "calibrated with sts3215 id 7"),
        (
            replace(good, joints=(replace(first, range_max=first.range_min + 100), *good.joints[1:])),
            "joint 'shoulder_pan': calibrated over 0.15 rad, the spec's limits are 3.84 rad apart",
        ),
    ):
        with pytest.raises(CalibrationError, match=message):
            TickScale(spec, wrong)


def test_a_port_that_is_not_there_is_named(tmp_path):
    with emulated(feetech_spec(), tmp_path) as emulator:
        pass
    with opened_arm(emulator) as arm, pytest.raises(BusError, match="is not there"):
        arm.connect()


def test_models_that_cannot_share_a_bus_are_refused(tmp_path):
    spec = feetech_spec()
    servos = spec.buses[0].servos
    mixed = (replace(servos[0], model="xl330_m288"), *servos[1:])
    bus = replace(spec.buses[0], servos=mixed)
    from hardware.arms.servo_group import ServoGroup

    with pytest.raises(BusError, match=r"sts3215 \(joint 'shoulder_lift'\) and xl330_m288 cannot share"):
        ServoGroup(bus, None)


# -- calibration ----------------------------------------------------------------------------------


def test_ticks_and_radians(tmp_path):
    spec = feetech_spec()
    scale = TickScale(spec, middle_calibration(spec))
    middle = 0.5 * (spec.joint_array("lower") + spec.joint_array("upper"))
    np.testing.assert_allclose(scale.radians(np.full(6, 2048)), middle, atol=1e-9)
    for share in np.linspace(0.02, 0.98, 9):
        angle = spec.joint_array("lower") + share * (spec.joint_array("upper") - spec.joint_array("lower"))
        np.testing.assert_allclose(scale.radians(scale.ticks(angle)), angle, atol=np.pi / 4096)
    reverse = replace(spec.buses[0], servos=tuple(replace(s, direction=-1) for s in spec.buses[0].servos))
    turned = TickScale(replace(spec, buses=(reverse,)), middle_calibration(spec))
    np.testing.assert_allclose(turned.radians(np.full(6, 2148)) - middle, -100 * 2 * np.pi / 4096)


def test_goals_beyond_what_was_swept_stop_at_its_end():
    spec = feetech_spec()
    calibration = middle_calibration(spec)
    scale = TickScale(spec, calibration)
    assert scale.ticks(spec.joint_array("upper") + 1.0).tolist() == [j.range_max for j in calibration.joints]
    assert scale.ticks(spec.joint_array("lower") - 1.0).tolist() == [j.range_min for j in calibration.joints]


def test_a_calibration_file_comes_back_as_it_was(tmp_path):
    calibration = middle_calibration(feetech_spec())
    file = tmp_path / "so101.json"
    save_calibration(file, calibration)
    assert load_calibration(file) == calibration
    assert load_calibration(file).hash == calibration.hash
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected a calibration file, .* does not exist"),
        ("{", "damaged"),
        ('{"version": 9}', "expected version 1, got 9"),
        ('{"version": 1, "robot": "so101"}', "damaged: KeyError"),
        ('{"version": 1, "robot": "so101", "joints": [{"joint": "a"}]}', "damaged: TypeError"),
    ],
)
def test_damaged_calibration_files_say_so(tmp_path, text, message):
    file = tmp_path / "so101.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CalibrationError, match=message):
        load_calibration(file)
