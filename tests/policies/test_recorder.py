"""The recorder: episodes, labels, folders, full disks, and what a stopped one leaves."""

import errno
import json
import os
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.episodes import NS, image_message, joint_message

from hardware.spec import load_spec, spec_from_dict
from policies.data.frame_count import FrameCount
from policies.data.raw_log import EPISODE, RESULT, Channel, DiskFullError, RawLogWriter
from policies.data.raw_log_reader import read_raw_log
from policies.data.recorder import Recorder
from policies.errors import DatasetError, PolicyError

JOINTS = Channel("/joint_states", "sensor_msgs/msg/JointState")
CAMERA = Channel("/front/image_raw/compressed", "sensor_msgs/msg/CompressedImage")
LATCHED = Channel("/task/instruction", "std_msgs/msg/String")
SPEC = load_spec("so101")


@pytest.fixture
def recorder(tmp_path: Path):
    made = Recorder(tmp_path / "raw", SPEC, operator="ada", min_free_bytes=0)
    yield made
    made.close()


def put_joints(recorder: Recorder, first: int, count: int) -> None:
    for tick in range(first, first + count):
        stamp = tick * 10_000_000
        recorder.put(JOINTS, joint_message(stamp, [0.0, 1.0]), NS + stamp, stamp)


def put_picture(recorder: Recorder, frame: int) -> None:
    stamp = round(frame * NS / 30)
    data = image_message(stamp, np.random.default_rng(frame))
    recorder.put(CAMERA, data, NS + stamp, stamp, camera="front", stamp_ns=stamp)


def test_episodes_are_numbered_labelled_and_described(recorder: Recorder) -> None:
    text = b"\x00\x01\x00\x00\x04\x00\x00\x00put\x00"
    recorder.put(LATCHED, text, 1, 1, latched=True)
    put_joints(recorder, 0, 5)  # before the episode: not in it
    assert recorder.start("put the cube in the bin") == 0
    put_joints(recorder, 5, 100)
    first = recorder.save(True)
    assert recorder.start("again") == 1
    put_joints(recorder, 105, 3)
    second = recorder.save(None)
    assert [first.name, second.name] == ["episode_000000.mcap", "episode_000001.mcap"]
    log = read_raw_log(first)
    assert len(log.topics["/joint_states"]) == 100
    assert [len(read_raw_log(p).topics["/task/instruction"]) for p in (first, second)] == [1, 1]
    info = log.metadata[EPISODE]
    assert info["task"] == "put the cube in the bin"
    assert info["operator"] == "ada"
    assert spec_from_dict(json.loads(info["robot"])).hash == info["robot_hash"] == SPEC.hash
    assert log.metadata[RESULT]["success"] == "true"
    assert read_raw_log(second).metadata[RESULT]["success"] == "unknown"


def test_discard_then_record_again(recorder: Recorder) -> None:
    recorder.start("t")
    put_joints(recorder, 0, 50)
    assert recorder.discard() == 0
    assert recorder.start("t") == 0
    put_joints(recorder, 50, 7)
    assert len(read_raw_log(recorder.save(True)).topics["/joint_states"]) == 7


def test_lost_frames_are_counted(recorder: Recorder) -> None:
    recorder.start("t")
    for frame in range(60):
        if frame not in (10, 11, 40):
            put_picture(recorder, frame)
    assert recorder.status.missing["front"] == 3
    result = read_raw_log(recorder.save(True)).metadata[RESULT]
    assert (result["frames_front"], result["missing_front"]) == ("57", "3")


def test_what_waits_is_counted_right_when_both_threads_count_at_once(recorder: Recorder) -> None:
    class Untimely(bytes):
        """While the writer's thread counts it as written, another message comes in."""

        def __len__(self) -> int:
            if threading.current_thread() is recorder._thread and not came_in:
                came_in.append(True)
                put_joints(recorder, 1, 1)
            return super().__len__()

    came_in: list[bool] = []
    recorder.start("t")
    recorder.put(JOINTS, Untimely(joint_message(0, [0.0, 1.0])), NS, 0)
    while not came_in:
        time.sleep(0.001)
    assert len(read_raw_log(recorder.save(True)).topics[JOINTS.topic]) == 2
    assert recorder._queued_bytes == 0


def test_wrong_order_of_commands(recorder: Recorder) -> None:
    with pytest.raises(PolicyError, match="running episode"):
        recorder.save(True)
    with pytest.raises(PolicyError, match="running episode"):
        recorder.discard()
    recorder.start("t")
    with pytest.raises(PolicyError, match="episode 0 is being recorded"):
        recorder.start("t")


def test_a_stopped_recorder_keeps_the_running_episode(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "raw", SPEC, min_free_bytes=0)
    recorder.start("t")
    put_joints(recorder, 0, 30)
    recorder.close()
    log = read_raw_log(tmp_path / "raw" / "episode_000000.mcap")
    assert len(log.topics["/joint_states"]) == 30
    assert log.metadata[RESULT]["ended"] == "interrupted"


def test_the_next_start_recovers_and_goes_on_counting(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    recorder = Recorder(folder, SPEC, min_free_bytes=0)
    recorder.start("t")
    put_joints(recorder, 0, 400)
    path = recorder.save(True)
    recorder.close()
    cut = path.read_bytes()[:-3000]
    (folder / "episode_000004.mcap.partial").write_bytes(cut)
    again = Recorder(folder, SPEC, min_free_bytes=0)
    assert [p.name for p in again.recovered] == ["episode_000004.recovered.mcap"]
    assert again.start("t") == 5
    again.close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    with pytest.raises(DatasetError, match="holds other files"):
        Recorder(other, SPEC)
    with pytest.raises(DatasetError, match="is a file"):
        Recorder(other / "thesis.tex", SPEC)
    Recorder(tmp_path / "raw", SPEC).close()
    with pytest.raises(DatasetError, match="different: cameras"):
        Recorder(tmp_path / "raw", SPEC.with_cameras(width=224, height=224))
    assert sorted(p.name for p in other.iterdir()) == ["thesis.tex"]


def test_two_recorders_never_share_a_folder(recorder: Recorder) -> None:
    with pytest.raises(DatasetError, match="another recorder"):
        Recorder(recorder.folder.path, SPEC)


def test_no_room_no_episode(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "raw", SPEC, min_free_bytes=10**15)
    with pytest.raises(DiskFullError, match="MB free"):
        recorder.start("t")
    assert recorder.status.state == "idle"
    assert "disk full" in recorder.status.reason
    recorder.close()
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["recording.json"]


def test_a_disk_that_fills_ends_the_episode_whole(small_disk: Path) -> None:
    changed = []
    recorder = Recorder(
        small_disk / "raw",
        SPEC,
        min_free_bytes=300_000,
        max_episode_s=2.0,
        on_change=lambda: changed.append(recorder.status.reason),
    )
    recorder.start("t")
    frame = 0
    deadline = time.monotonic() + 60
    while not changed and time.monotonic() < deadline:
        put_picture(recorder, frame)
        frame += 1
        time.sleep(0.0005)
    told = re.match(r"disk full: expected ([\d.]+) MB to stay free in .*, ([\d.]+) MB are;", changed[0])
    assert told is not None, changed[0]
    assert float(told[1]) > float(told[2])
    log = read_raw_log(small_disk / "raw" / "episode_000000.mcap")
    assert log.whole
    assert log.metadata[RESULT]["ended"] == "disk full"
    assert len(log.topics[CAMERA.topic]) > 100
    with pytest.raises(DiskFullError):
        recorder.start("t")
    recorder.close()


def test_the_publishers_counter_tells_frames_that_never_came() -> None:
    count = FrameCount(30)
    stamps = [round(frame * NS / 30) for frame in range(100)]
    count.published(3, stamps[2])  # before anything was heard: not ours to have heard
    count.heard(stamps[9], recorded=True)
    count.published(10, stamps[9])
    for frame in range(10, 100):
        if frame not in (20, 21):
            count.heard(stamps[frame], recorded=True)
        if frame in (40, 70, 99):
            count.published(frame + 1, stamps[frame])
    count.published(100, stamps[99])
    assert count.lost == 2
    assert count.missing == 2
    count.published(3, stamps[2])  # the publisher was restarted: nothing is lost by that
    count.published(4, stamps[3])
    assert count.lost == 2


def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(DiskFullError, match="No space left") as caught:
        Recorder(small_disk / "raw", SPEC)
    assert "\n" not in str(caught.value)
    assert list((small_disk / "raw").iterdir()) == []
    filler.unlink()
    (small_disk / "raw" / "recording.json.partial").touch()  # what a crash there would leave
    Recorder(small_disk / "raw", SPEC).close()


def test_a_disk_that_does_not_take_the_end_of_an_episode(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(writer: RawLogWriter, result: dict[str, str]) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RawLogWriter, "save", no_room)
    recorder.start("t")
    with pytest.raises(PolicyError, match="episode 0 cut short"):
        recorder.save(True)
    changed = threading.Event()
    recorder._on_change = changed.set
    recorder.start("t")
    recorder._min_free_bytes = 10**18  # as if the disk had filled: the writer's thread closes the episode
    assert changed.wait(30.0)
    assert recorder.status.state == "idle"
    assert recorder.status.reason.startswith("episode 1 cut short")
    assert recorder._thread.is_alive()
