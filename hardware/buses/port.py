"""A serial port: opened and configured by pyserial, read to the exact length by the kernel's `select`."""

import fcntl
import os
import select
import termios
import time
from contextlib import suppress

import serial

from hardware.buses.errors import PortError
from hardware.buses.port_access import explain

BITS_A_BYTE = 10  # 8N1


class SerialPort:
    """One port, for one thread at a time. Errors are `PortError`, one line that says what to do."""

    def __init__(self, path: str, baud: int) -> None:
        self.path = path
        self._baud = baud
        self._serial: serial.Serial | None = None
        self._fd = -1

    @property
    def baud(self) -> int:
        return self._baud

    @baud.setter
    def baud(self, rate: int) -> None:
        self._baud = rate
        if self._serial:
            self._serial.baudrate = rate

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    def open(self) -> None:
        """For this process alone: a second one that opens the port is refused, and named to the second."""
        if self._serial:
            return
        try:
            self._serial = serial.Serial(self.path, self._baud, timeout=0, write_timeout=0.1, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise PortError(explain(self.path, error)) from None
        self._fd = self._serial.fileno()
        with suppress(OSError):  # not every driver can be claimed
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
        with suppress(OSError, ValueError):  # FTDI: 1 ms in place of 16 ms
            self._serial.set_low_latency_mode(True)

    def close(self) -> None:
        """May be called twice, and on a port that is gone."""
        if self._serial:
            with suppress(OSError, termios.error):
                self._serial.close()
            self._serial, self._fd = None, -1

    def wire_s(self, size: int) -> float:
        """Seconds that `size` bytes take on the wire."""
        return size * BITS_A_BYTE / self._baud

    def write(self, data: bytes) -> None:
        """All of `data`, which is small: the driver's buffer takes it at once."""
        fd = self._open_fd()
        try:
            sent = os.write(fd, data)
            while sent < len(data):
                select.select([], [fd], [], 0.1)
                sent += os.write(fd, data[sent:])
        except OSError as error:
            raise self._gone(error) from None

    def read(self, size: int, until_s: float) -> bytes:
        """`size` bytes, or what has come by `until_s` (time.monotonic())."""
        fd = self._open_fd()
        data = b""
        try:
            while len(data) < size:
                left = until_s - time.monotonic()
                ready, _, _ = select.select([fd], [], [], max(0.0, left))
                if not ready:
                    break
                part = os.read(fd, size - len(data))
                if not part:  # readable, and nothing to read: the other end is gone
                    raise OSError(5, "hung up")
                data += part
        except OSError as error:
            raise self._gone(error) from None
        return data

    def drain(self) -> bytes:
        """What has come unasked."""
        data = b""
        while part := self.read(4096, 0.0):
            data += part
        return data

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise PortError(f"port {self.path!r} is not open")
        return self._fd

    def _gone(self, error: OSError) -> PortError:
        return PortError(f"port {self.path!r} went away: {error.strerror or error}")
