from dataclasses import replace

import numpy as np
import pytest

from hardware.errors import LimberError
from hardware.robot import Robot, Simulated, Torque
from hardware.spec import load_spec
from sim.errors import SimError
from sim.render import CameraRenderer
from sim.robot import SimRobot
from sim.scene import build_scene, physics_hz
from sim.tasks import load_task

SPEC = load_spec("so101")
NS = 1_000_000_000


@pytest.fixture
def robot():
    robot = SimRobot(SPEC, "PickPlace")
    robot.connect()
    yield robot
    robot.disconnect()


def test_offers_the_contracts(robot):
    def takes_robot(robot: Robot) -> Robot:
        return robot

    assert takes_robot(robot).spec.joint_names == SPEC.joint_names
    assert isinstance(robot, Simulated)
    assert isinstance(robot, Torque)


def test_every_tick_and_frame_is_a_whole_number_of_physics_steps():
    assert physics_hz(SPEC) % SPEC.control_hz == 0
    assert physics_hz(SPEC) % 30 == 0
    assert physics_hz(SPEC) >= 200


def test_frames_are_due_at_multiples_of_their_period(robot):
    stamps = []
    robot.add_frame_listener(lambda stamp, cameras, state: stamps.append((stamp, cameras, state.copy())))
    for tick in range(1, 51):
        robot.advance_to(tick * NS // 100)
        observation = robot.get_observation()
        assert observation.stamp_ns == robot.now_ns() == tick * NS // 100
        due = tick * 30 // 100
        assert observation.image_stamps_ns == {"front": due * NS // 30, "wrist": due * NS // 30}
    assert [stamp for stamp, _, _ in stamps] == [k * NS // 30 for k in range(1, 16)]
    assert all(cameras == ("front", "wrist") for _, cameras, _ in stamps)


def test_a_frame_shows_its_own_instant_however_late_it_is_looked_at(robot):
    robot.reset(3)
    first = robot.get_observation()
    copy = SimRobot(SPEC, "PickPlace")
    copy.connect()
    copy.reset(3)
    at_once = copy.get_observation().images["front"]
    robot.torque_off()
    robot.advance_to(NS)
    np.testing.assert_array_equal(first.images["front"], at_once)
    assert (robot.get_observation().images["front"] != at_once).any()


def test_a_listener_can_render_the_same_picture_elsewhere(robot):
    states = []
    robot.add_frame_listener(lambda stamp, cameras, state: states.append(state))
    robot.reset(5)
    robot.advance_to(NS // 30)
    elsewhere = CameraRenderer(build_scene(SPEC, load_task("PickPlace")), SPEC.cameras)
    for camera, image in robot.get_observation().images.items():
        np.testing.assert_array_equal(elsewhere.render(camera, states[-1]), image)
    elsewhere.close()


def test_time_goes_on_across_a_reset(robot):
    robot.advance_to(NS)
    robot.reset(7)
    assert robot.now_ns() == NS
    robot.advance_to(NS + NS // 100)
    assert robot.now_ns() == NS + NS // 100


def test_same_seed_and_goals_give_the_same_states_bit_for_bit():
    def play(start_ns):
        robot = SimRobot(SPEC, "PickPlace")
        robot.connect()
        robot.torque_on()
        robot.advance_to(start_ns)
        robot.reset(11)
        rng = np.random.default_rng(0)
        states = []
        for tick in range(200):
            goal = robot.get_observation().state + rng.uniform(-0.1, 0.1, SPEC.n_joints)
            robot.send_action(goal.astype(np.float32))
            robot.advance_to(start_ns + (tick + 1) * NS // 100)
            states.append(np.concatenate([robot.data.qpos, robot.data.qvel]))
        return np.array(states)

    first = play(0)
    np.testing.assert_array_equal(first, play(0))
    np.testing.assert_array_equal(first, play(NS // 10))


def test_torque(robot):
    robot.reset(0)
    start = robot.get_observation().state
    robot.torque_on()
    robot.send_action(start)
    robot.advance_to(NS)
    held = robot.get_observation()
    assert np.abs(held.state - start).max() < 0.05
    assert np.abs(held.effort).max() > 0.05
    robot.set_torque_limit(0.01)
    robot.advance_to(2 * NS)
    assert np.abs(robot.get_observation().effort).max() <= 0.0193
    robot.set_torque_limit(1.0)
    robot.torque_off()
    robot.advance_to(4 * NS)
    fallen = robot.get_observation()
    assert np.abs(fallen.effort).max() == 0.0
    assert np.abs(fallen.state - start).max() > 0.3


def test_no_servo_turns_faster_than_it_can():
    robot = SimRobot(SPEC)
    robot.connect()
    robot.torque_on()
    speeds = []
    for target, until in ((1.9, 100), (-1.9, 200)):
        robot.send_action(np.array([target, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=np.float32))
        while robot.now_ns() < until * NS // 100:
            robot.advance_to(robot.now_ns() + NS // 100)
            speeds.append(np.abs(robot.get_observation().velocity[0]))
    assert 4.0 < max(speeds) < 4.7  # 45 rev/min without load


def test_the_rest_pose_touches_nothing():
    assert SimRobot(SPEC).data.ncon == 0


@pytest.mark.parametrize("bad", [np.zeros(5), np.full(6, np.nan), np.array(["a"] * 6)])
def test_a_bad_action_is_refused(robot, bad):
    with pytest.raises((SimError, ValueError)):
        robot.send_action(bad)


def test_goals_beyond_the_limits_are_clipped(robot):
    upper = SPEC.joint_array("upper").astype(np.float32)
    np.testing.assert_allclose(robot.send_action(upper + 1), upper)


def test_must_be_connected():
    with pytest.raises(SimError, match="not connected"):
        SimRobot(SPEC).get_observation()


def test_alone_on_its_table():
    robot = SimRobot(SPEC, cameras=("front",))
    robot.connect()
    assert robot.reset(0) == ""
    assert robot.objects() == {}
    assert not robot.success()
    assert list(robot.get_observation().images) == ["front"]
    np.testing.assert_allclose(robot.get_observation().state, SPEC.joint_array("rest"), atol=1e-6)


def test_unknown_names_are_refused_with_the_valid_ones():
    with pytest.raises(LimberError, match=r"unknown task 'Pick'.*PickPlace"):
        SimRobot(SPEC, "Pick")
    with pytest.raises(LimberError, match=r"unknown camera 'top'.*front, wrist"):
        SimRobot(SPEC, cameras=("top",))
    with pytest.raises(LimberError, match=r"unknown simulated robot 'so102'.*so101"):
        SimRobot(replace(SPEC, model="so102"))
    camera = replace(SPEC.cameras[0], name="top")
    with pytest.raises(LimberError, match=r"unknown camera of the model.*'top'"):
        SimRobot(replace(SPEC, cameras=(camera,)))
