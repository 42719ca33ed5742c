"""`python -m hardware monitor` live, in a terminal of its own, until Ctrl-C."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.emulated import emulated, feetech_spec

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.emulator.faults import FaultEvent

PATIENCE_S = 40.0


class Terminal:
    """A process whose terminal a test reads."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until `pattern` comes, beyond what was matched before."""
        deadline = time.monotonic() + PATIENCE_S
        while not (match := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"waited in vain for {pattern!r}: {self.shown[-2000:]}"
            if select.select([self._master], [], [], 0.1)[0]:
                said = os.read(self._master, 65536).decode(errors="replace")
                self.shown += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said)
        self.shown = self.shown[match.end() :]
        return match

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def monitor(tmp_path: Path):
    file = tmp_path / "so101.json"
    save_calibration(file, middle_calibration(feetech_spec()))
    with emulated(feetech_spec(), tmp_path / "ports") as robot:
        terminal = Terminal(
            *(sys.executable, "-m", "hardware", "monitor"),
            *("--port", str(tmp_path / "ports/arm"), "--calibration", str(file)),
        )
        yield robot, terminal
        terminal.close()


def test_what_happens_to_the_arm_is_seen_and_an_interrupt_ends_it(monitor) -> None:
    robot, terminal = monitor
    assert int(terminal.wait_for(r"(\d+) readings/s").group(1)) > 0
    robot.call(lambda: robot.befall(FaultEvent("error", seconds=60, servo=3, value=32)))
    terminal.wait_for(r"elbow_flex[^\n]*overload")
    robot.call(lambda: robot.befall(FaultEvent("unplug", seconds=1.5)))
    terminal.wait_for(r"port '")  # is not there; the rest is wrapped
    terminal.wait_for(r"gripper[^\n]*0\.0\d ")  # and it is read again once the port is back
    terminal.process.send_signal(2)
    terminal.wait_for("interrupted")
    assert terminal.process.wait(PATIENCE_S) == 130
