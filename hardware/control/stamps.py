"""Which action step a stamp belongs to. A chunk's stamp is a key, never a clock reading."""

from collections import OrderedDict

from hardware.errors import CommandError

KEEP_NS = 2_000_000_000  # stamps are remembered for two seconds of robot time


class StampIndex:
    """Remembers stamp -> step; forgets what is older than two seconds or from before a stop."""

    def __init__(self, keep_ns: int = KEEP_NS) -> None:
        self._keep_ns = keep_ns
        self._steps: OrderedDict[int, int] = OrderedDict()

    def remember(self, stamp_ns: int, step: int) -> None:
        self._steps[stamp_ns] = step
        while self._steps and next(iter(self._steps)) < stamp_ns - self._keep_ns:
            self._steps.popitem(last=False)

    def step_of(self, stamp_ns: int) -> int:
        """The step of `stamp_ns`; `CommandError` when it is unknown or from before the last stop."""
        try:
            return self._steps[stamp_ns]
        except KeyError:
            raise CommandError(
                f"chunk: stamp {stamp_ns} is unknown, older than {self._keep_ns / 1e9:g} s, "
                "or from before the last stop, takeover or re-arm"
            ) from None

    def clear(self) -> None:
        self._steps.clear()
