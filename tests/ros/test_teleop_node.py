"""teleop_node: the scripted expert's sessions at any speed, and a person at a real terminal."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from limber_nodes import conversions
from limber_nodes.teleop_node import TeleopNode
from sensor_msgs.msg import JointState
from support.ros_process import Listener, environment, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import load_spec

NAMES = load_spec("so101").joint_names


@pytest.fixture(scope="module")
def graph() -> Iterator[Listener]:
    """The simulated arm and its task, as fast as they go, with a listener."""
    with (
        node_process("robot_node", cameras="none", speed="inf"),
        node_process("task_node"),
        listener() as made,
    ):
        for topic in ("joint_states", "executed_action", "teleop/joint_command"):
            made.listen(JointState, topic)
        for topic in ("planned_action", "action_correction"):
            made.listen(JointTrajectory, topic)
        made.wait_for("planned_action", 2)
        yield made


def stamps(messages: list) -> np.ndarray:
    return np.array([conversions.stamp_ns(m.header.stamp) for m in messages])


def test_the_expert_answers_every_step_and_ends_when_its_episodes_are_done(graph: Listener) -> None:
    with node_process("teleop_node", episodes=2, first_seed=40, record="false") as teleop:
        code, output = teleop.wait(timeout_s=120)
    assert code == 0, output
    assert "episode 1/2 seed 4" in output
    assert "episode 2/2 seed 4" in output
    keys = stamps(graph.heard["planned_action"])
    commands = graph.heard["teleop/joint_command"]
    answered = stamps(commands)
    assert len(answered) > 80
    assert set(answered) <= set(keys)
    assert all(tuple(m.name) == NAMES for m in commands)
    gaps = np.diff(answered) // 50_000_000
    assert (gaps > 1).sum() <= 4, "steps were left unanswered, beside those between episodes"
    corrections = stamps(graph.heard["action_correction"])
    assert len(corrections) > 0.5 * len(answered)
    assert set(corrections) <= set(answered)
    # Time waited for the answers: each was followed from the second tick of its step on.
    executed = list(graph.heard["executed_action"])
    sent = {conversions.stamp_ns(m.header.stamp): np.array(m.position) for m in executed}
    moved = [
        np.abs(sent[s + 50_000_000] - sent[s]).max() for s in answered if s + 50_000_000 in sent and s in sent
    ]
    assert np.mean(np.array(moved) > 1e-4) > 0.8
    values = graph.wait(lambda: graph.diagnostics("robot_node"), "diagnostics")
    assert int(values["stale_corrections"]) <= 2 * 2, "beside those that began an episode"
    assert int(values["teleop_given_up"]) <= 2
    assert int(values["refused"]) == 0


def test_a_person_drives_by_keys_and_quits(graph: Listener) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "limber_nodes.teleop_node", "--ros-args"]
        + ["-p", "operator:=keyboard", "-p", "record:=false", "-p", "episodes:=2"],
        env=environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "ready: Enter to start\n"))
        assert "q/a shoulder_pan" in said
        assert "Esc: quit" in said
        before = len(graph.heard["teleop/joint_command"])
        os.write(ours, b"\n")
        graph.wait(lambda: len(graph.heard["teleop/joint_command"]) > before, "the first command")
        start = np.array(graph.heard["teleop/joint_command"][-1].position)
        os.write(ours, b"qqqyy")

        def goal() -> np.ndarray:
            return np.array(graph.heard["teleop/joint_command"][-1].position) - start

        graph.wait(lambda: np.abs(goal() - [0.09, 0, 0, 0, 0, 0.06]).max() < 1e-6, "the keys' goal")
        os.write(ours, b"\n")
        assert "episode 1/2 seed 0 success" in process.stdout.readline()
        assert process.stdout.readline() == "ready: Enter to start\n"
        os.write(ours, b"\x1b")
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, rest
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_without_a_terminal_a_keyboard_is_refused() -> None:
    with node_process("teleop_node", operator="keyboard") as teleop:
        code, output = teleop.wait()
    assert code == 2
    assert "expected a terminal" in output


def test_a_session_that_breaks_ends_the_process() -> None:
    codes: list[int] = []
    lines: list[str] = []

    def broken() -> bool:
        raise KeyError("stamp_ns")  # another task_node's answer

    node = SimpleNamespace(finish=codes.append, get_logger=lambda: SimpleNamespace(fatal=lines.append))
    TeleopNode._run_session(SimpleNamespace(node=node, session=SimpleNamespace(run=broken)))  # type: ignore[arg-type]
    assert codes == [1]
    assert lines == ["session: KeyError: 'stamp_ns'"]
