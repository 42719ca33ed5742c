"""A device file of the kernel, read without waiting, and opened again when it is back."""

import os
import time
from collections.abc import Callable

from hardware.errors import HardwareError

REOPEN_S = 0.5  # between two attempts to open a device that went away
LARGEST = 24 * 64  # bytes a read: 64 input events, or any one HID report
MOST = 64  # reads in one go; a device that floods does not hold its reader for ever


class DeviceFile:
    """`find` gives the path, at every attempt: a device that is plugged in again may have another one."""

    def __init__(self, find: Callable[[], str]) -> None:
        """`find` raises `HardwareError` where there is none."""
        self._find = find
        self._retry_s = 0.0
        self.fd = -1

    @property
    def is_open(self) -> bool:
        return self.fd >= 0

    def open(self) -> None:
        """Raises `HardwareError`, one line that says what to do."""
        path = self._find()
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except PermissionError:
            raise HardwareError(
                f"{path}: no permission; join the group `input` (sudo usermod -aG input $USER) or add a udev "
                'rule with TAG+="uaccess" for the device, and log in again'
            ) from None
        except OSError as error:
            raise HardwareError(f"{path}: expected a device that can be read: {error.strerror}") from None

    def read(self) -> list[bytes]:
        """All that has come, one entry a read; closes the device that is gone."""
        if not self.is_open:
            return []
        found: list[bytes] = []
        while len(found) < MOST:
            try:
                data = os.read(self.fd, LARGEST)
            except BlockingIOError:
                break
            except OSError:  # unplugged: ENODEV or EIO
                data = b""
            if not data:
                self.close()
                break
            found.append(data)
        return found

    def open_again(self) -> bool:
        """Try, if it is time to; whether the device was opened just now."""
        now = time.monotonic()
        if self.is_open or now < self._retry_s:
            return False
        self._retry_s = now + REOPEN_S
        try:
            self.open()
        except HardwareError:
            return False
        return True

    def close(self) -> None:
        """May be called twice."""
        if self.is_open:
            os.close(self.fd)
            self.fd = -1
