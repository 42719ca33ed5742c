"""robot_node around servos on a serial line: real bytes over a pseudo-terminal, an emulated arm behind it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from limber_nodes import conversions, qos
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.ros_process import Listener, NodeProcess, listener, node_process

from hardware.spec import load_spec

SPEC = load_spec("so101_emulated")


@pytest.fixture(scope="module")
def robot() -> Iterator[NodeProcess]:
    with node_process("robot_node", robot="so101_emulated", cameras="none", task="none") as process:
        yield process


@pytest.fixture(scope="module")
def graph(robot: NodeProcess) -> Iterator[Listener]:
    with listener() as made:
        for topic in ("joint_states", "executed_action"):
            made.listen(JointState, topic)
        made.listen(String, "control_source", latched=True)
        made.wait_for("joint_states", 5)
        yield made


def latest(graph: Listener) -> np.ndarray:
    return np.array(graph.heard["joint_states"][-1].position)


def test_joint_states_come_from_the_servos(graph: Listener) -> None:
    states = graph.wait_for("joint_states", 50)
    stamps = np.array([conversions.stamp_ns(m.header.stamp) for m in states])
    assert np.diff(stamps).min() >= 0
    assert tuple(states[0].name) == SPEC.joint_names
    assert np.isfinite(latest(graph)).all()


def test_a_person_moves_the_armed_arm(graph: Listener) -> None:
    graph.trigger("arm")
    start = latest(graph)
    goal = start.copy()
    goal[0] += 0.5
    publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
    message = JointState(name=list(SPEC.joint_names), position=goal.tolist())

    def arrived() -> bool:
        publisher.publish(message)
        return bool(abs(latest(graph)[0] - goal[0]) < 0.05)

    graph.wait(arrived, "the arm at the commanded pose")


def test_it_ends_parked_and_leaves_no_process(robot: NodeProcess, graph: Listener) -> None:
    verb = b"\0emulate\0"
    emulators = [pid for pid in robot.children() if verb in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(emulators) == 1
    code, output = robot.end(signal.SIGTERM)
    assert code == 0, output
    assert "not parked" not in output
    assert not os.path.exists(f"/proc/{emulators[0]}")
    np.testing.assert_allclose(latest(graph), SPEC.joint_array("rest"), atol=0.15)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"driver": "serial"}, "expected a calibration file"),
        ({"driver": "seral"}, "driver"),
    ],
)
def test_an_arm_that_is_not_ready_is_refused(parameters, message, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code, output = NodeProcess("robot_node", cameras="none", port=tmp_path / "nowhere", **parameters).wait()
    assert code == 2, output
    assert message in output
    assert "Traceback" not in output


def test_a_scripted_expert_does_the_task_over_the_serial_line(tmp_path) -> None:
    """The simulated arm behind emulated servos: teleop_node and task_node as with the simulation itself."""
    with (
        node_process("robot_node", robot="so101_emulated", cameras="none"),
        node_process("task_node"),
        node_process("teleop_node", episodes=2, first_seed=40, record="false") as teleop,
    ):
        code, output = teleop.wait(timeout_s=120)
    assert code == 0, output
    assert "episode 2/2 seed 4" in output
    assert "success" in output, output
