"""When the next picture of a camera without a clock of its own is due."""

import time

from hardware.control.clock import NS


class Pace:
    """Pictures at a rate, counted from `restart`."""

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self.restart()

    def restart(self) -> None:
        self.count = 0  # pictures that were due
        self._start_s = time.monotonic()

    def wait(self, timeout_s: float) -> int | None:
        """Wait until the next picture is due, and give that time in ns; None where that is too long."""
        due_s = self._start_s + self.count / self._fps
        wait_s = due_s - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        self.count += 1
        return int(due_s * NS)
