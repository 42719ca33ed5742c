"""The last hop before the motors: ONE loop in ONE thread.

Each tick: read the robot, take the leader's goal (person over policy over hold), add the correction,
pass the SafetyFilter, send, report what was sent. Other threads only put things in the inbox. Whatever
goes wrong is raised as a condition, and the answer to it looked up in hardware/safety/failsafes.py.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS, Clock
from hardware.control.commands import Inbox, RefusedError
from hardware.control.grip import Grip
from hardware.control.lead import Lead
from hardware.control.modes import Modes
from hardware.control.report import LoopCounters, Mode, Source, TickReport, Vector
from hardware.control.scheduler import ChunkScheduler
from hardware.errors import HardwareError
from hardware.robot import Observation, Robot
from hardware.safety.conditions import Conditions
from hardware.safety.failsafes import Action, Condition
from hardware.safety.filter import SafetyFilter
from hardware.safety.watch import Stalled, Watch

__all__ = ["ControlLoop", "LoopCounters", "Mode", "Source", "TickReport"]

SUSPENDED_NS = NS  # between two ticks: the process was stopped, or the machine slept
ROBOT_FAULTS = (HardwareError, OSError)  # OSError: a serial port's. Anything else is a bug
OF_FILTER = {"limited": Condition.BEYOND_LIMITS, "workspace": Condition.BEYOND_WORKSPACE}


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
        arming_s: float = 0.0,
        observers: Sequence[Callable[[TickReport], None]] = (),
    ) -> None:
        """`min_remaining`: points that a late chunk must have left; `plan_length`: points of a report.

        `arming_s`: time in which the torque comes up; `ARMING_S` for an arm that is not simulated.
        """
        spec = robot.spec
        self.spec = spec
        self.robot = robot
        self.clock = clock
        self.safety = safety
        self.counters = LoopCounters()
        self.conditions = Conditions()
        self.observers = list(observers)
        self.tick_count = 0
        self.fault = ""  # the last refusal or fault, in words
        self._plan_length = plan_length
        self._period_ns = NS // spec.control_hz
        self._inbox = Inbox(spec.joint_names)
        self._lead = Lead(spec, clock, safety, self.conditions, self.counters, min_remaining)
        self._modes = Modes(robot, safety, clock, self.conditions, arming_s)
        self._watch = Watch(robot)
        self._grip = Grip(spec)
        self._seen: Observation | None = None
        self._last_ns: int | None = None  # when the last tick began
        self._bug: Exception | None = None
        self._exiting = False

    @property
    def mode(self) -> Mode:
        return self._modes.mode

    @property
    def source(self) -> Source:
        return self._lead.source

    @property
    def epoch(self) -> int:
        """Counts stops, takeovers and re-arms: nothing offered before one runs after it."""
        return self._lead.epoch

    @property
    def scheduler(self) -> ChunkScheduler:
        return self._lead.scheduler

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
        self._inbox.offer(
            "chunk",
            names,
            actions,
            2,
            lambda points: self._lead.take_chunk(self.mode, stamp_ns, expected_delay, points),
        )

    def offer_teleop(self, names: Sequence[str], goal: NDArray[np.float64]) -> bool:
        """A person's joint goal; engages teleoperation until 100 ms after the last one.

        False: it is none of this arm's, and refused. So with a correction.
        """
        person, clock = self._lead.person, self.clock
        return self._inbox.offer(
            "teleop command", names, goal, 1, lambda values: person.offer(values, clock.now_ns())
        )

    def offer_correction(self, names: Sequence[str], delta: NDArray[np.float64], stamp_ns: int) -> bool:
        """A bounded delta for the goals of one step; left out when `stamp_ns` is a step old or more."""
        return self._inbox.offer("correction", names, delta, 1, partial(self._lead.take_correction, stamp_ns))

    def refuse(self, refusal: RefusedError) -> None:
        """Count what could not be offered."""
        self._inbox.refuse(refusal)

    def arm(self) -> None:
        """Follow goals from now on, starting at the present position."""
        self._inbox.put(self._arm)

    def stop(self) -> None:
        """Decelerate within limits, hold, latch."""
        self._inbox.put(lambda: self._begin_anew(self._modes.stop))

    def park(self) -> None:
        """Move slowly to the rest pose, then torque off; an arm that cannot get there stops and holds."""
        self._inbox.put(lambda: self._begin_anew(self._modes.park))

    def release(self) -> None:
        """Ramp the torque limit to zero over a second."""
        self._inbox.put(lambda: self._begin_anew(self._modes.release))

    def torque_off(self) -> None:
        """At once: an arm without brakes falls."""
        self._inbox.put(lambda: self._begin_anew(self._modes.torque_off))

    def recover(self) -> None:
        """Clear what servos have latched, of an arm at rest, which then may be armed again."""
        self._inbox.put(self._modes.recover)

    def exit(self) -> None:
        """The process is to end: park, and arm no more."""
        self._inbox.put(self._exit)

    def call(self, action: Callable[[], None]) -> threading.Event:
        """Run `action` in the loop's thread before the next tick; the event is set when done."""
        return self._inbox.call(action)

    # -- the loop's own thread ------------------------------------------------------------

    def reset_world(self, place: Callable[[], None]) -> None:
        """Let `place` put arm and objects elsewhere; only to be called in the loop's thread (`call`).

        The loop holds the new pose: what was planned is forgotten, and an armed arm must be armed again.
        """
        self._lead.new_epoch()
        self._lead.person.clear()
        place()
        self.safety.reset(self.robot.get_observation().state.astype(np.float64))
        self._grip.clear()
        self.conditions.clear()
        self._modes.start_over()

    def run(self, should_end: threading.Event) -> None:
        """Tick at control_hz until `should_end` is set. A tick that is late is not made up for.

        A bug is raised once the arm is parked, or when it shows again.
        """
        due = self.clock.now_ns()
        while not should_end.is_set():
            try:
                self.tick()
            except Exception as error:
                if self._seen is None or self._bug:
                    raise
                self._bug = error
            if self._bug and not self._modes.powered:
                raise self._bug
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
        state = observation.state.astype(np.float64)
        step, phase = divmod(self.tick_count, self.spec.ticks_per_step)
        base, dry = self._choose(now, observation, step, phase)
        base = self._answer(base, state, self._look(observation, now))
        correction = self._lead.correction(now) if base is not None else None
        wanted = base
        if base is None:
            self._modes.park_anew()
        else:
            wanted = base if correction is None else base + correction
            wanted = self._grip.ease(self._lead.ease(wanted), state)
        if not self._modes.powered and np.isfinite(state).all():
            self.safety.reset(state)  # an arm without torque moves by hand
        sent, safety = self.safety(wanted, observation, self.spec.control_dt)
        for reason in safety.reasons:
            if reason in OF_FILTER:
                self.conditions.raise_(OF_FILTER[reason])
        if self._modes.powered:
            self._try(lambda: self.robot.send_action(sent.astype(np.float32)))
        self._lead.remember(observation.stamp_ns, step)
        report = TickReport(
            stamp_ns=observation.stamp_ns,
            tick=self.tick_count,
            step=step,
            epoch=self.epoch,
            mode=self.mode,
            source=self.source,
            observation=observation,
            base=base,
            correction=correction,
            sent=sent,
            safety=safety,
            planned=self._lead.planned(self._plan_length) if phase == 0 else None,
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
            self.conditions.raise_(Condition.OBSERVER_RAISED, str(error))

    def _observe(self) -> Observation:
        try:
            self._seen = self.robot.get_observation()
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)
            if self._seen is None:
                raise
        return self._seen

    def _choose(self, now: int, seen: Observation, step: int, phase: int) -> tuple[Vector | None, bool]:
        """The goal of this tick, and whether the policy's plan ran out just now."""
        self._try(lambda: self._modes.ramp(now))
        if self.mode is Mode.ARMED:
            return self._lead.follow(now, self.tick_count, step, phase)
        goals: list[Vector | None] = [None]
        self._try(lambda: goals.append(self._modes.goal(now, seen)))
        self._lead.stand_by(step, parks=self._modes.parking and goals[-1] is not None)
        return goals[-1], False

    # -- what is wrong, and the answer to it ----------------------------------------------

    def _look(self, observation: Observation, now: int) -> Stalled:
        """Raise every condition that can be seen now."""
        if self._last_ns is not None and now - self._last_ns > SUSPENDED_NS:
            self.conditions.raise_(Condition.LOOP_SUSPENDED, f"for {(now - self._last_ns) / NS:.1f} s")
        self._last_ns = now
        if self._bug:
            self.conditions.raise_(Condition.LOOP_RAISED, f"{type(self._bug).__name__}: {self._bug}")
        if self._exiting:
            self.conditions.raise_(Condition.EXIT)
        return self._watch.look(observation, self.safety.position, now, self._modes.powered, self.conditions)

    def _answer(self, base: Vector | None, state: Vector, stalled: Stalled) -> Vector | None:
        """Do what the table says to all that was raised; the goal that is left."""
        decision = self.conditions.settle()
        self.counters.stale_observations += Condition.READING_OLD in self.conditions.active
        if decision.reason and decision.begun >= decision.lasting:  # nothing worse is there
            self.fault = decision.reason
        if decision.begun is Action.STOP:
            self._begin_anew(lambda: self._modes.stop(stalled.grippers | stalled.others))
        elif decision.begun is Action.PARK:
            self._begin_anew(self._modes.park)
        elif decision.begun is Action.TORQUE_OFF:
            self._try(lambda: self._begin_anew(self._modes.torque_off))
        self._grip.hold(stalled.grippers, state, self.safety.position)
        return None if decision.holds else base

    def _try(self, what: Callable[[], object]) -> None:
        try:
            what()
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)

    def _on_robot_fault(self, error: Exception) -> None:
        self.counters.robot_errors += 1
        self.conditions.raise_(Condition.ROBOT_ERROR, str(error))

    # -- requests, run in the loop's thread -----------------------------------------------

    def _run_action(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RefusedError as refusal:  # a HardwareError too, so it goes first
            self.counters.refuse(refusal.reason)
            self.fault = str(refusal)
            self.conditions.raise_(Condition.COMMAND_REFUSED, refusal.reason)
        except ROBOT_FAULTS as error:
            self._on_robot_fault(error)
        except Exception as error:  # of a function somebody had called here; the loop goes on
            self.counters.refuse("call: raised")
            self.fault = f"call: {type(error).__name__}: {error}"

    def _begin_anew(self, verb: Callable[[], None]) -> None:
        self._lead.new_epoch()
        verb()

    def _arm(self) -> None:
        self._lead.new_epoch()
        self._lead.person.clear()
        self._grip.clear()
        self._modes.arm()

    def _exit(self) -> None:
        self._exiting = True
