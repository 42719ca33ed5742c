"""The keys of a session, for any operator and device; what they do is one table."""

import threading
from collections.abc import Callable, Mapping

from hardware.teleop import keys
from hardware.teleop.terminal import KeyReader, has_terminal
from limber_nodes.operators import Operator
from limber_nodes.teleop_drive import Drive, Outcome
from limber_nodes.teleop_text import LineEdit

ENDS: Mapping[str, Outcome] = {
    keys.START: Outcome.LABELLED_SUCCESS,
    keys.FAILURE: Outcome.LABELLED_FAILURE,
    keys.DISCARD: Outcome.DISCARD,
    keys.AGAIN: Outcome.REPEAT,
    keys.QUIT: Outcome.QUIT,
}
EPISODES = (
    "Enter: start, then save as success    -: save as failure    Backspace: discard    "
    "Tab: record again    E: edit the task's text"
)
GUEST = "Enter: arm"
ALWAYS = "T: take over    H: hand back    Space: stop    P: park    Esc: quit"


class SessionKeys:
    """Hears the terminal, where there is one, and a device's buttons.

    Every key that is none of the session's is the device's. `ask(verb)` calls a service of the robot;
    `edited` takes a new text of the task. Without `episodes` nothing is recorded: Enter arms.
    """

    def __init__(
        self,
        operator: Operator,
        drive: Drive,
        say: Callable[[str], None],
        ask: Callable[[str], None],
        edited: Callable[[str], None],
        episodes: bool = True,
    ) -> None:
        self._operator, self._drive = operator, drive
        self._say, self._ask, self._edited = say, ask, edited
        self._episodes = episodes
        self._edit = LineEdit()
        self._pressed = threading.Event()
        self._waiting = False
        self.quit = False
        self._reader = KeyReader(self.on_typed) if has_terminal() else None
        device = operator.device
        self.heard = self._reader is not None or (device is not None and device.has_buttons)
        if self._reader:
            say("\n".join([EPISODES if episodes else GUEST, ALWAYS]))

    def close(self) -> None:
        """May be called twice."""
        self.quit = True
        self._pressed.set()
        if self._reader:
            self._reader.close()

    def wait_for_start(self) -> bool:
        """Wait until a person is ready; False when it is time to quit. A script always is."""
        if self._operator.is_person and not self.quit:
            self._pressed.clear()  # before it is said: whoever presses at once is heard
            self._waiting = True
            self._say("ready: Enter to start")
            self._pressed.wait()
            self._waiting = False
        return not self.quit

    def on_typed(self, key: str) -> None:
        """A key of the terminal."""
        if self._edit.editing:
            text = self._edit.key(key)
            if text is not None:
                self._edited(text)
        else:
            self.on_key(key)

    def on_key(self, key: str) -> None:
        """A key of the terminal, or a device's button that stands for one; from any thread."""
        anywhere = {
            keys.STOP: lambda: self._ask("stop"),
            keys.PARK: self._park,
            keys.TAKE_OVER: self._take_over,
            keys.HAND_BACK: self._hand_back,
            keys.EDIT: self._begin_edit,
        }
        if key in anywhere:
            anywhere[key]()
        elif key not in ENDS:
            if self._operator.device:
                self._operator.device.press(key)
        elif key == keys.QUIT:
            self.quit = True
            self._drive.end(Outcome.QUIT)
            self._pressed.set()
        elif not self._episodes:
            if key == keys.START:
                self._ask("arm")
        elif self._drive.driving:
            self._drive.end(ENDS[key])
        elif key == keys.START:
            self._pressed.set()

    def _park(self) -> None:
        self._drive.hand_back()
        self._ask("park")

    def _take_over(self) -> None:
        self._drive.take_over()
        self._say("you drive")

    def _hand_back(self) -> None:
        self._drive.hand_back()
        self._say("handed back")

    def _begin_edit(self) -> None:
        if self._reader and self._waiting:
            self._edit.begin()
        elif self._reader:
            self._say("the task's text can be edited between two episodes")
