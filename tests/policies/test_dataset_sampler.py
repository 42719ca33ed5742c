"""Windows, epochs and resuming of the sampler, against a plain loop over frames."""

from itertools import islice

import numpy as np
import pytest
from support.datasets import state_of

from policies.data.frames import Frames
from policies.data.prefetch import Prefetcher
from policies.data.sampler import Batch, ChunkSampler, split_episodes
from policies.errors import DatasetError

LENGTHS = (5, 2, 9, 4)


def frames_of(lengths: tuple[int, ...] = LENGTHS, sides: tuple[int, ...] = (4, 4)) -> Frames:
    """Frames in memory; a pixel tells its frame and camera."""
    state = np.concatenate([[state_of(e, t) for t in range(n)] for e, n in enumerate(lengths)])
    n = len(state)
    numbers = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return Frames(
        state=state,
        action=state + np.float32(1),
        images={
            f"camera{c}": (numbers + 100 * c) * np.ones((side, side, 3), np.uint8)
            for c, side in enumerate(sides)
        },
        episode_starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tasks=["a", "b"],
        task_index=np.arange(n) % 2,
        fps=20,
        names={},
        extra={"observation.environment_state": np.arange(n, dtype=np.float32)[:, None]},
    )


def check_window(frames: Frames, batch: Batch, row: int, n_obs_steps: int, chunk_size: int) -> None:
    """One window against the definition."""
    t = int(batch.index[row])
    episode = int(np.searchsorted(frames.episode_starts, t, side="right")) - 1
    first, end = frames.episode_starts[episode], frames.episode_starts[episode + 1]
    for i in range(n_obs_steps):
        seen = max(first, t - n_obs_steps + 1 + i)
        np.testing.assert_array_equal(batch.state[row, i], frames.state[seen])
        np.testing.assert_array_equal(batch.extra["observation.environment_state"][row, i], [seen])
        assert batch.images is not None
        for c in range(batch.images.shape[2]):
            assert (batch.images[row, i, c] == seen + 100 * c).all()
    for i in range(chunk_size):
        assert batch.action_is_pad[row, i] == (t + i >= end)
        np.testing.assert_array_equal(batch.action[row, i], frames.action[min(t + i, end - 1)])
    assert batch.task_index[row] == t % 2


@pytest.mark.parametrize(("n_obs_steps", "chunk_size"), [(1, 1), (2, 4), (3, 12)])
def test_windows_are_as_defined(n_obs_steps: int, chunk_size: int) -> None:
    frames = frames_of()
    sampler = ChunkSampler(frames, n_obs_steps, chunk_size, 4, extra=["observation.environment_state"])
    for batch in islice(sampler, 10):
        for row in range(4):
            check_window(frames, batch, row, n_obs_steps, chunk_size)


def test_epochs_visit_every_frame_once_in_another_order() -> None:
    sampler = ChunkSampler(frames_of(), 1, 1, 5, seed=3)
    epochs = [np.concatenate([sampler.next().index.copy() for _ in range(4)]) for _ in range(2)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(20))
    assert (epochs[0] != epochs[1]).any()
    in_order = ChunkSampler(frames_of(), 1, 1, 5, shuffle=False)
    np.testing.assert_array_equal(in_order.next().index, np.arange(5))


def test_seed_and_state_repeat_the_batches() -> None:
    sampler = ChunkSampler(frames_of(), 2, 3, 6, seed=7)
    for _ in range(5):
        sampler.next()
    state = sampler.state_dict()
    ahead = [sampler.next().index.copy() for _ in range(6)]
    resumed = ChunkSampler(frames_of(), 2, 3, 6, seed=7)
    resumed.load_state_dict(state)
    np.testing.assert_array_equal(ahead, [resumed.next().index.copy() for _ in range(6)])
    other = ChunkSampler(frames_of(), 2, 3, 6, seed=8)
    other.load_state_dict({**state, "seed": 8})
    assert (other.next().index != ahead[0]).any()


def test_prefetcher_gives_the_same_batches_and_counts_those_handed_out() -> None:
    plain = ChunkSampler(frames_of(), 2, 3, 6, seed=1)
    with Prefetcher(ChunkSampler(frames_of(), 2, 3, 6, seed=1), depth=3) as ahead:
        for _ in range(20):
            wanted, got = plain.next(), ahead.next()
            np.testing.assert_array_equal(wanted.index, got.index)
            np.testing.assert_array_equal(wanted.images, got.images)
            assert plain.state_dict() == ahead.state_dict()


def test_only_the_chosen_episodes_and_cameras() -> None:
    frames = frames_of()
    sampler = ChunkSampler(frames, 2, 3, 4, episodes=[1, 3], cameras=["camera1"])
    assert sampler.n_windows == 6
    batch = sampler.next()
    assert set(batch.index) <= {5, 6, 16, 17, 18, 19}
    assert batch.images is not None
    assert batch.images.shape == (4, 2, 1, 4, 4, 3)
    assert batch.images.min() >= 100
    blind = ChunkSampler(frames, 2, 3, 4, cameras=[]).next()
    assert blind.images is None
    assert "images" not in blind.torch()


def test_tensors_share_the_buffers() -> None:
    batch = ChunkSampler(frames_of(), 2, 3, 4).next()
    tensors = batch.torch()
    assert tensors["images"].shape == (4, 2, 2, 4, 4, 3)
    assert tensors["action_is_pad"].dtype.is_floating_point is False
    batch.state[0, 0, 0] = 42
    assert tensors["state"][0, 0, 0] == 42


def test_split_is_disjoint_whole_and_seeded() -> None:
    train, held = split_episodes(20, 0.2, seed=5)
    assert len(held) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(20))
    np.testing.assert_array_equal(held, split_episodes(20, 0.2, seed=5)[1])
    assert (held != split_episodes(20, 0.2, seed=6)[1]).any()
    assert [len(part) for part in split_episodes(1, 0.5, seed=0)] == [1, 0]
    assert [len(part) for part in split_episodes(3, 0.01, seed=0)] == [2, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": 0}, "expected chunk_size of at least 1, got 0"),
        ({"batch_size": 21}, "batch_size = 21 frames, got 20"),
        ({"cameras": ["camera2"]}, "unknown camera 'camera2'.*valid: camera0, camera1"),
        ({"extra": ["reward"]}, "unknown feature 'reward'"),
        ({"episodes": [4]}, r"expected episodes in 0..3, got \[4\]"),
        ({"episodes": []}, "expected episodes in 0..3"),
    ],
)
def test_what_cannot_be_sampled(options: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        ChunkSampler(frames_of(), **{"n_obs_steps": 2, "chunk_size": 3, "batch_size": 4, **options})


def test_cameras_of_two_sizes_need_an_image_size() -> None:
    with pytest.raises(DatasetError, match="load the dataset with image_size"):
        ChunkSampler(frames_of(sides=(4, 6)), 2, 3, 4)
