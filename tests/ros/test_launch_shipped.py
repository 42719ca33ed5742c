"""The shipped launch files: they say what they take, they name real parameters, and they really start."""

import dataclasses
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from limber_bringup.checks import check_plan
from limber_bringup.parse import parse_launch_file
from limber_bringup.resolve import make_plan
from mcap.reader import make_reader
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from support.checkpoints import untrained_checkpoint
from support.launching import finish, interrupt, read_until, run, runner, wait_gone
from support.ros_process import SOURCES, listener

from hardware.spec import load_spec

LAUNCH = Path(__file__).parents[2] / "launch"
FILES = sorted(p.name for p in LAUNCH.glob("*.launch.xml"))
REQUIRED = {"deploy.launch.xml": {"checkpoint": "x"}, "replay.launch.xml": {"episode": "x"}}
SOURCE_PATH = {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
# every branch of every file
VARIANTS = [{}, {"operator": "none"}, {"record": "true"}, {"evaluate": "false"}]


def plans(name):
    known = {a.name for a in make_plan(LAUNCH / name, REQUIRED.get(name, {})).arguments}
    for variant in VARIANTS:
        if set(variant) <= known:
            yield make_plan(LAUNCH / name, {**REQUIRED.get(name, {}), **variant})


def declared_parameters(node: str) -> set[str]:
    """The fields of the settings dataclasses that a node's module uses, and every node's own."""
    module = importlib.import_module(f"limber_nodes.{node}")
    settings = [t for n, t in vars(module).items() if n.endswith("Settings") and dataclasses.is_dataclass(t)]
    return {"autostart", "use_sim_time"} | {field.name for t in settings for field in dataclasses.fields(t)}


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_described(name):
    for argument in make_plan(LAUNCH / name, REQUIRED.get(name, {})).arguments:
        assert argument.description != "no description given", argument
        assert not argument.description.startswith("One of"), argument


@pytest.mark.parametrize("name", FILES)
def test_show_args_lists_every_argument_without_starting_anything(name):
    code, text = run(LAUNCH / name, "--show-args")
    assert code == 0
    for argument in ("robot", "task", "namespace", "speed", "cameras", *REQUIRED.get(name, {})):
        assert f"    '{argument}':" in text
    assert "process started" not in text


@pytest.mark.parametrize("name", FILES)
def test_every_parameter_is_one_that_its_node_declares(name):
    """rclpy ignores overrides of parameters that nobody declares; a misspelt one would do nothing."""
    seen = set()
    for plan in plans(name):
        for process in plan.processes:
            node = Path(process.command[0]).name
            for table in process.parameters:
                assert set(table) <= declared_parameters(node), f"{name}: {node}"
                seen.add(node)
    assert seen >= {"robot_node", "task_node"}


@pytest.mark.parametrize("name", FILES)
def test_settings_reach_every_node_that_has_them(name):
    """A camera left out for the robot but not for its recorder would be waited for in vain."""
    for argument, value in (("robot", "so101"), ("cameras", "front"), ("width", "64"), ("height", "48")):
        plan = make_plan(LAUNCH / name, {**REQUIRED.get(name, {}), argument: value})
        for process in plan.processes:
            node = Path(process.command[0]).name
            if argument in declared_parameters(node):
                (table,) = process.parameters
                assert str(table.get(argument)) == value, f"{name}: {argument} of {node}"


@pytest.mark.parametrize("name", FILES)
def test_every_node_is_in_the_namespace_and_ends_the_launch_when_it_ends(name):
    for process in make_plan(LAUNCH / name, {**REQUIRED.get(name, {}), "namespace": "left"}).processes:
        assert process.node == f"/left/{Path(process.command[0]).name}"
        assert process.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        assert process.shutdown_on_exit
        assert process.output == "screen"


@pytest.mark.parametrize("name", FILES)
def test_no_tag_that_only_later_distributions_know(name):
    """<let> inside <include> came after Jazzy."""

    def includes(element):
        for child in element.children:
            assert not (element.tag == "include" and child.tag == "let")
            includes(child)

    includes(parse_launch_file(LAUNCH / name))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("sim.launch.xml", ["robot:=so102"], "unknown robot 'so102' (did you mean 'so101'?); valid: so101"),
        ("sim.launch.xml", ["task:=PickPlaec"], "unknown task 'PickPlaec' (did you mean 'PickPlace'?)"),
        ("sim.launch.xml", ["cameras:=fornt"], "unknown camera 'fornt' (did you mean 'front'?)"),
        ("deploy.launch.xml", ["checkpoint:=nowhere"], "parameter 'checkpoint': 'nowhere' does not exist"),
        ("replay.launch.xml", ["episode:=nowhere"], "parameter 'episode': 'nowhere' does not exist"),
        ("collect.launch.xml", ["task:=none"], "unknown task 'none'"),
        ("collect.launch.xml", ["operator:=foo"], "unknown value of launch argument 'operator', 'foo'"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_code_2_before_anything_starts(name, arguments, message, tmp_path):
    if name == "collect.launch.xml":
        arguments = [*arguments, f"dataset:={tmp_path / 'raw'}"]
    code, text = run(LAUNCH / name, *arguments, **SOURCE_PATH)
    assert code == 2, text
    assert re.match(rf"error: \S+\.launch\.xml:\d+: {re.escape(message)}", text), text
    assert text.count("\n") == 1, text
    assert list(tmp_path.iterdir()) == []


def test_what_only_a_node_can_refuse_ends_everything_with_one_line_and_exit_code_2():
    code, text = run(LAUNCH / "sim.launch.xml", "width:=5000", **SOURCE_PATH)
    assert code == 2, text
    errors = [line for line in text.splitlines() if re.match(r"\[\w+-\d\] error: ", line)]
    assert len(errors) == 1, text
    assert "parameter 'width': expected at least 0 and at most 4096, got 5000" in errors[0], text
    assert "Traceback" not in text
    for pid in re.findall(r"process started with pid \[(\d+)\]", text):
        assert wait_gone(int(pid))


def test_names_that_are_right_pass(tmp_path):
    for arguments in (
        {"cameras": "none"},
        {"cameras": "front, wrist", "task": "none"},
        {"task": "PickPlace"},
    ):
        check_plan(make_plan(LAUNCH / "sim.launch.xml", arguments))
    checkpoint = untrained_checkpoint(tmp_path / "checkpoint", load_spec("so101"))
    check_plan(make_plan(LAUNCH / "deploy.launch.xml", {"checkpoint": str(checkpoint)}))
    check_plan(make_plan(LAUNCH / "collect.launch.xml", {"operator": "none", "task": "none"}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["width:=64"], "checkpoint is for cameras [front:96x96 wrist:96x96], this robot has [front:64x96 "),
        (["cameras:=wrist"], "checkpoint is for cameras [front:96x96 wrist:96x96], this robot has [wrist:"),
        (["device:=cuda:99"], "unknown device 'cuda:99'; valid: cpu"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_before_anything_starts(arguments, message, tmp_path):
    checkpoint = untrained_checkpoint(tmp_path / "checkpoint", load_spec("so101"))
    report = tmp_path / "report"
    code, text = run(
        LAUNCH / "deploy.launch.xml",
        f"checkpoint:={checkpoint}",
        f"report:={report}",
        *arguments,
        **SOURCE_PATH,
    )
    assert code == 2, text
    assert re.match(rf"error: \S+\.launch\.xml:\d+: {re.escape(message)}", text), text
    assert text.count("\n") == 1, text
    assert not report.exists()


def test_only_the_file_is_required():
    started = subprocess.run([sys.executable, "-m", "limber_bringup"], capture_output=True, text=True)
    assert started.returncode == 2
    assert started.stderr.endswith("error: the following arguments are required: file\n")


def test_a_missing_checkpoint_is_refused_before_anything_starts():
    code, text = run(LAUNCH / "deploy.launch.xml")
    assert code == 2
    assert re.fullmatch(
        r"error: \S+deploy\.launch\.xml:\d+: the launch argument 'checkpoint' must be .*\n", text
    )


def test_sim_starts_and_one_interrupt_ends_it_all():
    arguments = ("namespace:=left", "width:=64", "height:=48")
    with runner(LAUNCH / "sim.launch.xml", *arguments, **SOURCE_PATH) as process, listener() as graph:
        graph.listen(JointState, "/left/joint_states")
        graph.listen(CompressedImage, "/left/front/image_raw/compressed")
        graph.listen(CompressedImage, "/left/wrist/image_raw/compressed")
        graph.listen(String, "/left/robot_description", latched=True)
        graph.listen(String, "/left/task/instruction", latched=True)
        for topic in ("joint_states", "front/image_raw/compressed", "wrist/image_raw/compressed"):
            graph.wait_for(f"/left/{topic}")
        graph.trigger("/left/task/reset")
        for topic in ("robot_description", "task/instruction"):
            graph.wait(lambda topic=topic: graph.heard[f"/left/{topic}"], topic)
        assert '<robot name="so101"' in graph.heard["/left/robot_description"][0].data
        started = _descendants(process.pid)
        assert len(started) >= 3  # robot_node, its cameras, task_node
        text = interrupt(process)
    assert process.returncode == 0, text
    assert "Traceback" not in text
    assert [pid for pid in started if not wait_gone(pid)] == []


def test_collect_records_and_replay_plays_it_back_and_both_end_by_themselves(tmp_path):
    """Two episodes through the graph at four times real time, each one MCAP file."""
    folder = tmp_path / "raw"
    code, text = run(
        LAUNCH / "collect.launch.xml",
        "episodes:=2",
        f"dataset:={folder}",
        "speed:=4",
        "demonstrator:=the test",
        **SOURCE_PATH,
    )
    assert code == 0, text
    recordings = sorted(folder.glob("*.mcap"))
    assert len(recordings) == 2, text
    with recordings[0].open("rb") as stream:
        summary = make_reader(stream).get_summary()
    topics = {c.topic for c in summary.channels.values()}
    assert {"/joint_states", "/executed_action", "/teleop/joint_command"} <= topics
    assert {"/front/image_raw/compressed", "/wrist/image_raw/compressed"} <= topics
    code, text = run(
        LAUNCH / "replay.launch.xml", f"episode:={recordings[0]}", "cameras:=none", "speed:=4", **SOURCE_PATH
    )
    assert code == 0, text
    assert re.search(r"\[replay_node-3\].* replayed \d+ goals", text), text


def test_deploy_evaluates_a_checkpoint_and_ends_by_itself(tmp_path):
    """One episode of a policy that has learned nothing, and a report of it."""
    checkpoint = untrained_checkpoint(tmp_path / "checkpoint", load_spec("so101"))
    arguments = (f"checkpoint:={checkpoint}", "episodes:=1", "speed:=4", "record:=true")
    folders = (f"report:={tmp_path / 'report'}", f"dataset:={tmp_path / 'raw'}")
    code, text = run(LAUNCH / "deploy.launch.xml", *arguments, *folders, **SOURCE_PATH)
    assert code == 0, text
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["n_episodes"] == 1
    assert figures["delay_steps"]["p50"] >= 1
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


def test_a_dying_robot_node_ends_the_launch_and_says_so():
    with runner(LAUNCH / "sim.launch.xml", "cameras:=none", **SOURCE_PATH) as process:
        text = read_until(process, "[robot_node-1]: process started")
        pid = int(re.search(r"pid \[(\d+)\]", text)[1])
        with listener() as graph:
            graph.listen(JointState, "/joint_states")
            graph.wait_for("/joint_states")
        os.kill(pid, signal.SIGKILL)
        text = finish(process)
    assert process.returncode == 128 + signal.SIGKILL
    assert f"process has died [pid {pid}, exit code -9" in text
    assert "[task_node-2]: process has finished cleanly" in text


def _descendants(pid: int) -> list[int]:
    """Every process below `pid`."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found += [child, *_descendants(child)]
    return found
