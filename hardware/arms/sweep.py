"""Finding a joint's range by hand: every joint is moved from stop to stop while its servo is read.

A servo counts 0..4095 and starts again, and the range of an arm just assembled may lie across that
seam. So ticks are unwrapped while they come, and only then is the middle of the range made 2048.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hardware.arms.calibration import MIDDLE_TICKS, CalibrationError

TURN = 4096
MOST_TICKS = 4000  # a range wider than this leaves no seam that the joint never crosses
LEAST_TICKS = 200  # 18 degrees: a joint that was moved less was not swept
LARGEST_OFFSET = 2047  # that a servo's homing register holds


@dataclass
class Sweep:
    """What was seen of one servo, in unwrapped ticks of its bare encoder (homing offset 0)."""

    lowest: float = float("inf")
    highest: float = float("-inf")
    _last: int | None = field(default=None, repr=False)
    _unwrapped: int = field(default=0, repr=False)

    def see(self, ticks: int) -> None:
        """One reading, 0..4095. Between two of them the joint moves less than half a turn."""
        if self._last is None:
            self._unwrapped = self._from_before(ticks)
        else:
            self._unwrapped += (ticks - self._last + TURN // 2) % TURN - TURN // 2
        self._last = ticks
        self.lowest = min(self.lowest, self._unwrapped)
        self.highest = max(self.highest, self._unwrapped)

    def _from_before(self, ticks: int) -> int:
        """Where a reading lies after an interruption: on the turn nearest to what was swept before."""
        if self.highest < self.lowest:
            return ticks
        middle = 0.5 * (self.lowest + self.highest)
        return ticks + TURN * round((middle - ticks) / TURN)

    @property
    def present(self) -> int:
        """The last reading, unwrapped."""
        return self._unwrapped

    @property
    def range(self) -> int:
        """Ticks between the ends seen so far."""
        return max(0, int(self.highest - self.lowest)) if np.isfinite(self.highest) else 0

    def homing_offset(self, joint: str) -> int:
        """What is to be subtracted so that the middle of the range shows 2048."""
        if not LEAST_TICKS <= self.range <= MOST_TICKS:
            raise CalibrationError(
                f"joint {joint!r}: swept {self.range} ticks, expected {LEAST_TICKS} to {MOST_TICKS}; "
                "move it once from stop to stop"
            )
        middle = round(0.5 * (self.lowest + self.highest))
        offset = (middle - MIDDLE_TICKS + TURN // 2) % TURN - TURN // 2
        return int(np.clip(offset, -LARGEST_OFFSET, LARGEST_OFFSET))

    def shown_range(self, joint: str) -> tuple[int, int]:
        """The ends as the servo shows them once its homing offset is set."""
        offset = self.homing_offset(joint)
        middle = 0.5 * (self.lowest + self.highest)
        shown = (round(middle) - offset) % TURN
        half = 0.5 * self.range
        return round(shown - half), round(shown + half)

    def to_dict(self) -> dict[str, float]:
        return {"lowest": self.lowest, "highest": self.highest}

    @classmethod
    def from_dict(cls, data: Mapping[str, float]) -> "Sweep":
        return cls(float(data["lowest"]), float(data["highest"]))
