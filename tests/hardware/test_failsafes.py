"""The failsafe table: every line of it provoked on emulated servos, over a real serial line."""

from pathlib import Path

import numpy as np
import pytest
from support.emulated import dynamixel_spec, feetech_spec
from support.live_loop import LiveLoop, live_loop

from hardware.control.loop import Mode, Source
from hardware.safety.clearance import clearance_of
from hardware.safety.conditions import Conditions
from hardware.safety.failsafes import FAILSAFES, MEANINGS, Action, Condition, decide, legend, table

SPECS = {"feetech": feetech_spec, "dynamixel": dynamixel_spec}
ELBOW, WRIST_ROLL, GRIPPER = 2, 4, 5


@pytest.fixture
def live(tmp_path):
    with live_loop(feetech_spec(), tmp_path) as made:
        yield made


@pytest.fixture(params=SPECS)
def either(request, tmp_path):
    with live_loop(SPECS[request.param](), tmp_path) as made:
        yield made


def moving(live: LiveLoop, joint: int = ELBOW, by: float = 0.5) -> np.ndarray:
    """Armed, and led away with one joint."""
    live.arm_it()
    goal = live.state.copy()
    goal[joint] += by
    live.goal = goal
    spec = live.arm.spec
    goal = np.clip(goal, spec.joint_array("lower"), spec.joint_array("upper"))
    live.wait(lambda: live.loop.source is Source.PERSON, "the person in the lead")
    return goal


def at_goal(live: LiveLoop, goal: np.ndarray) -> None:
    live.wait(lambda: bool(np.abs(live.state - goal).max() < 0.06), f"the arm at {goal}")


# -- the table itself ---------------------------------------------------------------------------


def test_every_condition_has_its_line_and_every_action_its_meaning():
    assert set(FAILSAFES) == set(Condition)
    assert set(MEANINGS) == set(Action)
    for condition in Condition:
        assert f"| {condition.value} |" in table()


def test_the_readme_shows_the_table():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert table() in readme
    assert legend() in readme


def test_every_line_is_provoked_by_a_test_of_its_name():
    elsewhere = {Condition.LOOP_DIED}  # tests/hardware/test_guardian.py
    for condition in set(Condition) - elsewhere:
        name = condition.value.replace(" ", "_")
        assert any(name in test for test in globals() if test.startswith("test_")), name


def test_the_greatest_action_wins():
    assert decide([]) is Action.IGNORE
    assert decide([Condition.NO_GOAL, Condition.JOINT_STALLED]) is Action.STOP
    assert decide([Condition.SERVO_HOT, Condition.SERVO_BURNING, Condition.NO_GOAL]) is Action.TORQUE_OFF


def test_a_condition_begins_once_however_long_it_lasts():
    conditions = Conditions()
    for _ in range(3):
        conditions.raise_(Condition.SERVO_SILENT, "elbow_flex")
        conditions.raise_(Condition.NO_GOAL)
        decision = conditions.settle()
        assert decision.lasting is Action.STOP
    assert decision.begun is Action.IGNORE
    assert conditions.counts == {"servo silent": 1, "no goal": 1}
    assert conditions.blocking == ["servo silent: elbow_flex"]
    assert conditions.settle().lasting is Action.IGNORE
    assert conditions.blocking == []
    conditions.raise_(Condition.SERVO_SILENT, "gripper")
    assert conditions.settle().reason == "servo silent: gripper"


# -- ignore, limit, hold ------------------------------------------------------------------------


def test_command_refused(live):
    goal = moving(live)
    live.loop.offer_teleop(["nobody"], np.zeros(1))
    live.wait_until_began(Condition.COMMAND_REFUSED)
    assert live.loop.mode is Mode.ARMED
    at_goal(live, goal)


def test_observer_raised(live):
    def broken(report):
        raise RuntimeError("disk full")

    live.loop.observers.append(broken)
    goal = moving(live)
    live.wait_until_began(Condition.OBSERVER_RAISED)
    at_goal(live, goal)


def test_beyond_limits(live):
    goal = moving(live, WRIST_ROLL, by=10.0)
    live.wait_until_began(Condition.BEYOND_LIMITS)
    at_goal(live, goal)


def test_beyond_workspace(live):
    """Led down into the table, it stays above it and is still led."""
    live.arm_it()
    goal = live.state.copy()
    goal[1:4] = 0.9, 0.9, 0.9
    live.goal = goal
    live.wait_until_began(Condition.BEYOND_WORKSPACE)
    assert live.loop.mode is Mode.ARMED
    clearance = clearance_of(live.arm.spec)
    assert min(clearance(r.sent).min() for r in live.reports if r.mode is Mode.ARMED) > -0.01


def test_no_goal(live):
    goal = moving(live)
    at_goal(live, goal)
    live.goal = None
    live.wait_until_began(Condition.NO_GOAL, 2)  # once before somebody led
    assert live.loop.mode is Mode.ARMED
    assert live.loop.source is Source.HOLD


def test_reading_old_and_servo_silent(either):
    live = either
    goal = moving(live, by=1.0)
    live.befall("vanish", servo=4, seconds=1.5)
    live.wait_until_began(Condition.READING_OLD)
    live.wait_until_began(Condition.SERVO_SILENT)
    live.wait_for_mode(Mode.STOPPED)
    assert live.loop.fault == "servo silent: wrist_flex"
    live.loop.arm()
    live.wait(lambda: live.loop.counters.refused.get("arm: not now", 0) > 0, "a refusal")
    live.wait_until_over(Condition.SERVO_SILENT)
    live.arm_it()
    at_goal(live, goal)


def test_reading_not_finite(live):
    goal = moving(live)
    whole = live.arm.scale.radians
    live.arm.scale.radians = lambda ticks: np.full(6, np.nan)  # a serial arm's are finite by nature
    live.wait_until_began(Condition.READING_NOT_FINITE)
    assert live.loop.mode is Mode.ARMED
    live.arm.scale.radians = whole
    at_goal(live, goal)


# -- stalls -------------------------------------------------------------------------------------


def test_gripper_stalled(live):
    """It keeps where it is, presses no harder than its margin, and opens when told."""
    live.robot.call(lambda: live.robot.plant.block(GRIPPER))
    goal = moving(live, GRIPPER, by=-0.8)
    start = live.state[GRIPPER]
    live.wait_until_began(Condition.GRIPPER_STALLED)
    margin = live.arm.spec.joints[GRIPPER].grip_margin
    live.wait(lambda: abs(live.reports[-1].sent[GRIPPER] - start) < margin + 0.01, "an eased grip")
    assert live.loop.mode is Mode.ARMED
    live.wait(lambda: not live.loop.conditions.active, "the end of the stall")
    assert Condition.SERVO_PROTECTED.value not in live.loop.conditions.counts
    goal = live.state.copy()
    goal[0] += 0.2
    goal[GRIPPER] = start - 0.8
    live.goal = goal  # the arm goes on
    live.wait(lambda: abs(live.state[0] - goal[0]) < 0.06, "the arm at its goal")
    assert abs(live.reports[-1].sent[GRIPPER] - start) < margin + 0.01
    live.robot.call(lambda: live.robot.plant.block(GRIPPER, False))
    live.goal = np.where(np.arange(6) == GRIPPER, start + 0.4, goal)
    at_goal(live, live.goal)


def test_joint_stalled(either):
    live = either
    live.robot.call(lambda: live.robot.plant.block(ELBOW))
    moving(live, by=0.8)
    live.wait_for_mode(Mode.STOPPED)
    assert live.loop.fault == "joint stalled: elbow_flex"
    there = live.state[ELBOW]
    live.wait(lambda: abs(live.reports[-1].sent[ELBOW] - there) < 0.02, "the joint let go")
    live.wait_until_over(Condition.JOINT_STALLED)
    assert all(live.torque())
    assert Condition.SERVO_PROTECTED.value not in live.loop.conditions.counts


def test_park_blocked(live):
    """A joint that does not pull; one that pulls and is blocked is a stall, which is sooner."""
    at_goal(live, moving(live, 0, by=0.6))
    live.goal = None
    live.robot.call(lambda: live.robot.servos[0].memory.__setitem__("torque_limit", 0))
    live.loop.park()
    live.wait_for_mode(Mode.STOPPED)
    assert live.loop.fault.startswith("park blocked: shoulder_pan is at ")
    assert all(live.torque())


# -- what a servo tells of itself ---------------------------------------------------------------


def test_servo_hot(live):
    moving(live)
    live.befall("heat", servo=3, value=66.0)
    live.wait_until_began(Condition.SERVO_HOT)
    live.wait_for_mode(Mode.DISARMED)
    assert live.loop.fault == "servo hot: elbow_flex 66 deg C"
    np.testing.assert_allclose(live.state, live.arm.spec.joint_array("rest"), atol=0.15)
    live.wait(lambda: not any(live.torque()), "the torque off")


def test_servo_burning(live):
    moving(live)
    for line in live.robot.lines.values():  # its own protection is broken
        line.servos[ELBOW].memory["max_temperature"] = 99
    live.befall("heat", servo=3, value=76.0)
    live.wait_until_began(Condition.SERVO_BURNING)
    live.wait_for_mode(Mode.DISARMED)
    live.wait(lambda: not any(live.torque()), "the torque off")


def test_servo_protected(either):
    """An overload that latched is named, nothing is armed until recover, which makes the joint follow."""
    live = either
    live.arm_it()
    live.befall("overload", servo=3)
    live.wait_for_mode(Mode.STOPPED)
    live.wait_until_began(Condition.SERVO_PROTECTED)
    assert "elbow_flex (overload)" in live.loop.conditions.describe(Condition.SERVO_PROTECTED)
    live.loop.arm()
    live.wait(lambda: live.loop.counters.refused.get("arm: not now", 0) > 0, "a refusal")
    live.loop.recover()
    live.wait_until_over(Condition.SERVO_PROTECTED)
    live.wait_until_over(Condition.TORQUE_LOST)
    at_goal(live, moving(live))


def test_torque_lost(either):
    """A brown-out: every servo's torque is gone; arming puts it on again where the arm is."""
    live = either
    moving(live)
    live.befall("brownout", seconds=0.1)
    live.wait_until_began(Condition.TORQUE_LOST)
    live.wait_for_mode(Mode.STOPPED)
    live.goal = None
    live.wait(lambda: not (live.loop.conditions.blocking), "the supply back")
    live.arm_it()
    assert all(live.torque())
    at_goal(live, moving(live))


def test_voltage(live):
    moving(live)
    live.befall("voltage", value=3.6, seconds=1.0)
    live.wait_until_began(Condition.VOLTAGE)
    live.wait_for_mode(Mode.STOPPED)
    assert live.loop.fault.startswith("voltage: shoulder_pan 3.6, shoulder_lift 3.6")
    live.wait_until_over(Condition.VOLTAGE)


# -- the robot, the loop and its process --------------------------------------------------------


def test_robot_error(either):
    live = either
    goal = moving(live, by=1.0)
    live.befall("unplug", seconds=1.0)
    live.wait_until_began(Condition.ROBOT_ERROR)
    live.wait_for_mode(Mode.STOPPED)
    live.wait_until_over(Condition.ROBOT_ERROR)
    live.wait_until_over(Condition.SERVO_SILENT)
    live.arm_it()
    at_goal(live, goal)


def test_loop_suspended(live):
    moving(live)
    now = live.loop.clock.now_ns
    live.loop.clock.now_ns = lambda: now() + 2_000_000_000  # what a debugger or a sleep does
    live.wait_until_began(Condition.LOOP_SUSPENDED)
    live.wait_for_mode(Mode.STOPPED)


def test_loop_raised(live):
    """A bug parks the arm before it ends the loop."""
    moving(live)
    follow, raised = live.loop._lead.follow, []

    def broken(*arguments):
        if raised:
            return follow(*arguments)
        raised.append(True)
        raise ZeroDivisionError("a bug")

    live.loop._lead.follow = broken
    live.wait(lambda: live.raised is not None, "the bug at the end")
    assert isinstance(live.raised, ZeroDivisionError)
    live.wait(lambda: not any(live.torque()), "the torque off")
    np.testing.assert_allclose(live.state, live.arm.spec.joint_array("rest"), atol=0.15)


def test_exit(live):
    moving(live)
    live.loop.exit()
    live.wait_for_mode(Mode.DISARMED)
    live.wait(lambda: not any(live.torque()), "the torque off")
    live.loop.arm()
    live.wait(lambda: live.loop.counters.refused.get("arm: not now", 0) > 0, "a refusal")
