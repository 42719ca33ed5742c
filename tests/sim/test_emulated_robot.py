"""The simulated arm behind emulated servos, in lock-step with the loop: the same episodes every time."""

import numpy as np
import pytest
from conformance.robot_suite import RobotConformance

import sim
from hardware.control.loop import Mode
from hardware.spec import load_spec
from sim.emulated_robot import EmulatedSimRobot


class TestEmulatedSimRobot(RobotConformance):
    @pytest.fixture(params=[None, "PickPlace"])
    def robot(self, request):
        robot = EmulatedSimRobot(load_spec("so101_emulated"), request.param)
        yield robot
        robot.disconnect()


def play(env, seed, steps):
    """States (steps, 6) of the expert's episode, and whether the task succeeded at its end."""
    seen, _ = env.reset(seed=seed)
    expert = env.make_expert(seed)
    expert.reset(env.robot.objects(), seen["observation.state"])
    states, success = [], False
    for step in range(steps):
        action = expert.act(seen["observation.state"], env.robot.objects(), step * 0.05)
        seen, _, success, _, _ = env.step(action.goal)
        states.append(seen["observation.state"])
        if success:
            break
    return np.array(states), success


@pytest.fixture(scope="module")
def env():
    made = sim.make_env("PickPlace", robot="so101_emulated", obs="state")
    yield made
    made.close()


def test_the_expert_does_the_task_and_the_grip_is_held_in_bounds(env):
    _, success = play(env, 3, 160)
    assert success
    assert env.loop.mode is Mode.ARMED
    counts = env.loop.conditions.counts
    assert counts["gripper stalled"] == 1
    assert not counts.keys() & {"servo protected", "joint stalled", "robot error", "reading old"}


def test_equal_seeds_give_equal_episodes(env):
    first, _ = play(env, 5, 40)
    play(env, 6, 10)
    again, _ = play(env, 5, 40)
    np.testing.assert_array_equal(first, again)


def test_its_joints_are_those_of_the_simulated_arm_in_ticks(env):
    """Servos count 4096 ticks a turn; the physics behind them is the same."""
    seen, _ = env.reset(seed=9)
    there = env.robot.world.get_observation().state
    off = np.abs(seen["observation.state"] - there)
    assert 0 < off.max() < 2 * np.pi / 4096


def test_what_a_servo_latched_is_cleared_by_a_reset(env):
    env.reset(seed=1)
    servo = env.robot._emulator.servos[2]
    env.robot._emulator.call(servo.overload)
    for _ in range(3):
        env.step(env.loop.safety.position)
    assert env.loop.mode is Mode.STOPPED
    env.reset(seed=1)
    assert env.loop.mode is Mode.ARMED
