"""Our reader on datasets that lerobot wrote and on ours: right values, one decode, clear refusals."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.datasets import (
    GREY_TOLERANCE,
    LENGTHS,
    grey_of,
    open_with_lerobot,
    state_of,
    write_lerobots,
    write_ours,
)

from policies.data.frames import Frames, load_dataset
from policies.errors import DatasetError

CAMERAS = ("front", "wrist")


def check_values(frames: Frames) -> None:
    """Every value is what `write_ours` and `write_lerobots` were given."""
    np.testing.assert_array_equal(frames.episode_starts, np.concatenate([[0], np.cumsum(LENGTHS)]))
    for episode, length in enumerate(LENGTHS):
        rows = slice(frames.episode_starts[episode], frames.episode_starts[episode + 1])
        states = np.stack([state_of(episode, frame) for frame in range(length)])
        np.testing.assert_array_equal(frames.state[rows], states)
        np.testing.assert_array_equal(frames.action[rows], states + 1)
        assert {frames.tasks[i] for i in frames.task_index[rows]} == {f"task {episode % 2}"}
        for c, camera in enumerate(CAMERAS):
            greys = [grey_of(episode, frame, c) for frame in range(length)]
            got = frames.images[camera][rows].astype(int)
            np.testing.assert_allclose(
                got, np.broadcast_to(np.reshape(greys, (-1, 1, 1, 1)), got.shape), atol=GREY_TOLERANCE
            )


@pytest.mark.parametrize("vcodec", ["h264", "libsvtav1"])
def test_reads_what_lerobot_writes(tmp_path: Path, vcodec: str) -> None:
    frames = load_dataset(write_lerobots(tmp_path / "data", vcodec=vcodec), progress=False)
    check_values(frames)
    assert frames.fps == 20
    assert frames.robot_type == "so101"
    assert frames.names["action"] == ["pan", "lift", "gripper"]


def test_reads_our_own(tmp_path: Path) -> None:
    frames = load_dataset(write_ours(tmp_path / "data"), progress=False)
    check_values(frames)
    assert [dict(info) for info in frames.episode_info] == [
        {"success": True, "seed": 100},
        {"success": False, "seed": 101},
        {"success": True, "seed": 102},
    ]


def test_pixels_equal_lerobots(tmp_path: Path) -> None:
    """The same decoder and conversion: no more than rounding apart, on a picture with edges."""
    root = write_ours(tmp_path / "data")
    theirs = open_with_lerobot(root)
    ours = load_dataset(root, progress=False)
    for row in (0, 5, 6, len(ours) - 1):
        picture = theirs[row]["observation.images.front"].permute(1, 2, 0).numpy() * 255
        np.testing.assert_allclose(ours.images["front"][row], picture, atol=1)


def test_images_are_decoded_once(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "data")
    first = load_dataset(root, progress=False)
    stamps = [path.stat().st_mtime_ns for path in (root / ".cache").rglob("*.npy")]
    again = load_dataset(root, progress=False)
    np.testing.assert_array_equal(first.images["front"], again.images["front"])
    copy = Path(shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile))
    load_dataset(copy, progress=False)
    assert len(list((copy / ".cache").iterdir())) == 1, "a copy has the content of the original"
    assert stamps == [path.stat().st_mtime_ns for path in (root / ".cache").rglob("*.npy")]
    (cached,) = (root / ".cache").rglob("*front.npy")
    cached.write_bytes(cached.read_bytes()[:5000])  # a cut cache is filled anew, not believed
    check_values(load_dataset(root, progress=False))


def test_changed_dataset_is_decoded_anew(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "data")
    load_dataset(root, cache_dir=tmp_path / "cache", progress=False)
    other = write_ours(tmp_path / "other", lengths=(3, 4))
    frames = load_dataset(other, cache_dir=tmp_path / "cache", progress=False)
    assert len(frames.images["front"]) == 7
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert not (root / ".cache").exists()


def test_images_are_scaled_while_decoding(tmp_path: Path) -> None:
    root = write_lerobots(tmp_path / "data")
    frames = load_dataset(root, image_size=(16, 24), progress=False)
    for c, camera in enumerate(CAMERAS):
        assert frames.images[camera].shape == (sum(LENGTHS), 16, 24, 3)
        np.testing.assert_allclose(frames.images[camera][7], grey_of(1, 1, c), atol=GREY_TOLERANCE)
    assert load_dataset(root, progress=False).images["front"].shape[1:] == (32, 32, 3)


def cut(pattern: str) -> Callable[[Path], None]:
    """Cut the one file of that pattern in half."""

    def damage(root: Path) -> None:
        (path,) = root.glob(pattern)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def drop(pattern: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (path,) = root.glob(pattern)
        path.unlink()

    return damage


def edit_info(**changes: object) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = root / "meta/info.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def edit_data(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (path,) = root.glob("data/*/*.parquet")
        pq.write_table(change(pq.read_table(path)), path)

    return damage


def with_nan(table: pa.Table) -> pa.Table:
    values = table.column("action").combine_chunks().flatten().to_numpy(zero_copy_only=False).copy()
    values[3 * 8 + 1] = np.nan  # frame 2 of episode 1
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), 3)
    return table.set_column(table.schema.get_field_index("action"), "action", column)


VIDEO = "videos/observation.images.wrist/*/*.mp4"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "expected a dataset folder, got .*, which does not exist"),
        (lambda root: shutil.rmtree(root / "meta"), r"expected a LeRobotDataset v3.0, got a folder without"),
        (edit_info(codebase_version="v2.1"), "expected codebase_version v3.0, got v2.1"),
        (cut("meta/info.json"), "truncated or damaged"),
        (lambda root: (root / "meta/info.json").write_text("[]"), "truncated or damaged"),
        (cut("meta/episodes/*/*.parquet"), "episodes.*expected a whole parquet file, got a truncated"),
        (lambda root: shutil.rmtree(root / "meta/episodes"), "meta/episodes is missing; the dataset"),
        (drop("meta/tasks.parquet"), "tasks.parquet: file is missing"),
        (cut("data/*/*.parquet"), "data/chunk-000.*expected a whole parquet file, got a truncated"),
        (drop("data/*/*.parquet"), "data/chunk-000.*file is missing; the dataset is truncated"),
        (edit_data(lambda table: table.slice(0, 20)), r"expected frames 0..21 in order.*got 20"),
        (edit_data(lambda table: table.drop_columns("action")), r"expected columns \['action'\]"),
        (edit_data(with_nan), r"expected finite numbers, got .*nan.* in 'action' of episode 1, frame 2"),
        (cut(VIDEO), "wrist.*truncated"),
        (drop(VIDEO), "wrist.*file is missing; the dataset is truncated"),
        (edit_info(total_episodes=4), "expected 4 episodes of 22 frames, got 3 of 22"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    root = write_ours(tmp_path / "data")
    damage(root)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(root, cache_dir=tmp_path / "cache", progress=False)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("cache/*")), "nothing half decoded is left"


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("no dataset")
    with pytest.raises(DatasetError, match=r"expected a dataset folder, got the file .*notes.md"):
        load_dataset(tmp_path / "notes.md", progress=False)


def test_video_that_ends_early_names_the_episode(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "data")
    short = write_ours(tmp_path / "short", lengths=(6, 5))
    video = "videos/observation.images.front/chunk-000/file-000.mp4"
    shutil.copy(short / video, root / video)
    with pytest.raises(
        DatasetError, match=r"expected 9 frames of 'observation.images.front' in episode 1, got 5"
    ):
        load_dataset(root, progress=False)


def test_one_frame_episodes_are_named(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "data")
    (path,) = root.glob("meta/episodes/*/*.parquet")
    table = pq.read_table(path)
    for name, values in (("length", [1, 14, 7]), ("dataset_from_index", [0, 1, 15])):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    pq.write_table(table, path)
    with pytest.raises(
        DatasetError, match=r"at least 2 frames an episode, got fewer in 0;.*dataset delete .* 0"
    ):
        load_dataset(root, progress=False)


def test_no_room_for_the_images(small_disk: Path, tmp_path: Path) -> None:
    root = write_ours(tmp_path / "data", lengths=(300, 300))
    with pytest.raises(DatasetError, match="GiB of free disk for decoded images"):
        load_dataset(root, cache_dir=small_disk, progress=False)
    assert list(small_disk.iterdir()) == []
