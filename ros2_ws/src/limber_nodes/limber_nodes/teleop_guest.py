"""Driving beside whoever drives: no episodes, no resets; a person takes over and hands back."""

from collections.abc import Callable

from limber_nodes.teleop_drive import Drive, Outcome
from limber_nodes.teleop_verbs import Verbs


class Guest:
    """Runs where a `Session` would. Nothing is armed but by the person's key, or by somebody else."""

    saved = discarded = 0

    def __init__(
        self, drive: Drive, verbs: Verbs, say: Callable[[str], None], wanted: Callable[[], bool]
    ) -> None:
        """`wanted`: whether it is to go on; asked before each drive."""
        self._drive = drive
        self._verbs = verbs
        self._say = say
        self._wanted = wanted
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def run(self) -> bool:
        """True once the person has quit; raises `HardwareError` where no robot_node is."""
        self._verbs.appear(self._goes_on)
        self._say("the arm is yours from here on" if not self._drive.silent else "ready: T to take over")
        while self._goes_on() and self._drive.episode(0, -1) is not Outcome.QUIT:
            pass
        return True

    def _goes_on(self) -> bool:
        return self._wanted() and not self._closed
