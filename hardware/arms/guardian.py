"""A process that holds the arm when the one that drives it dies.

It waits at the other end of a pipe. When the pipe closes without a farewell, nobody writes goals any
more, and each servo goes on to its last one: the guardian takes the port and makes every joint's
present position its goal. The torque stays on; an arm without brakes would fall.
"""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from hardware.arms.make_bus import make_bus
from hardware.arms.servo_group import ServoGroup
from hardware.buses.errors import BusError, PortError
from hardware.errors import HardwareError
from hardware.spec import BusSpec, ServoSpec

READY_S = 20.0  # a process takes 0.3 s to start, on a busy machine more
END_S = 2.0
HOLD_S = 5.0  # for which it tries to reach every servo
AGAIN_S = 0.02
FAREWELL = b"farewell"


class Guardian:
    """The driving process's end. `start` early, `require` before torque goes on, `dismiss` once it is off."""

    def __init__(self, groups: Sequence[ServoGroup]) -> None:
        self._lines = json.dumps([{**asdict(g.spec), "port": g.bus.port.path} for g in groups])
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> None:
        """Without waiting for it; nothing where it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hardware.arms.guardian", self._lines],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for its parent
        )

    def require(self) -> None:
        """Wait until it stands by; `HardwareError` where it does not: no torque then."""
        self.start()
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._ready:
            self._ready = self._process.stdout.readline() == b"ready\n"
        if not self._ready or self._process.poll() is not None:
            raise HardwareError("the guardian process did not start; torque stays off")

    def dismiss(self) -> None:
        """It is not needed any more. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(FAREWELL)
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(READY_S if not self._ready else END_S)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def hold(groups: Sequence[ServoGroup]) -> list[str]:
    """Make present positions goals, of every servo that can be reached; the joints that could not be."""
    left = {(g, i) for g, group in enumerate(groups) for i in range(len(group.ids))}
    until_s = time.monotonic() + HOLD_S
    while left and time.monotonic() < until_s:
        for g, group in enumerate(groups):
            with suppress(PortError, BusError):
                if not group.bus.port.is_open:
                    _wait_until_free(group.bus.port.path, until_s)
                    group.bus.open()
                present = group.positions()
                if group.hold(present):
                    left -= {(g, place) for place in present}
        if left:
            time.sleep(AGAIN_S)
    return [groups[g].spec.servos[i].joint for g, i in sorted(left)]


def _wait_until_free(path: str, until_s: float) -> None:
    """The pipe of a process that dies may close before its ports; to explain who holds one takes long."""
    while time.monotonic() < until_s:
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
        else:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass
            else:
                return
            finally:
                os.close(fd)
        time.sleep(0.001)


def _main(lines: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only its parent's end ends it
    groups = []
    for line in json.loads(lines):
        spec = BusSpec(**{**line, "servos": tuple(ServoSpec(**servo) for servo in line["servos"])})
        groups.append(ServoGroup(spec, make_bus(spec, spec.port)))
    os.write(1, b"ready\n")
    heard = b""
    while part := os.read(0, 64):
        heard += part
    if heard == FAREWELL:
        return
    lost = hold(groups)
    words = f"; not reached: {', '.join(lost)}" if lost else ""
    if len(lost) == sum(len(group.ids) for group in groups):
        sys.exit("guardian: the robot's process is gone, and so is its port: nothing could be held")
    print(
        f"guardian: the robot's process is gone; its joints hold where they are, torque on{words}",
        file=sys.stderr,
    )
    sys.exit(1)


if __name__ == "__main__":
    _main(sys.argv[1])
