import mujoco
import numpy as np
import pytest

from hardware.spec import load_spec
from sim.geometry import yaw_of
from sim.robot import SimRobot
from sim.tasks import TASKS, load_task
from sim.tasks.pick_place import BIN_AREA, BIN_HEIGHT, BIN_INNER, CUBE_AREA, CUBE_SIZE

SPEC = load_spec("so101")


@pytest.fixture
def robot():
    robot = SimRobot(SPEC, "PickPlace", cameras=())
    robot.connect()
    return robot


def put_cube(robot, position):
    robot.data.joint("cube").qpos[:3] = position
    robot.data.joint("cube").qvel[:] = 0.0
    mujoco.mj_forward(robot.model, robot.data)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_its_promises(name):
    task = load_task(name)
    assert task.name == name
    robot = SimRobot(SPEC, task, cameras=())
    instructions = {robot.reset(seed) for seed in range(3)}
    assert all(instructions)
    assert robot.objects()
    assert not robot.success()
    assert 0.0 <= robot.reward() < 1.0


def test_resets_cover_the_promised_areas(robot):
    cubes, bins, yaws = [], [], []
    for seed in range(300):
        robot.reset(seed)
        objects = robot.objects()
        cubes.append(objects["cube"].position)
        bins.append(objects["bin"].position)
        yaws.append(yaw_of(objects["cube"].quaternion))
        assert not robot.success()
    for places, area, side in ((np.array(cubes), CUBE_AREA, 0.16), (np.array(bins), BIN_AREA, 0.10)):
        for axis in range(2):
            low, high = area[axis]
            assert high - low == pytest.approx(side)
            assert low <= places[:, axis].min() < low + 0.05 * side
            assert high - 0.05 * side < places[:, axis].max() <= high
    assert np.ptp(yaws) > 0.95 * 2 * np.pi
    assert abs(np.corrcoef(np.array(cubes)[:, 0], np.array(bins)[:, 0])[0, 1]) < 0.2


def test_no_cube_can_start_in_or_against_the_bin():
    gap = min(CUBE_AREA[1]) - CUBE_SIZE / np.sqrt(2) - (max(BIN_AREA[1]) + BIN_INNER / 2 + 0.003)
    assert gap > 0


def test_a_reset_depends_on_its_seed_alone(robot):
    def start(seed):
        robot.reset(seed)
        return np.concatenate([robot.data.qpos, robot.data.mocap_pos.ravel()])

    first = start(42)
    robot.torque_on()
    robot.advance_to(robot.now_ns() + 300_000_000)
    assert (start(43) != first).any()
    np.testing.assert_array_equal(start(42), first)


def test_success_is_inside_below_the_rim_and_let_go(robot):
    robot.reset(0)
    x, y, _ = robot.objects()["bin"].position
    assert not robot.success()
    put_cube(robot, (x, y, CUBE_SIZE / 2 + 0.002))
    assert robot.success()
    assert robot.reward() == 1.0
    put_cube(robot, (x, y, BIN_HEIGHT + CUBE_SIZE))
    assert not robot.success()
    put_cube(robot, (x + BIN_INNER, y, CUBE_SIZE / 2))
    assert not robot.success()


def test_a_cube_that_a_finger_touches_is_not_let_go(robot):
    robot.reset(0)
    finger = robot.data.geom("finger").xpos.copy()
    put_cube(robot, finger)
    robot.data.mocap_pos[0] = (finger[0], finger[1], finger[2] - CUBE_SIZE / 2)
    mujoco.mj_forward(robot.model, robot.data)
    assert not robot.success()


def test_reward_rises_along_the_way(robot):
    robot.reset(0)
    place = np.array(robot.objects()["bin"].position)
    tool = robot.data.site("tool").xpos.copy()
    start = robot.reward()
    put_cube(robot, tool)
    grasped = robot.reward()
    put_cube(robot, place + [0.0, 0.0, 0.08])
    carried = robot.reward()
    assert 0.0 <= start < grasped
    assert start < carried < 1.0


def test_a_cube_dropped_into_the_bin_stays_there(robot):
    for seed in range(10):
        robot.reset(seed)
        x, y, _ = robot.objects()["bin"].position
        put_cube(robot, (x + 0.015, y - 0.015, 0.07))
        robot.advance_to(robot.now_ns() + 1_000_000_000)
        assert robot.success(), seed
