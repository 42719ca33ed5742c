"""lerobot-record and lerobot-teleoperate, as processes, drive limber's robots: directly and through ROS."""

import json
import os
import pty
import signal
from pathlib import Path

import numpy as np
import pytest
from std_msgs.msg import String
from support.lerobot_command import lerobot_command
from support.ros_process import Listener, listener, node_process

from hardware.spec import load_spec

SPEC = load_spec("so101")
NAMES = [f"{joint}.pos" for joint in SPEC.joint_names]
LEADER = {"teleop__operator": "leader", "teleop__leader_driver": "emulated"}


def check_dataset(root: Path, led: float) -> None:
    """Two episodes with pictures, in which the joints were led over `led` rad and followed."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("limber/test", root=root, video_backend="pyav")
    assert dataset.num_episodes == 2
    assert dataset.meta.robot_type == "limber"
    assert dataset.features["action"]["names"] == NAMES
    assert dataset.features["observation.state"]["names"] == NAMES
    first, last = dataset[0], dataset[dataset.num_frames - 1]
    for camera in SPEC.cameras:
        picture = last[f"observation.images.{camera.name}"]
        assert picture.shape == (3, camera.height, camera.width)
        assert picture.std() > 0.03, "there is something to be seen"
        assert (picture - first[f"observation.images.{camera.name}"]).abs().max() > 0.1, "something moved"
    table = dataset.hf_dataset.with_format("numpy")
    action, state = np.stack(table["action"]), np.stack(table["observation.state"])
    assert np.ptp(action, axis=0).max() > led
    assert np.ptp(state, axis=0).max() > 0.5 * led
    off = np.abs(state[-1] - action[-1])  # a joint may be held back: by its limits, by the table
    assert np.median(off) < 0.3, "the follower is where it was led"


def modes(graph: Listener) -> list[tuple[str, str]]:
    said = [json.loads(message.data) for message in graph.heard["control_source"]]
    return [(one["mode"], one["source"]) for one in said]


@pytest.mark.timeout(300)
def test_record_drives_an_arm_on_its_serial_line(tmp_path: Path) -> None:
    """In process: two emulated arms, each behind a pseudo-terminal, the follower's cameras as streams."""
    with lerobot_command("record", tmp_path, robot__spec="so101_emulated", **LEADER) as command:
        code, output = command.wait()
        assert code == 0, output
        assert "not parked" not in output
        assert "guardian:" not in output, "the torque was off at the end"
        assert command.left_running() == []
    check_dataset(tmp_path / "dataset", led=0.3)


@pytest.mark.timeout(300)
def test_record_drives_and_then_hears_a_robot_node(tmp_path: Path) -> None:
    """First lerobot-record drives; then a teleop_node does, and lerobot-record only records it."""
    at = ("-r", "__ns:=/left")
    through = {"robot__ros": "true", "robot__namespace": "left"}
    with node_process("robot_node", *at), listener("/left") as graph:
        graph.listen(String, "control_source", latched=True)
        graph.wait(lambda: modes(graph), "robot_node")
        with lerobot_command("record", tmp_path / "drives", **through, **LEADER) as command:
            code, output = command.wait()
        assert code == 0, output
        assert "not parked" not in output
        check_dataset(tmp_path / "drives" / "dataset", led=0.3)
        assert ("armed", "person") in modes(graph)
        assert modes(graph)[-1][0] == "disarmed", "stopped, parked"

        leading = {"operator": "leader", "leader_driver": "emulated", "session": "false", "take_over": "true"}
        with node_process("teleop_node", *at, live_picture="none", **leading):
            graph.trigger("arm")
            graph.wait(lambda: modes(graph)[-1] == ("armed", "person"), "the leader in control")
            told = len(modes(graph))
            hears = {**through, "teleop__operator": "topic", "teleop__namespace": "left"}
            with (
                lerobot_command("record", tmp_path / "hears", robot__drive="false", **hears) as command,
                lerobot_command("teleoperate", tmp_path / "fights", **through, **LEADER) as other,
            ):
                code, output = command.wait()
                refused, reason = other.wait()
            assert code == 0, output
            check_dataset(tmp_path / "hears" / "dataset", led=0.3)
            assert modes(graph)[told:] == [], "it was left to its teleop_node"
            assert refused == 2, reason
            assert reason.splitlines()[-1].startswith("error: somebody else commands the arm"), reason


@pytest.mark.timeout(300)
def test_teleoperate_stops_by_key_and_ends_by_signal(tmp_path: Path) -> None:
    """The keyboard needs a terminal; both end with the arm parked and the torque off."""
    ours, theirs = pty.openpty()
    arm = {"robot__spec": "so101_emulated", "robot__task": "none"}
    with (
        lerobot_command(
            "teleoperate", tmp_path / "key", terminal=theirs, teleop__operator="keyboard", **arm
        ) as key,
        lerobot_command("teleoperate", tmp_path / "signal", **LEADER, **arm) as signalled,
    ):
        assert "q/a shoulder_pan" in key.said_until("Teleop loop time")
        os.write(ours, b"qqqq ")
        code, output = key.wait()
        assert code == 2, output
        assert "error: the arm does not follow, it is stopped" in output
        signalled.said_until("Teleop loop time")
        ended, rest = signalled.end(signal.SIGTERM)
        assert ended == 128 + signal.SIGTERM, rest
        for said in (output, rest):
            assert "not parked" not in said
            assert "guardian:" not in said
        assert key.left_running() == signalled.left_running() == []
    os.close(ours)
    os.close(theirs)


@pytest.mark.timeout(300)
def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    """What LeRobot wraps, and what it does not."""
    with (
        lerobot_command("record", tmp_path / "spec", robot__spec="so102", **LEADER) as unknown,
        lerobot_command("teleoperate", tmp_path / "ros", robot__ros="true", **LEADER) as nobody,
    ):
        for command, line in (
            (unknown, "error: unknown robot 'so102' (did you mean 'so101'?)"),
            (nobody, "error: expected a robot_node in namespace '/' of ROS domain"),
        ):
            code, output = command.wait()
            assert code == 2, output
            assert output.splitlines()[-1].startswith(line), output
            assert output.count("error: ") == 1, output
            assert "lerobot_robot_limber" not in output, "no trace of where it was raised"
    assert not (tmp_path / "spec" / "dataset").exists(), "nothing was written yet"
