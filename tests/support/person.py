"""A person at teleop_node: a process at a terminal of its own, and the end that keys are written to."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from support.ros_process import environment


@contextmanager
def person(
    *arguments: str, operator: str = "keyboard", **variables: str
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """teleop_node, and a file descriptor for what is typed; `variables` are of its environment."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "limber_nodes.teleop_node", "--ros-args"]
    process = subprocess.Popen(
        [*command, "-p", f"operator:={operator}", *arguments],
        env={**environment(), **variables},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def said_until(process: "subprocess.Popen[str]", end: str) -> str:
    """What is printed up to the line that holds `end`; that line is the last."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if end in line:
            return said
    raise AssertionError(f"expected {end!r}, the process ended: {said}")
