"""A leader arm on a real pseudo-terminal: moved by hand, unplugged, of other gears, not the right one."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.emulated import emulated, opened_arm

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.emulator.robot import EmulatedRobot, middle_shaft
from hardware.errors import LimberError
from hardware.spec import load_spec
from hardware.teleop.leader import LeaderArm, make_leader

FOLLOWER = load_spec("so101")
SPEC = load_spec("so101_leader")
ROBOT_FILE = Path(__file__).parents[2] / "hardware/robots/so101.yaml"
PATIENCE_S = 20.0


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[EmulatedRobot]:
    with emulated(SPEC, tmp_path) as made:
        for joint in range(SPEC.n_joints):
            made.plant.block(joint)  # a hand holds it where it is placed
        yield made


@pytest.fixture
def leader(emulator: EmulatedRobot) -> Iterator[LeaderArm]:
    with opened_arm(emulator) as arm:
        made = LeaderArm(FOLLOWER, arm)
        made.connect()
        yield made
        made.close()


def poll_until(leader: LeaderArm, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
        leader.poll()


def goal(leader: LeaderArm) -> np.ndarray | None:
    sample = leader.goal(FOLLOWER.joint_array("rest"))
    return None if sample is None else sample.goal


def test_it_is_read_where_a_hand_puts_it_and_never_gets_torque(
    emulator: EmulatedRobot, leader: LeaderArm
) -> None:
    pose = FOLLOWER.joint_array("rest") * 0.5
    emulator.call(lambda: emulator.plant.place(pose))
    begin = time.monotonic_ns()
    poll_until(leader, lambda: goal(leader) is not None and np.abs(goal(leader) - pose).max() < 0.05)
    sample = leader.goal(pose)
    assert sample is not None
    assert begin < sample.stamp_ns <= time.monotonic_ns()
    assert not any(servo.memory["torque_enable"] for servo in emulator.servos)


def test_torque_that_was_left_on_goes_off(emulator: EmulatedRobot) -> None:
    with opened_arm(emulator) as arm:
        for servo in emulator.servos:
            servo.memory["torque_enable"] = 1
        leader = LeaderArm(FOLLOWER, arm)
        leader.connect()
        poll_until(leader, lambda: not any(servo.memory["torque_enable"] for servo in emulator.servos))


def test_an_unplugged_leader_lets_go_and_comes_back(emulator: EmulatedRobot, leader: LeaderArm) -> None:
    poll_until(leader, lambda: goal(leader) is not None)
    line = emulator.lines["arm"]
    emulator.call(lambda: (line.port.close(), line.forget()))
    poll_until(leader, lambda: goal(leader) is None)
    emulator.call(line.port.open)
    poll_until(leader, lambda: goal(leader) is not None)


def test_a_leader_with_one_silent_joint_lets_go(emulator: EmulatedRobot, leader: LeaderArm) -> None:
    poll_until(leader, lambda: goal(leader) is not None)
    emulator.lines["arm"].silent.add(3)
    poll_until(leader, lambda: goal(leader) is None)
    emulator.lines["arm"].silent.discard(3)
    poll_until(leader, lambda: goal(leader) is not None)


def test_the_triggers_range_becomes_the_grippers(emulator: EmulatedRobot) -> None:
    """A trigger swept over two thirds of the gripper's range, its ends at the gripper's ends."""
    whole = middle_calibration(SPEC)
    grip = whole.joints[-1]
    third = (grip.range_max - grip.range_min) // 3
    trigger = replace(grip, range_max=grip.range_max - third)
    calibration = replace(whole, joints=(*whole.joints[:-1], trigger))
    with opened_arm(emulator, calibration) as arm:
        leader = LeaderArm(FOLLOWER, arm)
        leader.connect()
        for share in (0.0, 0.25, 1.0):
            ticks = trigger.range_min + share * (trigger.range_max - trigger.range_min)
            pose = FOLLOWER.joint_array("rest")
            pose[-1] = middle_shaft(SPEC, "gripper", 1).angle(ticks, 2 * np.pi / 4096)
            emulator.call(lambda pose=pose: emulator.plant.place(pose))
            joint = FOLLOWER.joints[-1]
            wanted = joint.lower + share * (joint.upper - joint.lower)
            poll_until(leader, lambda w=wanted: goal(leader) is not None and abs(goal(leader)[-1] - w) < 0.03)
        leader.close()


def test_joints_go_by_their_names(emulator: EmulatedRobot) -> None:
    turned = replace(FOLLOWER, joints=FOLLOWER.joints[::-1])
    with opened_arm(emulator) as arm:
        leader = LeaderArm(turned, arm)
        leader.connect()
        pose = FOLLOWER.joint_array("rest") * 0.5
        emulator.call(lambda: emulator.plant.place(pose))
        poll_until(
            leader, lambda: goal(leader) is not None and np.abs(goal(leader)[::-1] - pose).max() < 0.05
        )
        leader.close()


def test_the_emulated_leader_is_moved_by_its_hand() -> None:
    leader = make_leader(FOLLOWER, "so101_leader", "emulated", "", "")
    leader.connect()
    try:
        poll_until(leader, lambda: goal(leader) is not None)
        start = goal(leader)
        poll_until(leader, lambda: goal(leader) is not None and np.abs(goal(leader) - start).max() > 0.1)
    finally:
        leader.close()


def test_a_leader_that_is_not_ready_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    other = tmp_path / "other.yaml"
    other.write_text(ROBOT_FILE.read_text().replace("elbow", "knee"))
    calibration = tmp_path / "leader.json"
    save_calibration(calibration, middle_calibration(SPEC))
    for name, driver, port, message in (
        ("so101_lead", "", "", "unknown robot 'so101_lead' .did you mean 'so101_leader'"),
        ("so101", "", "", "leader 'so101': unknown driver 'sim'; valid: emulated, serial"),
        ("so101_leader", "", "", "leader 'so101_leader': expected its serial port"),
        ("so101_leader", "", "/dev/nothing", "expected a calibration file"),
        (str(other), "emulated", "", "unknown joint 'elbow_flex'.*expected a leader with every joint"),
    ):
        with pytest.raises(LimberError, match=message):
            make_leader(FOLLOWER, name, driver, port, "")
    leader = make_leader(FOLLOWER, "so101_leader", "", "/dev/nothing", str(calibration))
    with pytest.raises(LimberError, match="'/dev/nothing' is not there"):
        leader.connect()
