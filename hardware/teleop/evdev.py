"""The kernel's input events (linux/input.h, linux/input-event-codes.h), as a gamepad sends them.

Read here rather than through python-evdev: that is built from source at every install, and takes nothing
but a device, so that no test could feed it.
"""

import fcntl
import struct
from contextlib import suppress

EVENT = struct.Struct("llHHi")  # struct input_event: seconds, microseconds, type, code, value
ABSINFO = struct.Struct("6i")  # struct input_absinfo: value, minimum, maximum, fuzz, flat, resolution
EV_SYN, EV_KEY, EV_ABS = 0x00, 0x01, 0x03
SYN_DROPPED = 3  # the kernel's buffer was full: what came before is incomplete

ABS_X, ABS_Y, ABS_Z, ABS_RX, ABS_RY, ABS_RZ, ABS_HAT0X, ABS_HAT0Y = 0, 1, 2, 3, 4, 5, 0x10, 0x11
BTN_SOUTH, BTN_EAST = 0x130, 0x131
BTN_NORTH, BTN_WEST = 0x133, 0x134  # an Xbox pad's X and Y, whatever their places; else as they say
BTN_TL, BTN_TR, BTN_TL2, BTN_TR2 = 0x136, 0x137, 0x138, 0x139
BTN_SELECT, BTN_START, BTN_MODE = 0x13A, 0x13B, 0x13C

STICK, TRIGGER, HAT = (-32768, 32767), (0, 255), (-1, 1)  # what xpad says, where the device says nothing
USUAL_RANGES = {
    **dict.fromkeys((ABS_X, ABS_Y, ABS_RX, ABS_RY), STICK),
    **dict.fromkeys((ABS_Z, ABS_RZ), TRIGGER),
    **dict.fromkeys((ABS_HAT0X, ABS_HAT0Y), HAT),
}


def absolute_axis(fd: int, axis: int) -> tuple[int, int, int] | None:
    """(value, minimum, maximum) of an axis now; None for what is no input device, or has no such axis."""
    request = 2 << 30 | ABSINFO.size << 16 | ord("E") << 8 | 0x40 + axis  # EVIOCGABS(axis)
    with suppress(OSError):
        value, low, high, *_ = ABSINFO.unpack(fcntl.ioctl(fd, request, bytes(ABSINFO.size)))
        if high > low:
            return value, low, high
    return None


def events(data: bytes) -> list[tuple[int, int, int]]:
    """(type, code, value) of whole events; a piece of one at the end is left out."""
    whole = len(data) // EVENT.size * EVENT.size
    return [(kind, code, value) for _, _, kind, code, value in EVENT.iter_unpack(data[:whole])]
