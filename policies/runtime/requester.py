"""When to ask a policy for a chunk, and how many action steps late each chunk came to be played."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (m, A)

DELAY_MEMORY = 10  # chunks; an estimate must forget, or one hiccup would slow the arm for ever
ACKNOWLEDGE_STEPS = 2  # a chunk that no plan shows after this many steps was refused


@dataclass(frozen=True)
class Plan:
    """What the robot says it will play: point i is to be sent at step(stamp) + i."""

    stamp_ns: int
    points: Points


@dataclass(frozen=True)
class Request:
    """Ask for a chunk on the observation of `stamp_ns`, which is its key.

    committed: (m, A) what the robot will play from that step on if nothing new comes.
    inference_delay: steps until the chunk is expected to begin, the largest of the last ten.
    """

    stamp_ns: int
    committed: Points
    inference_delay: int


@dataclass
class RequestCounters:
    """What became of the requests since the start."""

    requested: int = 0
    published: int = 0
    played: int = 0  # a later plan showed the chunk
    unplayed: int = 0  # none did: refused, dropped or superseded
    skipped: int = 0  # they gave no chunk: an observation was missing, the policy failed, the epoch ended


@dataclass
class _Published:
    stamp_ns: int
    chunk: Points
    at_step_ns: int  # stamp of the last plan seen when the chunk went out


@dataclass
class ChunkRequester:
    """One request at a time, a new one once `execution_horizon` steps have passed since the last.

    A request that came to nothing (skipped or not played) is made again on the next step.
    Fed with every plan of the robot; the delay of a chunk is counted from its key to the first
    plan that shows it, in action steps, on the robot's own stamps.
    """

    step_ns: int
    execution_horizon: int
    counters: RequestCounters = field(default_factory=RequestCounters)
    last_published_ns: int | None = None  # key of the last chunk of this epoch
    _since_ns: int = 0
    _plan: Plan | None = None
    _last_key_ns: int | None = None
    _pause_steps: int = 1  # from the last key to the next request
    _in_flight: bool = False
    _published: _Published | None = None
    _delays: deque[int] = field(default_factory=lambda: deque(maxlen=DELAY_MEMORY))

    def __post_init__(self) -> None:
        if self.execution_horizon < 1:
            raise ValueError(f"execution_horizon: expected at least 1, got {self.execution_horizon}")

    @property
    def inference_delay(self) -> int:
        """The delay to expect: the largest of the last ten counted, 1 before the first."""
        return max(self._delays, default=1)

    def restart(self, since_ns: int = 0) -> None:
        """A new epoch began at `since_ns` (arm, stop, takeover): nothing asked before is of use now."""
        self._plan = self._last_key_ns = self._published = self.last_published_ns = None
        self._since_ns = since_ns

    def on_plan(self, plan: Plan) -> tuple[int, int] | None:
        """Take the robot's plan. When it is the first to show the last chunk: its key and its delay."""
        if plan.stamp_ns < self._since_ns:
            return None
        self._plan = plan
        if self._published is None:
            return None
        key = self._published.stamp_ns
        delay = self._steps(key, plan.stamp_ns)
        if _shows(plan, self._published.chunk, delay):
            self._published = None
            self._delays.append(delay)
            self.counters.played += 1
            return key, delay
        if self._steps(self._published.at_step_ns, plan.stamp_ns) >= ACKNOWLEDGE_STEPS:
            self._published = None
            self._pause_steps = 1
            self.counters.unplayed += 1
        return None

    def due(self) -> Request | None:
        """The request to make now, on the latest plan's stamp; None when none is due."""
        plan = self._plan
        if plan is None or self._in_flight or self._published is not None:
            return None
        if self._last_key_ns is not None:
            passed = self._steps(self._last_key_ns, plan.stamp_ns)
            if passed < 1 or (passed < self._pause_steps and len(plan.points)):
                return None
        return Request(plan.stamp_ns, plan.points, self.inference_delay)

    def begin(self, request: Request) -> None:
        """The request is being worked on."""
        self._in_flight = True
        self._last_key_ns = request.stamp_ns
        self._pause_steps = self.execution_horizon
        self.counters.requested += 1

    def end(self, chunk: NDArray[np.floating[Any]] | None) -> None:
        """The chunk (H, A) of the request was published; None: there was none, so ask again soon."""
        self._in_flight = False
        if chunk is None:
            self._pause_steps = 1
            self.counters.skipped += 1
        elif self._plan is not None and self._last_key_ns is not None:
            self.counters.published += 1
            self.last_published_ns = self._last_key_ns
            self._published = _Published(
                self._last_key_ns, np.asarray(chunk, dtype=np.float64), self._plan.stamp_ns
            )

    def _steps(self, since_ns: int, until_ns: int) -> int:
        return round((until_ns - since_ns) / self.step_ns)


def _shows(plan: Plan, chunk: Points, steps: int) -> bool:
    """Whether `plan`, made `steps` after the chunk's key, is the rest of `chunk`."""
    rest = chunk[max(0, steps) :]
    length = min(len(rest), len(plan.points))
    return length > 0 and np.array_equal(rest[:length], plan.points[:length])
