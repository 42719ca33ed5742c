"""The tool moved by small steps: straight, at its pitch and roll, and calm where the arm's reach ends."""

import numpy as np
import pytest

from hardware.spec import load_spec
from hardware.teleop.cartesian import ToolMove
from sim.cartesian import FURTHEST, LEAD, CartesianJog
from sim.errors import SimError
from sim.kinematics import ToolKinematics

SPEC = load_spec("so101")
READY = np.array([0.0, -0.4, 0.6, 1.37, 0.0, 0.5])
TURNED = np.array([0.6, -0.3, 0.5, 1.0, 0.4, 0.5])
LOWER, UPPER = SPEC.joint_array("lower"), SPEC.joint_array("upper")
STEPS = 20
WAYS = {
    "forward": (1.0, 0.0, 0.0),
    "left": (0.0, 1.0, 0.0),
    "up": (0.0, 0.0, 1.0),
}


@pytest.fixture(scope="module")
def jog() -> CartesianJog:
    return CartesianJog(SPEC)


@pytest.fixture(scope="module")
def kinematics() -> ToolKinematics:
    return ToolKinematics(SPEC)


def moved(jog: CartesianJog, start: np.ndarray, move: ToolMove, steps: int = STEPS) -> np.ndarray:
    """The joints after `steps` moves of an arm that follows at once."""
    jog.begin(start)
    state = start
    for _ in range(steps):
        goal = jog.goal(move, state)
        assert np.abs(goal - state).max() <= FURTHEST + 1e-9
        assert (goal >= LOWER).all()
        assert (goal <= UPPER).all()
        state = goal
    return state


@pytest.mark.parametrize("start", [READY, TURNED], ids=["ready", "turned"])
@pytest.mark.parametrize("way", WAYS)
def test_the_tool_goes_straight_there_and_keeps_its_angles(jog, kinematics, start, way) -> None:
    sign = -1.0 if way == "up" else 1.0  # down: there is room
    end = moved(jog, start, ToolMove(**{way: sign * 0.0015}))
    shift = kinematics.tool_position(end) - kinematics.tool_position(start)
    np.testing.assert_allclose(shift, sign * np.array(WAYS[way]) * 0.0015 * STEPS, atol=1e-3)
    jog.begin(start)
    before = jog.angles
    jog.begin(end)
    np.testing.assert_allclose(jog.angles, before, atol=0.02)
    assert end[-1] == start[-1]


@pytest.mark.parametrize("angle", ["pitch", "roll"])
def test_the_tool_turns_on_the_spot(jog, kinematics, angle) -> None:
    start = TURNED
    end = moved(jog, start, ToolMove(**{angle: 0.012}))
    shift = kinematics.tool_position(end) - kinematics.tool_position(start)
    np.testing.assert_allclose(shift, 0.0, atol=1.5e-3)
    jog.begin(start)
    before = dict(zip(("pitch", "roll"), jog.angles, strict=True))
    jog.begin(end)
    after = dict(zip(("pitch", "roll"), jog.angles, strict=True))
    for name in before:
        turned = 0.012 * STEPS if name == angle else 0.0
        assert after[name] - before[name] == pytest.approx(turned, abs=0.02)


def test_level_fingers_have_no_pitch_and_down_is_a_quarter_turn(jog) -> None:
    jog.begin(np.zeros(6))
    level = jog.angles[0]
    jog.begin(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0]))
    assert jog.angles[0] == pytest.approx(level + 1.0, abs=1e-4)
    jog.begin(READY)
    assert jog.angles[0] == pytest.approx(np.pi / 2, abs=0.15)


def test_the_gripper_moves_alone_to_its_ends(jog) -> None:
    end = moved(jog, READY, ToolMove(gripper=0.05), 100)
    np.testing.assert_array_equal(end[:-1], READY[:-1])
    assert end[-1] == UPPER[-1]
    assert moved(jog, READY, ToolMove(gripper=-0.05), 100)[-1] == LOWER[-1]


def test_beyond_its_reach_it_stays_and_comes_back_at_once(jog, kinematics) -> None:
    far = moved(jog, READY, ToolMove(forward=0.004), 300)
    edge = kinematics.tool_position(far)
    assert edge[0] > kinematics.tool_position(READY)[0] + 0.03
    state = far
    for _ in range(20):
        state = jog.goal(ToolMove(forward=-0.002), state)
    assert kinematics.tool_position(state)[0] < edge[0] - 0.02, "the target had not run ahead"


def test_an_arm_that_is_held_is_not_run_away_from(jog) -> None:
    jog.begin(READY)
    for _ in range(300):
        goal = jog.goal(ToolMove(left=0.003, gripper=0.01), READY)
    assert np.abs(goal - READY).max() <= LEAD + FURTHEST
    np.testing.assert_array_equal(jog.goal(ToolMove(), READY), goal)


def test_a_robot_without_a_model_is_named() -> None:
    with pytest.raises(SimError, match="unknown simulated robot 'so100'"):
        CartesianJog(load_spec("so100"))
