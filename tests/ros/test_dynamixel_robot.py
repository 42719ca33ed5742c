"""robot_node around Dynamixel servos on a serial line: armed, led by a person, parked."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest
from limber_nodes import qos
from sensor_msgs.msg import JointState
from support.ros_process import Listener, NodeProcess, listener, node_process

from hardware.spec import load_spec

SPEC = load_spec("dynamixel_arm_emulated")


@pytest.fixture(scope="module")
def robot() -> Iterator[NodeProcess]:
    with node_process("robot_node", robot="dynamixel_arm_emulated", task="none") as process:
        yield process


@pytest.fixture(scope="module")
def graph(robot: NodeProcess) -> Iterator[Listener]:
    with listener() as made:
        made.listen(JointState, "joint_states")
        made.wait_for("joint_states", 5)
        yield made


def latest(graph: Listener) -> np.ndarray:
    return np.array(graph.heard["joint_states"][-1].position)


def test_a_person_moves_every_joint(graph: Listener) -> None:
    assert graph.trigger("arm") == "armed"
    middle = 0.5 * (SPEC.joint_array("lower") + SPEC.joint_array("upper"))
    goal = latest(graph) + 0.3 * np.sign(middle - latest(graph))
    publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
    message = JointState(name=list(SPEC.joint_names), position=goal.tolist())

    def arrived() -> bool:
        publisher.publish(message)
        return bool((np.abs(latest(graph) - goal) < 0.1).all())

    graph.wait(arrived, "every joint at its goal")


def test_it_parks_and_ends(robot: NodeProcess, graph: Listener) -> None:
    graph.trigger("park")
    graph.wait(lambda: graph.diagnostics("robot_node").get("mode") == "disarmed", "the arm parked")
    np.testing.assert_allclose(latest(graph), SPEC.joint_array("rest"), atol=0.15)
    code, output = robot.end(signal.SIGTERM)
    assert code == 0, output
    assert "Traceback" not in output
