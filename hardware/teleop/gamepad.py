"""A gamepad of the kernel's standard layout (xpad, playstation, switch), read from /dev/input."""

from glob import glob

from hardware.errors import HardwareError
from hardware.teleop import evdev, keys
from hardware.teleop.cartesian import ANGULAR, GRIPPER, LINEAR, ToolMove
from hardware.teleop.device_file import DeviceFile
from hardware.teleop.response import shaped

PATTERN = "/dev/input/by-id/*-event-joystick"
BUTTONS = {
    evdev.BTN_START: keys.START,
    evdev.BTN_SELECT: keys.FAILURE,
    evdev.BTN_WEST: keys.DISCARD,
    evdev.BTN_NORTH: keys.AGAIN,
    evdev.BTN_EAST: keys.STOP,
    evdev.BTN_SOUTH: keys.TAKE_OVER,
    evdev.BTN_MODE: keys.QUIT,
}
HATS = {  # (axis, side) of the directional pad
    (evdev.ABS_HAT0Y, 1): keys.HAND_BACK,
    (evdev.ABS_HAT0Y, -1): keys.TAKE_OVER,
    (evdev.ABS_HAT0X, -1): keys.PARK,
}
HELP = (
    "left stick: forward, sideways   right stick: up, roll   LB/RB: pitch   LT/RT: open, close   "
    "Start: begin, save   Select: failure   Y (square): discard   X (triangle): again   "
    "B: stop   A: take over   pad down: hand back, left: park   Mode: quit"
)


class Gamepad:
    """A `ToolDevice`. Sticks give the tool's speed; a gamepad that is unplugged lets go of the arm."""

    help = HELP
    has_buttons = True

    def __init__(self, path: str = "") -> None:
        """path: of the event device; empty: the first gamepad there is."""
        self._path = path
        self._file = DeviceFile(self._find)
        self._ranges = dict(evdev.USUAL_RANGES)
        self._axes: dict[int, float] = {}  # -1 to 1, triggers 0 to 1
        self._held: set[int] = set()
        self._left = b""  # of an event that came in two pieces

    def connect(self) -> None:
        self._file.open()
        self._read_axes()

    def poll(self) -> list[str]:
        if not self._file.is_open:
            if not self._file.open_again():
                return []
            self._read_axes()
        pressed: list[str] = []
        data = self._left + b"".join(self._file.read())
        self._left = data[len(data) // evdev.EVENT.size * evdev.EVENT.size :]
        for kind, code, value in evdev.events(data):
            pressed += self._take(kind, code, value)
        if not self._file.is_open:
            self._neutral()
        return pressed

    def move(self, seconds: float) -> ToolMove | None:
        if not self._file.is_open:
            return None
        axis = {code: shaped(value) for code, value in self._axes.items()}
        pitch = (evdev.BTN_TR in self._held) - (evdev.BTN_TL in self._held)
        opening = self._trigger(evdev.ABS_Z, evdev.BTN_TL2) - self._trigger(evdev.ABS_RZ, evdev.BTN_TR2)
        return ToolMove(
            forward=-axis.get(evdev.ABS_Y, 0.0) * LINEAR * seconds,  # the kernel counts down and right
            left=-axis.get(evdev.ABS_X, 0.0) * LINEAR * seconds,
            up=-axis.get(evdev.ABS_RY, 0.0) * LINEAR * seconds,
            pitch=pitch * ANGULAR * seconds,
            roll=axis.get(evdev.ABS_RX, 0.0) * ANGULAR * seconds,
            gripper=opening * GRIPPER * seconds,
        )

    def press(self, key: str) -> None:
        """The terminal's keys move nothing here."""

    def close(self) -> None:
        self._file.close()

    def _take(self, kind: int, code: int, value: int) -> list[str]:
        """One event; the session's keys that it presses."""
        if kind == evdev.EV_SYN and code == evdev.SYN_DROPPED:
            self._read_axes()
        elif kind == evdev.EV_KEY:
            (self._held.add if value else self._held.discard)(code)
            return [BUTTONS[code]] if value == 1 and code in BUTTONS else []
        elif kind == evdev.EV_ABS and code in self._ranges:
            before, self._axes[code] = self._axes.get(code, 0.0), self._scaled(code, value)
            key = HATS.get((code, round(self._axes[code])))
            return [key] if key and self._axes[code] != before else []
        return []

    def _trigger(self, axis: int, button: int) -> float:
        """0 to 1; some gamepads' triggers are buttons, some both."""
        return max(shaped(self._axes.get(axis, 0.0)), float(button in self._held))

    def _scaled(self, code: int, value: int) -> float:
        low, high = self._ranges[code]
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return share if code in (evdev.ABS_Z, evdev.ABS_RZ) else 2.0 * share - 1.0

    def _read_axes(self) -> None:
        """As the device has them now; what it does not say is in the middle until it does."""
        self._neutral()
        for code in self._ranges:
            found = evdev.absolute_axis(self._file.fd, code)
            if found is not None:
                value, *limits = found
                self._ranges[code] = limits[0], limits[1]
                self._axes[code] = self._scaled(code, value)

    def _neutral(self) -> None:
        self._axes, self._held, self._left = {}, set(), b""

    def _find(self) -> str:
        if self._path:
            return self._path
        found = sorted(glob(PATTERN))
        if not found:
            raise HardwareError(
                f"expected a gamepad at {PATTERN}, there is none; plug it in, or give "
                "device:=/dev/input/event<n>"
            )
        return found[0]
