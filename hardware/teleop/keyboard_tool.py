"""The tool moved by keys: each press moves it by a step; holding a key repeats it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from hardware.teleop.cartesian import ToolMove
from hardware.teleop.keyboard import require_terminal

STEP_M = 0.004  # a press; a held key repeats at about 30 Hz, which makes 0.12 m/s
STEP_RAD = 0.04  # likewise 1.2 rad/s
KEYS: Mapping[str, ToolMove] = {
    "w": ToolMove(forward=STEP_M),
    "s": ToolMove(forward=-STEP_M),
    "a": ToolMove(left=STEP_M),
    "d": ToolMove(left=-STEP_M),
    "r": ToolMove(up=STEP_M),
    "f": ToolMove(up=-STEP_M),
    "t": ToolMove(pitch=-STEP_RAD),
    "g": ToolMove(pitch=STEP_RAD),
    "q": ToolMove(roll=-STEP_RAD),
    "e": ToolMove(roll=STEP_RAD),
    "y": ToolMove(gripper=STEP_RAD),
    "h": ToolMove(gripper=-STEP_RAD),
}


class KeyboardTool:
    """A `ToolDevice` of the terminal's keys."""

    help = "w/s forward, back  a/d left, right  r/f up, down  t/g pitch  q/e roll  y/h open, close"
    has_buttons = False  # its keys are the terminal's

    def __init__(self) -> None:
        self._pressed: list[str] = []

    def connect(self) -> None:
        require_terminal("keyboard_tool")

    def poll(self) -> Sequence[str]:
        return ()

    def press(self, key: str) -> None:
        if key in KEYS:
            self._pressed.append(key)

    def move(self, seconds: float) -> ToolMove:
        """All that was pressed since the last time, however long ago that was."""
        pressed, self._pressed = self._pressed, []
        moves = [KEYS[key] for key in pressed]
        return ToolMove(**{f.name: sum(getattr(m, f.name) for m in moves) for f in fields(ToolMove)})

    def close(self) -> None:
        """Nothing is open."""
