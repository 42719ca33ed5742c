"""Training windows from `Frames`: past observations and the chunk of actions that follows.

A window at frame t of an episode holds the observations t - n_obs_steps + 1 .. t (the first one
repeated where the episode has not begun) and the actions t .. t + chunk_size - 1 (the last one
repeated after the end, and marked in `action_is_pad`). Batches are gathered by index arrays into
buffers made once; there is no Python per frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from policies.data.frames import Frames
from policies.errors import DatasetError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Batch:
    """B windows. The arrays are the sampler's buffers: use or copy them before asking for the next batch.

    state (B, T, n) float32; images (B, T, C, H, W, 3) uint8 with C the cameras in the sampler's order,
    None without cameras; action (B, H, A) float32; action_is_pad (B, H) bool; task_index (B,) int64;
    index (B,) int64, the frame t of each window; extra: key -> (B, T, k) float32. T = n_obs_steps.
    """

    state: NDArray[np.float32]
    images: NDArray[np.uint8] | None
    action: NDArray[np.float32]
    action_is_pad: NDArray[np.bool_]
    task_index: NDArray[np.int64]
    index: NDArray[np.int64]
    extra: dict[str, NDArray[np.float32]]

    def torch(self) -> "dict[str, torch.Tensor]":
        """The same memory as tensors, by field name (`images` only where there are cameras)."""
        import torch

        arrays: dict[str, NDArray[Any] | None] = {**self.__dict__, **self.extra}
        del arrays["extra"]
        return {key: torch.from_numpy(value) for key, value in arrays.items() if value is not None}


def split_episodes(
    n_episodes: int, held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shuffle episodes into (training, held-out), both sorted; held_out is a share in 0..1.

    At least one episode trains, and at least one is held out if held_out > 0 and there are two.
    """
    if not 0 <= held_out < 1:
        raise DatasetError(f"expected a held-out share in [0, 1), got {held_out}")
    order = np.random.default_rng(seed).permutation(n_episodes)
    n_held = min(n_episodes - 1, max(1, round(held_out * n_episodes))) if held_out > 0 else 0
    return np.sort(order[n_held:]), np.sort(order[:n_held])


class ChunkSampler:
    """Endless shuffled epochs of windows; the same seed gives the same batches, and state resumes them.

    An epoch visits every frame of the chosen episodes once, in whole batches (the rest waits for
    another shuffle). With `shuffle=False` windows come in order.
    """

    def __init__(
        self,
        frames: Frames,
        n_obs_steps: int,
        chunk_size: int,
        batch_size: int,
        seed: int = 0,
        *,
        episodes: Sequence[int] | NDArray[np.int64] | None = None,
        cameras: Sequence[str] | None = None,
        extra: Sequence[str] = (),
        shuffle: bool = True,
    ) -> None:
        """episodes: which to draw from, default all. cameras: which and in what order, default all.

        extra: keys of `frames.extra` to add. Raises DatasetError for unknown cameras, keys or episodes,
        cameras of different sizes, sizes below one.
        """
        for name, value in (
            ("n_obs_steps", n_obs_steps),
            ("chunk_size", chunk_size),
            ("batch_size", batch_size),
        ):
            if value < 1:
                raise DatasetError(f"expected {name} of at least 1, got {value}")
        self.frames = frames
        self.n_obs_steps = n_obs_steps
        self.chunk_size = chunk_size
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.cameras = list(frames.images) if cameras is None else list(cameras)
        self._images = [_pick("camera", frames.images, name) for name in self.cameras]
        self._extra = {key: _pick("feature", frames.extra, key) for key in extra}
        sizes = {name: image.shape[1:] for name, image in zip(self.cameras, self._images, strict=True)}
        if len(set(sizes.values())) > 1:
            raise DatasetError(f"expected cameras of one size, got {sizes}; load the dataset with image_size")
        self._starts, self._ends, self._windows = _windows(frames, episodes)
        if len(self._windows) < batch_size:
            raise DatasetError(
                f"expected at least batch_size = {batch_size} frames, got {len(self._windows)}; lower it"
            )
        self._past = np.arange(-n_obs_steps + 1, 1)  # (T,)
        self._future = np.arange(chunk_size)  # (H,)
        self._epoch = 0
        self._batch = 0
        self._order: NDArray[np.int64] | None = None
        self._buffers = [self._new_buffer()]
        self._next_buffer = 0

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches of an epoch."""
        return len(self._windows) // self.batch_size

    @property
    def n_windows(self) -> int:
        """Frames drawn from."""
        return len(self._windows)

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands: the next batch to come."""
        return {"seed": self.seed, "epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken."""
        self.seed, self._epoch, self._batch = state["seed"], state["epoch"], state["batch"]
        self._order = None

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end."""
        while True:
            yield self.next()

    def next(self) -> Batch:
        """The next batch; begins a new epoch where one ends."""
        if self._batch >= self.batches_per_epoch:
            self._epoch, self._batch, self._order = self._epoch + 1, 0, None
        if self._order is None:
            rng = np.random.default_rng([self.seed, self._epoch])
            self._order = (
                rng.permutation(len(self._windows)) if self.shuffle else np.arange(len(self._windows))
            )
        first = self._batch * self.batch_size
        self._batch += 1
        return self.gather(self._order[first : first + self.batch_size])

    def gather(self, rows: NDArray[np.int64]) -> Batch:
        """The windows of the given rows (B,) of this sampler's list, B = batch_size."""
        index = self._windows[rows]
        starts, ends = self._starts[rows], self._ends[rows]
        observed = np.maximum(index[:, None] + self._past, starts[:, None])  # (B, T)
        wanted = index[:, None] + self._future  # (B, H)
        batch = self._buffers[self._next_buffer]
        self._next_buffer = (self._next_buffer + 1) % len(self._buffers)
        # mode="clip" lets take() write straight into `out`; the indices are in range by construction
        np.take(self.frames.state, observed, axis=0, out=batch.state, mode="clip")
        np.take(
            self.frames.action, np.minimum(wanted, ends[:, None] - 1), axis=0, out=batch.action, mode="clip"
        )
        np.greater_equal(wanted, ends[:, None], out=batch.action_is_pad)
        np.take(self.frames.task_index, index, out=batch.task_index, mode="clip")
        batch.index[:] = index
        for key, values in self._extra.items():
            np.take(values, observed, axis=0, out=batch.extra[key], mode="clip")
        if batch.images is not None:
            by_camera = np.moveaxis(batch.images, 2, 0)  # (C, B, T, H, W, 3), contiguous a camera
            for c, image in enumerate(self._images):
                np.take(image, observed, axis=0, out=by_camera[c], mode="clip")
        return batch

    def use_buffers(self, n: int) -> None:
        """Write batches into n buffers in turn: a batch then stays whole until n - 1 more were asked for."""
        self._buffers = [self._new_buffer() for _ in range(n)]
        self._next_buffer = 0

    def _new_buffer(self) -> Batch:
        b, t = self.batch_size, self.n_obs_steps
        images = None
        if self._images:
            by_camera = np.empty((len(self._images), b, t, *self._images[0].shape[1:]), np.uint8)
            images = np.moveaxis(by_camera, 0, 2)
        return Batch(
            state=np.empty((b, t, self.frames.state.shape[1]), np.float32),
            images=images,
            action=np.empty((b, self.chunk_size, self.frames.action.shape[1]), np.float32),
            action_is_pad=np.empty((b, self.chunk_size), np.bool_),
            task_index=np.empty(b, np.int64),
            index=np.empty(b, np.int64),
            extra={key: np.empty((b, t, values.shape[1]), np.float32) for key, values in self._extra.items()},
        )


def _pick(kind: str, table: Any, name: str) -> Any:
    from hardware.errors import unknown

    if name not in table:
        raise DatasetError(unknown(kind, name, table))
    return table[name]


def _windows(
    frames: Frames, episodes: Sequence[int] | NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For every window its episode's first frame, its episode's end, and its own frame, (M,) each."""
    chosen = np.arange(frames.n_episodes) if episodes is None else np.asarray(episodes, np.int64)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= frames.n_episodes:
        raise DatasetError(f"expected episodes in 0..{frames.n_episodes - 1}, got {chosen.tolist()}")
    first, end = frames.episode_starts[chosen], frames.episode_starts[chosen + 1]
    lengths = end - first
    index = np.concatenate([np.arange(a, b) for a, b in zip(first, end, strict=True)])
    return np.repeat(first, lengths), np.repeat(end, lengths), index
