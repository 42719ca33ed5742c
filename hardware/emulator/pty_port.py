"""The emulator's end of the serial line: a pseudo-terminal under a name of its own."""

import errno
import fcntl
import os
import struct
import tty
from contextlib import suppress
from pathlib import Path

from hardware.errors import HardwareError

TCGETS2 = 0x802C542A  # asm-generic/ioctls.h: struct termios2, whose last word is the output rate in bit/s
TERMIOS2 = struct.Struct("4IB19B2I")


class PtyPort:
    """A port named `link` (a symbolic link) that a client opens as any serial port."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.fd = -1

    def open(self) -> None:
        """Plug in. Raises `HardwareError` where `link` is something else's."""
        if self.link.exists() and not self.link.is_symlink():
            raise HardwareError(f"expected a new name for the port, {str(self.link)!r} exists")
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.fd = master
        self.link.parent.mkdir(parents=True, exist_ok=True)
        partial = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        partial.symlink_to(os.ttyname(slave))
        partial.replace(self.link)
        os.close(slave)  # so that only a client holds it

    def close(self) -> None:
        """Unplug: who has the port open gets an error."""
        if self.fd >= 0:
            with suppress(OSError):
                if os.readlink(self.link) == os.ttyname(self.fd):
                    self.link.unlink()
            self.link.unlink(missing_ok=True)
            os.close(self.fd)
            self.fd = -1

    def read(self) -> bytes | None:
        """What the client sent; None while no client has the port open."""
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def write(self, data: bytes) -> None:
        """To the client; lost where nobody listens or its buffer is full, as on a wire."""
        with suppress(OSError):
            os.write(self.fd, data)

    def baud(self) -> int:
        """The rate in bit/s that the client set."""
        state = fcntl.ioctl(self.fd, TCGETS2, bytes(TERMIOS2.size))
        return int(TERMIOS2.unpack(state)[-1])
