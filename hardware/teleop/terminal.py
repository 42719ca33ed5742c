"""Single key presses from the terminal a process was started in."""

import os
import re
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress

from hardware.teleop.keys import ENTER

ARROWS = re.compile("\x1b[\\[O][0-9;]*[A-Za-z~]")  # an arrow or function key begins with Escape, and is none


class KeyReader:
    """Calls `on_key` with each character typed, from a thread of its own, until `close`.

    The terminal is put back as it was. Ctrl-C still interrupts.
    """

    def __init__(self, on_key: Callable[[str], None]) -> None:
        """Call only where `has_terminal` says yes."""
        self._on_key = on_key
        self._closed = False
        self._input = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._input)
        self._wake, self._waker = os.pipe()
        tty.setcbreak(self._input)
        self._thread = threading.Thread(target=self._read, name="keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; may be called twice."""
        if self._closed:
            return
        self._closed = True
        os.write(self._waker, b"x")
        self._thread.join()
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        os.close(self._wake)
        os.close(self._waker)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._input, self._wake], [], [])
            if self._wake in ready:
                return
            typed = os.read(self._input, 64)
            if not typed:  # the terminal is gone
                return
            text = ARROWS.sub("", typed.decode(errors="ignore"))
            for key in text.replace("\r", ENTER):
                self._on_key(key)


def has_terminal() -> bool:
    """Whether standard input is a terminal and this process is the one in front of it."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal, but not the one that this process belongs to
        return False
