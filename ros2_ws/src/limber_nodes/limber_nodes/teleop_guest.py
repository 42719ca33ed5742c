"""Driving beside whoever drives: no episodes, no resets; a person takes over and hands back."""

from collections.abc import Callable

from limber_nodes.teleop_drive import Drive, Outcome


class Guest:
    """Runs where a `Session` would. Nothing is armed but by the person's key, or by somebody else."""

    saved = discarded = 0

    def __init__(self, drive: Drive, say: Callable[[str], None], wanted: Callable[[], bool]) -> None:
        """`wanted`: whether it is to go on; asked before each drive."""
        self._drive = drive
        self._say = say
        self._wanted = wanted
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def run(self) -> bool:
        """True once the person has quit."""
        self._say("the arm is yours from here on" if not self._drive.silent else "T: take over")
        while self._wanted() and not self._closed and self._drive.episode(0, -1) is not Outcome.QUIT:
            pass
        return True
