"""A policy beside a running robot: a thread that asks it whenever a chunk is due. No ROS."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hardware.control.clock import NS
from policies.contracts import Array, Context, Policy, Prefix
from policies.runtime.latency import Samples
from policies.runtime.observations import Missing, ObservationBuffer, Window
from policies.runtime.requester import ChunkRequester, Plan, Request

WARM_UP_CALLS = 3  # the first calls of a network take many times as long as the later ones


@dataclass(frozen=True)
class ChunkSample:
    """One published chunk. latency_ms: plan's arrival to publication; inference_ms: the policy alone."""

    stamp_ns: int
    latency_ms: float
    inference_ms: float


class PolicyRunner:
    """Owns the asking thread. The `on_` methods are called from the thread that receives.

    publish(stamp_ns, chunk (H, A) float32) is called from the asking thread, never after `stop`
    has returned, and never with a chunk that was asked for in an epoch that has ended.
    wait_s: longest wall time to wait for a frame that was due when the request was made.
    """

    def __init__(
        self,
        policy: Policy,
        buffer: ObservationBuffer,
        execution_horizon: int,
        publish: Callable[[int, Array], None],
        *,
        knobs: Mapping[str, float] | None = None,
        frame_period_ns: int = NS // 30,
        wait_s: float = 0.015,
    ) -> None:
        self.policy = policy
        self.buffer = buffer
        self.requester = ChunkRequester(round(NS / policy.spec.action_hz), execution_horizon)
        self.task = ""
        self.discarded = 0  # chunks finished after their epoch, or after the arm was taken away
        self.errors = 0
        self.trouble = ""  # why the last request gave no chunk
        self.latency = Samples()
        self.inference = Samples()
        self.delays = Samples()
        self._publish = publish
        self._knobs = dict(knobs or {})
        self._frame_period_ns = frame_period_ns
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = True
        self.allowed = False
        self._epoch: object = None
        self._policy_epoch: object = None
        self._plan_arrived = 0.0
        self._chunks: list[ChunkSample] = []
        self._counted: list[tuple[int, int]] = []

    def warm_up(self) -> None:
        """Ask a few times for nothing, so that the first real request takes no longer than the others."""
        spec = self.policy.spec
        context = Context(
            state=np.zeros((spec.n_obs_steps, len(spec.state_names)), np.float32),
            images={
                c.name: np.zeros((spec.n_obs_steps, c.height, c.width, 3), np.uint8) for c in spec.cameras
            },
            knobs=self._knobs,
        )
        for _ in range(WARM_UP_CALLS):
            self.policy.predict_chunk(context)
        self.policy.reset()

    def start(self) -> None:
        """Begin to ask."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when the request in flight, if any, is over."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def on_control(self, epoch: object, may_act: bool, since_ns: int) -> None:
        """Who has control since `since_ns`; a new epoch makes every request before it void."""
        with self._changed:
            if epoch != self._epoch:
                self._epoch = epoch
                self.requester.restart(since_ns)
                self.buffer.begin(since_ns)
            self.allowed = may_act
            self._changed.notify_all()

    def on_plan(self, plan: Plan) -> None:
        """The robot's plan at the beginning of a step."""
        with self._changed:
            counted = self.requester.on_plan(plan)
            if counted is not None:
                self.delays.add(counted[1])
                self._counted.append(counted)
            self._plan_arrived = time.perf_counter()
            self._changed.notify_all()

    def take_samples(self) -> tuple[list[ChunkSample], list[tuple[int, int]]]:
        """Chunks, and (stamp_ns, counted delay in steps), since the last call."""
        with self._changed:
            taken = self._chunks, self._counted
            self._chunks, self._counted = [], []
            return taken

    # -- the asking thread --------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._due() is not None)
                request = self._due()
                if self._ended or request is None:
                    return
                self.requester.begin(request)
                epoch, begun = self._epoch, self._plan_arrived
            chunk, inference_s = self._ask(request, epoch)
            with self._changed:
                self._finish(request, epoch, chunk, begun, inference_s)

    def _due(self) -> Request | None:
        return self.requester.due() if self.allowed else None

    def _ask(self, request: Request, epoch: object) -> tuple[Array | None, float]:
        """The chunk and the seconds that inference took; None for the chunk says why in `trouble`."""
        spec = self.policy.spec
        self.buffer.wait(request.stamp_ns, self._frame_period_ns, self._wait_s)
        begun = time.perf_counter()
        try:
            window = self.buffer.window(request.stamp_ns, spec.n_obs_steps, round(NS / spec.action_hz))
            if isinstance(window, Missing):
                self.trouble = str(window)
                return None, 0.0
            if epoch != self._policy_epoch:
                self.policy.reset()
                self._policy_epoch = epoch
            begun = time.perf_counter()
            chunk = self.policy.predict_chunk(self._context(window, request))
            if not np.isfinite(chunk).all():
                raise ValueError("the policy's chunk is not finite")
        except Exception as error:  # the robot goes on without this chunk; diagnostics say why
            self.errors += 1
            self.trouble = f"{type(error).__name__}: {error}"
            return None, 0.0
        self.trouble = ""
        return chunk, time.perf_counter() - begun

    def _context(self, window: Window, request: Request) -> Context:
        length = self.policy.spec.chunk_size
        prefix = None
        if len(request.committed):
            prefix = Prefix(
                actions=request.committed[:length].astype(np.float32),
                inference_delay=request.inference_delay,
                execution_horizon=self.requester.execution_horizon,
            )
        return Context(
            state=window.state, images=window.images, task=self.task, knobs=self._knobs, prefix=prefix
        )

    def _finish(
        self, request: Request, epoch: object, chunk: Array | None, begun: float, inference_s: float
    ) -> None:
        if chunk is not None and (self._ended or not self.allowed or epoch != self._epoch):
            self.discarded += 1
            chunk = None
        self.requester.end(chunk)
        if chunk is None:
            return
        self._publish(request.stamp_ns, chunk)
        latency_ms, inference_ms = (time.perf_counter() - begun) * 1e3, inference_s * 1e3
        self.latency.add(latency_ms)
        self.inference.add(inference_ms)
        self._chunks.append(ChunkSample(request.stamp_ns, latency_ms, inference_ms))
