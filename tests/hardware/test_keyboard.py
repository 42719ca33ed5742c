"""A person's keys: joints that jog, and a reader on a real pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time

import numpy as np
import pytest

from hardware.spec import load_spec
from hardware.teleop.keyboard import LEAD, STEP, KeyboardJog

SPEC = load_spec("so101")
REST = SPEC.joint_array("rest")

READER = """
import sys, threading
from hardware.teleop.terminal import KeyReader, has_terminal
if not has_terminal():
    print("no terminal", flush=True); sys.exit(3)
done = threading.Event()
def on_key(key):
    print(repr(key), flush=True)
    if key == "Q":
        done.set()
reader = KeyReader(on_key)
print("ready", flush=True)
done.wait(60)
reader.close(); reader.close()
print("closed", flush=True)
"""


def read_until(fd: int, text: str) -> str:
    """What the child prints, up to `text`; fails after a minute."""
    seen, deadline = "", time.monotonic() + 60
    while text not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"waited for {text!r}, got {seen!r}"
        seen += os.read(fd, 4096).decode()
    return seen


def test_keys_arrive_one_by_one_and_the_terminal_is_put_back() -> None:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", READER])
    try:
        before = termios.tcgetattr(fd)
        read_until(fd, "ready")
        assert not termios.tcgetattr(fd)[3] & termios.ICANON, "keys come without Enter"
        assert termios.tcgetattr(fd)[3] & termios.ISIG, "Ctrl-C still interrupts"
        os.write(fd, b"\x1b[A\x1bOB\x1b[15~")  # arrows and a function key are no Escape
        os.write(fd, b"qa\r\t\x7f")
        assert r"'\x1b'" not in read_until(fd, r"'\x7f'")
        os.write(fd, "éQ".encode())
        assert "'é'" in read_until(fd, "closed")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert termios.tcgetattr(fd)[3] == before[3]
    finally:
        os.close(fd)


def test_without_a_terminal_it_says_so() -> None:
    result = subprocess.run([sys.executable, "-c", READER], stdin=subprocess.DEVNULL, capture_output=True)
    assert (result.returncode, result.stdout) == (3, b"no terminal\n")


@pytest.mark.parametrize("joint", range(SPEC.n_joints))
def test_each_column_of_keys_moves_its_joint_up_and_down(joint: int) -> None:
    jog = KeyboardJog(SPEC)
    middle = 0.5 * (SPEC.joint_array("lower") + SPEC.joint_array("upper"))
    jog.begin(middle)
    up, down = "qwertyuiop"[joint], "asdfghjkl;"[joint]
    jog.press(up)
    moved = jog.goal(middle).goal - middle
    assert moved[joint] == pytest.approx(STEP)
    assert np.count_nonzero(moved) == 1
    jog.press(down)
    np.testing.assert_allclose(jog.goal(middle).goal, middle, atol=1e-12)
    jog.press("@")
    np.testing.assert_allclose(jog.goal(middle).goal, middle, atol=1e-12)
    assert f"{up}/{down} {SPEC.joint_names[joint]}" in jog.help


def test_a_held_key_neither_runs_away_nor_leaves_the_limits() -> None:
    jog = KeyboardJog(SPEC)
    jog.begin(REST)
    for _ in range(100):
        jog.press("q")
        goal = jog.goal(REST).goal  # the arm does not follow
    assert goal[0] == pytest.approx(REST[0] + LEAD)
    state = REST.copy()
    for _ in range(200):
        jog.press("q")
        state = jog.goal(state).goal
    assert state[0] == SPEC.joint_array("upper")[0]
    np.testing.assert_array_equal(state[1:], REST[1:])
