"""A SpaceMouse, read from /dev/hidraw: reports of six axes and of the buttons.

Report 1 is x, y, z as int16 and, on newer ones, also the three angles; on older ones these are report 2.
Report 3 is the buttons, a bit each. x points right, y to the person, z down; 350 is about full scale.
(The layout that pyspacemouse lists for every device of 3Dconnexion's.)
"""

import struct
import time
from glob import glob
from pathlib import Path

from hardware.errors import HardwareError
from hardware.teleop.cartesian import ANGULAR, GRIPPER, LINEAR, ToolMove
from hardware.teleop.device_file import DeviceFile
from hardware.teleop.response import shaped

FULL_SCALE = 350.0
SILENCE_S = 0.25  # a knob that is deflected reports at 60 Hz or more: silence is a knob that rests
VENDORS = {0x256F: None, 0x046D: range(0xC603, 0xC62C)}  # 3Dconnexion; Logitech's products of theirs
AXES_OF_REPORT = {1: 0, 2: 3}
BUTTON_REPORT = 3
CLOSE, OPEN = 1, 2  # bits of the left and the right button
HELP = "knob: push to move the tool, tilt to pitch, tilt sideways to roll   left button: close, right: open"


class SpaceMouse:
    """A `ToolDevice`. A knob that is unplugged lets go of the arm."""

    help = HELP
    has_buttons = False  # its two buttons work the gripper

    def __init__(self, path: str = "") -> None:
        """path: of the hidraw device; empty: the first SpaceMouse there is."""
        self._path = path
        self._file = DeviceFile(self._find)
        self._axes = [0.0] * 6  # x, y, z, and the turns about them, -1 to 1
        self._buttons = 0
        self._heard_s = 0.0

    def connect(self) -> None:
        self._file.open()

    def poll(self) -> list[str]:
        self._file.open_again()
        for report in self._file.read():
            self._take(report)
        if not self._file.is_open:
            self._axes, self._buttons = [0.0] * 6, 0
        elif time.monotonic() - self._heard_s > SILENCE_S:
            self._axes = [0.0] * 6
        return []

    def move(self, seconds: float) -> ToolMove | None:
        if not self._file.is_open:
            return None
        x, y, z, pitch, roll, _yaw = map(shaped, self._axes)  # an arm of five joints has no yaw of its own
        opening = bool(self._buttons & OPEN) - bool(self._buttons & CLOSE)
        return ToolMove(
            forward=-y * LINEAR * seconds,
            left=-x * LINEAR * seconds,
            up=-z * LINEAR * seconds,
            pitch=-pitch * ANGULAR * seconds,
            roll=-roll * ANGULAR * seconds,
            gripper=opening * GRIPPER * seconds,
        )

    def press(self, key: str) -> None:
        """The terminal's keys move nothing here."""

    def close(self) -> None:
        self._file.close()

    def _take(self, report: bytes) -> None:
        """One report; what is none of the three is left out."""
        kind, data = report[0], report[1:]
        if kind == BUTTON_REPORT and data:
            self._buttons = data[0]
        elif kind in AXES_OF_REPORT and len(data) >= 6:
            self._heard_s = time.monotonic()
            at = AXES_OF_REPORT[kind]
            count = min(len(data) // 2, 6 - at)
            for i, value in enumerate(struct.unpack_from(f"<{count}h", data)):
                self._axes[at + i] = min(max(value / FULL_SCALE, -1.0), 1.0)

    def _find(self) -> str:
        if self._path:
            return self._path
        for folder in sorted(glob("/sys/class/hidraw/hidraw*")):
            vendor, product = _hid_id(Path(folder) / "device" / "uevent")
            if vendor in VENDORS and product in (VENDORS[vendor] or (product,)):
                return f"/dev/{Path(folder).name}"
        raise HardwareError(
            "expected a SpaceMouse among /dev/hidraw*, there is none; plug it in, or give "
            "device:=/dev/hidraw<n>"
        )


def _hid_id(uevent: Path) -> tuple[int, int]:
    """(vendor, product) from a line as HID_ID=0003:0000256F:0000C635; zeros where there is none."""
    try:
        lines = uevent.read_text().splitlines()
    except OSError:
        return 0, 0
    for line in lines:
        parts = line.removeprefix("HID_ID=").split(":")
        if line.startswith("HID_ID=") and len(parts) == 3:
            return int(parts[1], 16), int(parts[2], 16)
    return 0, 0
