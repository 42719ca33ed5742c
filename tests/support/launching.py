"""Small launch files, a small ROS package to start from them, and the runner as a person starts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 140.0  # on a busy machine; never what a test asserts

# Says what it was given: its own arguments, one a line, and the parameter files' text.
SHOW = """#!/bin/sh
for word in "$@"; do
    echo "arg: $word"
    case "$word" in *.yaml) sed "s/^/yaml: /" "$word" ;; esac
done
"""


def write_launch(folder: Path, body: str, name: str = "test.launch.xml") -> Path:
    """A launch file whose line 1 is `<launch>`; `body` begins on line 2."""
    path = folder / name
    path.write_text(f"<launch>\n{body}\n</launch>\n")
    return path


def write_package(folder: Path, name: str = "shower", executable: str = "show", script: str = SHOW) -> Path:
    """An ament prefix with one package that has one executable; the prefix."""
    prefix = folder / "prefix"
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / name
    program = prefix / "lib" / name / executable
    for path in (marker, program):
        path.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("")
    program.write_text(script)
    program.chmod(0o755)
    return prefix


@contextmanager
def runner(path: Path, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """`python -m limber_bringup FILE ...` with its output in one pipe; ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "limber_bringup", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _insist(process)


def run(path: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """The runner to its own end: exit code and output."""
    with runner(path, *arguments, **environment) as process:
        text = finish(process)
    return process.returncode, text


def finish(process: "subprocess.Popen[str]") -> str:
    """What it says until it ends of itself; when it does not, it is made to and the test fails."""
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the launch did not end of itself:\n{_insist(process)}") from None


def _insist(process: "subprocess.Popen[str]") -> str:
    for _ in range(3):  # the third time the runner kills its children
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    return process.communicate(timeout=30)[0]


def read_until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """The output up to the line that contains `wanted`; fails when it ends before."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
    raise AssertionError(f"{wanted!r} never came:\n{''.join(lines)}")


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> str:
    """One signal to the runner alone; what it says until it ends."""
    process.send_signal(number)
    return finish(process)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)
