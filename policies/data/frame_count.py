"""Counting a camera's frames twice: by the gaps in their stamps, and against the publisher's own counter."""

from collections import deque

KEEP = 10_000  # stamps; a publisher that never tells its counter must not fill the memory


class FrameCount:
    """Frames of one camera. Frames are due at multiples of 1 / fps of robot time.

    `frames` and `missing` (by gaps) count since the last `begin`; `lost` is what the publisher says
    it published and never came, since the two first agreed.
    """

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self.frames = 0
        self.missing = 0
        self._balance = 0  # published but not heard; a frame that is late is made good when it comes
        self._last: int | None = None
        self._first: int | None = None  # of all: what was published before is not ours to have heard
        self._heard: deque[int] = deque(maxlen=KEEP)  # stamps since the counter that was agreed on last
        self._agreed: tuple[int, int] | None = None  # the publisher's count, and the stamp it holds up to
        self._pending: tuple[int, int] | None = None  # the next; its frames may still be on their way

    @property
    def lost(self) -> int:
        return max(0, self._balance)

    def begin(self) -> None:
        """An episode begins."""
        self.frames = self.missing = 0
        self._last = None

    def heard(self, stamp_ns: int, recorded: bool) -> None:
        """A frame came in."""
        if self._first is None:
            self._first = stamp_ns
        if self._agreed is None or stamp_ns > self._agreed[1]:
            self._heard.append(stamp_ns)
        if not recorded:
            return
        if self._last is not None:
            self.missing += max(0, round((stamp_ns - self._last) * self._fps / 1e9) - 1)
        self._last = stamp_ns
        self.frames += 1

    def published(self, count: int, until_ns: int) -> None:
        """The publisher says that it has published `count` frames, the last one stamped `until_ns`."""
        newest = self._pending or self._agreed
        if newest is not None and (count < newest[0] or until_ns < newest[1]):
            self._first = self._agreed = self._pending = None  # another publisher has begun
            self._heard.clear()
        if self._first is None or until_ns < self._first:
            return
        if self._agreed is None:
            self._agreed = (count, until_ns)
            self._forget(until_ns)
            return
        if self._pending is not None:
            came = self._forget(self._pending[1])
            self._balance += self._pending[0] - self._agreed[0] - came
            self._agreed = self._pending
        self._pending = (count, until_ns)

    def _forget(self, until_ns: int) -> int:
        """Drop the frames up to `until_ns`; returns how many they were."""
        dropped = 0
        while self._heard and self._heard[0] <= until_ns:
            self._heard.popleft()
            dropped += 1
        return dropped
