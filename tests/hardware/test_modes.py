"""The words that change an arm's mode, torque that comes up slowly, and leaders that are followed slowly."""

import numpy as np
import pytest
from support.loop_rig import LIMITS, MIDDLE, NAMES, SPEC, Rig, armed, slow_chunk
from support.motion import assert_within_limits

from hardware.control.grip import Grip
from hardware.control.interpolation import CommandSmoother
from hardware.control.loop import Mode, Source
from hardware.control.soft_start import CAUGHT_UP, SPEED, SoftStart
from hardware.control.torque_ramp import LOWEST
from hardware.control.yielding import Yielding

DT = SPEC.control_dt
GRIPPER = 5


# -- torque -------------------------------------------------------------------------------------


def test_arming_lets_the_torque_come_up_and_holds_meanwhile() -> None:
    rig = Rig(arming_s=0.5)
    rig.loop.arm()
    limits, modes = [], []
    for _ in range(60):
        rig.loop.offer_teleop(NAMES, MIDDLE + 0.05)
        modes.append(rig.tick().mode)
        limits.append(rig.robot.torque_limit)
    assert limits[0] == LOWEST
    assert (np.diff(limits) >= 0).all()
    assert limits[25] == pytest.approx(0.5 * (LOWEST + 1.0), abs=0.02)
    assert modes.count(Mode.ARMING) == 50
    assert modes[-1] is Mode.ARMED
    assert limits[-1] == 1.0
    held = [r.sent for r in rig.reports if r.mode is Mode.ARMING]
    np.testing.assert_allclose(held, np.tile(MIDDLE, (50, 1)), atol=1e-6)


def test_an_arm_that_is_stopped_while_its_torque_comes_up_gets_all_of_it() -> None:
    rig = Rig(arming_s=0.5)
    rig.loop.arm()
    rig.tick(10)
    rig.loop.stop()
    rig.tick(60)
    assert rig.loop.mode is Mode.STOPPED
    assert rig.robot.torque_limit == 1.0


def test_an_arm_outside_its_limits_is_not_armed() -> None:
    rig = Rig()
    rig.robot.state[2] = 1.9
    rig.loop.arm()
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert rig.loop.fault.startswith(
        "arm: outside limits: joint 'elbow_flex' is at 1.9, its limits are -1.69"
    )
    assert not rig.robot.torque


def test_torque_off_is_at_once() -> None:
    rig = armed()
    rig.loop.torque_off()
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert not rig.robot.torque


def test_exit_parks_and_arms_no_more() -> None:
    rig = armed()
    rig.loop.exit()
    rig.tick(800)
    assert rig.loop.mode is Mode.DISARMED
    np.testing.assert_allclose(rig.robot.state, SPEC.joint_array("rest"), atol=2e-3)
    rig.loop.arm()
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert rig.loop.fault == "arm: not now: exit"


@pytest.mark.parametrize("moving", [True, False])
def test_recover_is_for_motors_of_an_arm_at_rest(moving: bool) -> None:
    rig = armed()
    if moving:
        rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
        rig.tick(20)
    else:
        rig.loop.stop()
        rig.tick(30)
    rig.loop.recover()
    rig.tick()
    reason = "the arm is armed; stop it first" if moving else "this robot's motors latch nothing"
    assert rig.loop.fault.endswith(reason)


def test_parking_is_held_while_a_reading_is_old_though_something_worse_lasts() -> None:
    rig = armed()
    rig.loop.exit()  # lasts, and is greater than to hold
    rig.tick(40)
    rig.robot.latency_ns = 80_000_000
    rig.tick(60)
    assert rig.loop.mode is Mode.PARKING
    assert (rig.loop.safety.velocity == 0).all()
    rig.robot.latency_ns = 0
    rig.tick(800)
    assert rig.loop.mode is Mode.DISARMED


# -- who takes the lead -------------------------------------------------------------------------


def test_a_person_far_away_is_followed_slowly_at_first_and_then_as_they_move() -> None:
    rig = armed()
    goal = MIDDLE + 1.0
    while np.abs(rig.loop.safety.position - goal).max() > CAUGHT_UP:
        rig.loop.offer_teleop(NAMES, goal)
        rig.tick()
        assert len(rig.reports) < 400
    speeds = np.abs(np.diff(rig.sent, axis=0)).max(axis=1) / DT
    assert speeds[:40].max() < SPEED + 0.5
    assert speeds.max() < SPEED + 1.5
    for tick in range(100):
        rig.loop.offer_teleop(NAMES, goal - 0.02 * tick)
        rig.tick()
    assert np.abs(np.diff(rig.sent[-20:], axis=0)).max() / DT == pytest.approx(2.0, abs=0.1)
    assert_within_limits(rig.sent, LIMITS, DT)


def test_a_policy_that_begins_where_the_arm_is_is_not_slowed() -> None:
    rig = armed()
    points = rig.loop.safety.position + 0.05 * np.arange(1, 17)[:, None]  # 1 rad/s
    rig.loop.offer_chunk(NAMES, points, rig.key())
    rig.tick(60)
    assert rig.loop.source is Source.POLICY
    np.testing.assert_allclose(rig.reports[-1].base, rig.reports[-1].sent, atol=1e-9)


def test_a_slow_start_ends_once_the_source_is_reached() -> None:
    start, way = SoftStart(DT), np.zeros(6)
    far = np.full(6, 0.5)
    assert (start.ease(far, far, way) == far).all(), "nobody has just taken the lead"
    start.begin()
    first = start.ease(far, far, way)
    np.testing.assert_allclose(first, SPEED * DT)
    near = np.full(6, 0.5 * CAUGHT_UP)
    assert (start.ease(near, near, way) == near).all()
    assert not start.active


def test_samples_are_smoothed_to_the_same_place() -> None:
    smoother = CommandSmoother()
    smoother.restart(np.zeros(2))
    goals = [smoother.next(np.ones(2)) for _ in range(sum(CommandSmoother.LENGTHS))]
    assert (np.diff(goals, axis=0) >= 0).all()
    np.testing.assert_allclose(goals[0], 1.0 / np.prod(CommandSmoother.LENGTHS))
    np.testing.assert_allclose(goals[-2:], 1.0)
    ramp = [smoother.next(np.full(2, 1.0 + 0.1 * k)) for k in range(40)]
    late = (1.0 + 0.1 * 39 - ramp[-1]) / 0.1
    np.testing.assert_allclose(late, CommandSmoother.DELAY)


# -- what presses on something ------------------------------------------------------------------


def test_a_grip_goes_no_further_than_its_margin_and_opens() -> None:
    grip = Grip(SPEC)
    stalled = np.arange(6) == GRIPPER
    state, sent = np.full(6, 0.3), np.zeros(6)
    margin = SPEC.joints[GRIPPER].grip_margin
    grip.hold(stalled, state, sent)
    eased = grip.ease(np.zeros(6), state)
    assert eased[GRIPPER] == pytest.approx(0.3 - margin)
    assert (eased[:GRIPPER] == 0).all()
    assert grip.ease(np.full(6, 0.29), state)[GRIPPER] == 0.29
    grip.hold(stalled, state - 0.1, sent)
    assert grip.ease(np.zeros(6), state)[GRIPPER] == pytest.approx(0.3 - margin), "where it stalled first"
    assert grip.ease(np.full(6, 0.5), state)[GRIPPER] == 0.5
    assert grip.ease(np.zeros(6), state)[GRIPPER] == 0.0, "opened, it is forgotten"
    grip.hold(stalled, state, sent)
    assert grip.ease(np.zeros(6), state - 0.1)[GRIPPER] == 0.0, "what it held is gone"


def test_a_stopped_joint_lets_go_once_the_arm_has_braked() -> None:
    joints = np.arange(6) == 2
    yielding = Yielding(joints)
    sent, state = np.full(6, 1.0), np.full(6, 0.8)
    assert yielding.goal(sent, np.full(6, 0.1), state) is None
    goal = yielding.goal(sent, np.zeros(6), state)
    assert goal is not None
    np.testing.assert_array_equal(goal, np.where(joints, 0.8, 1.0))
    np.testing.assert_array_equal(yielding.goal(goal, np.full(6, 0.1), state - 0.1), goal)
