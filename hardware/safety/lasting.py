"""Masks that count only when they have been true for a while."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS

Mask = NDArray[np.bool_]  # (n_joints,)


class Lasting:
    """Where something has been so, without a break, for `seconds` of robot time."""

    def __init__(self, n: int, seconds: float) -> None:
        self._for_ns = round(seconds * NS)
        self._since_ns = np.full(n, -1, dtype=np.int64)  # -1: it is not so

    def update(self, is_so: Mask, now_ns: int) -> Mask:
        """`is_so` (n,) now; where it has lasted."""
        begins = is_so & (self._since_ns < 0)
        self._since_ns = np.where(is_so, np.where(begins, now_ns, self._since_ns), -1)
        lasted: Mask = is_so & (now_ns - self._since_ns >= self._for_ns)
        return lasted
