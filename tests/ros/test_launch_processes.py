"""The launch runner with real processes: output, ends in order, stubborn programs, exit codes."""

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from support.launching import (
    alive,
    finish,
    interrupt,
    read_until,
    run,
    runner,
    wait_gone,
    write_launch,
    write_package,
)

# Ends on SIGINT or SIGTERM and says which, when ready says "NAME up".
POLITE = """
import signal, sys, time
def end(number, frame):
    print(sys.argv[1], signal.Signals(number).name, time.monotonic_ns(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)
print(sys.argv[1], "up", flush=True)
while True: time.sleep(60)
"""
# Ends on nothing but SIGKILL.
STUBBORN = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
print("stubborn up", os.getpid(), flush=True)
while True: time.sleep(60)
"""


@pytest.fixture
def programs(tmp_path):
    """`$(var polite)` and `$(var stubborn)` as launch file lines."""
    (tmp_path / "polite.py").write_text(POLITE)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    return f"""<let name="polite" value="{tmp_path / "polite.py"}"/>
    <let name="stubborn" value="{tmp_path / "stubborn.py"}"/><let name="python" value="{sys.executable}"/>
    """


def test_lines_are_prefixed_with_their_process(tmp_path):
    body = """
    <executable cmd="sh -c 'echo one; echo two >&amp;2; printf last'" name="talker" output="screen"/>
    <executable cmd="echo three" output="screen"/>"""
    code, text = run(write_launch(tmp_path, body))
    assert code == 0
    lines = set(text.splitlines())
    assert {"[talker-1] one", "[talker-1] two", "[talker-1] last", "[echo-2] three"} <= lines
    assert "\x1b" not in text
    assert re.search(r"\[INFO\] \[talker-1\]: process started with pid \[\d+\]", text)
    assert re.search(r"\[INFO\] \[echo-2\]: process has finished cleanly \[pid \d+\]", text)


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_and_can_be_refused(tmp_path, no_colour, coloured):
    path = write_launch(
        tmp_path, '<executable cmd="echo a" output="screen"/><executable cmd="echo b" output="screen"/>'
    )
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "limber_bringup", str(path)],
        stdout=end,
        stderr=end,
        env={**os.environ, "NO_COLOR": no_colour},
    )
    os.close(end)
    text = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # a terminal whose other end is closed
            break
        if not piece:
            break
        text += piece
    assert process.wait(timeout=30) == 0
    prefixes = re.findall(rb"\x1b\[(\d+)m\[echo-\d\]\x1b\[0m", text)
    assert len(set(prefixes)) == (2 if coloured else 0)
    assert (b"\x1b" in text) == coloured


def test_output_to_the_log_keeps_the_screen_for_errors(tmp_path):
    body = "<executable cmd=\"sh -c 'echo quiet; echo loud >&amp;2'\" name='both' output='log'/>"
    code, text = run(write_launch(tmp_path, body), ROS_LOG_DIR=str(tmp_path / "logs"))
    assert code == 0
    assert "[both-1] loud" in text
    assert "quiet" not in text
    (log,) = (tmp_path / "logs").glob("launch-*.log")
    assert {"[both-1] quiet", "[both-1] loud"} <= set(log.read_text().splitlines())


def test_a_node_is_started_with_its_parameters_in_a_file(tmp_path):
    prefix = write_package(tmp_path)
    body = """<node pkg="shower" exec="show" name="arm" namespace="left" output="screen">
    <param name="speed" value="2" type="float"/><param name="robot" value="7" type="str"/></node>"""
    code, text = run(write_launch(tmp_path, body), AMENT_PREFIX_PATH=str(prefix))
    assert code == 0
    assert "[show-1] arg: __node:=arm" in text
    assert "[show-1] yaml: /left/arm:" in text
    assert "[show-1] yaml:     robot: '7'" in text
    assert "[show-1] yaml:     speed: 2.0" in text
    (parameters,) = re.findall(r"arg: (\S+\.yaml)", text)
    assert not os.path.exists(parameters), "files of parameters do not outlive the launch"


def test_the_environment_reaches_the_programs_whole(tmp_path):
    """rclpy's wheels need LD_LIBRARY_PATH beside their own marker, and a folder for logs."""
    show = "echo $MARK-$LD_LIBRARY_PATH-$ROS_LOG_DIR.; echo $AMENT_PREFIX_PATH"
    body = f"""<executable cmd="sh -c '{show}'" output="screen"/>"""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "ROS_LOG_DIR")}
    process = subprocess.run(
        [sys.executable, "-m", "limber_bringup", str(write_launch(tmp_path, body))],
        capture_output=True,
        text=True,
        env={**environment, "MARK": "kept"},
    )
    library_path = os.environ.get("LD_LIBRARY_PATH", "")
    assert re.search(rf"\] kept-\S*{re.escape(library_path)}-/\S+\.$", process.stdout, re.MULTILINE)
    assert sys.prefix in process.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_all_processes_newest_first(tmp_path, programs, number):
    body = "".join(
        f'<executable cmd="$(var python) -u $(var polite) p{i}" name="p{i}" output="screen"/>'
        for i in range(3)
    )
    with runner(write_launch(tmp_path, programs + body)) as process:
        up = [f"p{i} up" for i in range(3)]
        text = ""
        while not all(word in text for word in up):
            text += read_until(process, " up")
        text = interrupt(process, number)
        ends = {n: int(t) for n, t in re.findall(r"\] (p\d) SIGINT (\d+)", text)}
        assert sorted(ends, key=ends.__getitem__) == ["p2", "p1", "p0"], text
        assert process.returncode == 0, text


def test_a_program_that_will_not_end_is_killed_after_a_grace_time(tmp_path, programs):
    body = """<executable cmd="$(var python) -u $(var polite) p0" name="p0" output="screen"/>
    <executable cmd="$(var python) $(var stubborn)" output="screen"
                sigterm_timeout="0.3" sigkill_timeout="0.3"/>"""
    with runner(write_launch(tmp_path, programs + body)) as process:
        text = read_until(process, "stubborn up")
        pid = int(re.search(r"stubborn up (\d+)", text)[1])
        if "p0 up" not in text:
            read_until(process, "p0 up")
        text = interrupt(process)
        assert "escalating to 'SIGTERM'" in text
        assert "escalating to 'SIGKILL'" in text
        assert "p0 SIGINT" in text
        assert not alive(pid)
        assert process.returncode == 128 + signal.SIGKILL


def test_asking_twice_and_again_does_not_wait(tmp_path, programs):
    """The grace times are a minute; two more signals end it without them."""
    body = """<executable cmd="$(var python) $(var stubborn)" output="screen"
                          sigterm_timeout="600" sigkill_timeout="600"/>"""
    with runner(write_launch(tmp_path, programs + body)) as process:
        pid = int(re.search(r"up (\d+)", read_until(process, "stubborn up"))[1])
        process.send_signal(signal.SIGINT)
        read_until(process, "interrupted")
        process.send_signal(signal.SIGINT)
        read_until(process, "escalating to 'SIGTERM'")
        process.send_signal(signal.SIGINT)
        finish(process)
        assert not alive(pid)


def test_nothing_that_a_program_started_outlives_it(tmp_path):
    """One forgotten in the process group, also where it holds the output open."""
    body = "<executable cmd=\"sh -c 'sleep 987 &amp; echo left $!'\" output='screen'/>"
    start = time.monotonic()
    code, text = run(write_launch(tmp_path, body))
    assert code == 0
    assert time.monotonic() - start < 60, "waited for a program that had been left behind"
    assert wait_gone(int(re.search(r"left (\d+)", text)[1]))


def test_a_process_that_ends_the_launch_gives_its_exit_code(tmp_path, programs):
    body = """<executable cmd="$(var python) -u $(var polite) p0" name="p0" output="screen"/>
    <executable cmd="sh -c 'sleep 1; echo error: no such robot; exit 2'" name="failing" output="screen"
                on_exit="shutdown"/>"""
    code, text = run(write_launch(tmp_path, programs + body))
    assert code == 2
    assert "[failing-2] error: no such robot" in text
    assert "[ERROR] [failing-2]: process has died" in text
    assert "[INFO] [p0-1]: process has finished cleanly" in text


def test_a_process_that_ends_well_can_end_the_launch(tmp_path, programs):
    body = """<executable cmd="$(var python) -u $(var polite) p0" name="p0" output="screen"/>
    <executable cmd="sleep 0.5" on_exit="shutdown"/>"""
    code, _ = run(write_launch(tmp_path, programs + body))
    assert code == 0


def test_the_first_failure_is_the_exit_code_even_if_others_go_on(tmp_path):
    body = """<executable cmd="sh -c 'exit 7'"/><executable cmd="sh -c 'sleep 1; exit 3'"/>
    <executable cmd="sh -c 'sleep 0.5; echo went on'" output="screen"/>"""
    code, text = run(write_launch(tmp_path, body))
    assert code == 7
    assert "went on" in text


def test_a_program_killed_from_outside_counts_as_failed(tmp_path):
    code, text = run(write_launch(tmp_path, "<executable cmd=\"sh -c 'kill -9 $$'\"/>"))
    assert code == 128 + signal.SIGKILL
    assert "exit code -9" in text


def test_respawn_starts_again_as_often_as_allowed(tmp_path):
    body = """<executable cmd="sh -c 'echo here; exit 1'" output="screen"
                          respawn="true" respawn_delay="0.05" respawn_max_retries="2"/>"""
    code, text = run(write_launch(tmp_path, body))
    assert text.count("] here") == 3
    assert code == 1


def test_a_timer_waits_and_an_end_cancels_it(tmp_path):
    body = """<timer period="600"><executable cmd="echo never" output="screen"/></timer>
    <timer period="0.2"><executable cmd="echo soon" output="screen" on_exit="shutdown"/></timer>"""
    code, text = run(write_launch(tmp_path, body))
    assert code == 0
    assert "soon" in text
    assert "never" not in text


def test_mistakes_start_nothing_and_exit_with_2(tmp_path):
    witness = tmp_path / "started"
    body = f"""<executable cmd="touch {witness}"/><arg name="must"/><node pkg="nix" exec="nix"/>"""
    path = write_launch(tmp_path, body)
    for arguments, wanted in (
        ((), f"error: {path}:2: the launch argument 'must' must be given"),
        (("must:=1",), f"error: {path}:2: unknown package 'nix'"),
        (("must:=1", "more:=1"), "unknown launch argument 'more'"),
        (("must=1",), "expected a launch argument as <name>:=<value>, got 'must=1'"),
    ):
        code, text = run(path, *arguments)
        assert code == 2
        assert wanted in text
        assert text.count("\n") == 1, text
    assert not witness.exists()


def test_an_interrupt_while_the_runner_itself_starts_is_one_word(tmp_path):
    (tmp_path / "yaml.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with runner(tmp_path / "none.launch.xml", PYTHONPATH=str(tmp_path)) as process:
        read_until(process, "importing")
        assert interrupt(process) == "interrupted\n"
    assert process.returncode == 130
