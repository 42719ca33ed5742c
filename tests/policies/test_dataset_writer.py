"""What our writer writes: lerobot opens it with right values, and a crash costs the running episode only."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.datasets import (
    FPS,
    GREY_TOLERANCE,
    LENGTHS,
    features,
    frame_of,
    grey_of,
    open_with_lerobot,
    state_of,
    write_ours,
)

from policies.data.frames import load_dataset
from policies.data.lerobot_writer import DatasetWriter, recover
from policies.errors import DatasetError

CAMERAS = ("front", "wrist")


@pytest.mark.parametrize("image_dtype", ["video", "image"])
def test_lerobot_reads_every_value(tmp_path: Path, image_dtype: str) -> None:
    dataset = open_with_lerobot(write_ours(tmp_path / "data", image_dtype=image_dtype))
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (3, sum(LENGTHS), FPS)
    row = 0
    for episode, length in enumerate(LENGTHS):
        for frame in range(length):
            item = dataset[row]
            np.testing.assert_array_equal(item["observation.state"], state_of(episode, frame))
            np.testing.assert_array_equal(item["action"], state_of(episode, frame) + 1)
            assert item["task"] == f"task {episode % 2}"
            assert (int(item["episode_index"]), int(item["frame_index"]), int(item["index"])) == (
                episode,
                frame,
                row,
            )
            assert float(item["timestamp"]) == pytest.approx(frame / FPS)
            for c, camera in enumerate(CAMERAS):
                grey = item[f"observation.images.{camera}"].numpy() * 255
                np.testing.assert_allclose(grey, grey_of(episode, frame, c), atol=GREY_TOLERANCE)
            row += 1


def test_lerobot_windows_and_batches(tmp_path: Path) -> None:
    from torch.utils.data import DataLoader

    deltas = {
        "observation.state": [-1 / FPS, 0.0],
        "observation.images.front": [-1 / FPS, 0.0],
        "action": [i / FPS for i in range(4)],
    }
    dataset = open_with_lerobot(write_ours(tmp_path / "data"), delta_timestamps=deltas)
    first, second = dataset[LENGTHS[0]], dataset[LENGTHS[0] + 1]  # where episode 1 begins
    assert first["observation.state_is_pad"].tolist() == [True, False]
    np.testing.assert_array_equal(second["observation.state"], [state_of(1, 0), state_of(1, 1)])
    greys = second["observation.images.front"][:, 0, 0, 0].numpy() * 255
    np.testing.assert_allclose(greys, [grey_of(1, 0, 0), grey_of(1, 1, 0)], atol=GREY_TOLERANCE)
    batch = next(iter(DataLoader(dataset, batch_size=5)))
    assert batch["action"].shape == (5, 4, 3)
    assert batch["observation.images.front"].shape == (5, 2, 3, 32, 32)
    stats = dataset.meta.stats
    states = np.concatenate([[state_of(e, t) for t in range(n)] for e, n in enumerate(LENGTHS)])
    np.testing.assert_allclose(stats["observation.state"]["std"], states.std(axis=0), rtol=1e-5)
    greys = np.concatenate([[grey_of(e, t, 1) for t in range(n)] for e, n in enumerate(LENGTHS)]) / 255
    assert stats["observation.images.wrist"]["mean"].shape == (3, 1, 1)
    np.testing.assert_allclose(stats["observation.images.wrist"]["mean"], greys.mean(), rtol=1e-6)
    np.testing.assert_allclose(stats["observation.images.wrist"]["std"], greys.std(), rtol=1e-6)
    assert list(dataset.meta.episodes["info/seed"]) == [100, 101, 102]


def test_files_are_rolled_at_their_size(tmp_path: Path) -> None:
    """Noise compresses badly: 1 MB holds an episode or two, so the episodes spread over files."""
    rng = np.random.default_rng(0)
    declared = {
        "observation.state": {"dtype": "float32", "shape": (4000,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        "observation.images.front": {"dtype": "video", "shape": (192, 128, 3), "names": None},
    }
    states = rng.normal(size=(4, 40, 4000)).astype(np.float32)
    with DatasetWriter(tmp_path / "data", FPS, declared, data_file_mb=1, video_file_mb=1) as writer:
        for episode in states:
            for i, state in enumerate(episode):
                image = rng.integers(0, 255, (192, 128, 3), dtype=np.uint8)
                image[:64] = 5 * i
                writer.add_frame(
                    {"observation.state": state, "action": state[:2], "observation.images.front": image}
                )
            writer.save_episode("noise")
    assert len(list(tmp_path.glob("data/data/*/*.parquet"))) > 1
    assert 1 < len(list(tmp_path.glob("data/videos/*/*/*.mp4"))) < 4
    dataset = open_with_lerobot(tmp_path / "data")
    ours = load_dataset(tmp_path / "data", progress=False)
    np.testing.assert_array_equal(ours.state, states.reshape(160, 4000))
    for row in (0, 79, 80, 159):
        grey = float(dataset[row]["observation.images.front"][:, :56].median()) * 255
        assert grey == pytest.approx(5 * (row % 40), abs=GREY_TOLERANCE)
        assert np.median(ours.images["front"][row, :56]) == pytest.approx(grey, abs=1)


CRASH = """
import os, signal, sys
from support.datasets import FPS, features, frame_of
from policies.data.lerobot_writer import DatasetWriter
writer = DatasetWriter(sys.argv[1], FPS, features(), "so101")
for episode in range(3):
    for frame in range(6):
        if (episode, frame) == (2, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        writer.add_frame(frame_of(episode, frame, ("front", "wrist")))
    writer.save_episode("push", {"seed": episode})
"""


def crashed(root: Path) -> None:
    """Kill a writer in the middle of its third episode."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", CRASH, str(root)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert not root.exists()


def test_killed_writer_leaves_saved_episodes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    crashed(root)
    with pytest.raises(DatasetError, match=r"2 episodes of an interrupted recording.*dataset recover"):
        DatasetWriter(root, FPS, features(), "so101")
    with pytest.raises(DatasetError, match="recover"):
        load_dataset(root)
    recover(root)
    dataset = open_with_lerobot(root)
    assert (dataset.num_episodes, dataset.num_frames) == (2, 12)
    np.testing.assert_array_equal(dataset[11]["observation.state"], state_of(1, 5))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_killed_writer_is_resumed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    crashed(root)
    with pytest.raises(DatasetError, match="expected to resume with the fps 20, got 10"):
        DatasetWriter(root, 10, features(), "so101", resume=True)
    with DatasetWriter(root, FPS, features(), "so101", resume=True) as writer:
        assert writer.n_episodes == 2
        assert writer.saved_info() == [{"seed": 0}, {"seed": 1}]
        for frame in range(5):
            writer.add_frame(frame_of(2, frame, CAMERAS))
        writer.save_episode("push", {"seed": 2})
    frames = load_dataset(root, progress=False)
    np.testing.assert_array_equal(frames.episode_starts, [0, 6, 12, 17])
    np.testing.assert_array_equal(frames.state[16], state_of(2, 4))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "data", FPS, features())
    with pytest.raises(DatasetError, match="another process is writing"):
        DatasetWriter(tmp_path / "data", FPS, features())
    with pytest.raises(DatasetError, match="another process is writing"):
        recover(tmp_path / "data")
    writer.close()


def test_existing_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match="exists"):
        DatasetWriter(tmp_path / "data", FPS, features())
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "mine.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": np.array([0, np.nan, 0], np.float32)}, r"finite numbers in 'action'.*frame 1"),
        ({"action": np.zeros(4, np.float32)}, r"'action' of shape \(3,\), got \(4,\)"),
        ({"action": np.array(["a", "b", "c"])}, "'action' of type float32"),
        (
            {"observation.images.front": np.zeros((32, 16, 3), np.uint8)},
            r"shape \(32, 32, 3\), got \(32, 16, 3\)",
        ),
        ({"observation.images.front": np.zeros((32, 32, 3), np.float32)}, "type uint8, got float32"),
        ({"reward": 1.0}, "expected the features"),
    ],
)
def test_bad_frames_are_refused_and_not_added(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with DatasetWriter(tmp_path / "data", FPS, features()) as writer:
        writer.add_frame(frame_of(0, 0, CAMERAS))
        with pytest.raises(DatasetError, match=message):
            writer.add_frame({**frame_of(0, 9, CAMERAS), **change})
        with pytest.raises(DatasetError, match="at least 2 frames, got 1"):
            writer.save_episode("push")
        writer.add_frame(frame_of(0, 1, CAMERAS))
        writer.save_episode("push")
        writer.finalize()  # and once more when the block ends
    frames = load_dataset(tmp_path / "data", progress=False)
    np.testing.assert_array_equal(frames.state, [state_of(0, 0), state_of(0, 1)])
    np.testing.assert_allclose(frames.images["front"][1], grey_of(0, 1, 0), atol=GREY_TOLERANCE)


def test_nothing_saved_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="got none; nothing was written"):
        DatasetWriter(tmp_path / "data", FPS, features()).finalize()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_saved_episodes(small_disk: Path) -> None:
    rng = np.random.default_rng(0)
    declared = {"observation.images.front": {"dtype": "video", "shape": (256, 256, 3), "names": None}}
    writer = DatasetWriter(small_disk / "data", FPS, declared)

    def record(n_frames: int) -> None:
        for _ in range(n_frames):
            writer.add_frame(
                {"observation.images.front": rng.integers(0, 255, (256, 256, 3), dtype=np.uint8)}
            )
        writer.save_episode("noise")

    record(5)
    with pytest.raises(DatasetError, match=r"cannot write .No space left on device.; episodes saved before"):
        record(400)
    writer.close()
    recover(small_disk / "data")
    info = json.loads((small_disk / "data/meta/info.json").read_text())
    assert (info["total_episodes"], info["total_frames"]) == (1, 5)
