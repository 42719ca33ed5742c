"""The fence: no goal whatever leads an arm out of its workspace or into itself, and it keeps the limits."""

from dataclasses import replace

import numpy as np
import pytest
from support.fake_robot import without_cameras, without_fence
from support.motion import assert_within_limits

from hardware.errors import HardwareError, SpecError
from hardware.robot import Observation
from hardware.safety.clearance import _segment_distance, clearance_of
from hardware.safety.filter import SafetyFilter
from hardware.safety.limits import Limits
from hardware.spec import load_spec, spec_from_dict

SPEC = without_cameras(load_spec("so101"))
FREE = without_fence(SPEC)
LOWER, UPPER = SPEC.joint_array("lower"), SPEC.joint_array("upper")
START = np.array([0.0, -0.5, 0.5, 0.5, 0.0, 0.5])
PAN = 0
CLEARANCE = clearance_of(SPEC)


def drive(spec, goals, start=START, set_limits=()):
    """What is sent (T, 6) for goals (T, 6), and the filter."""
    safety = SafetyFilter(spec)
    safety.reset(start)
    zeros = np.zeros(6, np.float32)
    sent = []
    for tick, goal in enumerate(goals):
        if tick in dict(set_limits):
            safety.set_limits(dict(set_limits)[tick])
        seen = Observation((tick + 1) * 10_000_000, safety.position.astype(np.float32), zeros, zeros)
        sent.append(safety(goal, seen, spec.control_dt)[0])
    return np.array(sent), safety


def random_goals(seed, ticks=600, hold=25):
    rng = np.random.default_rng(seed)
    return np.repeat(rng.uniform(LOWER - 0.5, UPPER + 0.5, (ticks // hold, 6)), hold, axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_no_goal_leads_out(seed):
    goals = random_goals(seed)
    without, _ = drive(FREE, goals)
    assert CLEARANCE(without).min() < -0.02, "these goals do lead out of it"
    sent, safety = drive(SPEC, goals)
    assert CLEARANCE(sent).min() > -1e-6
    assert safety.counters["workspace"] > 0
    assert_within_limits(np.vstack((START, sent)), Limits.of(SPEC), SPEC.control_dt)


def test_nor_do_goals_that_jump_every_tick_or_limits_that_change():
    rng = np.random.default_rng(9)
    limits = Limits.of(SPEC)
    slower = replace(limits, velocity=0.4 * limits.velocity, acceleration=0.5 * limits.acceleration)
    goals = rng.uniform(LOWER, UPPER, (600, 6))
    sent, _ = drive(SPEC, goals, set_limits=((200, slower), (400, limits)))
    assert CLEARANCE(sent).min() > -1e-6


def test_goals_inside_are_sent_as_without_a_fence():
    goals = START + 0.1 * np.sin(np.arange(300) / 40)[:, None]
    np.testing.assert_array_equal(drive(SPEC, goals)[0], drive(FREE, goals)[0])


def test_along_the_side_an_arm_goes_on_with_the_joints_that_can():
    """Pressed down onto the table and turned: it turns."""
    down = START.copy()
    down[1:4] = 0.9, 0.9, 0.9
    sent, _ = drive(SPEC, np.tile(down, (300, 1)))
    assert CLEARANCE(np.array([down])).min() < -0.02
    down[PAN] = 0.8
    turned, _ = drive(SPEC, np.tile(down, (300, 1)), start=sent[-1])
    assert turned[-1, PAN] == pytest.approx(0.8)
    assert CLEARANCE(turned).min() > -1e-6


def test_an_arm_that_is_outside_comes_no_further_out_and_may_come_in():
    outside = np.array([0.0, 0.6, 0.9, 0.6, 0.0, 0.5])
    before = CLEARANCE(outside)
    assert before.min() < -0.02
    worse = outside + np.array([0.0, 0.3, 0.0, 0.0, 0.0, 0.0])
    sent, _ = drive(SPEC, np.tile(worse, (200, 1)), start=outside)
    assert (CLEARANCE(sent) >= np.minimum(before, 0.0) - 1e-6).all()
    sent, _ = drive(SPEC, np.tile(START, (300, 1)), start=outside)
    np.testing.assert_allclose(sent[-1], START, atol=1e-6)


def test_many_arms_at_once_are_each_their_own():
    goals = np.stack([random_goals(s, 200) for s in range(3)], axis=1)  # (T, 3, 6)
    safety = SafetyFilter(SPEC)
    safety.reset(np.tile(START, (3, 1)))
    zeros = np.zeros((3, 6), np.float32)
    together = []
    for tick, goal in enumerate(goals):
        seen = Observation((tick + 1) * 10_000_000, safety.position.astype(np.float32), zeros, zeros)
        together.append(safety(goal, seen, SPEC.control_dt)[0])
    together = np.array(together)
    assert CLEARANCE(together).min() > -1e-6
    for arm in range(3):
        np.testing.assert_allclose(together[:, arm], drive(SPEC, goals[:, arm])[0], atol=1e-9)


# -- what it rests on ---------------------------------------------------------------------------


def test_slopes_bound_how_fast_distances_change():
    rng = np.random.default_rng(0)
    poses = rng.uniform(LOWER, UPPER, (300, 6))
    steps = rng.normal(0.0, 0.05, (300, 6))
    change = np.abs(CLEARANCE(poses + steps) - CLEARANCE(poses))
    assert (change <= np.abs(steps) @ CLEARANCE.slopes.T + 1e-9).all()


def test_the_bound_of_a_stop_holds_for_the_stop():
    goals = random_goals(3, 400, 7)
    safety = SafetyFilter(FREE)
    safety.reset(START)
    zeros = np.zeros(6, np.float32)
    longest = 0.0
    for tick, goal in enumerate(goals):
        seen = Observation((tick + 1) * 10_000_000, safety.position.astype(np.float32), zeros, zeros)
        sent = safety(goal, seen, SPEC.control_dt)[0]
        path = safety.limiter.stop_path()
        np.testing.assert_array_equal(path[0], sent)
        travel = np.abs(path - sent).max(axis=0)
        assert (travel <= safety.limiter.stop_bound() + 1e-12).all()
        longest = max(longest, travel.max())
    assert longest > 0.1


def test_a_stop_goes_where_the_path_said():
    goals = random_goals(5, 60, 60)
    _, safety = drive(FREE, goals[:40])
    path = safety.limiter.stop_path()
    zeros = np.zeros(6, np.float32)
    for tick in range(1, len(path)):
        seen = Observation((tick + 100) * 10_000_000, zeros, zeros, zeros)
        np.testing.assert_allclose(safety(None, seen, SPEC.control_dt)[0], path[tick], atol=1e-12)
    assert (safety.velocity == 0).all()


def test_distances_of_segments_are_the_least_over_their_points():
    rng = np.random.default_rng(0)
    a0, a1, b0, b1 = rng.normal(size=(4, 50, 3))
    b1[:10] = b0[:10] + 0.5 * (a1 - a0)[:10]  # parallel
    at = np.linspace(0.0, 1.0, 201)[:, None, None]
    a, b = a0 + at * (a1 - a0), b0 + at * (b1 - b0)
    least = np.linalg.norm(a[:, None] - b[None], axis=-1).min(axis=(0, 1))
    found = _segment_distance(a0, a1, b0, b1)
    assert (found <= least + 1e-9).all()
    np.testing.assert_allclose(found, least, atol=0.03)


def test_links_that_are_kept_apart_are_no_neighbours():
    assert ("base_link", "gripper_link") in CLEARANCE.pairs
    assert ("gripper_link", "moving_jaw_link") not in CLEARANCE.pairs
    assert CLEARANCE(SPEC.joint_array("rest")).min() >= 0


# -- the spec -----------------------------------------------------------------------------------


def test_a_workspace_without_a_model_is_refused():
    with pytest.raises(HardwareError, match=r"hardware/robots/other.urdf is not there"):
        SafetyFilter(replace(SPEC, model="other"))


def test_a_spec_keeps_its_workspace(tmp_path):
    assert spec_from_dict(SPEC.to_dict()) == SPEC
    file = tmp_path / "arm.yaml"
    file.write_text("extends: so101\nworkspace: {x: [0, 1], y: [0, 1], z: [1, 0]}\n")
    with pytest.raises(SpecError, match=r"arm.yaml:2: z: limits are reversed"):
        load_spec(str(file))
    file.write_text("extends: so101\nworkspace: 3\n")
    with pytest.raises(SpecError, match="workspace: expected a mapping, got 3"):
        load_spec(str(file))
