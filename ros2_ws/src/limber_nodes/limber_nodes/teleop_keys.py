"""The keys of a session, for any operator: start, save as success or failure, discard, again, quit."""

import threading
from collections.abc import Callable, Mapping

from hardware.teleop.terminal import BACKSPACE, ENTER, ESCAPE, KeyReader, has_terminal
from limber_nodes.operators import Operator
from limber_nodes.teleop_drive import Drive, Outcome

ENDS: Mapping[str, Outcome] = {
    ENTER: Outcome.LABELLED_SUCCESS,
    "-": Outcome.LABELLED_FAILURE,
    BACKSPACE: Outcome.DISCARD,
    "\t": Outcome.REPEAT,
    ESCAPE: Outcome.QUIT,
}
HELP = (
    "Enter: start, then save as success    -: save as failure    Backspace: discard    "
    "Tab: record again    Esc: quit"
)


class SessionKeys:
    """Reads the terminal, where there is one; every key that is none of the session's is the operator's."""

    def __init__(self, operator: Operator, drive: Drive, say: Callable[[str], None]) -> None:
        self._operator = operator
        self._drive = drive
        self._say = say
        self._pressed = threading.Event()
        self.quit = False
        self._reader = KeyReader(self._on_key) if has_terminal() else None
        if self._reader:
            say(HELP)

    def close(self) -> None:
        self.quit = True
        self._pressed.set()
        if self._reader:
            self._reader.close()

    def wait_for_start(self) -> bool:
        """Wait until a person is ready; False when it is time to quit. A script always is."""
        if self._operator.is_person and not self.quit:
            self._pressed.clear()  # before it is said: whoever presses at once is heard
            self._say("ready: Enter to start")
            self._pressed.wait()
        return not self.quit

    def _on_key(self, key: str) -> None:
        if key not in ENDS:
            self._operator.press(key)
        elif self._drive.driving:
            self.quit |= key == ESCAPE
            self._drive.end(ENDS[key])
        elif key in (ENTER, ESCAPE):
            self.quit |= key == ESCAPE
            self._pressed.set()
