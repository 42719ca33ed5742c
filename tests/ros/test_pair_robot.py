"""robot_node around two arms on two emulated serial lines: led as one robot, and stopped together."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from limber_nodes import qos
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from support.emulated import emulated
from support.ros_process import Listener, NodeProcess, listener, node_process

from hardware.arms.calibration import calibration_path, middle_calibration, save_calibration
from hardware.control_socket import SimulationClient
from hardware.spec import load_spec

SPEC = load_spec("so101_pair_emulated")
PANS = [0, 6]  # left_shoulder_pan, right_shoulder_pan
FOR_GOOD_S = 1000.0


@pytest.fixture(scope="module")
def robot() -> Iterator[NodeProcess]:
    with node_process("robot_node", robot="so101_pair_emulated", task="none") as process:
        yield process


@pytest.fixture(scope="module")
def graph(robot: NodeProcess) -> Iterator[Listener]:
    with listener() as made:
        for topic in ("joint_states", "executed_action"):
            made.listen(JointState, topic)
        made.wait_for("joint_states", 5)
        yield made


@pytest.fixture(scope="module")
def lead(graph: Listener):
    """Publishes a goal of both arms, until told otherwise by the next."""
    publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
    return lambda goal: publisher.publish(JointState(name=list(SPEC.joint_names), position=list(goal)))


def latest(graph: Listener) -> np.ndarray:
    return np.array(graph.heard["joint_states"][-1].position)


def emulators_socket(robot: NodeProcess) -> Path:
    """Where the emulator that robot_node started takes faults."""
    for pid in robot.children():
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "emulate" in words:
            return Path(words[words.index("--folder") + 1]) / "control"
    raise AssertionError("robot_node has started no emulator")


def test_one_command_moves_both_arms(graph: Listener, lead) -> None:
    assert graph.trigger("arm") == "armed"
    goal = latest(graph)
    goal[PANS] += 0.5, -0.5

    def arrived() -> bool:
        lead(goal)
        return bool((np.abs(latest(graph) - goal)[PANS] < 0.05).all())

    graph.wait(arrived, "both arms at the commanded pose")
    assert tuple(graph.heard["joint_states"][-1].name) == SPEC.joint_names


def test_a_servo_of_one_arm_that_falls_silent_stops_both(robot: NodeProcess, graph: Listener, lead) -> None:
    start, goal = latest(graph), latest(graph)
    goal[PANS] += -1.4, 1.4

    def leaving() -> bool:
        lead(goal)
        return bool((np.abs(latest(graph) - start)[PANS] > 0.1).all())

    graph.wait(leaving, "both arms on their way")
    emulator = SimulationClient(emulators_socket(robot))
    emulator.ask("fault", kind="vanish", servo=3, seconds=FOR_GOOD_S)  # the left arm's: ids count from there

    def stopped() -> bool:
        lead(goal)
        return graph.diagnostics("robot_node").get("mode") == "stopped"

    graph.wait(stopped, "the robot stopped")
    emulator.close()
    assert graph.diagnostics("robot_node")["fault"] == "servo silent: left_elbow_flex"
    sent = np.array([m.position for m in graph.wait_for("executed_action", 30)])
    assert (np.ptp(sent, axis=0) == 0.0).all(), "both hold"
    assert (np.abs(sent[-1] - goal)[PANS] > 0.1).all(), "neither went on to its goal"
    response = graph.call(Trigger, "arm")
    assert not response.success
    assert "left_elbow_flex" in response.message


def test_it_ends_with_its_emulator(robot: NodeProcess) -> None:
    """A joint that does not answer cannot be seen to park; the arm is left held, and that is said."""
    code, output = robot.end(signal.SIGTERM)
    assert code == 0, output
    assert "Traceback" not in output


def test_two_ports_two_calibrations_and_one_guardian(tmp_path: Path, monkeypatch) -> None:
    """As with real arms: each calibrated alone; killed on their way, both are held where they are."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for arm in SPEC.arms:
        calibration = middle_calibration(load_spec(f"so101_pair:{arm}"))
        save_calibration(calibration_path(calibration.robot), calibration)
    ports = ",".join(f"{arm}={tmp_path / arm}" for arm in SPEC.arms)
    with (
        emulated(SPEC, tmp_path) as emulator,
        node_process("robot_node", robot="so101_pair", port=ports, cameras="none") as robot,
        listener() as graph,
    ):
        graph.listen(JointState, "joint_states")
        graph.wait_for("joint_states", 5)
        assert graph.trigger("arm") == "armed"
        publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        goal = latest(graph)
        goal[PANS] += 1.4, -1.4

        def moving() -> bool:
            publisher.publish(JointState(name=list(SPEC.joint_names), position=goal.tolist()))
            return bool((np.abs(emulator.plant.velocity[PANS]) > 0.5).all())

        graph.wait(moving, "both arms in motion")
        os.kill(robot.pid, signal.SIGKILL)
        graph.wait(lambda: (np.abs(emulator.plant.velocity) < 0.02).all(), "both arms at rest")
        assert all(servo.memory["torque_enable"] for servo in emulator.servos)
        assert (np.abs(emulator.plant.position - goal)[PANS] > 0.1).all()

        def held() -> bool:
            goals = np.array([servo.memory["goal_position"] for servo in emulator.servos])
            shown = np.array([servo.memory["position"] for servo in emulator.servos])
            return bool((np.abs(goals - shown) < 60).all())  # ticks; sagging under gravity is up to 45

        graph.wait(held, "every goal where its joint is")
