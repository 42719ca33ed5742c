"""robot_node around the simulated arm, seen from another process: rates, services, refusals, failures."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from limber_nodes import conversions, qos
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String
from support.ros_process import Listener, NodeProcess, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import load_spec

SPEC = load_spec("so101")
NAMES = SPEC.joint_names
TRY_REALTIME = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))"
TICK_NS, STEP_NS = 10_000_000, 50_000_000


@pytest.fixture(scope="module")
def robot() -> Iterator[NodeProcess]:
    with node_process("robot_node", width=64, height=48) as process:
        yield process


@pytest.fixture(scope="module")
def graph(robot: NodeProcess) -> Iterator[Listener]:
    with listener() as made:
        for topic in ("joint_states", "executed_action"):
            made.listen(JointState, topic)
        made.listen(JointTrajectory, "planned_action")
        made.listen(String, "control_source", latched=True)
        made.listen(String, "robot_description", latched=True)
        for camera in SPEC.camera_names:
            made.listen(CompressedImage, f"{camera}/image_raw/compressed")
            made.listen(CameraInfo, f"{camera}/camera_info")
        made.listen(Image, "front/image_raw")
        made.wait_for("wrist/camera_info", 5)
        made.wait_for("front/image_raw", 5)
        yield made


def stamps(messages: list) -> np.ndarray:
    return np.array([conversions.stamp_ns(m.header.stamp) for m in messages])


def positions(message: JointState) -> np.ndarray:
    return np.array(message.position)


def chunk(stamp_ns: int, points: np.ndarray, names: tuple[str, ...] = NAMES) -> JointTrajectory:
    return conversions.trajectory(names, stamp_ns, points, SPEC.action_dt)


def test_joint_states_come_every_tick_and_plans_every_step(graph: Listener) -> None:
    states = graph.wait_for("joint_states", 150)
    ticks = stamps(states)
    assert set(np.diff(ticks)) == {TICK_NS}
    assert tuple(states[0].name) == NAMES
    assert all(len(m.position) == len(m.velocity) == len(m.effort) == len(NAMES) for m in states)
    sent = stamps(graph.heard["executed_action"])
    assert set(np.diff(sent)) == {TICK_NS}
    keys = stamps(graph.heard["planned_action"])
    assert set(np.diff(keys)) == {STEP_NS}
    assert set(keys[keys >= ticks[0]][:-1]) <= set(ticks)  # bit for bit: they are what requests are keyed by


def test_both_cameras_come_in_step_with_their_info(graph: Listener) -> None:
    graph.wait_for("wrist/camera_info", 40)
    graph.wait_for("front/image_raw", 1)
    for camera in SPEC.cameras:
        pictures = graph.heard[f"{camera.name}/image_raw/compressed"][:40]
        infos = graph.heard[f"{camera.name}/camera_info"][:]
        times = stamps(pictures)
        assert set(np.diff(times)) <= {33_333_333, 33_333_334}
        told = stamps(infos)
        assert set(times[times >= told[0]]) <= set(told)  # this topic may have been found a frame later
        assert {m.header.frame_id for m in pictures + infos} == {camera.frame}
        assert (infos[0].width, infos[0].height) == (64, 48)
        assert infos[0].k[0] == infos[0].k[4] > 0
        assert conversions.compressed_array(pictures[0]).shape == (48, 64, 3)
    raw = {conversions.stamp_ns(m.header.stamp): m for m in graph.heard["front/image_raw"]}
    compressed = {conversions.stamp_ns(m.header.stamp): m for m in graph.heard["front/image_raw/compressed"]}
    both = sorted(set(raw) & set(compressed))
    assert both
    exact, lossy = conversions.image_array(raw[both[0]]), conversions.compressed_array(compressed[both[0]])
    assert exact.std() > 10  # a picture of something
    assert np.abs(exact.astype(int) - lossy).mean() < 5


def test_the_description_is_there_for_who_comes_late(graph: Listener) -> None:
    text = graph.wait(lambda: graph.heard["robot_description"], "robot_description")[-1].data
    assert all(f'name="{name}"' in text for name in NAMES)


def test_services_and_a_person_move_the_arm_through_its_modes(graph: Listener) -> None:
    commands = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
    modes = lambda: [json.loads(m.data) for m in graph.heard["control_source"]]  # noqa: E731
    assert graph.trigger("arm") == "armed"
    start = positions(graph.wait_for("joint_states")[-1])
    goal = start + np.array([0.3, 0.2, -0.2, 0.0, 0.0, 0.2])

    def push() -> bool:
        stamp = conversions.stamp_ns(graph.heard["joint_states"][-1].header.stamp)
        commands.publish(conversions.joint_state(NAMES[::-1], stamp, goal[::-1]))  # matched by name
        return bool(np.abs(positions(graph.heard["executed_action"][-1]) - goal).max() < 1e-6)

    graph.wait(push, "the goal to be sent")
    assert "person" in [m["source"] for m in modes()]
    graph.wait(lambda: modes()[-1]["source"] == "hold", "silence to be taken as release")
    assert graph.trigger("stop") == "stopped"
    commands.publish(conversions.joint_state(NAMES, 0, start))
    held = graph.wait_for("executed_action", 30)
    assert np.abs(np.array([positions(m) for m in held]) - goal).max() < 1e-6  # latched
    assert graph.trigger("park") == "parking"
    graph.wait(lambda: modes()[-1]["mode"] == "disarmed", "the arm to be parked")
    rest = SPEC.joint_array("rest")
    parked = stamps(graph.heard["executed_action"])
    at = int(np.searchsorted(parked, modes()[-1]["stamp_ns"]))
    assert np.abs(positions(graph.heard["executed_action"][at - 1]) - rest).max() < 0.01
    assert graph.trigger("arm") == "armed"
    assert graph.trigger("release") == "releasing"
    graph.wait(lambda: modes()[-1]["mode"] == "disarmed", "the arm to be released")
    epochs = [m["epoch"] for m in modes()]
    assert epochs == sorted(epochs)
    graph.node.destroy_publisher(commands)


def test_limits_are_tuned_while_it_runs(graph: Listener) -> None:
    """A tenth of the velocity: a person who asks for more is followed at 0.35 rad/s; 0 is out of range."""

    def set_share(value: float) -> bool:
        double = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[ParameterMessage(name="velocity_share", value=double)])
        answer = graph.call(SetParameters, "robot_node/set_parameters", request)
        return bool(answer.results[0].successful)

    graph.trigger("arm")
    assert not set_share(0.0)
    assert set_share(0.1)
    before = len(graph.heard["executed_action"])
    goal = positions(graph.heard["joint_states"][-1])
    goal[0] += 0.3
    publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)

    def there() -> bool:
        publisher.publish(JointState(name=list(NAMES), position=goal.tolist()))
        return bool(abs(positions(graph.heard["executed_action"][-1])[0] - goal[0]) < 0.01)

    graph.wait(there, "the arm at the commanded pose")
    sent = graph.heard["executed_action"][before:]
    rates = np.diff(np.array([positions(m) for m in sent]), axis=0) / np.diff(stamps(sent))[:, None] * 1e9
    assert 0.3 < np.abs(rates).max() < 0.36
    assert set_share(1.0)
    graph.node.destroy_publisher(publisher)
    graph.trigger("stop")


def test_a_chunk_is_played_from_its_step_on_and_bad_ones_are_counted(graph: Listener) -> None:
    chunks = graph.node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
    graph.wait(chunks.get_subscription_count, "robot_node to listen")
    graph.trigger("arm")
    graph.wait_for("planned_action", 2)
    start = positions(graph.heard["executed_action"][-1])
    middle = (SPEC.joint_array("lower") + SPEC.joint_array("upper")) / 2
    steps = np.minimum(np.arange(20), 16)  # at rest at its end
    ramp = start + np.outer(steps, 0.005 * np.sign(middle - start))
    key = int(stamps(graph.wait_for("planned_action"))[-1])
    chunks.publish(chunk(key, ramp))

    def played() -> bool:
        return bool(np.abs(positions(graph.heard["executed_action"][-1]) - ramp[-1]).max() < 1e-6)

    graph.wait(played, "the chunk's last point")
    by_stamp = {conversions.stamp_ns(m.header.stamp): m for m in graph.heard["executed_action"]}
    for i in (12, 16):  # point i is sent on the last tick of step(key) + i
        sent = positions(by_stamp[key + i * STEP_NS + STEP_NS - TICK_NS])
        assert np.abs(sent - ramp[i]).max() < 1e-6
    late = int(graph.diagnostics("robot_node").get("chunks_late", "0"))
    key = int(stamps(graph.wait_for("planned_action"))[-1])
    graph.wait_for("planned_action", 4)
    chunks.publish(chunk(key, np.tile(ramp[-1], (20, 1))))
    graph.wait(lambda: graph.diagnostics("robot_node").get("chunks_late") == str(late + 1), "the late one")
    wrong = ramp.copy()
    wrong[3, 2] = math.nan
    ragged = chunk(key, ramp)
    ragged.points[1].positions = ragged.points[1].positions[:-1]
    key = int(stamps(graph.wait_for("planned_action"))[-1])
    for bad in (chunk(key, wrong), chunk(key, ramp, (*NAMES[:-1], "claw")), chunk(key + 1, ramp), ragged):
        chunks.publish(bad)
    counted = {"not finite", "wrong names", "unknown stamp", "wrong shape"}
    refusals = lambda: {  # noqa: E731
        key.removeprefix("refused.chunk: ")
        for key, value in graph.diagnostics("robot_node").items()
        if key.startswith("refused.chunk: ") and value != "0"
    }
    graph.wait(lambda: counted <= refusals(), "each refusal to be counted")
    assert np.abs(positions(graph.heard["executed_action"][-1]) - ramp[-1]).max() < 1e-6
    assert np.isfinite(positions(graph.heard["joint_states"][-1])).all()
    graph.trigger("stop")
    graph.node.destroy_publisher(chunks)


def test_refused_commands_and_corrections_do_not_hold_time_back_and_say_what_they_were(
    graph: Listener,
) -> None:
    commands = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
    corrections = graph.node.create_publisher(JointTrajectory, "action_correction", qos.EVENTS)
    graph.wait(lambda: commands.get_subscription_count() and corrections.get_subscription_count(), "ears")
    said = lambda name: graph.diagnostics("robot_node").get(name)  # noqa: E731
    given_up = graph.wait(lambda: said("teleop_given_up"), "diagnostics")
    key = int(stamps(graph.wait_for("planned_action"))[-1])
    commands.publish(conversions.joint_state(NAMES[:5], key, np.zeros(5)))
    graph.wait(lambda: said("refused.teleop command: wrong names") == "1", "the command to be counted")
    assert "expected joints" in said("fault")
    key = int(stamps(graph.wait_for("planned_action"))[-1])
    corrections.publish(chunk(key, np.zeros((2, len(NAMES)))))
    corrections.publish(chunk(key, np.full((1, len(NAMES)), np.nan)))
    graph.wait(lambda: said("refused.correction: wrong shape") == "1", "the shape to be counted")
    graph.wait(lambda: said("refused.correction: not finite") == "1", "the NaN to be counted")
    assert said("fault") == "correction: not finite: expected numbers, got NaN or infinity"
    corrections.publish(chunk(key, np.zeros((2, len(NAMES)))))
    graph.wait(lambda: said("refused.correction: wrong shape") == "2", "the shape to be counted")
    assert said("fault") == "correction: wrong shape: expected one point, got 2"
    assert said("teleop_given_up") == given_up
    graph.node.destroy_publisher(commands)
    graph.node.destroy_publisher(corrections)


def test_the_loop_has_priority_where_it_may_and_the_cameras_never(
    graph: Listener, robot: NodeProcess
) -> None:
    permitted = subprocess.run([sys.executable, "-c", TRY_REALTIME]).returncode == 0
    wanted = os.SCHED_FIFO if permitted else os.SCHED_OTHER
    assert os.sched_getscheduler(robot.pid) == wanted
    assert graph.wait(lambda: graph.diagnostics("robot_node"), "diagnostics")["realtime"] == str(permitted)
    (camera,) = robot.children()
    assert os.sched_getscheduler(camera) == os.SCHED_OTHER


def test_a_dead_camera_process_is_said_and_replaced_while_the_loop_goes_on(
    graph: Listener, robot: NodeProcess
) -> None:
    (camera,) = robot.children()
    os.kill(camera, signal.SIGKILL)
    graph.wait(
        lambda: any(
            status.level == DiagnosticStatus.ERROR and "camera" in status.message
            for array in graph.heard["/diagnostics"]
            for status in array.status
        ),
        "diagnostics to tell",
    )
    ticks = stamps(graph.wait_for("joint_states", 50))
    assert set(np.diff(ticks)) == {TICK_NS}
    died = graph.heard["front/image_raw/compressed"][-1].header.stamp
    graph.wait(
        lambda: graph.heard["front/image_raw/compressed"][-1].header.stamp != died, "pictures to come again"
    )
    graph.wait(lambda: graph.diagnostics("robot_node").get("camera_restarts") == "1", "the count")
    assert int(graph.diagnostics("robot_node")["frames_lost"]) > 0
    (second,) = robot.children()
    assert second != camera


def test_a_signal_to_the_whole_group_while_the_cameras_start_ends_it_well(
    graph: Listener, tmp_path: Path
) -> None:
    with node_process("robot_node", control_socket=tmp_path / "world") as starting:
        (camera,) = graph.wait(starting.children, "the camera process")
        os.kill(camera, signal.SIGTERM)
        code, output = starting.end()
    assert (code, output) == (0, "")


def test_killed_it_leaves_no_process_and_no_obstacle(graph: Listener, robot: NodeProcess) -> None:
    """Last in this file: the module's robot does not survive it."""
    with node_process("robot_node", cameras="none") as second:
        code, output = second.wait()
    assert code == 2, output
    assert "already listens" in output
    (camera,) = robot.children()
    robot.kill()
    graph.wait(lambda: not os.path.exists(f"/proc/{camera}"), "the camera process to end by itself")
    with node_process("robot_node", cameras="none") as third:
        graph.wait_for("joint_states", 10)
        assert third.end()[0] == 0
