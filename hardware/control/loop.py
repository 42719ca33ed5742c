"""The last hop before the motors: ONE loop in ONE thread.

Each tick: read the robot, choose the source (person over policy over hold), take its goal,
add the correction, pass the SafetyFilter, send, report what was sent. Other threads only put
things in the inbox; everything they send may be late, missing or wrong, and has an answer here:

    command with wrong names, shape or a NaN    refused, counted; the arm goes on as it was
    chunk keyed before a stop, takeover, re-arm refused, counted
    late chunk                                  enters where the arm is, or is dropped, counted
    no point for a step                         decelerate and hold until there is one, counted
    correction a step old                       left out, counted
    observation that is old or not finite       decelerate and hold while it lasts, counted
    robot that cannot be read or sent to        stop (latched), tried again every tick, counted
    arm that does not follow while it parks     stop (latched) where it is
    observer that raises                        counted
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS, Clock
from hardware.control.commands import Inbox, RefusedError
from hardware.control.report import LoopCounters, Mode, Source, TickReport, Vector
from hardware.control.scheduler import Verdict
from hardware.control.sources import Correction, PersonSource, PolicySource
from hardware.control.stamps import StampIndex
from hardware.control.winding_down import Parking, Releasing
from hardware.errors import HardwareError
from hardware.robot import Observation, Robot, Torque
from hardware.safety.filter import SafetyFilter

__all__ = ["ControlLoop", "LoopCounters", "Mode", "Source", "TickReport"]

STALE_PERIODS = 5  # an observation older than this many control periods is not acted on
ROBOT_FAULTS = (HardwareError, OSError)  # OSError: a serial port's. Anything else is a bug and ends the loop


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
        """`min_remaining`: points that a late chunk must have left; `plan_length`: points of a report."""
        spec = robot.spec
        self.spec = spec
        self.robot = robot
        self.clock = clock
        self.safety = safety
        self.counters = LoopCounters()
        self.observers = list(observers)
        self.mode = Mode.DISARMED
        self.source = Source.HOLD
        self.tick_count = 0
        self.epoch = 0  # counts stops, takeovers and re-arms: nothing offered before one runs after it
        self.fault = ""  # the last refusal or fault, in words
        self._plan_length = plan_length
        self._period_ns = NS // spec.control_hz
        self._stamps = StampIndex()
        self._inbox = Inbox(spec.joint_names)
        self._policy = PolicySource(spec, min_remaining)
        self.scheduler = self._policy.scheduler
        self._person = PersonSource(spec)
        self._parking: Parking | None = None
        self._releasing: Releasing | None = None
        self._correction = Correction(spec)
        self._epoch_ns = 0  # robot time at which the epoch began
        self._seen: Observation | None = None

    # -- what other threads may call ------------------------------------------------------

    def offer_chunk(
        self,
        names: Sequence[str],
        actions: NDArray[np.float64],
        stamp_ns: int,
        expected_delay: int | None = None,
    ) -> None:
        """A chunk (H, len(names)) keyed by the stamp of the observation that it was built on.

        It is counted as late when it enters more than `expected_delay` steps after its first point.
        """
        take = partial(self._take_chunk, stamp_ns, expected_delay)
        self._inbox.offer("chunk", names, actions, 2, take)

    def offer_teleop(self, names: Sequence[str], goal: NDArray[np.float64]) -> bool:
        """A person's joint goal; engages teleoperation until 100 ms after the last one.

        False: it is none of this arm's, and refused. So with a correction.
        """
        return self._inbox.offer(
            "teleop command", names, goal, 1, lambda values: self._person.offer(values, self.clock.now_ns())
        )

    def offer_correction(self, names: Sequence[str], delta: NDArray[np.float64], stamp_ns: int) -> bool:
        """A bounded delta for the goals of one step; left out when `stamp_ns` is a step old or more."""
        return self._inbox.offer("correction", names, delta, 1, partial(self._take_correction, stamp_ns))

    def refuse(self, refusal: RefusedError) -> None:
        """Count what could not be offered."""
        self._inbox.refuse(refusal)

    def arm(self) -> None:
        """Follow goals from now on, starting at the present position."""
        self._inbox.put(self._arm)

    def stop(self) -> None:
        """Decelerate within limits, hold, latch."""
        self._inbox.put(self._stop)

    def park(self) -> None:
        """Move slowly to the rest pose, then torque off; an arm that cannot get there stops and holds."""
        self._inbox.put(self._park)

    def release(self) -> None:
        """Ramp the torque limit to zero over a second."""
        self._inbox.put(self._release)

    def call(self, action: Callable[[], None]) -> threading.Event:
        """Run `action` in the loop's thread before the next tick; the event is set when done."""
        return self._inbox.call(action)

    # -- the loop's own thread ------------------------------------------------------------

    def reset_world(self, place: Callable[[], None]) -> None:
        """Let `place` put arm and objects elsewhere; only to be called in the loop's thread (`call`).

        The loop holds the new pose: what was planned is forgotten, and an armed arm must be armed again.
        """
        self._new_epoch()
        self._person.clear()
        place()
        self.safety.reset(self.robot.get_observation().state.astype(np.float64))
        self._set_mode(Mode.DISARMED if self.mode is Mode.DISARMED else Mode.STOPPED)

    def run(self, should_end: threading.Event) -> None:
        """Tick at control_hz until `should_end` is set. A tick that is late is not made up for."""
        due = self.clock.now_ns()
        while not should_end.is_set():
            self.tick()
            due += self._period_ns
            now = self.clock.now_ns()
            if now > due:
                self.counters.overruns += 1
                due = now
            self.clock.sleep_until(due)

    def tick(self) -> TickReport:
        """One control period: choose, correct, filter, send, report."""
        observation = self._observe()
        now = self.clock.now_ns()
        for action in self._inbox.take():
            self._run_action(action)
        step, phase = divmod(self.tick_count, self.spec.ticks_per_step)
        base, source, dry = self._choose(now, observation, step, phase)
        if now - observation.oldest_ns > STALE_PERIODS * self._period_ns:
            self.counters.stale_observations += 1
            base = None
        if self._parking and (base is None or not np.isfinite(observation.state).all()):
            self._parking = Parking(self.robot, self.safety.position)  # anew from where the arm is held
        correction = self._correction.current(now) if base is not None else None
        wanted = base if correction is None or base is None else base + correction
        if self.mode is Mode.DISARMED and np.isfinite(observation.state).all():
            self.safety.reset(observation.state.astype(np.float64))  # an arm without torque moves by hand
        sent, safety = self.safety(wanted, observation, self.spec.control_dt)
        if self.mode is not Mode.DISARMED:
            self._send(sent)
        self._stamps.remember(observation.stamp_ns, step)
        report = TickReport(
            stamp_ns=observation.stamp_ns,
            tick=self.tick_count,
            step=step,
            epoch=self.epoch,
            mode=self.mode,
            source=source,
            observation=observation,
            base=base,
            correction=correction,
            sent=sent,
            safety=safety,
            planned=self._policy.planned(self._plan_length) if phase == 0 else None,
            dry=dry,
        )
        self.tick_count += 1
        for observer in self.observers:
            self._tell(observer, report)
        return report

    def _tell(self, observer: Callable[[TickReport], None], report: TickReport) -> None:
        try:
            observer(report)
        except Exception as error:  # whoever watches must not be able to stop the arm
            self.counters.observer_errors += 1
            self.fault = f"observer: {type(error).__name__}: {error}"

    def _observe(self) -> Observation:
        try:
            self._seen = self.robot.get_observation()
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)
            if self._seen is None:
                raise
        return self._seen

    def _send(self, sent: Vector) -> None:
        try:
            self.robot.send_action(sent.astype(np.float32))
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)

    def _run_action(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RefusedError as refusal:
            self.counters.refuse(refusal.reason)
            self.fault = str(refusal)
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)
        except Exception as error:  # of a function somebody had called here; the loop goes on
            self.counters.refuse("call: raised")
            self.fault = f"call: {type(error).__name__}: {error}"

    def _on_robot_fault(self, error: Exception) -> None:
        self.counters.robot_errors += 1
        self.fault = f"robot: {error}"
        self._stop()

    def _choose(
        self, now: int, seen: Observation, step: int, phase: int
    ) -> tuple[Vector | None, Source, bool]:
        """The goal of this tick, whose it is, and whether the policy's plan ran out just now."""
        if self.mode is not Mode.ARMED:
            self.scheduler.skip(step)
            try:
                goal = self._winding_down_goal(now, seen)
            except ROBOT_FAULTS as error:
                goal = None
                self._on_robot_fault(error)
            return goal, self._switch(Source.HOLD if goal is None else Source.PARK), False
        if self._person.engaged(now):
            self.scheduler.skip(step)
            if self.source is not Source.PERSON:
                self._person.take_over(self.safety.position)
            self._switch(Source.PERSON)
            return self._person.goal(self.tick_count), Source.PERSON, False
        if self.source is Source.PERSON:
            self._switch(Source.HOLD)
        dry = False
        if phase == 0:
            dry = self._policy.begin_step(step, self.safety.position, self.safety.velocity)
            self.counters.dry_steps += dry
        goal = self._policy.goal(phase)
        return goal, self._switch(Source.HOLD if goal is None else Source.POLICY), dry

    def _winding_down_goal(self, now: int, seen: Observation) -> Vector | None:
        """One tick of parking or releasing, and the end of either; None: hold."""
        if self._parking:
            state = seen.state.astype(np.float64)
            goal = self._parking.goal(self.safety.position, self.safety.velocity, state, now)
            if goal is None and self._parking.blocked:
                self.fault = f"park: {self._parking.blocked}"
                self._stop()
            elif goal is None:
                self._set_mode(Mode.DISARMED)
            return goal
        if self._releasing and self._releasing.step(now):
            self._set_mode(Mode.DISARMED)
        return None

    def _switch(self, source: Source) -> Source:
        """Note who has control; a person taking or giving back control ends the policy's plan."""
        if source is not self.source:
            if Source.PERSON in (source, self.source):
                self._new_epoch()
            self.source = source
        return source

    def _set_mode(self, mode: Mode) -> None:
        self.mode = mode
        self._parking = Parking(self.robot, self.safety.position) if mode is Mode.PARKING else None
        self._releasing = Releasing(self.robot, self.clock.now_ns()) if mode is Mode.RELEASING else None

    def _new_epoch(self) -> None:
        self.epoch += 1
        self._epoch_ns = self.clock.now_ns()
        self._policy.clear()
        self._stamps.clear()
        self._correction.clear()

    # -- requests, run in the loop's thread -----------------------------------------------

    def _arm(self) -> None:
        self._new_epoch()
        self._person.clear()
        if self.mode in (Mode.DISARMED, Mode.RELEASING):
            state = self.robot.get_observation().state.astype(np.float64)
            if not np.isfinite(state).all():
                raise RefusedError("arm: not finite", f"the robot's joint positions are {state}")
            self.safety.reset(state)
            if isinstance(self.robot, Torque):
                self.robot.set_torque_limit(1.0)
                self.robot.torque_on()
        self._set_mode(Mode.ARMED)

    def _stop(self) -> None:
        self._new_epoch()
        if self.mode in (Mode.ARMED, Mode.PARKING):
            self._set_mode(Mode.STOPPED)

    def _park(self) -> None:
        self._new_epoch()
        if self.mode is not Mode.DISARMED:
            self._set_mode(Mode.PARKING)

    def _release(self) -> None:
        self._new_epoch()
        if self.mode is not Mode.DISARMED:
            self._set_mode(Mode.RELEASING)

    # -- the inbox, taken in the loop's thread --------------------------------------------

    def _take_chunk(self, stamp_ns: int, expected_delay: int | None, actions: NDArray[np.float64]) -> None:
        if self.mode is not Mode.ARMED or self.source is Source.PERSON:
            raise RefusedError("chunk: no control", f"mode {self.mode.value}, source {self.source.value}")
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

    def _take_correction(self, stamp_ns: int, delta: Vector) -> None:
        fresh = stamp_ns >= self._epoch_ns and self._correction.offer(delta, stamp_ns, self.clock.now_ns())
        self.counters.stale_corrections += not fresh
