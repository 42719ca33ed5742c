"""teleop_node: the scripted expert's sessions at any speed, and a person at a real terminal."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from limber_nodes import conversions
from limber_nodes.teleop_calls import APPEAR_S
from limber_nodes.teleop_node import TeleopNode
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.launching import interrupt, runner
from support.person import person, said_until
from support.ros_process import REPOSITORY, Listener, environment, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import load_spec
from policies.data.raw_log import EPISODE, RESULT
from policies.data.raw_log_reader import read_raw_log

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


READY = "ready: Enter to start"


def test_a_person_drives_by_keys_and_quits(graph: Listener) -> None:
    with person("-p", "record:=false", "-p", "episodes:=2") as (process, keys):
        said = said_until(process, READY)
        assert "q/a shoulder_pan" in said
        assert "-: save as failure" in said
        assert "Esc: quit" in said
        before = len(graph.heard["teleop/joint_command"])
        os.write(keys, b"\n")
        graph.wait(lambda: len(graph.heard["teleop/joint_command"]) > before, "the first command")
        start = np.array(graph.heard["teleop/joint_command"][-1].position)
        os.write(keys, b"qqqyy")

        def goal() -> np.ndarray:
            return np.array(graph.heard["teleop/joint_command"][-1].position) - start

        graph.wait(lambda: np.abs(goal() - [0.09, 0, 0, 0, 0, 0.06]).max() < 1e-6, "the keys' goal")
        os.write(keys, b"\n")
        assert "episode 1/2 seed 0 success" in said_until(process, READY)
        os.write(keys, b"\x1b")
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, rest


def test_what_a_person_records_is_kept_with_the_label_of_the_key(tmp_path: Path) -> None:
    """collect.launch.xml as the README starts it, in a namespace of its own."""
    arguments = ("operator:=none", f"dataset:={tmp_path}", "cameras:=none", "namespace:=/person")
    with (
        runner(REPOSITORY / "launch/collect.launch.xml", *arguments, **environment()) as launch,
        person("-r", "__ns:=/person") as (process, keys),
        listener("/person") as graph,
    ):
        graph.listen(JointState, "teleop/joint_command")
        said = [said_until(process, READY)]
        for key in (b"\n", b"-", b"\x7f", b"\n"):  # success, failure, discard, success
            before = len(graph.heard["teleop/joint_command"])
            os.write(keys, b"\n")
            graph.wait(lambda n=before: len(graph.heard["teleop/joint_command"]) > n + 5, "commands")
            os.write(keys, key)
            said.append(said_until(process, READY))
        os.write(keys, b"\x1b")
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, rest
        interrupt(launch)
    expected = ("1 seed 0 success", "2 seed 1 failure", "2 seed 2 thrown away", "3 seed 3 success")
    for line, text in zip(expected, said[1:], strict=True):
        assert f"episode {line}, " in text
    logs = [read_raw_log(path) for path in sorted(tmp_path.glob("*.mcap"))]
    assert [log.metadata[RESULT]["success"] for log in logs] == ["true", "false", "true"]
    assert {log.metadata[EPISODE]["operator"] for log in logs} == {"person"}
    assert {log.metadata[RESULT]["ended"] for log in logs} == {"saved"}


def errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if "ERROR" in line or "error" in line]


def test_no_room_is_one_line_at_once(graph: Listener, tmp_path: Path) -> None:
    with (
        node_process("recorder_node", folder=tmp_path, cameras="none", min_free_mb=1e9) as recorder,
        node_process("teleop_node", episodes=2) as teleop,
    ):
        begin = time.monotonic()
        code, output = teleop.wait()
        assert time.monotonic() - begin < APPEAR_S, "it was not tried again and again"
        assert code == 2, output
        assert len(errors(output)) == 1, output
        assert "episode/start: disk full: expected 1000000" in errors(output)[0]
        assert errors(recorder.end()[1]) == []


def test_a_disk_that_fills_meanwhile_is_the_reason_at_the_end(graph: Listener, small_disk: Path) -> None:
    graph.listen(String, "episode", latched=True)
    parameters = {"cameras": "none", "min_free_mb": 0.3, "max_episode_s": 1.0}
    with ExitStack() as stack:
        recorder = stack.enter_context(node_process("recorder_node", folder=small_disk / "raw", **parameters))
        graph.wait(lambda: graph.heard["episode"], "the recorder")
        teleop = stack.enter_context(node_process("teleop_node", episodes=2))
        graph.wait(lambda: any('"recording"' in m.data for m in graph.heard["episode"]), "an episode", 80.0)
        room = shutil.disk_usage(small_disk).free - 200_000
        (small_disk / "filler").write_bytes(bytes(room))
        code, output = teleop.wait()
        assert code == 2, output
        assert len(errors(output)) == 1, output
        assert "disk full: expected 0.3 MB to stay free in" in errors(output)[0]
        assert len(errors(recorder.end()[1])) == 1
    log = read_raw_log(small_disk / "raw" / "episode_000000.mcap")
    assert log.whole
    assert log.metadata[RESULT]["ended"] == "disk full"


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
