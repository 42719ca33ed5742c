"""Where goals come from: a policy's chunks, or a person; and what is added to them."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.control.interpolation import CommandRamp, CommandSmoother, PointInterpolator
from hardware.control.scheduler import ChunkScheduler
from hardware.spec import RobotSpec

Vector = NDArray[np.float64]  # (n_joints,)

TELEOP_TIMEOUT_NS = NS // 10  # engaged teleoperation = a command in the last 100 ms


class PolicySource:
    """Plays the scheduler's points, one a step, interpolated to ticks."""

    def __init__(self, spec: RobotSpec, min_remaining: int) -> None:
        self.scheduler = ChunkScheduler(spec.n_joints, min_remaining)
        self.playing = False
        self._interpolator = PointInterpolator(
            spec.ticks_per_step, spec.action_dt, spec.joint_array("velocity")
        )
        self._point = np.zeros(spec.n_joints)  # of the running step

    def clear(self) -> None:
        """Forget every point, the running one too."""
        self.scheduler.clear()
        self.playing = False

    def begin_step(self, step: int, position: Vector, velocity: Vector) -> bool:
        """Take the point of `step`, coming from the sent `position` and `velocity`.

        Returns whether the plan ran out just now.
        """
        point = self.scheduler.commit(step)
        if point is None:
            ran_out, self.playing = self.playing, False
            return ran_out
        if not self.playing:
            self._interpolator.restart(position, velocity)
            self.playing = True
        self._interpolator.begin(point)
        self._point = point
        return False

    def goal(self, phase: int) -> Vector | None:
        """The goal (n_joints,) of tick `phase` of the running step; None: there is no point for it."""
        return self._interpolator.goal(phase) if self.playing else None

    @property
    def target(self) -> Vector:
        """Where it wants the arm at the end of the running step (n_joints,)."""
        return self._point

    def planned(self, length: int) -> NDArray[np.float64]:
        """What will be played if nothing new comes; point i belongs to the running step + i."""
        if not self.playing:
            return np.empty((0, len(self._point)))
        return np.vstack([self._point, self.scheduler.plan(length - 1)])


class PersonSource:
    """Follows the last command while it is young; a device's every tick are smoothed."""

    def __init__(self, spec: RobotSpec) -> None:
        self._ramp = CommandRamp(spec.ticks_per_step)
        self._smoother = CommandSmoother()
        self._smooth = False
        self._goal = np.zeros(spec.n_joints)
        self._last = np.zeros(spec.n_joints)  # the goal of the tick before
        self._arrival_ns: int | None = None
        self._is_new = False

    def clear(self) -> None:
        """Let go."""
        self._arrival_ns = None

    def offer(self, goal: Vector, now_ns: int) -> None:
        self._goal, self._arrival_ns, self._is_new = goal, now_ns, True

    def engaged(self, now_ns: int) -> bool:
        return self._arrival_ns is not None and now_ns - self._arrival_ns <= TELEOP_TIMEOUT_NS

    def take_over(self, position: Vector) -> None:
        """The person gets control of an arm that was last sent to `position` (n_joints,)."""
        self._ramp.restart(position)
        self._smooth = False
        self._last = position
        self._is_new = True

    @property
    def target(self) -> Vector:
        """Where the person wants the arm (n_joints,)."""
        return self._goal

    def goal(self, tick: int) -> Vector:
        """The goal (n_joints,) of `tick`, one call a tick."""
        if self._is_new:
            self._ramp.aim(self._goal, tick)
            self._is_new = False
            if self._ramp.is_of_a_device and not self._smooth:
                self._smooth = True
                self._smoother.restart(self._last)
        goal = self._ramp.next()
        self._last = self._smoother.next(goal) if self._smooth else goal
        return self._last


class Correction:
    """A delta for the goals of one action step from when it came."""

    def __init__(self, spec: RobotSpec) -> None:
        self._step_ns = NS // spec.action_hz
        self._delta: Vector | None = None
        self._arrival_ns = 0

    def clear(self) -> None:
        self._delta = None

    def offer(self, delta: Vector, stamp_ns: int, now_ns: int) -> bool:
        """Take a delta (n_joints,) built on the observation of `stamp_ns`, unless that is a step old.

        It lasts a step from now on: the next one, built a step later, comes as late as this one.
        """
        if now_ns - stamp_ns >= self._step_ns:
            return False
        self._delta, self._arrival_ns = delta, now_ns
        return True

    def current(self, now_ns: int) -> Vector | None:
        """The delta (n_joints,) to add now."""
        if now_ns - self._arrival_ns >= self._step_ns:
            self._delta = None
        return self._delta
