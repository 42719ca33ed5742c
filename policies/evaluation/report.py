"""What an evaluation found, and its two files: `report.html` for a person, `report.json` for a program.

Whoever ran the episodes (the ROS evaluator, a lock-step rollout) fills the frozen dataclasses
below; nothing here knows how they were run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.statistics import wilson_interval

VERDICTS = ("success", "timeout", "fault")


@dataclass(frozen=True)
class ChunkTrace:
    """A chunk as it was played: point i belongs to `start_s` + (i + 1) action_dt of the episode.

    start_s: when the step it was built on began. entered_s: when its first point was played.
    """

    start_s: float
    entered_s: float
    actions: NDArray[np.float32]  # (H, A)


@dataclass(frozen=True)
class EpisodeTrace:
    """What an episode's video is drawn from; times are seconds since the episode began.

    state, sent: (T, n_joints), the joints and the goals that were sent, at `times_s` (T,).
    frames: camera -> [(time_s, picture)], a picture being (H, W, 3) uint8 RGB or its JPEG bytes.
    """

    times_s: NDArray[np.float64]
    state: NDArray[np.float32]
    sent: NDArray[np.float32]
    chunks: tuple[ChunkTrace, ...]
    frames: Mapping[str, Sequence[tuple[float, NDArray[np.uint8] | bytes]]]


@dataclass(frozen=True)
class EpisodeResult:
    """One episode. `verdict` is one of `VERDICTS`; whatever is not a success is a failure.

    delay_steps, latency_ms: one number a chunk. dry_steps: steps for which no point was there.
    refused: chunks that the robot did not play.
    """

    seed: int
    verdict: str
    seconds: float
    delay_steps: tuple[int, ...] = ()
    latency_ms: tuple[float, ...] = ()
    dry_steps: int = 0
    refused: int = 0
    reason: str = ""
    trace: EpisodeTrace | None = None

    @property
    def success(self) -> bool:
        return self.verdict == "success"


@dataclass(frozen=True)
class TrainingCurve:
    """Loss by optimiser step, and on held-out episodes where it was measured (nan elsewhere).

    minutes: wall time of the training, nan when not known.
    """

    steps: NDArray[np.float64]
    loss: NDArray[np.float64]
    held_out: NDArray[np.float64] | None = None
    minutes: float = float("nan")


@dataclass(frozen=True)
class EvaluationReport:
    """Everything on the page. conditions: what a reader needs to run it again, label -> value."""

    title: str
    instruction: str
    joint_names: tuple[str, ...]
    action_dt: float
    time_limit_s: float
    episodes: tuple[EpisodeResult, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    curve: TrainingCurve | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""

    @property
    def successes(self) -> int:
        return sum(e.success for e in self.episodes)

    @property
    def latencies(self) -> list[float]:
        return [ms for e in self.episodes for ms in e.latency_ms]

    @property
    def delays(self) -> list[int]:
        return [steps for e in self.episodes for steps in e.delay_steps]


def figures(report: EvaluationReport) -> dict[str, Any]:
    """The page's numbers, with the keys of `report.json`; an empty distribution is null."""
    n = len(report.episodes)
    low, high = wilson_interval(report.successes, n)
    return {
        "success_rate": report.successes / n if n else 0.0,
        "n_episodes": n,
        "interval_low": low,
        "interval_high": high,
        "stage_seconds": dict(report.stage_seconds),
        "latency_ms": percentiles(report.latencies),
        "delay_steps": percentiles(report.delays),
        "dry_steps": sum(e.dry_steps for e in report.episodes),
        "refused_chunks": sum(e.refused for e in report.episodes),
        "episodes": [
            {
                "seed": e.seed,
                "verdict": e.verdict,
                "seconds": round(e.seconds, 3),
                "delay_steps": percentiles(e.delay_steps),
                "latency_ms": percentiles(e.latency_ms),
                "chunks": len(e.delay_steps),
                "dry_steps": e.dry_steps,
                "refused": e.refused,
                "reason": e.reason,
            }
            for e in report.episodes
        ],
        "conditions": dict(report.conditions),
        "machine": dict(report.machine),
        "commit": report.commit,
    }


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """p50, p99 and max; None for each when there are no values."""
    if not values:
        return {"p50": None, "p99": None, "max": None}
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(max(values)), 3)}


def write_report(report: EvaluationReport, path: Path, *, successes: int = 3, failures: int = 6) -> Path:
    """Write the page to `path` (.html) and its figures beside it (.json); returns `path`.

    At most `successes` and `failures` episodes are shown as videos, of those that carry a trace.
    Each file appears whole or not at all.
    """
    from policies.evaluation.report_page import page

    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, page(report, _shown(report, successes, failures)))
    _replace(path.with_suffix(".json"), json.dumps(figures(report), indent=2) + "\n")
    return path


def _shown(report: EvaluationReport, successes: int, failures: int) -> list[EpisodeResult]:
    traced = [e for e in report.episodes if e.trace is not None]
    failed = [e for e in traced if not e.success][:failures]
    done = [e for e in traced if e.success][:successes]
    return failed + done


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
