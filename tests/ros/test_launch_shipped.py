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
from limber_bringup.errors import LaunchError
from limber_bringup.parameters import full_command
from limber_bringup.parse import parse_launch_file
from limber_bringup.resolve import make_plan
from mcap.reader import make_reader
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from support.checkpoints import untrained_checkpoint
from support.launching import (
    PATIENCE_S,
    finish,
    interrupt,
    read_until,
    run,
    runner,
    wait_gone,
    write_launch,
)
from support.ros_process import SOURCES, environment, listener

from hardware.spec import load_spec
from policies.data.recorder import Recorder

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
        ("sim.launch.xml", ["robot:=so102"], "unknown robot 'so102' (did you mean 'so10"),
        ("sim.launch.xml", ["task:=PickPlaec"], "unknown task 'PickPlaec' (did you mean 'PickPlace'?)"),
        ("sim.launch.xml", ["cameras:=fornt"], "unknown camera 'fornt' (did you mean 'front'?)"),
        ("sim.launch.xml", ["width:=100000"], "parameter 'width': expected at least 0 and at most 4096, got"),
        ("sim.launch.xml", ["speed:=nan"], "parameter 'speed': expected at least 0.01, got nan"),
        ("sim.launch.xml", ["seed:=-3"], "parameter 'seed': expected at least 0, got -3"),
        (
            "deploy.launch.xml",
            ["checkpoint:=nowhere"],
            "expected a checkpoint folder, 'nowhere' does not exist",
        ),
        ("replay.launch.xml", ["episode:=nowhere"], "parameter 'episode': 'nowhere' does not exist"),
        ("collect.launch.xml", ["task:=none"], "unknown task with an expert 'none'"),
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


def test_what_only_a_node_can_refuse_ends_everything_with_one_line_and_exit_code_2(tmp_path):
    spec = tmp_path / "portless.yaml"
    spec.write_text("extends: so101\nname: portless\ndriver: serial\n")
    code, text = run(LAUNCH / "robot.launch.xml", f"robot:={spec}", **SOURCE_PATH)
    assert code == 2, text
    errors = [line for line in text.splitlines() if re.match(r"\[\w+-\d\] error: ", line)]
    assert len(errors) == 1, text
    expected = "bus 'arm' of robot 'portless': expected its serial port, got none"
    assert errors[0].startswith(f"[robot_node-1] error: {expected}"), text
    assert "Traceback" not in text
    for pid in re.findall(r"process started with pid \[(\d+)\]", text):
        assert wait_gone(int(pid))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `MISTAKES` name."""
    folder = tmp_path_factory.mktemp("mistakes")
    for name in ("whole", "cut", "stats"):
        untrained_checkpoint(folder / name, load_spec("so101"))
    weights = folder / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    (folder / "stats" / "stats.json").write_text("{")
    for path in (folder / "other" / "notes.txt", folder / "report" / "report.json"):
        path.parent.mkdir()
        path.write_text("")
    (folder / "unseen.yaml").write_text("extends: so101\nname: unseen\nmodel: unseen\n")
    Recorder(folder / "recordings", load_spec("so101")).close()
    return folder


MISTAKES = [
    "sim speed:=nan",
    "sim seed:=-3",
    "sim width:=100000000000000000000",
    "sim robot:={folder}/unseen.yaml",
    "collect task:=none dataset:={folder}/new",
    "collect dataset:={folder}/other",
    "collect dataset:={folder}/other/notes.txt",
    "collect dataset:={folder}/recordings width:=64",
    "deploy checkpoint:={folder}/nowhere",
    "deploy checkpoint:={folder}/cut",
    "deploy checkpoint:={folder}/stats",
    "deploy checkpoint:={folder}/whole width:=64",
    "deploy checkpoint:={folder}/whole cameras:=wrist",
    "deploy checkpoint:={folder}/whole device:=cuda:99",
    "deploy checkpoint:={folder}/whole execution_horizon:=16",
    "deploy checkpoint:={folder}/whole threads:=0",
    "deploy checkpoint:={folder}/whole report:={folder}/report",
    "deploy checkpoint:={folder}/whole episodes:=0",
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_launcher_refuses_with_the_words_of_the_node_and_writes_nothing(mistake, folder, tmp_path):
    file, *words = mistake.format(folder=folder).split()
    plan = make_plan(LAUNCH / f"{file}.launch.xml", dict(word.split(":=") for word in words))
    before = sorted(folder.rglob("*"))
    with pytest.raises(LaunchError) as caught:
        check_plan(plan)
    assert sorted(folder.rglob("*")) == before
    place, _, said = str(caught.value).partition(": ")
    (process,) = (p for p in plan.processes if f"{p.place.file}:{p.place.line}" == place)
    command, variables = full_command(process, tmp_path), {**process.environment, **SOURCE_PATH}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1] == f"error: {said}"


def test_what_stands_in_a_parameter_file_is_left_to_the_node(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("policy_node:\n  ros__parameters:\n    checkpoint: somewhere\n")
    body = '<node pkg="limber_nodes" exec="policy_node" name="policy_node">\n{}\n</node>'
    given = f'<param from="{file}"/>\n<param name="execution_horizon" value="{{}}"/>'
    check_plan(make_plan(write_launch(tmp_path, body.format(given.format(16))), {}))
    with pytest.raises(LaunchError, match=":2: parameter 'execution_horizon': expected at least 1"):
        check_plan(make_plan(write_launch(tmp_path, body.format(given.format(0))), {}))


def test_the_launcher_needs_no_torch():
    check = "import sys, limber_bringup.node_checks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env=environment()).returncode == 0


def test_names_that_are_right_pass(tmp_path):
    for arguments in (
        {"cameras": "none"},
        {"cameras": "front, wrist", "task": "none"},
        {"task": "PickPlace"},
    ):
        check_plan(make_plan(LAUNCH / "sim.launch.xml", arguments))
    checkpoint = untrained_checkpoint(tmp_path / "checkpoint", load_spec("so101"))
    fitting = {"checkpoint": str(checkpoint), "execution_horizon": "15", "report": str(tmp_path / "report")}
    check_plan(make_plan(LAUNCH / "deploy.launch.xml", fitting))
    for folder in (tmp_path / "empty", tmp_path / "recordings"):
        folder.mkdir()
    Recorder(tmp_path / "recordings", load_spec("so101")).close()
    for name in ("new", "empty", "recordings"):
        check_plan(make_plan(LAUNCH / "collect.launch.xml", {"dataset": str(tmp_path / name)}))
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []
    check_plan(make_plan(LAUNCH / "collect.launch.xml", {"operator": "none", "task": "none"}))


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
