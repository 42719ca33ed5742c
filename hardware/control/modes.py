"""The mode of an arm, the words that change it, and where it goes while nobody leads it."""

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import Clock
from hardware.control.commands import RefusedError
from hardware.control.report import Mode
from hardware.control.torque_ramp import TorqueRamp
from hardware.control.winding_down import Parking, Releasing
from hardware.control.yielding import AT_REST, Yielding
from hardware.robot import Motors, Observation, Robot, Torque
from hardware.safety.conditions import Conditions
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter

Vector = NDArray[np.float64]  # (n_joints,)
OUTSIDE = 0.1  # rad or m beyond its limits that a joint may be when it is armed: stops give way a little


class Modes:
    """Owns the torque. Every verb runs in the loop's thread; robot faults are the caller's to catch."""

    def __init__(
        self, robot: Robot, safety: SafetyFilter, clock: Clock, conditions: Conditions, arming_s: float
    ) -> None:
        self.mode = Mode.DISARMED
        self._robot = robot
        self._safety = safety
        self._clock = clock
        self._conditions = conditions
        self._arming_s = arming_s
        self._parking: Parking | None = None
        self._releasing: Releasing | None = None
        self._yielding: Yielding | None = None
        self._ramp: TorqueRamp | None = None

    @property
    def powered(self) -> bool:
        return self.mode is not Mode.DISARMED

    @property
    def parking(self) -> bool:
        return self._parking is not None

    # -- verbs ----------------------------------------------------------------------------------

    def arm(self) -> None:
        """Follow from now on; an arm without torque gets it first. `RefusedError` says what is against it."""
        against = self._conditions.blocking
        if against:
            raise RefusedError("arm: not now", "; ".join(against))
        limp = Condition.TORQUE_LOST in self._conditions.active
        if limp or self.mode in (Mode.DISARMED, Mode.RELEASING):
            self._power()
        self._set(Mode.ARMING if self._ramp else Mode.ARMED)

    def stop(self, pressing: NDArray[np.bool_] | None = None) -> None:
        """Brake and hold; the joints that are `pressing` (n_joints,) on something let go of it."""
        if self.mode in (Mode.ARMING, Mode.ARMED, Mode.PARKING):
            self._set(Mode.STOPPED)
            if pressing is not None and pressing.any():
                self._yielding = Yielding(pressing)

    def park(self) -> None:
        if self.powered:
            self._set(Mode.PARKING)
            self._parking = Parking(self._robot, self._safety.position)

    def release(self) -> None:
        if self.powered:
            self._set(Mode.RELEASING)
            self._ramp = None
            self._releasing = Releasing(self._robot, self._clock.now_ns())

    def torque_off(self) -> None:
        """At once; an arm without brakes falls."""
        if self.powered:
            if isinstance(self._robot, Torque):
                self._robot.torque_off()
            self.disarm()

    def recover(self) -> None:
        """Clear what servos have latched; they hold where they are. `RefusedError` while it moves."""
        moving = np.abs(self._safety.velocity).max() > AT_REST
        if moving or self.mode not in (Mode.DISARMED, Mode.STOPPED):
            raise RefusedError("recover: not now", f"the arm is {self.mode.value}; stop it first")
        if not isinstance(self._robot, Motors):
            raise RefusedError("recover: no motors", "this robot's motors latch nothing")
        joints = self._robot.recover()
        if self.powered:
            state = self._robot.get_observation().state.astype(np.float64)
            self._set(self.mode)
            self._safety.reset(np.where(joints, state, self._safety.position))

    def disarm(self) -> None:
        """The torque is off."""
        self._ramp = None
        self._set(Mode.DISARMED)

    def start_over(self) -> None:
        """The arm was put elsewhere: hold there, and wait to be armed again."""
        self._set(Mode.STOPPED if self.powered else Mode.DISARMED)

    # -- each tick ------------------------------------------------------------------------------

    def ramp(self, now_ns: int) -> None:
        """Let the torque come up, where it does."""
        if self._ramp and self._ramp.step(now_ns):
            self._ramp = None
            if self.mode is Mode.ARMING:
                self._set(Mode.ARMED)

    def goal(self, now_ns: int, seen: Observation) -> Vector | None:
        """Where an arm goes that is not led; None: it brakes and holds. Ends parking and releasing."""
        sent, velocity, state = self._safety.position, self._safety.velocity, seen.state.astype(np.float64)
        if self._parking:
            goal = self._parking.goal(sent, velocity, state, now_ns)
            if goal is None and self._parking.blocked:
                self._conditions.raise_(Condition.PARK_BLOCKED, self._parking.blocked)
            elif goal is None:
                self.disarm()
            return goal
        if self._releasing and self._releasing.step(now_ns):
            self.disarm()
        return self._yielding.goal(sent, velocity, state) if self._yielding else None

    def park_anew(self) -> None:
        """Parking was held up: from where the arm is held it goes on as slowly."""
        if self._parking:
            self._parking = Parking(self._robot, self._safety.position)

    # -- inside ---------------------------------------------------------------------------------

    def _set(self, mode: Mode) -> None:
        self.mode = mode
        self._parking = self._releasing = self._yielding = None

    def _power(self) -> None:
        """Torque on, holding the present position, which must make sense."""
        spec = self._robot.spec
        state = self._robot.get_observation().state.astype(np.float64)
        if not np.isfinite(state).all():
            raise RefusedError("arm: not finite", f"the robot's joint positions are {state}")
        lower, upper = spec.joint_array("lower"), spec.joint_array("upper")
        outside = np.flatnonzero((state < lower - OUTSIDE) | (state > upper + OUTSIDE))
        if len(outside):
            i = outside[0]
            raise RefusedError(
                "arm: outside limits",
                f"joint {spec.joint_names[i]!r} is at {state[i]:.3g}, its limits are "
                f"{lower[i]:.3g} to {upper[i]:.3g}; move it inside by hand, or calibrate again",
            )
        self._safety.reset(state)
        if isinstance(self._robot, Torque):
            ramp = TorqueRamp(self._robot, self._clock.now_ns(), self._arming_s)
            self._robot.torque_on()
            self._ramp = ramp if self._arming_s else None
