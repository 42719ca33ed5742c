"""recorder_node as a process of its own, recording a graph that really publishes."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from limber_nodes import qos
from limber_nodes.diagnostics import values_of
from rosbags.highlevel import AnyReader
from std_msgs.msg import Bool
from std_srvs.srv import SetBool
from support.graph import FakeArm, wait_for
from support.ros_process import NodeProcess, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.arms.calibration import middle_calibration
from hardware.spec import load_spec
from policies.data import cdr
from policies.data.raw_log import EPISODE, RESULT
from policies.data.raw_log_reader import read_raw_log
from policies.data.recorder import Recorder

Start = Callable[..., NodeProcess]


@pytest.fixture(scope="module")
def arm() -> Iterator[FakeArm]:
    rclpy.init()
    made = FakeArm()
    yield made
    made.close()
    rclpy.shutdown()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts recorder_node; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def begin(folder: Path, **parameters: object) -> NodeProcess:
            given = {"folder": folder, "cameras": "front", "min_free_mb": 1.0, **parameters}
            return stack.enter_context(node_process("recorder_node", **given))

        yield begin


def begin_episode(arm: FakeArm) -> None:
    """Discovery takes a moment: the recorder refuses to start before it hears every sensor."""
    wait_for(lambda: arm.call("episode/start").success, 20.0, "episode/start")


def end(process: NodeProcess) -> tuple[int, str]:
    return process.end(signal.SIGINT)


def test_an_episode_holds_every_frame_and_its_labels(arm: FakeArm, start: Start, tmp_path: Path) -> None:
    process = start(tmp_path / "raw", operator="ada", driver="emulated")
    begin_episode(arm)
    first = len(arm.frame_stamps)
    time.sleep(2.0)
    arm.success.publish(Bool(data=True))
    last = len(arm.frame_stamps)
    time.sleep(0.3)
    saved = arm.call("episode/save")
    assert saved.success, saved.message
    assert end(process)[0] == 0
    path = Path(saved.message)
    log = read_raw_log(path)
    pictures = log.topic("front/image_raw/compressed")
    assert pictures is not None
    recorded = [cdr.stamp_ns(p) for p in pictures.payloads]
    assert set(arm.frame_stamps[first:last]) <= set(recorded)
    assert len(recorded) == len(set(recorded))
    joints = [cdr.stamp_ns(p) for p in log.topics["/joint_states"].payloads]
    assert joints == list(range(joints[0], joints[-1] + 1, 10_000_000))
    info, result = log.metadata[EPISODE], log.metadata[RESULT]
    assert (info["task"], info["operator"], info["calibration_hash"]) == (
        "put the cube in the bin",
        "ada",
        middle_calibration(load_spec("so101")).hash,
    )
    assert info["robot_hash"] == load_spec("so101").with_cameras(("front",)).hash
    assert (result["success"], result["missing_front"], result["dropped_messages"]) == ("true", "0", "0")
    with AnyReader([path]) as reader:  # every message of every topic can be decoded by others
        topics = {c.topic for c, _, data in reader.messages() if reader.deserialize(data, c.msgtype)}
    assert {"/joint_states", "/executed_action", "/task/instruction", "/task/success"} <= topics


def test_pictures_that_come_late_still_belong_to_the_episode(
    arm: FakeArm, start: Start, tmp_path: Path
) -> None:
    process = start(tmp_path / "raw")
    begin_episode(arm)
    arm.picture_delay_s = 0.4
    try:
        time.sleep(1.0)
        last = arm.frame_stamps[-2]
        saved = arm.call("episode/save")
    finally:
        arm.picture_delay_s = 0.0
    assert end(process)[0] == 0
    pictures = read_raw_log(Path(saved.message)).topic("front/image_raw/compressed")
    assert pictures is not None
    assert cdr.stamp_ns(pictures.payloads[-1]) >= last


def test_discard_rerecord_and_the_latched_state(arm: FakeArm, start: Start, tmp_path: Path) -> None:
    process = start(tmp_path / "raw")
    begin_episode(arm)
    wait_for(lambda: json.loads(arm.states[-1])["state"] == "recording", 5.0, "state recording")
    assert not arm.call("episode/start").success
    assert arm.call("episode/rerecord").success
    assert arm.call("episode/discard").success
    wait_for(lambda: json.loads(arm.states[-1])["state"] == "idle", 5.0, "state idle")
    assert "none is being recorded" in arm.call("episode/save").message
    assert json.loads(arm.states[-1])["index"] == 0
    assert end(process)[0] == 0
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["recording.json"]


def test_a_killed_recording_is_recovered_at_the_next_start(
    arm: FakeArm, start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    process = start(folder)
    begin_episode(arm)
    time.sleep(0.5)
    assert arm.call("episode/save").success
    begin_episode(arm)
    time.sleep(1.5)
    killed_ns = time.time_ns()
    process.kill()
    process = start(folder)
    begin_episode(arm)
    assert arm.call("episode/save").success
    code, output = end(process)
    assert code == 0
    assert "recovered a recording" in output
    assert read_raw_log(folder / "episode_000000.mcap").whole
    copy = read_raw_log(folder / "episode_000001.recovered.mcap")
    assert copy.whole
    assert 0 < killed_ns - copy.topics["/joint_states"].log_times[-1] < 1e9
    assert (folder / "episode_000002.mcap").exists()


def test_a_label_is_of_one_episode_only(arm: FakeArm, start: Start, tmp_path: Path) -> None:
    recorder = start(tmp_path / "raw")
    with node_process("task_node", backing="person") as task, listener() as graph:
        planned = graph.node.create_publisher(JointTrajectory, "planned_action", qos.EVENTS)
        timer = graph.node.create_timer(0.05, lambda: planned.publish(JointTrajectory()))
        graph.listen(Bool, "task/success")

        def label() -> None:
            assert graph.call(SetBool, "task/label", SetBool.Request(data=True)).success
            graph.wait_for("task/success", 3)  # once a step, as long as it holds

        begin_episode(arm)
        label()
        saved = [arm.call("episode/save").message]
        begin_episode(arm)
        time.sleep(0.3)  # nobody says anything
        saved.append(arm.call("episode/save").message)
        begin_episode(arm)
        label()
        assert arm.call("episode/rerecord").success
        time.sleep(0.3)
        saved.append(arm.call("episode/save").message)
        graph.node.destroy_timer(timer)
        assert task.end()[0] == 0
    assert end(recorder)[0] == 0
    labels = [read_raw_log(Path(path)).metadata[RESULT]["success"] for path in saved]
    assert labels == ["true", "unknown", "unknown"]


def test_the_state_tells_what_is_heard_of_success_and_then_what_the_file_says(
    arm: FakeArm, start: Start, tmp_path: Path
) -> None:
    process = start(tmp_path / "raw")
    arm.success.publish(Bool(data=True))  # of no episode
    begin_episode(arm)

    def said() -> tuple[str, bool | None]:
        state = json.loads(arm.states[-1])
        return state["state"], state["success"]

    wait_for(lambda: said() == ("recording", None), 5.0, "nothing heard")
    for label in (False, True):
        arm.success.publish(Bool(data=label))
        wait_for(lambda label=label: said() == ("recording", label), 5.0, f"{label} heard")
    assert arm.call("episode/save").success
    arm.success.publish(Bool(data=False))
    time.sleep(0.3)
    assert said() == ("idle", True)
    assert end(process)[0] == 0


def test_lost_frames_are_counted_by_the_own_robot_not_by_another_on_the_network(
    arm: FakeArm, start: Start, tmp_path: Path
) -> None:
    process = start(tmp_path / "raw")
    begin_episode(arm)
    arm.diagnostics.clear()
    publisher = arm.create_publisher(DiagnosticArray, "/diagnostics", 10)
    wait_for(lambda: publisher.get_subscription_count() >= 2, 10.0, "the recorder to listen")

    def lost(robot: str) -> int:
        """Frames that the recorder counts as lost after `robot` has told of many."""
        for count in (0, 1000, 2000):
            said = {"frames_published.front": count, "frames_published_until_ns": arm.frame_stamps[-1]}
            values = [KeyValue(key=key, value=str(value)) for key, value in said.items()]
            publisher.publish(DiagnosticArray(status=[DiagnosticStatus(name=robot, values=values)]))
            time.sleep(0.5)
        arm.diagnostics.clear()
        wait_for(lambda: told("recorder_node"), 10.0, "diagnostics")
        return int(told("recorder_node")["frames_lost.front"])

    def told(name: str) -> dict[str, str]:
        found = [values_of(array, name) for array in list(arm.diagnostics)]
        return next((values for values in found if values), {})

    assert lost("left/robot_node") == 0
    assert lost("robot_node") > 900
    assert end(process)[0] == 0


def test_no_room_is_said_and_recording_does_not_start(arm: FakeArm, start: Start, tmp_path: Path) -> None:
    arm.diagnostics.clear()
    process = start(tmp_path / "raw", min_free_mb=1e9)
    wait_for(lambda: "disk full" in arm.call("episode/start").message, 20.0, "disk full")

    def said() -> bool:
        statuses = [s for m in list(arm.diagnostics) for s in m.status if s.name.endswith("recorder_node")]
        return any(s.level == b"\x02" and "disk full" in s.message for s in statuses)

    wait_for(said, 10.0, "diagnostics say why")
    code, output = end(process)
    assert code == 0
    assert output.count("disk full") == 0, "who asked was told, nobody else need be"


def test_a_filling_disk_ends_the_episode_whole(arm: FakeArm, start: Start, small_disk: Path) -> None:
    process = start(small_disk / "raw", min_free_mb=0.3, max_episode_s=1.0)
    begin_episode(arm)
    wait_for(lambda: "disk full" in json.loads(arm.states[-1])["reason"], 30.0, "disk full")
    said = json.loads(arm.states[-1])
    assert said["state"] == "idle"
    for verb in ("save", "discard", "rerecord"):  # none is being recorded: this is why
        assert arm.call(f"episode/{verb}").message == said["reason"]
    code, output = end(process)
    assert code == 0
    assert output.count("disk full") == 1, output
    log = read_raw_log(small_disk / "raw" / "episode_000000.mcap")
    assert log.whole
    assert log.metadata[RESULT]["ended"] == "disk full"


def test_sigint_keeps_the_running_episode_and_its_label(arm: FakeArm, start: Start, tmp_path: Path) -> None:
    process = start(tmp_path / "raw")
    begin_episode(arm)
    time.sleep(0.3)
    arm.success.publish(Bool(data=True))
    time.sleep(0.3)
    assert end(process)[0] == 0
    log = read_raw_log(tmp_path / "raw" / "episode_000000.mcap")
    assert log.metadata[RESULT]["ended"] == "interrupted"
    assert log.metadata[RESULT]["success"] == "true"


def test_bad_input_is_one_line_and_exit_code_2(start: Start, tmp_path: Path) -> None:
    Recorder(tmp_path / "other", load_spec("so101")).close()
    before = {p: p.read_bytes() for p in (tmp_path / "other").iterdir()}
    for expected, process in {
        "different: cameras": start(tmp_path / "other"),
        "unknown robot 'so102'": start(tmp_path / "raw", robot="so102"),
        "unknown camera 'rear'": start(tmp_path / "raw", cameras="rear"),
        "max_episode_s": start(tmp_path / "raw", max_episode_s=-1.0),
    }.items():
        code, output = process.wait()
        assert code == 2, output
        lines = [line for line in output.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert expected in lines[0]
        assert "Traceback" not in output
    assert not (tmp_path / "raw").exists()
    assert {p: p.read_bytes() for p in (tmp_path / "other").iterdir()} == before
