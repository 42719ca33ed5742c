"""Kernel devices that are none: real event bytes and HID reports through a named pipe in packet mode.

Neither /dev/uinput nor /dev/uhid is there on a machine without input devices; what the kernel would
write is written here, so that everything up to its interface is what runs with a device.
"""

import fcntl
import os
import struct
from pathlib import Path

EVENT = "llHHi"
EV_SYN, EV_KEY, EV_ABS = 0, 1, 3


class PipeDevice:
    """A named pipe with a writer: `unplug` makes its reader see the end, `plug` gives it back."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(path)
        self._keep = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a writer needs a reader to open it
        self._fd = -1
        self.plug()

    def plug(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | os.O_DIRECT)  # one write is one read, as of a hidraw

    def unplug(self) -> None:
        os.close(self._fd)
        self._fd = -1

    def write(self, data: bytes) -> None:
        os.write(self._fd, data)

    def event(self, kind: int, code: int, value: int) -> None:
        """One input event and the report that ends it."""
        self.write(struct.pack(EVENT, 1, 2, kind, code, value) + struct.pack(EVENT, 1, 2, EV_SYN, 0, 0))

    def axes(self, *values: int) -> None:
        """A SpaceMouse's report 1: x, y, z, and the turns about them."""
        self.write(struct.pack(f"<B{len(values)}h", 1, *values))

    def close(self) -> None:
        if self._fd >= 0:
            self.unplug()
        os.close(self._keep)
