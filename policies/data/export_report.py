"""What raw logs were like: rates, skew, gaps and dropped episodes, as a table and as JSON."""

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from policies.data.episode_streams import Streams, robot_time_at
from policies.data.motion_lag import MotionLag, MotionLagEstimator
from policies.data.resample import distance_to_nearest, missing_samples

LATE_MS = 25.0  # a camera that arrives later than this after its joints is pointed out


@dataclass(frozen=True)
class StreamFigures:
    """A stream's samples between its first and last: count, measured rate, and what was due but missing."""

    samples: int
    rate_hz: float
    missing: int
    largest_gap_ms: float


@dataclass(frozen=True)
class CameraFigures:
    """One camera against the joints, a value (K,) in ms for each frame of the episode.

    skew: between the picture's stamp and the joint sample nearest to it.
    age: from the picture's stamp to the frame that shows it, at most a camera period.
    lag: how much later than the joints of the same stamp the picture arrived; pairing by arrival
    would have put so much skew into the data.
    motion: what the pictures themselves tell about their delay.
    """

    skew_ms: NDArray[np.float64]
    age_ms: NDArray[np.float64]
    lag_ms: NDArray[np.float64]
    motion: MotionLagEstimator


@dataclass(frozen=True)
class EpisodeFigures:
    """One episode of the report. `speed`: robot seconds a wall second, above 1 in fast simulation."""

    frames: int
    speed: float
    streams: dict[str, StreamFigures]
    cameras: dict[str, CameraFigures]


def measure(
    streams: Streams,
    times: NDArray[np.int64],
    picture_index: dict[str, NDArray[np.int64]],
    changes: dict[str, NDArray[np.float64]],
) -> EpisodeFigures:
    """Figures of an episode whose frames are at `times` (K,), show those pictures (K,) and change so."""
    spec = streams.spec
    joints = streams.joints.stamps
    found = {"joint_states": _stream(joints, spec.control_hz)}
    found["executed_action"] = _stream(streams.sent.stamps, spec.control_hz)
    cameras = {}
    for camera in spec.cameras:
        stream = streams.cameras[camera.name]
        found[camera.name] = _stream(stream.stamps, camera.fps)
        index = picture_index[camera.name]
        stamps = stream.stamps[index]
        joints_by_then = robot_time_at(streams.arrivals, joints, stream.arrivals[index])
        motion = MotionLagEstimator(spec.n_joints)
        motion.add(stamps, changes[camera.name], streams.joints)
        cameras[camera.name] = CameraFigures(
            skew_ms=distance_to_nearest(joints, stamps) / 1e6,
            age_ms=(times - stamps) / 1e6,
            lag_ms=(joints_by_then - stamps) / 1e6,
            motion=motion,
        )
    wall_ns = max(1, int(streams.arrivals[-1] - streams.arrivals[0]))
    return EpisodeFigures(len(times), float(joints[-1] - joints[0]) / wall_ns, found, cameras)


def _stream(stamps: NDArray[np.int64], rate_hz: float) -> StreamFigures:
    if len(stamps) < 2:
        return StreamFigures(len(stamps), 0.0, 0, 0.0)
    gaps = np.diff(stamps)
    rate = (len(stamps) - 1) * 1e9 / float(stamps[-1] - stamps[0])
    return StreamFigures(len(stamps), rate, missing_samples(stamps, rate_hz), float(gaps.max()) / 1e6)


@dataclass
class ExportReport:
    """Everything an export saw; `dropped` is reason -> names of the logs left out."""

    out: str
    action: str
    episodes: dict[str, EpisodeFigures] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    _motion_lags: dict[str, MotionLag] = field(default_factory=dict)

    def add(self, name: str, figures: EpisodeFigures) -> None:
        self.episodes[name] = figures
        self._motion_lags.clear()

    def drop(self, name: str, reason: str) -> None:
        self.dropped.setdefault(reason, []).append(name)

    @property
    def n_frames(self) -> int:
        return sum(e.frames for e in self.episodes.values())

    @property
    def skew_p99_ms(self) -> float:
        """Camera-to-joint skew of the worst camera."""
        return max((self._percentiles(c, "skew_ms")["p99"] for c in self.cameras), default=0.0)

    @property
    def missing_frames(self) -> int:
        """Pictures that were due and are not there, of all cameras."""
        return sum(e.streams[c].missing for e in self.episodes.values() for c in e.cameras)

    @property
    def speed(self) -> float:
        """Robot seconds a wall second; the median of the episodes."""
        return float(np.median([e.speed for e in self.episodes.values()])) if self.episodes else 1.0

    @property
    def cameras(self) -> list[str]:
        return list(next(iter(self.episodes.values())).cameras) if self.episodes else []

    def motion_lag(self, camera: str) -> MotionLag:
        """How much older than their stamps the camera's pictures look."""
        if camera not in self._motion_lags:
            first, *others = (e.cameras[camera].motion for e in self.episodes.values())
            total = deepcopy(first)
            for other in others:
                total.absorb(other)
            self._motion_lags[camera] = total.result()
        return self._motion_lags[camera]

    def reasons(self) -> str:
        return ", ".join(f"{len(names)} {reason}" for reason, names in self.dropped.items()) or "none"

    def warnings(self) -> list[str]:
        """One line for each camera that a person should look at."""
        lines = []
        for camera in self.cameras:
            lag = self._percentiles(camera, "lag_ms")["p50"] / self.speed  # of the wall clock
            if abs(lag) > LATE_MS:
                lines.append(
                    f"camera {camera!r} arrives {lag:.0f} ms after the joints of the same stamp; frames are "
                    "paired by stamp, so the data is right if the stamps are"
                )
            seen = self.motion_lag(camera).lag_ms
            if seen is not None and abs(seen) > LATE_MS:
                lines.append(
                    f"camera {camera!r} shows the arm as it was {seen:.0f} ms before its stamps; measure the "
                    "camera's latency and set its latency_ms in the robot's spec"
                )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The summary over all episodes, as in the JSON file."""
        return {
            "out": self.out,
            "action": self.action,
            "n_episodes": len(self.episodes),
            "n_frames": self.n_frames,
            "speed": self.speed,
            "dropped": self.dropped,
            "skew_p99_ms": self.skew_p99_ms,
            "missing_frames": self.missing_frames,
            "streams": {name: asdict(self._total(name)) for name in self._stream_names()},
            "cameras": {
                camera: {kind: self._percentiles(camera, kind) for kind in ("skew_ms", "age_ms", "lag_ms")}
                | {"motion": asdict(self.motion_lag(camera))}
                for camera in self.cameras
            },
            "warnings": self.warnings(),
        }

    def write(self, path: Path) -> None:
        partial = path.with_suffix(".json.partial")
        partial.write_text(json.dumps(self.to_dict(), indent=2) + "\n")
        partial.replace(path)

    def print(self) -> None:
        """The report as tables."""
        console = Console()
        console.print(f"{len(self.episodes)} episodes, {self.n_frames} frames -> {self.out}")
        console.print(f"dropped: {self.reasons()}. recorded at {self.speed:.2f} x real time")
        rates = Table("stream", "samples", "rate Hz", "missing", "largest gap ms")
        for name in self._stream_names():
            s = self._total(name)
            rates.add_row(name, str(s.samples), f"{s.rate_hz:.2f}", str(s.missing), f"{s.largest_gap_ms:.1f}")
        console.print(rates)
        skews = Table("camera", "skew ms", "age ms", "lag ms", "motion lag ms")
        for camera in self.cameras:
            cells = [self._percentiles(camera, kind) for kind in ("skew_ms", "age_ms", "lag_ms")]
            texts = [f"{c['p50']:.1f} / {c['p99']:.1f} / {c['max']:.1f}" for c in cells]
            seen = self.motion_lag(camera).lag_ms
            skews.add_row(camera, *texts, "not seen" if seen is None else f"{seen:.0f}")
        console.print(skews)
        console.print(
            "p50 / p99 / max. skew: picture to nearest joint sample, by stamps. age: picture to frame. "
            "lag: arrival after the joints. motion lag: how old the arm looks for the picture's stamp."
        )
        for line in self.warnings():
            console.print(f"warning: {line}")

    def _stream_names(self) -> list[str]:
        return list(next(iter(self.episodes.values())).streams) if self.episodes else []

    def _total(self, name: str) -> StreamFigures:
        each = [e.streams[name] for e in self.episodes.values()]
        return StreamFigures(
            samples=sum(s.samples for s in each),
            rate_hz=float(np.mean([s.rate_hz for s in each])),
            missing=sum(s.missing for s in each),
            largest_gap_ms=max(s.largest_gap_ms for s in each),
        )

    def _percentiles(self, camera: str, kind: str) -> dict[str, float]:
        values = np.concatenate([getattr(e.cameras[camera], kind) for e in self.episodes.values()])
        p50, p99 = np.percentile(values, (50, 99))
        return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
