"""Another arm's ros2_control topics driven as a robot: a foreign process, alone and in the graph."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rclpy
from conformance.robot_suite import RobotConformance
from limber_nodes import conversions, qos
from limber_nodes.ros2_control_arm import Ros2ControlArm
from limber_nodes.ros2_control_readings import Readings
from rclpy.context import Context
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from support.ros_process import Listener, NodeProcess, environment, listener, node_process

from hardware.errors import HardwareError, SpecError
from hardware.spec import load_spec, spec_from_dict

SCRIPT = Path(__file__).parents[1] / "support" / "foreign_arm.py"
COMMANDS = {
    "position": "/foreign/position_controller/commands",
    "trajectory": "/foreign/trajectory_controller/joint_trajectory",
}
SPEC = """\
name: foreign
driver: ros2_control
ros2_control:
  joint_states: /foreign/joint_states
  command: {command}
  interface: {interface}
  names: {{pan: joint_1, lift: joint_2, elbow: joint_3}}
joints:
  - {{name: pan,    position: [-1.5, 1.5], velocity: 1.5, acceleration: 10, jerk: 500, effort: 5, rest: 0}}
  - {{name: lift,   position: [-1, 1], velocity: 1.5, acceleration: 10, jerk: 500, effort: 5, rest: -0.3}}
  - {{name: elbow,  position: [-1, 1], velocity: 1.5, acceleration: 10, jerk: 500, effort: 5, rest: 0.3}}
  - {{name: finger, position: [0, 1], velocity: 1.5, acceleration: 10, jerk: 500, effort: 5, rest: 0}}
"""


@pytest.fixture
def spec_file(tmp_path: Path):
    def write(interface: str = "position", **changes: str) -> str:
        text = SPEC.format(interface=interface, command=COMMANDS[interface])
        for old, new in changes.values():
            assert text.count(old) == 1
            text = text.replace(old, new)
        file = tmp_path / "foreign.yaml"
        file.write_text(text)
        return str(file)

    return write


@contextmanager
def foreign_arm(**parameters: object) -> Iterator["subprocess.Popen[bytes]"]:
    """The other arm's process, ended with the block."""
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, str(SCRIPT), "--ros-args", *given]
    process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


@pytest.fixture
def context() -> Iterator[Context]:
    made = Context()
    rclpy.init(context=made)
    yield made
    rclpy.shutdown(context=made)


# -- the robot contract over either interface -----------------------------------------------------


class OverTopics(RobotConformance):
    interface = ""

    @pytest.fixture
    def robot(self, spec_file, context):
        with foreign_arm(interface=self.interface):
            robot = Ros2ControlArm(load_spec(spec_file(self.interface)), context)
            yield robot
            robot.disconnect()

    def wait(self, robot) -> None:
        time.sleep(1 / robot.spec.control_hz)


class TestPositionInterface(OverTopics):
    interface = "position"


class TestTrajectoryInterface(OverTopics):
    interface = "trajectory"


def test_joints_of_two_broadcasters_are_put_together(spec_file, context):
    with foreign_arm():
        robot = Ros2ControlArm(load_spec(spec_file()), context)
        robot.connect()
        seen = robot.get_observation()
        np.testing.assert_allclose(seen.state, (0.0, -0.3, 0.3, 0.0), atol=1e-6)
        assert 0 <= seen.stamp_ns - seen.oldest_ns < 5_000_000_000
        assert set(robot.health()) == {"pan", "lift", "elbow", "finger", "controller"}
        robot.disconnect()


def test_it_is_driven_without_a_node_around_it(spec_file):
    """As by a program that knows nothing of ROS: nobody has called rclpy.init."""
    with foreign_arm():
        robot = Ros2ControlArm(load_spec(spec_file()))
        for _ in range(2):
            robot.connect()
            assert np.isfinite(robot.get_observation().state).all()
            robot.disconnect()


def test_a_controller_that_goes_away_is_told(spec_file, context):
    with foreign_arm() as process:
        robot = Ros2ControlArm(load_spec(spec_file()), context)
        robot.connect()
        rest = robot.spec.joint_array("rest").astype(np.float32)
        robot.send_action(rest)
        process.terminate()
        process.wait(20)
        deadline = time.monotonic() + 40
        while robot.health()["controller"]["listeners"] and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(HardwareError, match="no controller takes goals on /foreign/position_controller"):
            robot.send_action(rest)
        robot.disconnect()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": ("joint_states: /foreign/joint_states", "joint_states: /nobody")},
         r"nobody publishes /nobody; joint states are on: .*/foreign/joint_states"),
        ({"a": ("lift: joint_2", "lift: joint_9")},
         "expected joint 'joint_9' on /foreign/joint_states, it tells of: finger, joint_1, joint_2, joint_3"),
        ({"a": ("position_controller/commands", "velocity_controller/commands")},
         r"no controller takes std_msgs/msg/Float64MultiArray on /foreign/velocity_controller/commands; "
         r"is it loaded and active\? Such topics are: /foreign/position_controller/commands"),
        ({"a": ("joint_states: /foreign/joint_states", "joint_states: joint_states")},
         "/joint_states is where robot_node itself publishes; give robot_node a namespace"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_before_anything_moves(changes, message, spec_file, context):
    with foreign_arm():
        robot = Ros2ControlArm(load_spec(spec_file(**changes)), context)
        with pytest.raises(HardwareError, match=message) as caught:
            robot.connect()
        assert "\n" not in str(caught.value)


def test_a_spec_without_topics_is_refused(context):
    with pytest.raises(
        HardwareError, match="robot 'so101': driver ros2_control needs a section ros2_control"
    ):
        Ros2ControlArm(load_spec("so101"), context)


# -- the spec's section ---------------------------------------------------------------------------


def test_the_section_is_kept_with_the_spec(spec_file):
    spec = load_spec(spec_file("trajectory"))
    assert spec.ros2_control.joints == ("joint_1", "joint_2", "joint_3", "finger")
    assert spec.ros2_control.interface == "trajectory"
    assert spec_from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ({"a": ("interface: position", "interface: velocity")}, 6, "unknown interface 'velocity'"),
        ({"a": ("  command: /foreign/position_controller/commands\n", "")}, 4, "missing key 'command'"),
        ({"a": ("{pan:", "{pann:")}, 7, "unknown joint 'pann' .did you mean 'pan'"),
        ({"a": ("lift: joint_2", "lift: joint_1")}, 7, "names: 'joint_1' stands for two joints"),
        ({"a": ("ros2_control:\n  joint", "ros2_control:\n  topic: /x\n  joint")}, 4, "unknown key 'topic'"),
    ],
)
def test_a_section_that_cannot_be_right_is_named(changes, line, message, spec_file):
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(spec_file(**changes))
    assert f"foreign.yaml:{line}: " in str(caught.value)


def test_the_driver_needs_the_section(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("extends: so101\ndriver: ros2_control\n")
    with pytest.raises(SpecError, match=r"x.yaml:2: driver ros2_control: expected a section ros2_control"):
        load_spec(str(file))


# -- messages -------------------------------------------------------------------------------------


def test_velocities_that_are_not_told_are_the_positions_differences():
    readings = Readings(("a", "b"))
    for i in range(3):
        readings.take(JointState(name=["b", "c"], position=[0.1 * i, 9.0]), 1_000_000_000 + i * 50_000_000)
    assert readings.missing.tolist() == [True, False]
    np.testing.assert_allclose(readings.velocity, (0.0, 2.0))
    readings.take(JointState(name=["a"], position=[0.5], velocity=[0.25], effort=[1.5]), 2_000_000_000)
    assert (readings.velocity[0], readings.effort[0]) == (0.25, 1.5)
    assert readings.stamps_ns.tolist() == [2_000_000_000, 1_100_000_000]
    readings.take(JointState(name=["a", "b"], position=[0.0]), 3_000_000_000)
    assert readings.stamps_ns[0] == 2_000_000_000, "a message that does not fit tells nothing"
    assert readings.heard == {"a", "b", "c"}


# -- in the graph ---------------------------------------------------------------------------------


@contextmanager
def robot_node(spec: str) -> Iterator[NodeProcess]:
    with node_process("robot_node", "-r", "__ns:=/limber", robot=spec, realtime="false") as process:
        yield process


def latest(graph: Listener) -> np.ndarray:
    return np.array(graph.heard["joint_states"][-1].position)


@pytest.mark.parametrize("interface", COMMANDS)
def test_robot_node_drives_it(interface, spec_file):
    file = spec_file(interface)
    names = load_spec(file).joint_names
    with foreign_arm(interface=interface), robot_node(file) as robot, listener("/limber") as graph:
        graph.listen(JointState, "joint_states")
        graph.listen(JointState, "executed_action")
        states = graph.wait_for("joint_states", 20)
        assert tuple(states[0].name) == names
        assert np.diff([conversions.stamp_ns(m.header.stamp) for m in states]).min() > 0
        assert graph.trigger("arm") == "armed"
        goal = latest(graph) + (0.8, 0.2, 0.0, 0.3)
        publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        message = JointState(name=list(names), position=goal.tolist())

        def arrived() -> bool:
            publisher.publish(message)
            return bool((np.abs(latest(graph) - goal) < 0.02).all())

        graph.wait(arrived, "the arm at the commanded pose")
        message = JointState(name=list(names), position=(goal - (1.5, 0, 0, 0)).tolist())

        def leaving() -> bool:
            publisher.publish(message)
            return bool(latest(graph)[0] < goal[0] - 0.2)

        graph.wait(leaving, "the arm on its way")
        assert graph.trigger("stop") == "stopped"
        graph.wait(lambda: np.ptp([m.position[0] for m in graph.wait_for("joint_states", 20)]) < 1e-3, "rest")
        assert latest(graph)[0] > goal[0] - 1.4, "it did not go on to the goal"
        assert graph.trigger("arm") == "armed"
        code, output = robot.end(signal.SIGTERM)
        assert code == 0, output
        assert "not parked" not in output
        np.testing.assert_allclose(latest(graph), (0.0, -0.3, 0.3, 0.0), atol=0.02)


def test_silence_of_the_other_side_holds_and_then_stops(spec_file):
    file = spec_file()
    names = load_spec(file).joint_names
    with foreign_arm() as foreign, robot_node(file), listener("/limber") as graph:
        graph.listen(JointState, "joint_states")
        graph.listen(JointState, "executed_action")
        graph.wait_for("joint_states", 5)
        graph.trigger("arm")
        publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        message = JointState(name=list(names), position=(latest(graph) + (1.4, 0, 0, 0)).tolist())

        def leaving() -> bool:
            publisher.publish(message)
            return bool(latest(graph)[0] > 0.3)

        graph.wait(leaving, "the arm on its way")
        os.kill(foreign.pid, signal.SIGSTOP)

        def mode() -> str:
            publisher.publish(message)
            return graph.diagnostics("robot_node").get("mode", "")

        graph.wait(lambda: mode() == "stopped", "the arm stopped")
        told = graph.diagnostics("robot_node")
        assert int(told["failsafe.reading old"]) >= 1
        assert int(told["failsafe.servo silent"]) == 1
        assert told["fault"] == "servo silent: pan, lift, elbow, finger"
        held = [m.position[0] for m in graph.wait_for("executed_action", 30)]
        assert np.ptp(held) == 0.0
        assert held[-1] < 1.2, "it did not go on to the goal"
        response = graph.call(Trigger, "arm")
        assert not response.success
        assert "servo silent" in response.message
        os.kill(foreign.pid, signal.SIGCONT)
        graph.wait(lambda: graph.call(Trigger, "arm").success, "the arm armed again")


def test_a_joint_that_is_not_a_number_is_held(spec_file):
    with foreign_arm(broken_joint="joint_2"), robot_node(spec_file()), listener("/limber") as graph:
        graph.wait(lambda: graph.diagnostics("robot_node"), "diagnostics")
        graph.wait(
            lambda: "reading not finite" in graph.diagnostics("robot_node").get("wrong", ""), "its name"
        )
        response = graph.call(Trigger, "arm")
        assert not response.success


def test_robot_node_without_the_other_side_ends_with_one_line(spec_file):
    code, output = NodeProcess("robot_node", "-r", "__ns:=/limber", robot=spec_file()).wait()
    assert code == 2, output
    assert "error: ros2_control: nobody publishes /foreign/joint_states; joint states are on: none" in output
    assert "Traceback" not in output
