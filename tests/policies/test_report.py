"""The report: one page that needs nothing else, and the same figures as JSON; both are read back."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from policies.evaluation.report import (
    ChunkTrace,
    EpisodeResult,
    EpisodeTrace,
    EvaluationReport,
    TrainingCurve,
    write_report,
)
from policies.evaluation.report_sources import read_curve
from policies.evaluation.statistics import wilson_interval

JOINTS = ("pan", "lift", "gripper")
DT = 0.05


def make_trace(seconds: float) -> EpisodeTrace:
    """One camera of raw pictures and one of JPEG bytes, both turning from dark to bright."""
    times = np.arange(0, seconds, 0.01)
    sent = np.stack([np.sin(times + i) for i in range(3)], axis=1).astype(np.float32)
    chunk = ChunkTrace(0.2, 0.25, np.full((8, 3), 0.5, np.float32))
    frames: dict[str, list] = {"front": [], "wrist": []}
    for t in np.arange(0, seconds, 1 / 15):
        picture = np.full((48, 64, 3), 60 + int(150 * t / seconds), np.uint8)
        frames["front"].append((float(t), picture))
        frames["wrist"].append((float(t), cv2.imencode(".jpg", picture)[1].tobytes()))
    return EpisodeTrace(times, sent * 0.9, sent, (chunk,), frames)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    episodes = [
        EpisodeResult(100_000, "success", 1.2, (1, 1, 2), (12.0, 14.0, 60.0), trace=make_trace(1.2)),
        EpisodeResult(100_001, "timeout", 2.0, (1, 3), (11.0, 90.0), dry_steps=2, trace=make_trace(2.0)),
        EpisodeResult(100_002, "fault", 0.4, reason="the robot stopped <at once>"),
        EpisodeResult(100_003, "success", 1.0, (1,), (13.0,)),
    ]
    return EvaluationReport(
        title="Pick & place",
        instruction="put the cube <here>",
        joint_names=JOINTS,
        action_dt=DT,
        time_limit_s=2.0,
        episodes=tuple(episodes),
        conditions={"speed": "1"},
        stage_seconds={"collect": 61.5, "train": 120.0},
        curve=TrainingCurve(np.arange(1.0, 50.0), np.exp(-np.arange(1.0, 50.0) / 9), None, 2.0),
        machine={"machine": "test"},
        commit="0123456789ab",
    )


@pytest.fixture(scope="module")
def written(report: EvaluationReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(report, tmp_path_factory.mktemp("report") / "deep" / "report.html")


class Page(HTMLParser):
    """Checks that every tag is closed, and keeps links, ids, films and words."""

    VOID = ("meta", "br", "hr", "img", "input", "link", "use", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def test_figures_are_those_of_the_episodes(written: Path) -> None:
    found = json.loads(written.with_suffix(".json").read_text())
    assert found["success_rate"] == 0.5
    assert found["n_episodes"] == 4
    assert found["interval_low"] < 0.5 < found["interval_high"]
    assert found["stage_seconds"] == {"collect": 61.5, "train": 120.0}
    assert found["latency_ms"]["p50"] == 13.5
    assert found["latency_ms"]["max"] == 90.0
    assert found["delay_steps"]["max"] == 3
    assert found["dry_steps"] == 2
    assert [e["verdict"] for e in found["episodes"]] == ["success", "timeout", "fault", "success"]
    assert list(written.parent.glob("*.partial")) == []


def test_page_is_whole_and_needs_nothing_else(written: Path) -> None:
    text = written.read_text()
    page = Page(text)
    words = " ".join(page.words)
    for expected in (
        "Pick & place",
        "put the cube <here>",
        "2 of 4",
        "the robot stopped <at once>",
        "100002",
    ):
        assert expected in words
    ids = {attributes["id"] for _, attributes in page.attributes if attributes.get("id")}
    for tag, attributes in page.attributes:
        for name in ("src", "href", "poster", "xlink:href"):
            link = attributes.get(name)
            if link is not None:
                assert link.startswith(("data:", "#")), f"<{tag} {name}={link[:60]}> is not in the page"
                assert not link.startswith("#") or link[1:] in ids
    assert not re.search(r"url\((?!#)|@import|<link", text)
    assert sum(tag == "tr" for tag, _ in page.attributes) == 5  # a head and four episodes
    assert sum(tag == "svg" for tag, _ in page.attributes) == 3


def test_films_play_and_show_the_episode(written: Path) -> None:
    films = [a["src"] for tag, a in Page(written.read_text()).attributes if tag == "video"]
    assert len(films) == 2, "one traced failure, one traced success"
    for film, seconds in zip(films, (2.0, 1.2), strict=True):  # failures come first
        content = base64.b64decode((film or "").partition("base64,")[2])
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(pictures) / 20 == pytest.approx(seconds + 0.8, abs=0.15)
        first, late = pictures[0], pictures[int(seconds * 20) - 2]
        for side in (slice(0, 320), slice(320, 640)):  # both cameras, side by side
            assert late[20:200, side].mean() > first[20:200, side].mean() + 80
        panels = pictures[6][240:-24].astype(int)  # at 0.3 s, above the legend
        redness = panels[..., 0] - panels[..., 2]
        assert redness.max() > 40, "the chunk to come is drawn in amber"
        assert redness.min() < -40, "the goals sent are drawn in blue"


def test_a_report_without_videos_curve_or_chunks_is_written_too(tmp_path: Path) -> None:
    bare = EvaluationReport("t", "i", JOINTS, DT, 12.0, (EpisodeResult(1, "timeout", 12.0),))
    path = write_report(bare, tmp_path / "report.html")
    Page(path.read_text())
    found = json.loads(path.with_suffix(".json").read_text())
    assert found["latency_ms"] == {"p50": None, "p99": None, "max": None}


def test_curve_of_the_run_that_a_checkpoint_belongs_to(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "000200"
    checkpoint.mkdir(parents=True)
    assert read_curve(checkpoint) is None
    rows = [
        {"step": 100, "minutes": 0.5, "loss": 1.0, "held_out": None},
        {"step": 200, "minutes": 1.0, "loss": 0.4, "held_out": 0.5},
    ]
    (tmp_path / "run" / "loss.json").write_text(json.dumps(rows))
    (tmp_path / "run" / "checkpoint").symlink_to("checkpoints/000200")
    curve = read_curve(tmp_path / "run" / "checkpoint")
    assert curve is not None
    assert curve.loss.tolist() == [1.0, 0.4]
    assert curve.minutes == 1.0
    assert curve.held_out is not None
    assert np.isnan(curve.held_out[0])


def test_wilson_interval_against_published_values() -> None:
    """Newcombe 1998, table I: 81 of 263 and 0 of 20, method 3."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(20, 20)[1] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(3, 2)
