"""Merge, split, delete, list, inspect and recover: lerobot opens every result with right values."""

import subprocess
import sys
from html.parser import HTMLParser
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
    write_lerobots,
    write_ours,
)

from policies.data.frames import load_dataset
from policies.data.layout import STATS
from policies.data.lerobot_writer import DatasetWriter
from policies.data.tools.edit import delete, merge, parse_episodes, split
from policies.data.tools.listing import find_datasets
from policies.data.tools.page import write_page
from policies.errors import DatasetError
from policies.verbs.dataset import Inspect


def check_episodes(root: Path, originals: list[int], cameras: tuple[str, ...] = ("front", "wrist")) -> None:
    """The dataset holds these episodes of `write_ours`, in lerobot's reading and in ours."""
    theirs = open_with_lerobot(root)
    ours = load_dataset(root, progress=False)
    wanted = [(e, t) for e in originals for t in range(LENGTHS[e])]
    assert (theirs.num_episodes, theirs.num_frames, len(ours)) == (len(originals), len(wanted), len(wanted))
    np.testing.assert_array_equal(ours.state, [state_of(e, t) for e, t in wanted])
    for row, (episode, frame) in enumerate(wanted):
        item = theirs[row]
        np.testing.assert_array_equal(item["action"], state_of(episode, frame) + 1)
        assert item["task"] == ours.tasks[ours.task_index[row]] == f"task {episode % 2}"
        assert int(item["index"]) == row
        for c, camera in enumerate(cameras):
            grey = grey_of(episode, frame, c)
            picture = item[f"observation.images.{camera}"].numpy() * 255
            np.testing.assert_allclose(picture, grey, atol=GREY_TOLERANCE)
            np.testing.assert_allclose(ours.images[camera][row].astype(int), grey, atol=GREY_TOLERANCE)


def test_merge_ours(tmp_path: Path) -> None:
    roots = [write_ours(tmp_path / "a"), write_ours(tmp_path / "b")]
    merge(roots, tmp_path / "c")
    check_episodes(tmp_path / "c", [0, 1, 2, 0, 1, 2])
    seeds = [info["seed"] for info in load_dataset(tmp_path / "c", progress=False).episode_info]
    assert seeds == [100, 101, 102] * 2


def test_merge_with_lerobots_videos_of_another_coding(tmp_path: Path) -> None:
    """AV1 and H.264 cannot share a file; each begins one of its own."""
    theirs = write_lerobots(tmp_path / "theirs", vcodec="libsvtav1")
    h264 = write_lerobots(tmp_path / "h264")
    merge([theirs, h264, theirs], tmp_path / "c")
    check_episodes(tmp_path / "c", [0, 1, 2] * 3)
    assert len(list(tmp_path.glob("c/videos/*/*/*.mp4"))) == 3


def test_split_by_share_and_by_episodes(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "a")
    train, test = split(root, tmp_path / "named", [1])
    check_episodes(train, [0, 2])
    check_episodes(test, [1])
    train, test = split(root, tmp_path / "drawn", 0.34, seed=1)
    drawn = [load_dataset(part, progress=False).n_episodes for part in (train, test)]
    assert drawn == [2, 1]


def test_delete_in_place_leaves_the_rest(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "a")
    load_dataset(root, progress=False)  # a cache of the old content lies in the folder
    delete(root, [0])
    check_episodes(root, [1, 2])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("gone", [[0], [0, 1]])
def test_episodes_that_begin_between_key_frames_are_encoded_again(tmp_path: Path, gone: list[int]) -> None:
    """As lerobot's own editor leaves them: one run of video with key frames at even frames only."""
    root = write_ours(tmp_path / "a", cameras=("front",))
    with DatasetWriter(tmp_path / "run", FPS, features(("front",))) as writer:
        for episode, length in enumerate(LENGTHS):
            for frame in range(length):
                writer.add_frame(frame_of(episode, frame, ("front",)))
        writer.save_episode("task 0")
    video = "videos/observation.images.front/chunk-000/file-000.mp4"
    (root / video).write_bytes((tmp_path / "run" / video).read_bytes())
    assert sum(LENGTHS[:2]) % 2 == 1
    delete(root, gone, tmp_path / "b")
    kept = [e for e in range(3) if e not in gone]
    check_episodes(tmp_path / "b", kept, cameras=("front",))


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_failure_changes_nothing(tmp_path: Path) -> None:
    root = write_ours(tmp_path / "a")
    other = write_ours(tmp_path / "b")
    video = other / "videos/observation.images.wrist/chunk-000/file-000.mp4"
    video.write_bytes(video.read_bytes()[:-200])
    before = files_of(tmp_path)
    with pytest.raises(DatasetError, match="truncated"):
        delete(other, [0])
    with pytest.raises(DatasetError, match="truncated"):
        merge([root, other], tmp_path / "c")
    with pytest.raises(DatasetError, match="exists"):
        merge([root, root], other)
    with pytest.raises(DatasetError, match="exists"):
        split(root, other, 0.5)
    with pytest.raises(DatasetError, match="expected episodes to be left"):
        delete(root, [0, 1, 2])
    with pytest.raises(DatasetError, match=r"expected episodes in 0..2, got 3, 9"):
        delete(root, [1, 3, 9])
    assert files_of(tmp_path) == before


def test_merge_refuses_what_differs(tmp_path: Path) -> None:
    a = write_ours(tmp_path / "a")
    for other, message in [
        (write_ours(tmp_path / "slow", fps=10), "expected fps 20 as in .*, got 10"),
        (write_ours(tmp_path / "images", image_dtype="image"), "'observation.images.front' with dtype video"),
        (write_ours(tmp_path / "front", cameras=("front",)), "a difference in observation.images.wrist"),
    ]:
        with pytest.raises(DatasetError, match=message):
            merge([a, other], tmp_path / "out")
    with pytest.raises(DatasetError, match="at least two"):
        merge([a], tmp_path / "out")


def test_episode_words() -> None:
    assert parse_episodes(["3", "7-9"]) == [3, 7, 8, 9]
    for bad in ("x", "-1", "4-2", "1-"):
        with pytest.raises(DatasetError, match="expected episodes such as"):
            parse_episodes([bad])


class Page(HTMLParser):
    """Counts what a page shows and where it would fetch from."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("write", [write_ours, write_lerobots])
def test_page_is_self_contained_and_shows_every_episode(tmp_path: Path, write: object) -> None:
    assert callable(write)
    page = Page()
    page.feed(write_page(write(tmp_path / "a"), tmp_path / "a.html").read_text())
    assert page.counts["article"] == 3
    assert page.counts["polyline"] == 3 * 3 * 2  # episodes x joints x (state, action)
    assert page.counts["img"] == 2 * (6 + 9 + 7)  # no more pictures than frames, at most ten
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    with pytest.raises(DatasetError, match="exists"):
        write_page(tmp_path / "a", tmp_path / "a.html")


def test_missing_statistics_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ours(tmp_path / "a")
    Inspect(root, tmp_path / "whole.html").run()
    assert "warning" not in capsys.readouterr().out
    (root / STATS).unlink()
    Inspect(root, tmp_path / "without.html").run()
    assert f"warning: {root / STATS} is missing" in capsys.readouterr().out


def test_listing_names_whole_broken_and_interrupted(tmp_path: Path) -> None:
    write_ours(tmp_path / "runs/a")
    broken = write_ours(tmp_path / "runs/broken")
    (broken / "meta/tasks.parquet").unlink()
    writer = DatasetWriter(tmp_path / "left", FPS, features(("front",)))
    for frame in range(3):
        writer.add_frame(frame_of(0, frame, ("front",)))
    writer.save_episode("task 0")
    writer.close()
    left, whole, damaged = find_datasets(tmp_path)
    assert (whole.root.name, whole.episodes, whole.fps, whole.cameras) == ("a", 3, 20, "front, wrist")
    assert whole.success == pytest.approx(2 / 3)
    assert "tasks.parquet" in damaged.problem
    assert "1 episodes saved" in left.problem


def test_command_line(tmp_path: Path) -> None:
    """The verbs as a person types them: results on one line, mistakes on one line with exit code 2."""
    root = write_ours(tmp_path / "a")

    def dataset(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "policies", "dataset", *words]
        return subprocess.run(command, capture_output=True, text=True)

    done = dataset("split", str(root), "--out", str(tmp_path / "parts"), "--episodes", "1-2")
    assert done.returncode == 0, done.stderr
    assert load_dataset(tmp_path / "parts/test", progress=False).n_episodes == 2
    done = dataset("delete", str(root), "7")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {root}: expected episodes in 0..2, got 7\n"
