"""A raw log is written, then read back by other people's libraries, whole and cut short."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from support.episodes import chunk_message, image_message, joint_message, write_messages

from policies.data import cdr
from policies.data.episode_streams import read_streams
from policies.data.raw_log import EPISODE, RESULT, Channel, DiskFullError, RawLogWriter
from policies.data.raw_log_reader import read_raw_log
from policies.data.recovery import recover, recover_folder
from policies.errors import DatasetError, PolicyError

JOINTS = Channel("/joint_states", "sensor_msgs/msg/JointState")
CAMERA = Channel("/front/image_raw/compressed", "sensor_msgs/msg/CompressedImage")
CHUNK = Channel("/action_chunk", "trajectory_msgs/msg/JointTrajectory")
INFO = {"task": "put the cube in the bin", "operator": "test"}


def write(path: Path, seconds: float = 2.0) -> None:
    writer = RawLogWriter(path, INFO)
    write_messages(writer, seconds)
    writer.save({"success": "true"})


def test_mcap_and_its_ros2_decoder_read_the_log(tmp_path: Path) -> None:
    path = tmp_path / "e.mcap"
    write(path)
    with path.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.chunk_count > 1
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
        assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
        metadata = {m.name: m.metadata for m in reader.iter_metadata()}
        assert metadata == {EPISODE: INFO, RESULT: {"success": "true"}}
        decoded = [(c.topic, m) for _, c, _, m in reader.iter_decoded_messages()]
    joints = [m for topic, m in decoded if topic == "/joint_states"]
    assert len(joints) == 200
    assert list(joints[7].name) == ["a", "b"]
    np.testing.assert_allclose(joints[7].position, [0.07, -0.07])
    assert joints[7].header.stamp.nanosec == 70_000_000
    points = next(m for topic, m in decoded if topic == "/action_chunk").points
    np.testing.assert_allclose([p.positions for p in points], np.arange(6).reshape(3, 2))


def test_rosbags_reads_the_log(tmp_path: Path) -> None:
    path = tmp_path / "e.mcap"
    write(path)
    with AnyReader([path]) as reader:
        seen = [(c.topic, reader.deserialize(data, c.msgtype)) for c, _, data in reader.messages()]
    assert sum(topic == "/joint_states" for topic, _ in seen) == 200
    image = next(m for topic, m in seen if topic == CAMERA.topic)
    assert image.format == "jpeg"
    assert len(image.data) > 100


def test_fast_parsers_agree_with_the_general_decoder(tmp_path: Path) -> None:
    path = tmp_path / "e.mcap"
    write(path)
    with path.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        general = {}
        for _, channel, message, decoded in reader.iter_decoded_messages():
            general.setdefault(channel.topic, []).append((message.log_time, decoded))
    log = read_raw_log(path)
    assert {t: len(v) for t, v in general.items()} == {t: len(v) for t, v in log.topics.items()}
    assert [t for t, _ in general["/joint_states"]] == log.topics["/joint_states"].log_times
    for payload, (_, decoded) in zip(
        log.topics["/joint_states"].payloads, general["/joint_states"], strict=True
    ):
        mine = cdr.joints(payload)
        assert list(mine.names) == list(decoded.name)
        np.testing.assert_array_equal(mine.position, decoded.position)
        np.testing.assert_array_equal(mine.velocity, decoded.velocity)
        np.testing.assert_array_equal(mine.effort, decoded.effort)
        assert mine.stamp_ns == decoded.header.stamp.sec * 10**9 + decoded.header.stamp.nanosec
    for payload, (_, decoded) in zip(log.topics[CAMERA.topic].payloads, general[CAMERA.topic], strict=True):
        _, kind, picture = cdr.compressed_image(payload)
        assert kind == decoded.format
        assert bytes(picture) == bytes(decoded.data)
    for payload, (_, decoded) in zip(
        log.topics["/action_chunk"].payloads, general["/action_chunk"], strict=True
    ):
        np.testing.assert_array_equal(
            cdr.trajectory(payload).positions, [p.positions for p in decoded.points]
        )


@pytest.mark.parametrize("lost", [1, 9, 1000, 30_000, 100_000])
def test_a_cut_log_is_recovered_up_to_its_last_whole_chunk(tmp_path: Path, lost: int) -> None:
    whole, cut = tmp_path / "e.mcap", tmp_path / "k.mcap.partial"
    write(whole, seconds=6.0)
    size = whole.stat().st_size
    assert size > 150_000
    shutil.copy(whole, cut)
    os.truncate(cut, size - lost)
    with pytest.raises(DatasetError, match="cut short"):
        read_raw_log(cut)
    made, lines = recover_folder(tmp_path)
    assert made == [tmp_path / "k.recovered.mcap"]
    assert lines == []
    before, after = read_raw_log(whole), read_raw_log(made[0])
    assert after.metadata[EPISODE] == INFO
    assert after.metadata[RESULT]["recovered"] == "true"
    kept = after.topics["/joint_states"]
    full = before.topics["/joint_states"]
    assert 0 < len(kept) <= len(full)
    assert [bytes(p) for p in kept.payloads] == [bytes(p) for p in full.payloads[: len(kept)]]
    with made[0].open("rb") as stream:
        assert sum(1 for _ in make_reader(stream).iter_messages()) == after.message_count
    assert recover_folder(tmp_path) == ([], [])  # once is enough
    assert cut.exists()


def test_a_damaged_chunk_ends_the_recovered_copy(tmp_path: Path) -> None:
    whole, cut = tmp_path / "e.mcap", tmp_path / "k.mcap.partial"
    write(whole, seconds=6.0)
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)  # pages that a power cut left empty
    cut.write_bytes(data)
    copy = recover(cut)
    assert copy is not None
    n_kept = len(read_raw_log(copy).topics["/joint_states"])
    assert 0 < n_kept < 600


@pytest.mark.parametrize("seed", range(40))
def test_changed_bytes_are_an_error_of_ours_and_end_no_recovery(tmp_path: Path, seed: int) -> None:
    """Anywhere, also among the records at both ends that no checksum covers."""
    whole, damaged = tmp_path / "e.mcap", tmp_path / "k.mcap.partial"
    write(whole, seconds=1.0)
    data = bytearray(whole.read_bytes())
    random = np.random.default_rng(seed)
    ends = np.concatenate((np.arange(8, 6000), np.arange(len(data) - 3000, len(data))))
    for at in random.choice(ends if seed % 2 else len(data), size=random.integers(1, 20)):
        data[at] = random.integers(256)
    damaged.write_bytes(data)
    with contextlib.suppress(DatasetError):
        read_streams(read_raw_log(damaged))
    made, lines = recover_folder(tmp_path)
    assert len(made) + len(lines) == 1


def test_files_that_cannot_be_recovered_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.mcap.partial").write_bytes(b"")
    (tmp_path / "b.mcap.partial").write_bytes(b"no mcap at all, not even near")
    made, lines = recover_folder(tmp_path)
    assert made == []
    assert len(lines) == 2
    assert "a.mcap.partial" in lines[0]
    assert "b.mcap.partial" in lines[1]


def test_a_killed_writer_loses_less_than_a_second(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from policies.data.raw_log import Channel, RawLogWriter
        from support.episodes import joint_message
        writer = RawLogWriter(Path(sys.argv[1]), {})
        for tick in range(100_000):
            now = time.time_ns()
            writer.write(Channel("/joint_states", "sensor_msgs/msg/JointState"),
                         joint_message(tick * 10_000_000, [0.0, 0.0]), now, now)
            writer.flush_if_due()
            time.sleep(0.01)
            if tick == 50: print("running", flush=True)
    """)
    path = tmp_path / "k.mcap"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        time.sleep(0.37)
        process.send_signal(signal.SIGKILL)
        killed_ns = time.time_ns()
        process.wait()
    copy = recover(path.with_name("k.mcap.partial"))
    assert copy is not None
    assert killed_ns - read_raw_log(copy).topics["/joint_states"].log_times[-1] < 1e9


def test_nothing_existing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "e.mcap"
    write(path)
    before = path.read_bytes()
    with pytest.raises(PolicyError, match="exists"):
        RawLogWriter(path, INFO)
    RawLogWriter(tmp_path / "f.mcap", INFO)
    with pytest.raises(PolicyError, match="exists"):
        RawLogWriter(tmp_path / "f.mcap", INFO)
    assert path.read_bytes() == before


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    writer = RawLogWriter(tmp_path / "e.mcap", INFO)
    write_messages(writer, 1.0)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_a_whole_file(small_disk: Path) -> None:
    writer = RawLogWriter(small_disk / "e.mcap", INFO, reserve_bytes=1_000_000)
    tick = 0
    while not writer.disk_full:
        writer.write(CAMERA, image_message(tick, np.random.default_rng(tick)), tick, tick)
        writer.flush_if_due()
        tick += 1
        assert tick < 10_000
    saved = writer.save({"ended": "disk full"})
    log = read_raw_log(saved)
    assert log.whole
    assert log.metadata[RESULT]["ended"] == "disk full"
    assert len(log.topics[CAMERA.topic]) == tick
    with pytest.raises(DiskFullError, match="MB free"):
        RawLogWriter(small_disk / "f.mcap", INFO, reserve_bytes=2_000_000)
    assert [p.name for p in small_disk.iterdir()] == ["e.mcap"]


def test_chunk_message_round_trip() -> None:
    mine = cdr.trajectory(chunk_message(3_000_000_007, np.ones((4, 2))))
    assert mine.stamp_ns == 3_000_000_007
    assert mine.positions.shape == (4, 2)


def test_cut_bytes_are_an_error_of_ours() -> None:
    with pytest.raises(DatasetError, match="cut short"):
        cdr.joints(joint_message(1, [0.0, 1.0])[:60])
    with pytest.raises(DatasetError, match="CDR"):
        cdr.joints(b"nonsense")
