"""The last hop before the motors: ONE loop in ONE thread.

Each tick: read the robot, choose the source (person over policy over hold), take its goal,
add the correction, pass the SafetyFilter, send, report what was sent. Other threads only put
things in the inbox; everything they send may be late, missing or wrong, and has an answer here.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS, Clock
from hardware.control.interpolation import CommandRamp, PointInterpolator
from hardware.control.scheduler import ChunkScheduler, Verdict
from hardware.control.stamps import StampIndex
from hardware.errors import CommandError
from hardware.robot import Observation, Robot, Torque
from hardware.safety.filter import SafetyFilter, SafetyReport

Vector = NDArray[np.float64]  # (n_joints,)

TELEOP_TIMEOUT_NS = NS // 10  # engaged teleoperation = a command in the last 100 ms
PARK_SPEED = 0.5  # rad/s of the slow move to the rest pose
RELEASE_S = 1.0  # the torque limit is ramped to zero over this time


class Mode(str, Enum):
    """What the arm may do. Only ARMED follows a person or a policy."""

    DISARMED = "disarmed"
    ARMED = "armed"
    STOPPED = "stopped"  # latched: decelerated, holding, until armed again
    PARKING = "parking"
    RELEASING = "releasing"


class Source(str, Enum):
    """Who had control in a tick."""

    HOLD = "hold"
    PERSON = "person"
    POLICY = "policy"
    PARK = "park"


@dataclass
class LoopCounters:
    """What the loop refused or did without, since the start."""

    refused: dict[str, int] = field(default_factory=dict)  # reason -> count
    dry_steps: int = 0
    stale_corrections: int = 0
    observer_errors: int = 0

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(frozen=True)
class TickReport:
    """All that happened in one tick; `planned` is set on the first tick of a step only."""

    stamp_ns: int
    tick: int
    step: int
    mode: Mode
    source: Source
    observation: Observation
    base: Vector | None  # the goal before correction and filter; None: no goal, hold
    correction: Vector | None
    sent: Vector
    safety: SafetyReport
    planned: NDArray[np.float64] | None  # (at most plan_length, n_joints), the running step's point first
    dry: bool


class ControlLoop:
    """Owns the robot while it runs; `tick` is called by `run` or, in lock-step, by an environment."""

    def __init__(
        self,
        robot: Robot,
        clock: Clock,
        safety: SafetyFilter,
        *,
        min_remaining: int = 1,
        plan_length: int = 16,
        observers: Sequence[Callable[[TickReport], None]] = (),
    ) -> None:
        spec = robot.spec
        self.spec = spec
        self.robot = robot
        self.clock = clock
        self.safety = safety
        self.scheduler = ChunkScheduler(spec.n_joints, min_remaining)
        self.counters = LoopCounters()
        self.observers = list(observers)
        self.mode = Mode.DISARMED
        self.source = Source.HOLD
        self.tick_count = 0
        self.epoch = 0  # counts stops, takeovers and re-arms: nothing offered before one runs after it
        self._plan_length = plan_length
        self._period_ns = NS // spec.control_hz
        self._step_ns = NS // spec.action_hz
        self._stamps = StampIndex()
        self._interpolator = PointInterpolator(
            spec.ticks_per_step, spec.action_dt, spec.joint_array("velocity")
        )
        self._interpolating = False
        self._point = np.zeros(spec.n_joints)  # of the running step
        self._rest = spec.joint_array("rest")
        self._names = {name: i for i, name in enumerate(spec.joint_names)}
        self._inbox: deque[Callable[[], None]] = deque()
        self._ramp = CommandRamp(spec.ticks_per_step)
        self._teleop: tuple[int, Vector] | None = None  # (arrival in robot time, goal)
        self._aimed: tuple[int, Vector] | None = None  # the command that the ramp leads to
        self._correction: tuple[int, Vector] | None = None  # (arrival in robot time, delta)
        self._release_until_ns = 0

    # -- what other threads may call ------------------------------------------------------

    def offer_chunk(self, names: Sequence[str], actions: NDArray[np.float64], stamp_ns: int) -> None:
        """A chunk (H, len(names)) keyed by the stamp of the observation that it was built on."""
        points = np.asarray(actions, dtype=np.float64)
        self._inbox.append(lambda: self._take_chunk(names, points, stamp_ns))

    def offer_teleop(self, names: Sequence[str], goal: NDArray[np.float64]) -> None:
        """A person's joint goal; engages teleoperation until 100 ms after the last one."""
        self._inbox.append(lambda: self._take_teleop(names, goal))

    def offer_correction(self, names: Sequence[str], delta: NDArray[np.float64], stamp_ns: int) -> None:
        """A bounded delta for the goals of one step; refused when `stamp_ns` is a step old or more."""
        self._inbox.append(lambda: self._take_correction(names, delta, stamp_ns))

    def arm(self) -> None:
        """Follow goals from now on, starting at the present position."""
        self._request(self._arm)

    def stop(self) -> None:
        """Decelerate within limits, hold, latch."""
        self._request(self._stop)

    def park(self) -> None:
        """Move slowly to the rest pose, then torque off."""
        self._request(self._park)

    def release(self) -> None:
        """Ramp the torque limit to zero over a second."""
        self._request(self._release)

    def reset_world(self, place: Callable[[], None]) -> None:
        """Let `place` put arm and objects elsewhere; only to be called in the loop's thread (`call`).

        The loop holds the new pose: what was planned is forgotten, and an armed arm must be armed again.
        """
        self._new_epoch()
        self._teleop = None
        place()
        self.safety.reset(self.robot.get_observation().state.astype(np.float64))
        self.mode = Mode.DISARMED if self.mode is Mode.DISARMED else Mode.STOPPED

    def call(self, action: Callable[[], None]) -> threading.Event:
        """Run `action` in the loop's thread before the next tick; the event is set when done."""
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._inbox.append(run)
        return done

    def _request(self, action: Callable[[], None]) -> None:
        self._inbox.append(action)

    # -- the loop's own thread ------------------------------------------------------------

    def run(self, should_end: threading.Event) -> None:
        """Tick at control_hz until `should_end` is set."""
        due = self.clock.now_ns()
        while not should_end.is_set():
            self.tick()
            due = max(due + self._period_ns, self.clock.now_ns())
            self.clock.sleep_until(due)

    def tick(self) -> TickReport:
        """One control period: choose, correct, filter, send, report."""
        observation = self.robot.get_observation()
        now = self.clock.now_ns()
        step, phase = divmod(self.tick_count, self.spec.ticks_per_step)
        self._drain(self._inbox)
        base, source, dry = self._choose(now, step, phase)
        correction = self._current_correction(now) if base is not None else None
        wanted = base if correction is None or base is None else base + correction
        sent, safety = self.safety(wanted, observation, self.spec.control_dt)
        self.robot.send_action(sent.astype(np.float32))
        self._stamps.remember(observation.stamp_ns, step)
        planned = self._planned() if phase == 0 else None
        report = TickReport(
            stamp_ns=observation.stamp_ns,
            tick=self.tick_count,
            step=step,
            mode=self.mode,
            source=source,
            observation=observation,
            base=base,
            correction=correction,
            sent=sent,
            safety=safety,
            planned=planned,
            dry=dry,
        )
        self.tick_count += 1
        for observer in self.observers:
            observer(report)
        return report

    @staticmethod
    def _drain(inbox: deque[Callable[[], None]]) -> None:
        for _ in range(len(inbox)):
            inbox.popleft()()

    def _choose(self, now: int, step: int, phase: int) -> tuple[Vector | None, Source, bool]:
        if self.mode is Mode.PARKING:
            return self._park_goal(), self._switch(Source.PARK), False
        if self.mode is Mode.RELEASING:
            self._ramp_release(now)
        if self.mode is not Mode.ARMED:
            self.scheduler.skip(step)
            return None, self._switch(Source.HOLD), False
        if self._teleop is not None and now - self._teleop[0] <= TELEOP_TIMEOUT_NS:
            self.scheduler.skip(step)
            if self.source is not Source.PERSON:
                self._ramp.restart(self.safety.position)
                self._aimed = None
            if self._aimed is not self._teleop:
                self._ramp.aim(self._teleop[1], self.tick_count)
                self._aimed = self._teleop
            return self._ramp.next(), self._switch(Source.PERSON), False
        if self.source is Source.PERSON:
            self._switch(Source.HOLD)
        return self._policy_goal(step, phase)

    def _policy_goal(self, step: int, phase: int) -> tuple[Vector | None, Source, bool]:
        if phase == 0:
            point = self.scheduler.commit(step)
            if point is None:
                dry = self._interpolating
                self.counters.dry_steps += dry
                self._interpolating = False
                return None, self._switch(Source.HOLD), dry
            if not self._interpolating:
                self._interpolator.restart(self.safety.position, self.safety.velocity)
                self._interpolating = True
            self._interpolator.begin(point)
            self._point = point
        if not self._interpolating:
            return None, self._switch(Source.HOLD), False
        return self._interpolator.goal(phase), self._switch(Source.POLICY), False

    def _planned(self) -> NDArray[np.float64]:
        """What will be played if nothing new comes; point i belongs to the running step + i."""
        if not self._interpolating:
            return np.empty((0, self.spec.n_joints))
        return np.vstack([self._point, self.scheduler.plan(self._plan_length - 1)])

    def _switch(self, source: Source) -> Source:
        """Note who has control; a person taking or giving back control ends the policy's plan."""
        if source is not self.source:
            if Source.PERSON in (source, self.source):
                self._new_epoch()
            self.source = source
        return source

    def _new_epoch(self) -> None:
        self.epoch += 1
        self.scheduler.clear()
        self._stamps.clear()
        self._correction = None
        self._interpolating = False

    def _current_correction(self, now: int) -> Vector | None:
        if self._correction is None:
            return None
        arrival, delta = self._correction
        if now - arrival >= self._step_ns:
            self._correction = None
            return None
        return delta

    # -- requests, run in the loop's thread -----------------------------------------------

    def _arm(self) -> None:
        self._new_epoch()
        self._teleop = None
        if self.mode in (Mode.DISARMED, Mode.RELEASING):
            self.safety.reset(self.robot.get_observation().state.astype(np.float64))
            if isinstance(self.robot, Torque):
                self.robot.set_torque_limit(1.0)
                self.robot.torque_on()
        self.mode = Mode.ARMED

    def _stop(self) -> None:
        self._new_epoch()
        if self.mode in (Mode.ARMED, Mode.PARKING):
            self.mode = Mode.STOPPED

    def _park(self) -> None:
        self._new_epoch()
        if self.mode is not Mode.DISARMED:
            self.mode = Mode.PARKING

    def _release(self) -> None:
        self._new_epoch()
        if self.mode is not Mode.DISARMED:
            self.mode = Mode.RELEASING
            self._release_until_ns = self.clock.now_ns() + int(RELEASE_S * NS)

    def _park_goal(self) -> Vector | None:
        position = self.safety.position
        remaining = self._rest - position
        if np.abs(remaining).max() < 1e-3 and np.abs(self.safety.velocity).max() < 1e-3:
            self.mode = Mode.DISARMED
            if isinstance(self.robot, Torque):
                self.robot.torque_off()
            return None
        # The goal runs ahead by what the slow speed covers in 0.1 s; the filter smooths its ends.
        ahead = PARK_SPEED * 0.1
        goal: Vector = position + np.clip(remaining, -ahead, ahead)
        return goal

    def _ramp_release(self, now: int) -> None:
        left = max(0, self._release_until_ns - now) / (RELEASE_S * NS)
        if isinstance(self.robot, Torque):
            self.robot.set_torque_limit(left)
            if left == 0.0:
                self.robot.torque_off()
        if left == 0.0:
            self.mode = Mode.DISARMED

    # -- the inbox, taken in the loop's thread --------------------------------------------

    def _take_chunk(self, names: Sequence[str], actions: NDArray[np.float64], stamp_ns: int) -> None:
        try:
            if self.mode is not Mode.ARMED or self.source is Source.PERSON:
                raise CommandError("chunk: the policy does not have control")
            step = self._stamps.step_of(stamp_ns)
            verdict = self.scheduler.submit(actions[:, self._order(names, "chunk")], step)
            if verdict is Verdict.DROPPED:
                self.counters.refuse("chunk: too late, dropped")
        except (CommandError, IndexError) as error:
            self.counters.refuse(str(error).split(",")[0])

    def _take_teleop(self, names: Sequence[str], goal: NDArray[np.float64]) -> None:
        try:
            self._teleop = (self.clock.now_ns(), self._vector(names, goal, "teleop command"))
        except CommandError as error:
            self.counters.refuse(str(error))

    def _take_correction(self, names: Sequence[str], delta: NDArray[np.float64], stamp_ns: int) -> None:
        now = self.clock.now_ns()
        if now - stamp_ns >= self._step_ns:
            self.counters.stale_corrections += 1
            return
        try:
            # Used for one step from now on: the next one, built a step later, comes as late as this one.
            self._correction = (now, self._vector(names, delta, "correction"))
        except CommandError as error:
            self.counters.refuse(str(error))

    def _vector(self, names: Sequence[str], values: NDArray[np.float64], what: str) -> Vector:
        vector = np.asarray(values, dtype=np.float64)
        if vector.shape != (len(names),):
            raise CommandError(f"{what}: expected {len(names)} values, got shape {vector.shape}")
        ordered: Vector = vector[self._order(names, what)]
        if not np.isfinite(ordered).all():
            raise CommandError(f"{what}: expected finite values, got NaN or infinity")
        return ordered

    def _order(self, names: Sequence[str], what: str) -> list[int]:
        """Indices that bring values named `names` into spec order."""
        if sorted(names) != sorted(self._names):
            raise CommandError(f"{what}: expected joints {_list(self._names)}, got {_list(names)}")
        positions = {name: i for i, name in enumerate(names)}
        return [positions[name] for name in self._names]


def _list(names: Iterable[str]) -> str:
    return " ".join(names)
