"""The observation window of a request, put together by stamps and never by order of arrival."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.control.stamps import KEEP_NS

State = NDArray[np.float32]  # (n_joints,)
Image = NDArray[np.uint8]  # (H, W, 3) RGB


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
    Observations from before the running epoch are never used: after a reset they show another
    world. In their place stands the first of the epoch, as after an environment's reset.
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
        self._begin_ns = 0
        self._states = _Series()
        self._images = {camera: _Series() for camera in self.cameras}
        self._changed = threading.Condition()

    def add_state(self, stamp_ns: int, state: State) -> None:
        """A joint state (n_joints,) that was true at `stamp_ns` of robot time."""
        self._add(self._states, stamp_ns, state)

    def add_image(self, camera: str, stamp_ns: int, image: Any) -> None:
        """A picture that was taken at `stamp_ns`, in the form that `decode` takes."""
        self._add(self._images[camera], stamp_ns, image)

    def _add(self, series: "_Series", stamp_ns: int, value: Any) -> None:
        with self._changed:
            if stamp_ns >= self._begin_ns:
                series.add(stamp_ns, value)
                self._changed.notify_all()

    def begin(self, stamp_ns: int) -> None:
        """An epoch began at `stamp_ns`: forget what was before, also what has yet to arrive."""
        with self._changed:
            self._begin_ns = stamp_ns
            for series in (self._states, *self._images.values()):
                series.forget(stamp_ns)

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
                found = self._states.at(time_ns, stamp_ns, self._max_state_age_ns)
                if isinstance(found, str):
                    return Missing("joint_states", found)
                states.append(found[1])
                for camera, series in self._images.items():
                    found = series.at(time_ns, stamp_ns, self._max_image_age_ns)
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
        self.forget(self._stamps[-1] - KEEP_NS)

    def forget(self, before_ns: int) -> None:
        old = bisect_left(self._stamps, before_ns)
        del self._stamps[:old], self._values[:old]

    def at(self, time_ns: int, now_ns: int, max_age_ns: int) -> tuple[int, Any] | str:
        """The latest (stamp, value) of `time_ns` or before, else the first that `now_ns` knows;
        a sentence when there is none."""
        place = max(0, bisect_right(self._stamps, time_ns) - 1)
        if not self._stamps or self._stamps[place] > now_ns:
            return "nothing received yet"
        age = time_ns - self._stamps[place]
        if age > max_age_ns:
            return f"the latest is {age / 1e6:.0f} ms old, at most {max_age_ns / 1e6:.0f} ms is allowed"
        return self._stamps[place], self._values[place]
