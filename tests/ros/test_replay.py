"""A recorded episode is played back on the simulated arm, by replay_node as a process of its own."""

from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from support.episodes import write_episode
from support.ros_process import listener, node_process

from hardware.spec import load_spec
from policies.data.export import ExportOptions, export
from policies.data.replay import approach, at_rate, load_goals
from policies.errors import DatasetError

SPEC = load_spec("so101")
MIDDLE = (SPEC.joint_array("lower") + SPEC.joint_array("upper")) / 2


def swing(t: float) -> np.ndarray:
    """A movement well within every limit, that begins and ends at rest."""
    rise = np.clip(t, 0.0, 2.0) / 2.0
    return MIDDLE + 0.3 * (3 * rise**2 - 2 * rise**3) * np.array([1, -1, 1, -1, 1, 0.5])


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("log") / "episode_000000.mcap"
    spec = SPEC.with_cameras(("front",), width=32, height=32)
    return write_episode(path, spec, seconds=3.0, truth=swing)


def test_a_log_and_the_dataset_made_of_it_hold_the_same_goals(log: Path, tmp_path: Path) -> None:
    export([log], tmp_path / "data", ExportOptions(trim_idle=False))
    recorded = load_goals(log, SPEC)
    np.testing.assert_allclose(recorded, load_goals(tmp_path / "data", SPEC), atol=1e-6)
    np.testing.assert_allclose(recorded[10], swing(11 / 20), atol=1e-6)
    with pytest.raises(DatasetError, match=r"an episode of 0\.\.0"):
        load_goals(tmp_path / "data", SPEC, index=1)


def test_other_joints_are_refused(log: Path) -> None:
    other = load_spec("so101")
    renamed = type(other)(other.name, other.joints[:-1], other.cameras)
    with pytest.raises(DatasetError, match="expected joints"):
        load_goals(log, renamed)


def test_the_approach_starts_and_ends_at_rest_within_its_speed() -> None:
    way = approach(np.zeros(2), np.array([1.0, -0.5]), 0.5, 20)
    speed = np.abs(np.diff(np.concatenate([np.zeros((1, 2)), way]), axis=0)) * 20
    assert speed.max() <= 0.5 + 1e-9
    assert speed[0].max() < 0.05
    assert speed[-1].max() < 0.05
    np.testing.assert_allclose(way[-1], [1.0, -0.5])


def test_another_rate_is_the_same_movement() -> None:
    goals = np.linspace(0, 1, 21)[:, None]
    np.testing.assert_allclose(at_rate(goals, 20, 50)[:, 0], np.linspace(0, 1, 51))


def test_the_arm_goes_where_the_recording_went(log: Path) -> None:
    with listener() as ears, node_process("robot_node", cameras="none", task="none", speed=5.0) as robot:
        ears.listen(JointState, "executed_action")
        ears.wait_for("executed_action")
        with node_process("replay_node", episode=log) as replay:
            code, output = replay.wait()
        assert code == 0, output
        assert "replayed" in output
        sent = np.array([m.position for m in ears.heard["executed_action"]])
        assert robot.end()[0] == 0
    wanted = load_goals(log, SPEC)
    # each goal is passed, in order
    at = 0
    for goal in wanted[::5]:
        near = np.flatnonzero(np.abs(sent[at:] - goal).max(axis=1) < 0.02)
        assert len(near), f"{goal} is not passed after tick {at}"
        at += int(near[0])
    np.testing.assert_allclose(sent[-1], swing(3.0), atol=0.01)


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for expected, given in {"got none": {}, "does not exist": {"episode": tmp_path / "x.mcap"}}.items():
        with node_process("replay_node", **given) as replay:
            code, output = replay.wait()
        assert code == 2, output
        assert expected in output
        assert output.count("error: ") == 1
