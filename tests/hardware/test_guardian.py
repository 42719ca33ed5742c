"""The guardian: a driving process that is killed in motion leaves an arm that stands still, with torque."""

import subprocess
import sys
import textwrap
import time

import pytest
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_arm

from hardware.errors import HardwareError

SPECS = {"feetech": feetech_spec, "dynamixel": dynamixel_spec}

DRIVER = """
import sys, time
import numpy as np
from support.emulated import {spec}
from hardware.arms.calibration import middle_calibration
from hardware.arms.make import make_serial_arm

spec = {spec}()
arm = make_serial_arm(spec, {{"arm": sys.argv[1]}}, middle_calibration(spec))
arm.connect()
arm.torque_on()
print("armed", flush=True)
far = np.where(np.arange(6) == 0, 1.8, arm.get_observation().state)
while True:
    arm.send_action(far.astype(np.float32))
    time.sleep(0.01)
"""


@pytest.mark.parametrize("protocol", SPECS)
def test_a_killed_driver_leaves_the_arm_standing_with_torque(protocol, tmp_path):
    """The driver's last goal is the far end of the joint's range; the joint does not get there."""
    make = SPECS[protocol]
    with emulated(make(), tmp_path) as robot:
        robot.call(lambda: robot.plant.place(robot.spec.joint_array("rest")))
        line = robot.lines["arm"]
        code = textwrap.dedent(DRIVER.format(spec=make.__name__))
        driver = subprocess.Popen(
            [sys.executable, "-c", code, str(line.port.link)], stdout=subprocess.PIPE, env=support_path()
        )
        assert driver.stdout.readline() == b"armed\n"
        wait(lambda: robot.plant.position[0] > 0.3, "the joint on its way")
        driver.kill()
        driver.wait()
        driver.stdout.close()
        wait(lambda: line.servos[0].drive().goal < 1.75, "the goal taken back")
        time.sleep(0.5)  # it swings back to where it was told to hold
        wait(lambda: abs(robot.plant.velocity[0]) < 0.05, "the joint at rest")
        there = robot.plant.position[0]
        assert there < 1.7
        time.sleep(0.3)
        assert abs(robot.plant.position[0] - there) < 0.05
        assert all(servo.memory["torque_enable"] for servo in line.servos)


def test_an_orderly_end_needs_no_guardian(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_arm(robot) as arm:
        arm.connect()
        arm.torque_on()
        process = arm._guardian._process
        assert process.poll() is None
        goals = [servo.memory["goal_position"] for servo in robot.lines["arm"].servos]
        arm.torque_off()
        arm.disconnect()
        assert process.returncode == 0
        assert [servo.memory["goal_position"] for servo in robot.lines["arm"].servos] == goals


def test_no_torque_without_a_guardian(tmp_path, monkeypatch):
    with emulated(feetech_spec(), tmp_path) as robot, opened_arm(robot) as arm:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        arm.connect()
        with pytest.raises(HardwareError, match="the guardian process did not start; torque stays off"):
            arm.torque_on()
        assert not any(servo.memory["torque_enable"] for servo in robot.lines["arm"].servos)


def test_a_guardian_that_died_is_replaced_before_the_arm_is_armed_again(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_arm(robot) as arm:
        arm.connect()
        arm.torque_on()
        arm._guardian._process.kill()
        arm._guardian._process.wait()
        arm.torque_off()
        arm.torque_on()
        assert arm._guardian._process.poll() is None
        arm.torque_off()


def wait(condition, what):
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.005)


def support_path():
    import os
    from pathlib import Path

    here = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
