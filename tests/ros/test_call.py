"""`python -m limber_nodes.call`: a robot_node's services, and those that are not there."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from std_srvs.srv import Trigger
from support.ros_process import PATIENCE_S, NodeProcess, environment, listener, node_process

WAIT = ("--wait", str(PATIENCE_S))  # on a busy machine; a service that is there is not waited for


@pytest.fixture(scope="module")
def robot() -> Iterator[NodeProcess]:
    with node_process("robot_node", "-r", "__ns:=/left", cameras="none") as process, listener() as graph:
        graph.wait(lambda: "/left/recover" in dict(graph.node.get_service_names_and_types()), "robot_node")
        yield process


def call(*words: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    command = [sys.executable, "-m", "limber_nodes.call", *words]
    ended = subprocess.run(
        command, env={**environment(), **variables}, capture_output=True, text=True, timeout=2 * PATIENCE_S
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_arm_and_stop_in_a_namespace(robot: NodeProcess) -> None:
    for words in (("arm", "--namespace", "left"), ("stop", "--namespace", "/left"), ("/left/arm",)):
        code, out, err = call(*words, *WAIT)
        assert (code, err) == (0, ""), err
        service = "/left/" + words[0].rpartition("/")[2]
        assert out.startswith(f"{service}: ")
        assert out.count("\n") == 1


def test_a_refusal_is_one_line_and_exit_code_2() -> None:
    with node_process("task_node", "-r", "__ns:=/alone"):  # there is no simulation to reset
        code, out, err = call("task/reset", "--namespace", "alone", *WAIT)
    assert (code, out) == (2, "")
    assert err.startswith("error: /alone/task/reset: refused: ")
    assert err.count("\n") == 1


def test_an_unknown_service_is_one_line_that_lists_those_there_are(robot: NodeProcess) -> None:
    code, out, err = call("amr", "--namespace", "left")
    assert (code, out) == (2, "")
    valid = "/left/arm, /left/park, /left/recover, /left/release, /left/stop, /left/torque_off"
    assert err == f"error: unknown service '/left/amr' (did you mean '/left/arm'?); valid: {valid}\n"


def test_a_service_that_is_only_wanted_by_others_is_none() -> None:
    with listener() as graph:
        client = graph.node.create_client(Trigger, "/nowhere/arm")
        code, out, err = call("arm", "--namespace", "nowhere", "--wait", "8")
        graph.node.destroy_client(client)
    assert (code, out) == (2, "")
    assert err == "error: /nowhere/arm: some node would call it, none offers it\n"


def test_without_any_node_it_says_what_to_start() -> None:
    code, out, err = call("arm", "--wait", "0.5", ROS_DOMAIN_ID="231")
    assert (code, out) == (2, "")
    assert err == (
        "error: expected the service '/arm', there is none at all in ROS domain 231; start robot_node\n"
    )


def test_a_label_needs_a_value_and_arm_takes_none(robot: NodeProcess) -> None:
    assert call("arm", "true", "--namespace", "left", *WAIT)[2] == "error: /left/arm: expected no value\n"
    with node_process("task_node", "-r", "__ns:=/left", backing="person"):
        code, _, err = call("task/label", "--namespace", "left", *WAIT)
        assert (code, err) == (2, "error: /left/task/label: expected true or false\n")
        code, out, _ = call("task/label", "true", "--namespace", "left", *WAIT)
        assert (code, out) == (0, "/left/task/label: labelled success\n")
