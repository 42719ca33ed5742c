"""The beginning of every node's process: quiet when it is ended before it has come far."""

import signal
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from support.ros_process import environment

# A node that takes its time to import.
SLOW = """
import sys, time
from types import SimpleNamespace
from limber_nodes.start import main
sys.argv[0] = "/somewhere/bin/slow_node"
begin = lambda: (print("here", flush=True), time.sleep(60))
sys.modules["limber_nodes.slow_node"] = SimpleNamespace(main=begin)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_ends_it_without_a_word(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 0


def test_every_program_begins_there() -> None:
    begin = {e.value for e in entry_points(group="console_scripts") if e.value.startswith("limber_nodes.")}
    assert begin == {"limber_nodes.start:main"}
