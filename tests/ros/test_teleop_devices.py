"""teleop_node with a person's devices: real processes, terminals, serial lines and event bytes."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from limber_nodes import conversions
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.devices import EV_ABS, EV_KEY, PipeDevice
from support.person import person, said_until
from support.ros_process import PATIENCE_S, Listener, listener, node_process

from hardware.spec import load_spec
from hardware.teleop import evdev
from policies.data.raw_log import EPISODE
from policies.data.raw_log_reader import read_raw_log

SPEC = load_spec("so101")
COMMAND = "teleop/joint_command"
READY = "ready: Enter to start"


@contextmanager
def ears(*topics: str) -> Iterator[Listener]:
    """A listener of joint states, commands and who has control."""
    with listener() as made:
        for topic in ("joint_states", COMMAND, *topics):
            made.listen(JointState, topic)
        made.listen(String, "control_source", latched=True)
        made.wait_for("joint_states", 5)
        yield made


@pytest.fixture(scope="module")
def simulated() -> Iterator[None]:
    """The simulated arm and its task, in real time, pictures included."""
    with node_process("robot_node"), node_process("task_node"):
        yield


@pytest.fixture
def graph(simulated: None) -> Iterator[Listener]:
    with ears() as made:
        yield made


def has_control(graph: Listener, **wanted: str) -> Callable[[], bool]:
    def said() -> bool:
        heard = graph.heard["control_source"]
        return bool(heard) and json.loads(heard[-1].data).items() >= wanted.items()

    return said


def latest(graph: Listener, topic: str = COMMAND) -> np.ndarray:
    return np.array(graph.heard[topic][-1].position)


def test_a_leader_leads_an_arm_on_its_serial_line_at_the_control_rate() -> None:
    """Two emulated arms, each behind a pseudo-terminal; a hand moves the leader."""
    leading = {"operator": "leader", "leader_driver": "emulated", "session": "false", "take_over": "true"}
    with (
        node_process("robot_node", robot="so101_emulated", cameras="none", task="none"),
        ears("executed_action") as graph,
        node_process("teleop_node", live_picture="none", **leading) as teleop,
    ):
        graph.wait_for(COMMAND, 10)
        graph.trigger("arm")
        graph.wait(has_control(graph, source="person", mode="armed"), "the leader in control")
        before = len(graph.heard["executed_action"])
        commands = graph.wait_for(COMMAND, 300)
        ticks = len(graph.heard["executed_action"]) - before
        # Sent at the control rate: an answer to each action step would be one in five.
        assert len(commands) > 0.5 * ticks
        stamps = np.array([conversions.stamp_ns(m.header.stamp) for m in commands])
        assert (np.diff(stamps) > 0).all()
        joint_stamps = [conversions.stamp_ns(m.header.stamp) for m in graph.heard["joint_states"]]
        assert joint_stamps[0] < stamps[0] < stamps[-1] < time.monotonic_ns(), "the time of the samples"
        led = np.array([m.position for m in commands])
        assert np.ptp(led, axis=0).max() > 0.3
        graph.wait(
            lambda: np.abs(latest(graph, "joint_states") - latest(graph)).max() < 0.3,
            "the follower where its leader is",
        )
        code, output = teleop.end()
        assert code == 0, output
        graph.wait(has_control(graph, source="hold"), "the arm let go of")


def test_a_guest_arms_takes_over_hands_back_stops_and_parks(graph: Listener) -> None:
    with person("-p", "session:=false", "-p", "live_picture:=none") as (process, keys):
        assert "Space: stop" in said_until(process, "ready: T to take over")
        before = len(graph.heard[COMMAND])
        os.write(keys, b"\nq")
        said_until(process, "arm: armed")
        time.sleep(0.3)
        assert len(graph.heard[COMMAND]) == before, "nobody took over"
        os.write(keys, b"T")
        graph.wait(has_control(graph, source="person"), "the person in control")
        graph.wait_for(COMMAND)
        start = latest(graph)
        os.write(keys, b"qq")
        graph.wait(lambda: abs(latest(graph)[0] - start[0] - 0.06) < 1e-6, "the keys' goal")
        os.write(keys, b"H")
        graph.wait(has_control(graph, source="hold", mode="armed"), "the arm handed back")
        os.write(keys, b"T")
        graph.wait(has_control(graph, source="person"), "the person in control again")
        os.write(keys, b" ")
        graph.wait(has_control(graph, mode="stopped"), "the stop")
        os.write(keys, b"\n")
        graph.wait(has_control(graph, mode="armed"), "the arm armed again")
        os.write(keys, b"P")
        graph.wait(has_control(graph, mode="disarmed"), "the arm parked")
        np.testing.assert_allclose(latest(graph, "joint_states"), SPEC.joint_array("rest"), atol=0.15)
        os.write(keys, b"\x1b")
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, rest


def test_what_a_person_types_is_the_task_of_the_recording(graph: Listener, tmp_path: Path) -> None:
    with (
        node_process("recorder_node", folder=tmp_path, cameras="none"),
        person("-p", "live_picture:=none") as (process, keys),
    ):
        said_until(process, READY)
        os.write(keys, b"Epuxt\x7f\x7ft the cube away\n")  # with a slip; `p` and `t` drive nothing now
        said_until(process, "task: put the cube away")
        for _ in range(2):  # the text stays, though the task says its own at each reset
            before = len(graph.heard[COMMAND])
            os.write(keys, b"\n")
            graph.wait(lambda n=before: len(graph.heard[COMMAND]) > n + 5, "commands")
            os.write(keys, b"E-")  # within an episode there is nothing to edit, and `-` saves it
            assert "between two episodes" in said_until(process, READY)
        os.write(keys, b"E\x1b\x1b")  # left as it is; then quit
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, rest
    logs = [read_raw_log(path) for path in sorted(tmp_path.glob("*.mcap"))]
    assert [log.metadata[EPISODE]["task"] for log in logs] == ["put the cube away"] * 2


def test_a_gamepad_starts_moves_the_tool_saves_and_quits(graph: Listener, tmp_path: Path) -> None:
    """Without a terminal: its buttons are the session's keys."""
    pipe = PipeDevice(tmp_path / "event0")
    parameters = {"operator": "gamepad", "device": pipe.path, "record": "false", "live_picture": "none"}
    with node_process("teleop_node", **parameters) as teleop:
        before = len(graph.heard[COMMAND])

        def started() -> bool:
            pipe.event(EV_KEY, evdev.BTN_START, 1)
            pipe.event(EV_KEY, evdev.BTN_START, 0)
            time.sleep(0.2)
            return len(graph.heard[COMMAND]) > before

        # Pressed too early it is not heard, pressed again it would end the episode: so in a while.
        graph.wait(started, "the first command")
        pipe.event(EV_ABS, evdev.ABS_RY, -32768)
        start = latest(graph)
        graph.wait(lambda: np.abs(latest(graph) - start).max() > 0.2, "the tool on its way up")
        pipe.event(EV_ABS, evdev.ABS_RY, 0)
        pipe.event(EV_ABS, evdev.ABS_HAT0Y, 1)
        graph.wait(has_control(graph, source="hold"), "the arm handed back")
        pipe.event(EV_KEY, evdev.BTN_SOUTH, 1)
        graph.wait(has_control(graph, source="person"), "the person in control")
        pipe.unplug()
        graph.wait(has_control(graph, source="hold"), "the arm let go of")
        pipe.plug()
        graph.wait(has_control(graph, source="person"), "the gamepad back")
        pipe.event(EV_KEY, evdev.BTN_EAST, 1)
        graph.wait(has_control(graph, mode="stopped"), "the stop")
        pipe.event(EV_KEY, evdev.BTN_MODE, 1)
        code, output = teleop.wait()
    pipe.close()
    assert code == 0, output
    assert "stop: stopped" in output


def test_the_cameras_are_a_still_where_there_is_no_display(graph: Listener, tmp_path: Path) -> None:
    folder = f"live_folder:={tmp_path / 'live'}"
    with person("-p", "record:=false", "-p", folder, DISPLAY="", WAYLAND_DISPLAY="") as (process, keys):
        still = tmp_path / "live" / "cameras.jpg"
        said_until(process, f"the cameras' newest pictures: {still}")
        picture = cv2.imread(str(still))
        assert picture.shape == (96, 2 * 96, 3)
        assert picture.std() > 10, "there is something to be seen"
        first = still.stat().st_mtime_ns
        graph.wait(lambda: still.stat().st_mtime_ns > first, "the next one")
        os.write(keys, b"\x1b")
        process.communicate(timeout=PATIENCE_S)
        assert [path.name for path in still.parent.iterdir()] == ["cameras.jpg"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"operator": "leader", "leader_driver": "emulated"},
            "operator 'leader': expected a terminal for the keys",
        ),
        ({"operator": "leader"}, "leader 'so101_leader': expected its serial port, got none"),
        ({"operator": "gamepad"}, "expected a gamepad at /dev/input/by-id/"),
        ({"operator": "spacemouse", "device": "/dev/none"}, "/dev/none: expected a device that can be read"),
        ({"operator": "spacemouse", "robot": "so100"}, "unknown simulated robot 'so100'"),
        ({"operator": "expert", "session": "false"}, "session:=false needs a person to take over"),
        ({"operator": "joystick"}, "unknown operator 'joystick'"),
        ({"operator": "gamepad", "live_picture": "tv"}, "unknown live_picture 'tv'"),
    ],
)
def test_a_device_that_is_not_ready_is_one_line(parameters: dict[str, str], message: str) -> None:
    with node_process("teleop_node", **parameters) as teleop:
        code, output = teleop.wait()
    assert code == 2, output
    assert len([line for line in output.splitlines() if "error" in line.lower()]) == 1, output
    assert message in output
    assert "Traceback" not in output


def test_in_simulated_time_commands_answer_steps(graph: Listener) -> None:
    """Their stamps are the robot's, bit for bit."""
    with person("-p", "record:=false", "-p", "live_picture:=none") as (process, keys):
        said_until(process, READY)
        os.write(keys, b"\n")
        commands = graph.wait_for(COMMAND, 20)
        robot = {conversions.stamp_ns(m.header.stamp) for m in graph.heard["joint_states"]}
        assert {conversions.stamp_ns(m.header.stamp) for m in commands} <= robot
        os.write(keys, b"\x1b")
        process.communicate(timeout=PATIENCE_S)


def test_a_person_at_a_real_table_drives_episodes_though_nobody_sees_objects() -> None:
    """Time is the machine's, the person is the task's backing, and there is no reset to see."""
    arm = {"robot": "so101_emulated", "cameras": "none", "task": "none"}
    with (
        node_process("robot_node", **arm),
        node_process("task_node", backing="person", instruction="fold the towel"),
        ears() as graph,
        person("-p", "record:=false", "-p", "robot:=so101_emulated", "-p", "live_picture:=none") as (
            process,
            keys,
        ),
    ):
        said_until(process, READY)
        for key, word in ((b"\n", "success"), (b"-", "failure")):
            os.write(keys, b"\n")
            graph.wait(has_control(graph, source="person"), "the person in control")
            os.write(keys, key)
            assert word in said_until(process, READY)
        os.write(keys, b"\x1b")
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, rest
