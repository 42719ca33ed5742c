"""The observation window of a request, put together by stamps and never by order of arrival."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = NDArray[np.float32]  # (n_joints,)
Image = NDArray[np.uint8]  # (H, W, 3) RGB

KEEP_NS = 2_000_000_000  # as long as the robot remembers its stamps


@dataclass(frozen=True)
class Window:
    """What a policy is asked with.

    state: (n_obs_steps, n_joints) float32, oldest first; the last row is of `stamp_ns` itself.
    images: camera -> (n_obs_steps, H, W, 3) uint8 RGB; of each step the latest taken by then.
    """

    stamp_ns: int
    state: NDArray[np.float32]
    images: Mapping[str, NDArray[np.uint8]]
    image_stamps_ns: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Missing:
    """Why there is no window: which part is not there, or too old."""

    part: str
    why: str

    def __str__(self) -> str:
        return f"{self.part}: {self.why}"


class ObservationBuffer:
    """Keeps two seconds of joint states and images by stamp; filled by one thread, asked by another.

    `decode` turns what `add_image` was given into (H, W, 3) uint8 and runs in the asking thread,
    so that only the pictures that are used are ever decoded.
    max_state_age_ns: two control periods. max_image_age_ns: three frames (one is lost now and then).
    """

    def __init__(
        self,
        cameras: Sequence[str],
        *,
        max_state_age_ns: int = 20_000_000,
        max_image_age_ns: int = 100_000_000,
        decode: Callable[[Any], Image] = lambda image: image,
    ) -> None:
        self.cameras = tuple(cameras)
        self._max_state_age_ns = max_state_age_ns
        self._max_image_age_ns = max_image_age_ns
        self.decode = decode
        self._states = _Series()
        self._images = {camera: _Series() for camera in self.cameras}
        self._changed = threading.Condition()

    def add_state(self, stamp_ns: int, state: State) -> None:
        """A joint state (n_joints,) that was true at `stamp_ns` of robot time."""
        with self._changed:
            self._states.add(stamp_ns, state)
            self._changed.notify_all()

    def add_image(self, camera: str, stamp_ns: int, image: Any) -> None:
        """A picture that was taken at `stamp_ns`, in the form that `decode` takes."""
        with self._changed:
            self._images[camera].add(stamp_ns, image)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything: another episode begins."""
        with self._changed:
            for series in (self._states, *self._images.values()):
                series.clear()

    def wait(self, stamp_ns: int, frame_period_ns: int, timeout_s: float) -> bool:
        """Wait until what belongs to `stamp_ns` has arrived: its joint state, and of every camera
        the frame that was due by then. False when `timeout_s` of wall time passed first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._arrived(stamp_ns, frame_period_ns), timeout_s)

    def _arrived(self, stamp_ns: int, frame_period_ns: int) -> bool:
        due = stamp_ns - frame_period_ns
        return self._states.newest >= stamp_ns and all(s.newest > due for s in self._images.values())

    def window(self, stamp_ns: int, n_obs_steps: int, action_dt_ns: int) -> Window | Missing:
        """The window of `n_obs_steps` observations, `action_dt_ns` apart, that ends at `stamp_ns`."""
        times = [stamp_ns - i * action_dt_ns for i in reversed(range(n_obs_steps))]
        states: list[State] = []
        images: dict[str, list[tuple[int, Any]]] = {camera: [] for camera in self.cameras}
        with self._changed:
            for time_ns in times:
                found = self._states.at(time_ns, self._max_state_age_ns)
                if isinstance(found, str):
                    return Missing("joint_states", found)
                states.append(found[1])
                for camera, series in self._images.items():
                    found = series.at(time_ns, self._max_image_age_ns)
                    if isinstance(found, str):
                        return Missing(camera, found)
                    images[camera].append(found)
        return Window(
            stamp_ns=stamp_ns,
            state=np.stack(states).astype(np.float32),
            images={c: np.stack([self.decode(image) for _, image in kept]) for c, kept in images.items()},
            image_stamps_ns={c: tuple(stamp for stamp, _ in kept) for c, kept in images.items()},
        )


class _Series:
    """Values in order of their stamps, the last two seconds of them."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._values: list[Any] = []

    @property
    def newest(self) -> int:
        return self._stamps[-1] if self._stamps else -1

    def add(self, stamp_ns: int, value: Any) -> None:
        place = bisect_right(self._stamps, stamp_ns)
        self._stamps.insert(place, stamp_ns)
        self._values.insert(place, value)
        old = bisect_right(self._stamps, self._stamps[-1] - KEEP_NS)
        del self._stamps[:old], self._values[:old]

    def at(self, time_ns: int, max_age_ns: int) -> tuple[int, Any] | str:
        """The latest (stamp, value) of `time_ns` or before; a sentence when there is none."""
        place = bisect_right(self._stamps, time_ns) - 1
        if place < 0:
            return "nothing received that old" if self._stamps else "nothing received"
        age = time_ns - self._stamps[place]
        if age > max_age_ns:
            return f"the latest is {age / 1e6:.0f} ms old, at most {max_age_ns / 1e6:.0f} ms is allowed"
        return self._stamps[place], self._values[place]

    def clear(self) -> None:
        self._stamps.clear()
        self._values.clear()
