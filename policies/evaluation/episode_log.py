"""What is noted while an episode runs, and the `EpisodeResult` that it makes. Stamps are robot time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from policies.evaluation.report import ChunkTrace, EpisodeResult, EpisodeTrace

REFUSED_AFTER = 3  # steps after its key in which a chunk must have been played


@dataclass
class EpisodeLog:
    """One episode's streams by stamp; filled in any order, also after the episode has ended.

    frames: camera -> [(stamp, JPEG bytes)]. delay_steps, latency_ms: by the key of a chunk.
    plans: stamp of a step -> how many points the robot had planned in it.
    """

    seed: int
    begin_ns: int
    step_ns: int
    end_ns: int | None = None
    verdict: str = ""
    reason: str = ""
    keep_frames: bool = True
    states: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    sent: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    frames: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    chunks: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    delay_steps: dict[int, int] = field(default_factory=dict)
    latency_ms: dict[int, float] = field(default_factory=dict)
    plans: dict[int, int] = field(default_factory=dict)

    def covers(self, stamp_ns: int) -> bool:
        """Whether `stamp_ns` lies within the episode."""
        return self.begin_ns <= stamp_ns and (self.end_ns is None or stamp_ns <= self.end_ns)

    def end(self, stamp_ns: int, verdict: str, reason: str = "") -> None:
        """The verdict is in; what comes with later stamps is not this episode's."""
        self.end_ns, self.verdict, self.reason = stamp_ns, verdict, reason

    def drop_trace(self) -> None:
        """Keep the numbers only: this episode will not be shown."""
        self.keep_frames = False
        self.frames.clear()
        self.states.clear()
        self.sent.clear()

    def result(self) -> EpisodeResult:
        """The episode as the report takes it; `end` must have been called."""
        if self.end_ns is None:
            raise ValueError(f"episode of seed {self.seed} has not ended")
        judged = [key for key in self.chunks if key + REFUSED_AFTER * self.step_ns <= self.end_ns]
        played = [stamp for stamp, points in self.plans.items() if points and self.covers(stamp)]
        dry = [s for s, n in self.plans.items() if n == 0 and played and min(played) < s <= self.end_ns]
        return EpisodeResult(
            seed=self.seed,
            verdict=self.verdict,
            seconds=(self.end_ns - self.begin_ns) / NS,
            delay_steps=tuple(self.delay_steps[k] for k in sorted(self.delay_steps)),
            latency_ms=tuple(self.latency_ms[k] for k in sorted(self.latency_ms)),
            dry_steps=len(dry),
            refused=sum(key not in self.delay_steps for key in judged),
            reason=self.reason,
            trace=self._trace() if self.keep_frames else None,
        )

    def _trace(self) -> EpisodeTrace | None:
        states, sent = dict(self.states), dict(self.sent)
        stamps = sorted(s for s in states.keys() & sent.keys() if self.covers(s))
        if not stamps:
            return None
        chunks = [
            ChunkTrace(
                start_s=self._seconds(key),
                entered_s=self._seconds(key + self.delay_steps[key] * self.step_ns),
                actions=actions.astype(np.float32),
            )
            for key, actions in sorted(self.chunks.items())
            if key in self.delay_steps
        ]
        return EpisodeTrace(
            times_s=np.array([self._seconds(s) for s in stamps]),
            state=np.array([states[s] for s in stamps], dtype=np.float32),
            sent=np.array([sent[s] for s in stamps], dtype=np.float32),
            chunks=tuple(chunks),
            frames={
                camera: [(self._seconds(s), jpeg) for s, jpeg in sorted(frames) if self.covers(s)]
                for camera, frames in self.frames.items()
            },
        )

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self.begin_ns) / NS
