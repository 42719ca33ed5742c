"""Who leads an armed arm, and where to: a person over a policy over nobody."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import Clock
from hardware.control.commands import RefusedError
from hardware.control.report import LoopCounters, Mode, Source, Vector
from hardware.control.scheduler import ChunkScheduler, Verdict
from hardware.control.soft_start import SoftStart
from hardware.control.sources import Correction, PersonSource, PolicySource
from hardware.control.stamps import StampIndex
from hardware.safety.conditions import Conditions
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter
from hardware.spec import RobotSpec


class Lead:
    """The sources, and what ends with an epoch: plans, stamps, corrections. All in the loop's thread."""

    def __init__(
        self,
        spec: RobotSpec,
        clock: Clock,
        safety: SafetyFilter,
        conditions: Conditions,
        counters: LoopCounters,
        min_remaining: int,
    ) -> None:
        """`min_remaining`: points that a late chunk must have left."""
        self.source = Source.HOLD
        self.epoch = 0  # counts stops, takeovers and re-arms: nothing offered before one runs after it
        self.person = PersonSource(spec)
        self._clock = clock
        self._safety = safety
        self._conditions = conditions
        self._counters = counters
        self._policy = PolicySource(spec, min_remaining)
        self._correction = Correction(spec)
        self._stamps = StampIndex()
        self._soft_start = SoftStart(spec.control_dt)
        self._epoch_ns = 0  # robot time at which the epoch began

    @property
    def scheduler(self) -> ChunkScheduler:
        return self._policy.scheduler

    def new_epoch(self) -> None:
        """Forget what was planned and what it was planned on."""
        self.epoch += 1
        self._epoch_ns = self._clock.now_ns()
        self._policy.clear()
        self._stamps.clear()
        self._correction.clear()

    def remember(self, stamp_ns: int, step: int) -> None:
        """The observation of `stamp_ns` belongs to `step`: a chunk may be keyed by it."""
        self._stamps.remember(stamp_ns, step)

    def planned(self, length: int) -> NDArray[np.float64]:
        """What will be played if nothing new comes (at most length, n_joints)."""
        return self._policy.planned(length)

    # -- each tick ------------------------------------------------------------------------------

    def follow(self, now_ns: int, tick: int, step: int, phase: int) -> tuple[Vector | None, bool]:
        """The goal (n_joints,) of an armed arm, and whether the policy's plan ran out just now."""
        if self.person.engaged(now_ns):
            self.scheduler.skip(step)
            if self.source is not Source.PERSON:
                self.person.take_over(self._safety.position)
            self._switch(Source.PERSON)
            return self.person.goal(tick), False
        if self.source is Source.PERSON:
            self._switch(Source.HOLD)
        dry = False
        if phase == 0:
            dry = self._policy.begin_step(step, self._safety.position, self._safety.velocity)
            self._counters.dry_steps += dry
        goal = self._policy.goal(phase)
        if goal is None:
            self._conditions.raise_(Condition.NO_GOAL)
        self._switch(Source.HOLD if goal is None else Source.POLICY)
        return goal, dry

    def stand_by(self, step: int, parks: bool) -> None:
        """Nobody leads in this tick."""
        self.scheduler.skip(step)
        self._switch(Source.PARK if parks else Source.HOLD)

    def correction(self, now_ns: int) -> Vector | None:
        """What is to be added to the goal now (n_joints,)."""
        return self._correction.current(now_ns)

    def ease(self, goal: Vector) -> Vector:
        """Whoever has just taken the lead is followed slowly at first; (n_joints,)."""
        if self.source not in (Source.PERSON, Source.POLICY):
            return goal
        target = self.person.target if self.source is Source.PERSON else self._policy.target
        return self._soft_start.ease(goal, target, self._safety.position)

    def _switch(self, source: Source) -> None:
        """Note who has control; a person taking or giving back control ends the policy's plan."""
        if source is self.source:
            return
        if Source.PERSON in (source, self.source):
            self.new_epoch()
        self.source = source
        self._soft_start.begin()

    # -- what is offered ------------------------------------------------------------------------

    def take_chunk(self, mode: Mode, stamp_ns: int, expected_delay: int | None, actions: Vector) -> None:
        """Points (H, n_joints) keyed by an observation's stamp; `RefusedError` says what is wrong with it."""
        if mode is not Mode.ARMED or self.source is Source.PERSON:
            raise RefusedError("chunk: no control", f"mode {mode.value}, source {self.source.value}")
        step = self._stamps.step_of(stamp_ns)
        if step is None:
            raise RefusedError(
                "chunk: unknown stamp",
                f"{stamp_ns} is older than {self._stamps.keep_s:g} s, of no observation, "
                "or from before the last stop, takeover or re-arm",
            )
        if self.scheduler.submit(actions, step, expected_delay) is Verdict.DROPPED:
            raise RefusedError(
                "chunk: too late", f"its {len(actions)} points were to be sent from step {step} on"
            )

    def take_correction(self, stamp_ns: int, delta: Vector) -> None:
        """A delta (n_joints,) for one step."""
        now_ns = self._clock.now_ns()
        fresh = stamp_ns >= self._epoch_ns and self._correction.offer(delta, stamp_ns, now_ns)
        self._counters.stale_corrections += not fresh
