"""Counting a camera's frames twice: by the gaps in their stamps, and against the publisher's own counter."""

from collections import deque


class FrameCount:
    """Frames of one camera. Frames are due at multiples of 1 / fps of robot time.

    `frames` and `missing` (by gaps) count since the last `begin`; `lost` counts what the publisher
    says it published and never came, since the first time it was asked.
    """

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self.frames = 0
        self.missing = 0
        self.lost = 0
        self._last: int | None = None
        self._heard: deque[int] = deque()  # stamps since the counter that was agreed on last
        self._agreed: tuple[int, int] | None = None  # the publisher's count, and the stamp it holds up to
        self._pending: tuple[int, int] | None = None  # the next; its frames may still be on their way

    def begin(self) -> None:
        """An episode begins."""
        self.frames = self.missing = 0
        self._last = None

    def heard(self, stamp_ns: int, recorded: bool) -> None:
        """A frame came in."""
        if self._agreed is not None:
            self._heard.append(stamp_ns)
        if not recorded:
            return
        if self._last is not None:
            self.missing += max(0, round((stamp_ns - self._last) * self._fps / 1e9) - 1)
        self._last = stamp_ns
        self.frames += 1

    def published(self, count: int, until_ns: int) -> None:
        """The publisher says that it has published `count` frames, the last one stamped `until_ns`."""
        if self._pending is not None and self._agreed is not None:
            came = 0
            while self._heard and self._heard[0] <= self._pending[1]:
                self._heard.popleft()
                came += 1
            self.lost += max(0, self._pending[0] - self._agreed[0] - came)
            self._agreed = self._pending
        if self._agreed is not None and (count < self._agreed[0] or until_ns < self._agreed[1]):
            self._agreed = self._pending = None  # another publisher has begun
            self._heard.clear()
        if self._agreed is None:
            self._agreed = (count, until_ns)
        else:
            self._pending = (count, until_ns)
