"""Raw logs become a LeRobotDataset: values true to their stamps, and a report that tells what was wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import episodes
from support.episodes import NS, jpeg, write_episode

from hardware.spec import load_spec
from policies.data.export import ExportOptions, export, find_logs
from policies.data.lerobot_reader import partial_of
from policies.errors import DatasetError

SPEC = load_spec("so101").with_cameras(width=32, height=32)
WHOLE = ExportOptions(trim_idle=False)


def swing(t: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 0.7 * t + np.arange(6))


def wander(seed: int) -> Callable[[float], np.ndarray]:
    """A movement that never repeats itself."""
    rng = np.random.default_rng(seed)
    rates, phases = rng.uniform(0.3, 1.5, (4, 6)), rng.uniform(0, 6.28, (4, 6))
    return lambda t: 0.2 * np.sin(2 * np.pi * rates * t + phases).sum(axis=0)


@pytest.fixture
def lerobot_dataset():
    def open_it(root: Path):
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        return LeRobotDataset("limber/test", root=root, video_backend="pyav")

    return open_it


def test_lerobot_reads_what_was_recorded(tmp_path: Path, lerobot_dataset) -> None:
    for index in range(3):
        write_episode(tmp_path / f"episode_{index:06d}.mcap", SPEC, first_stamp_ns=(7 + 100 * index) * NS)
    report = export([tmp_path], tmp_path / "data", WHOLE)
    dataset = lerobot_dataset(tmp_path / "data")
    assert dataset.num_episodes == len(report.episodes) == 3
    assert dataset.num_frames == report.n_frames
    assert dataset.fps == SPEC.action_hz
    assert dataset.features["observation.state"]["names"] == list(SPEC.joint_names)
    for t in (0, 1, 30, 70):
        item = dataset[t]
        assert item["task"] == "swing"
        np.testing.assert_allclose(item["observation.state"], swing(t / 20), atol=1e-6)
        # the last goal before the next frame, sent one tick earlier and meant for it
        np.testing.assert_allclose(item["action"], swing((t + 1) / 20), atol=1e-6)
        seen = np.floor(t / 20 * 30 + 1e-6) / 30  # the latest picture taken by then
        for camera in SPEC.camera_names:
            shade = float(item[f"observation.images.{camera}"].mean()) * 255
            assert abs(shade - (128 + 100 * swing(seen)[0])) < 5


def test_a_camera_that_arrives_late_shows_in_the_report_and_not_in_the_data(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC, arrival_delay_ms={"wrist": 50.0})
    report = export([tmp_path / "a.mcap"], tmp_path / "data", WHOLE).to_dict()
    front, wrist = report["cameras"]["front"], report["cameras"]["wrist"]
    assert wrist["lag_ms"]["p50"] - front["lag_ms"]["p50"] == pytest.approx(50, abs=2)
    assert wrist["skew_ms"]["p99"] < 1000 / SPEC.control_hz
    assert [w for w in report["warnings"] if "'wrist'" in w]
    assert not [w for w in report["warnings"] if "'front'" in w]


def test_lag_is_counted_in_robot_time(tmp_path: Path) -> None:
    """At four times real time, 10 ms on the wall are 40 ms of the robot's."""
    write_episode(tmp_path / "a.mcap", SPEC, arrival_delay_ms={"wrist": 10.0}, speed=4.0)
    lag = {k: v["lag_ms"]["p50"] for k, v in export([tmp_path], tmp_path / "d").to_dict()["cameras"].items()}
    assert lag["wrist"] - lag["front"] == pytest.approx(40, abs=3)


def test_a_camera_whose_stamps_lag_is_paired_by_its_stamps(tmp_path: Path) -> None:
    """Stamps 50 ms in the past are believed: the frame shows the later picture, and the lag is told."""
    write_episode(tmp_path / "a.mcap", SPEC, stamp_delay_ms={"front": 50.0})
    report = export([tmp_path], tmp_path / "data", WHOLE)
    assert report.to_dict()["cameras"]["front"]["lag_ms"]["p50"] == pytest.approx(52.5, abs=2)


def test_a_latency_that_no_stamp_tells_is_seen_in_the_pictures(tmp_path: Path) -> None:
    for index in range(2):
        path = tmp_path / f"{index}.mcap"
        write_episode(path, SPEC, content_delay_ms={"wrist": 50.0}, truth=wander(index))
    report = export([tmp_path], tmp_path / "data", WHOLE).to_dict()
    motion = {name: camera["motion"] for name, camera in report["cameras"].items()}
    assert motion["front"]["lag_ms"] == pytest.approx(0, abs=10)
    assert motion["wrist"]["lag_ms"] == pytest.approx(50, abs=10)
    assert ["latency_ms" in w and "'wrist'" in w for w in report["warnings"]] == [True]


def test_lost_frames_are_counted_and_a_long_gap_drops_the_episode(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC, lost_frames=(20, 50))
    write_episode(tmp_path / "b.mcap", SPEC, lost_frames=tuple(range(40, 60)))
    report = export([tmp_path], tmp_path / "data", WHOLE)
    assert report.missing_frames == 4  # two of each camera
    assert report.episodes["a.mcap"].streams["front"].missing == 2
    assert report.dropped == {"gap in camera 'front'": ["b.mcap"]}


def test_an_episode_with_a_damaged_picture_is_dropped_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_episode(tmp_path / "a.mcap", SPEC)
    pictures = iter(range(1000))
    monkeypatch.setattr(episodes, "jpeg", lambda picture: jpeg(picture) if next(pictures) != 30 else b"no")
    write_episode(tmp_path / "b.mcap", SPEC)
    report = export([tmp_path], tmp_path / "data", WHOLE)
    assert list(report.episodes) == ["a.mcap"]
    ((reason, names),) = report.dropped.items()
    assert reason.startswith(
        f"camera 'front' in {tmp_path / 'b.mcap'}: expected a JPEG or PNG picture, got 2"
    )
    assert names == ["b.mcap"]


def test_a_tail_without_pictures_is_cut_off_and_a_long_one_is_a_gap(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC, lost_frames=tuple(range(100, 120)))
    write_episode(tmp_path / "b.mcap", SPEC, lost_frames=tuple(range(60, 120)))
    report = export([tmp_path], tmp_path / "data", WHOLE)
    assert list(report.episodes) == ["a.mcap"]
    assert report.n_frames == 67  # at 20 Hz up to 3.3 s and a camera period
    assert report.dropped == {"gap in camera 'front'": ["b.mcap"]}


def test_failures_are_dropped_and_counted_unless_wanted(tmp_path: Path) -> None:
    for index, label in enumerate(("true", "false", "unknown")):
        write_episode(tmp_path / f"{index}.mcap", SPEC, success=label)
    report = export([tmp_path], tmp_path / "data")
    assert list(report.episodes) == ["0.mcap"]
    assert report.dropped == {"failed": ["1.mcap"], "no success label": ["2.mcap"]}
    everything = export([tmp_path], tmp_path / "all", ExportOptions(keep_failures=True))
    assert len(everything.episodes) == 3
    saved = json.loads((tmp_path / "data/meta/export_report.json").read_text())
    assert saved == report.to_dict()


def test_base_is_free_of_the_noise_that_was_sent(tmp_path: Path) -> None:
    from policies.data.episode_streams import read_streams
    from policies.data.export import resample
    from policies.data.raw_log_reader import read_raw_log

    streams = read_streams(read_raw_log(write_episode(tmp_path / "a.mcap", SPEC, noise=0.1)))
    base = resample(streams, ExportOptions(action="base", trim_idle=False))
    sent = resample(streams, ExportOptions(action="sent", trim_idle=False))
    clean = np.array([swing((t + 1) / 20) for t in range(len(base.times))])
    np.testing.assert_allclose(base.action, clean, atol=1e-6)
    assert 0.05 < np.abs(sent.action - clean).mean() < 0.15


def test_standing_still_is_trimmed(tmp_path: Path) -> None:
    def rests(t: float) -> np.ndarray:
        return swing(np.clip(t, 1.0, 3.0))

    write_episode(tmp_path / "a.mcap", SPEC, seconds=5.0, truth=rests)
    assert 95 <= export([tmp_path], tmp_path / "whole", WHOLE).n_frames <= 100
    assert 48 <= export([tmp_path], tmp_path / "trimmed").n_frames <= 56


def test_without_teleoperation_the_sent_goals_are_the_action(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC, teleop=False)
    assert export([tmp_path], tmp_path / "data", WHOLE).n_frames > 70


def test_nothing_is_overwritten_and_nothing_half_is_left(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC)
    other = load_spec("so101").with_cameras(("front",), width=32, height=32)
    write_episode(tmp_path / "b.mcap", other)
    out = tmp_path / "data"
    with pytest.raises(DatasetError, match="logs of one robot"):
        export([tmp_path], out)
    with pytest.raises(DatasetError, match="an action of base, sent"):
        export([tmp_path / "a.mcap"], out, ExportOptions(action="raw"))
    with pytest.raises(DatasetError, match="at least one episode"):
        export([write_episode(tmp_path / "c.mcap", SPEC, success="false")], out)
    assert not out.exists()
    assert not partial_of(out).exists()
    out.mkdir()
    with pytest.raises(DatasetError, match="exists"):
        export([tmp_path / "a.mcap"], out)
    with pytest.raises(DatasetError, match="does not exist"):
        find_logs([tmp_path / "nowhere"])


def test_the_command_line(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_episode(raw / "episode_000000.mcap", SPEC, seconds=2.0)
    (raw / "episode_000001.mcap").write_bytes((raw / "episode_000000.mcap").read_bytes()[:-500])
    command = [sys.executable, "-m", "policies", "export-log", str(raw), "--out", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 episodes" in done.stdout
    assert "cut short" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
    assert again.stderr.count("\n") == 1


@pytest.mark.timeout(600)
def test_lerobot_train_runs_on_it(tmp_path: Path) -> None:
    write_episode(tmp_path / "a.mcap", SPEC, seconds=2.0)
    export([tmp_path / "a.mcap"], tmp_path / "data")
    options = {
        "dataset.repo_id": "limber/test",
        "dataset.root": tmp_path / "data",
        "dataset.video_backend": "pyav",
        "policy.type": "act",
        "policy.device": "cpu",
        "policy.push_to_hub": "false",
        "policy.pretrained_backbone_weights": "null",
        "policy.dim_model": 16,
        "policy.n_heads": 2,
        "policy.dim_feedforward": 16,
        "policy.n_encoder_layers": 1,
        "policy.n_vae_encoder_layers": 1,
        "policy.chunk_size": 4,
        "policy.n_action_steps": 4,
        "steps": 2,
        "batch_size": 2,
        "num_workers": 0,
        "save_freq": 2,
        "wandb.enable": "false",
        "output_dir": tmp_path / "run",
    }
    command = [str(Path(sys.executable).with_name("lerobot-train"))]
    command += [f"--{key}={value}" for key, value in options.items()]
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "run/checkpoints/000002/pretrained_model/model.safetensors").is_file()
