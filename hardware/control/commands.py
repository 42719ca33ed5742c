"""What other threads send to the loop: an inbox, and the check that values belong to the joints."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.errors import CommandError

Array = NDArray[np.float64]


class RefusedError(CommandError):
    """A command that is not taken. `reason` is one of a fixed few, for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class JointOrder:
    """Brings values named in any order into spec order, or refuses them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._sorted = sorted(names)

    def arrange(self, what: str, names: Sequence[str], values: Array, ndim: int) -> Array:
        """`values` (..., len(names)) with `ndim` dimensions in spec order, finite; else `RefusedError`."""
        if sorted(names) != self._sorted:
            expected, got = " ".join(self._names), " ".join(names)
            raise RefusedError(f"{what}: wrong names", f"expected joints {expected}, got {got}")
        if values.ndim != ndim or values.shape[-1] != len(names) or len(values) == 0:
            shape = f"(H, {len(names)})" if ndim == 2 else f"({len(names)},)"
            raise RefusedError(f"{what}: wrong shape", f"expected {shape}, got {values.shape}")
        if not np.isfinite(values).all():
            raise RefusedError(f"{what}: not finite", "expected numbers, got NaN or infinity")
        if list(names) == self._names:
            return values
        column = {name: i for i, name in enumerate(names)}
        ordered: Array = values[..., [column[name] for name in self._names]]
        return ordered


class Inbox:
    """Actions left by any thread, run in order in the loop's."""

    def __init__(self, joint_names: Sequence[str]) -> None:
        self._order = JointOrder(joint_names)
        self._actions: deque[Callable[[], None]] = deque()

    def put(self, action: Callable[[], None]) -> None:
        self._actions.append(action)

    def offer(
        self, what: str, names: Sequence[str], values: Array, ndim: int, take: Callable[[Array], None]
    ) -> bool:
        """Leave `take` with a copy of `values` in spec order; False: they are not this arm's, so refused."""
        try:
            arranged = self._order.arrange(what, names, np.array(values, dtype=np.float64), ndim)
        except RefusedError as refusal:
            self.refuse(refusal)
            return False
        self._actions.append(lambda: take(arranged))
        return True

    def refuse(self, refusal: RefusedError) -> None:
        """Leave a refusal, raised in the loop's thread, where refusals are counted."""

        def run() -> None:
            raise refusal

        self._actions.append(run)

    def call(self, action: Callable[[], None]) -> threading.Event:
        """Leave `action`; the event is set when it has run, or raised."""
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._actions.append(run)
        return done

    def take(self) -> list[Callable[[], None]]:
        """What was there when asked; what comes meanwhile waits for the next tick."""
        return [self._actions.popleft() for _ in range(len(self._actions))]
