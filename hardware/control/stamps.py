"""Which action step a stamp belongs to. A chunk's stamp is a key, never a clock reading."""

from collections import OrderedDict

from hardware.control.clock import NS

KEEP_NS = 2 * NS  # stamps are remembered for two seconds of robot time


class StampIndex:
    """Remembers stamp -> step; forgets what is older than two seconds or from before a stop."""

    def __init__(self, keep_ns: int = KEEP_NS) -> None:
        self._keep_ns = keep_ns
        self._steps: OrderedDict[int, int] = OrderedDict()

    @property
    def keep_s(self) -> float:
        return self._keep_ns / NS

    def remember(self, stamp_ns: int, step: int) -> None:
        """Note the step of an observation; the first step that a stamp was seen in counts."""
        self._steps.setdefault(stamp_ns, step)
        while next(iter(self._steps)) < stamp_ns - self._keep_ns:
            self._steps.popitem(last=False)

    def step_of(self, stamp_ns: int) -> int | None:
        """The step of `stamp_ns`; None when it is unknown, too old or from before the last `clear`."""
        return self._steps.get(stamp_ns)

    def clear(self) -> None:
        self._steps.clear()
