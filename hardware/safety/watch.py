"""What can be seen to be wrong with a robot, each tick: readings, motors, stalls."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.robot import Motors, MotorState, Observation, Robot
from hardware.safety.conditions import Conditions
from hardware.safety.failsafes import Condition
from hardware.safety.lasting import Lasting
from hardware.safety.staleness import MAX_AGE_PERIODS

Vector = NDArray[np.float64]  # (n_joints,)
Mask = NDArray[np.bool_]  # (n_joints,)

SILENT_S = 0.5
STALL_CURRENT = 0.6  # of the stall current; holding an outstretched SO-101 takes up to 0.5
STALL_ERROR = 0.05  # rad or m; gravity's sag on these servos is up to 0.045 rad
STALL_S = 0.3
VOLTAGE_S = 0.3  # a motor that starts pulls the supply down for less
HOT_C = 5.0  # below the servo's own limit: time to park before it lets go
BURNING_C = 5.0  # above it


@dataclass(frozen=True)
class Stalled:
    """Joints that press on something; (n_joints,) each."""

    grippers: Mask
    others: Mask


class Watch:
    """Looks at a robot's observation and, where it tells of its motors, at those."""

    def __init__(self, robot: Robot) -> None:
        spec = robot.spec
        self._names = spec.joint_names
        self._motors = robot if isinstance(robot, Motors) else None
        self._stale_ns = MAX_AGE_PERIODS * NS // spec.control_hz
        self._gripper = np.array([joint.gripper for joint in spec.joints])
        self._stalls = Lasting(spec.n_joints, STALL_S)
        self._voltage = Lasting(spec.n_joints, VOLTAGE_S)
        self._nothing = np.zeros(spec.n_joints, dtype=np.bool_)

    def look(
        self, observation: Observation, sent: Vector, now_ns: int, powered: bool, found: Conditions
    ) -> Stalled:
        """Raise what is wrong; `sent` (n_joints,) is where the joints were told to be, `powered` or not."""
        if now_ns - observation.oldest_ns > self._stale_ns:
            found.raise_(Condition.READING_OLD)
        if not np.isfinite(observation.state).all():
            found.raise_(Condition.READING_NOT_FINITE)
        if observation.joint_stamps_ns is not None:
            silent = now_ns - observation.joint_stamps_ns > SILENT_S * NS
            self._raise_where(Condition.SERVO_SILENT, silent, found)
        if self._motors is None:
            return Stalled(self._nothing, self._nothing)
        return self._look_at_motors(self._motors.motor_state(), observation, sent, now_ns, powered, found)

    def _look_at_motors(
        self,
        motors: MotorState,
        observation: Observation,
        sent: Vector,
        now_ns: int,
        powered: bool,
        found: Conditions,
    ) -> Stalled:
        assert self._motors is not None
        ratings = self._motors.motor_ratings
        hot = motors.temperature >= ratings.max_temperature - HOT_C
        if hot.any():
            self._raise_where(Condition.SERVO_HOT, hot, found, motors.temperature, "deg C")
            burning = motors.temperature >= ratings.max_temperature + BURNING_C
            self._raise_where(Condition.SERVO_BURNING, burning, found, motors.temperature, "deg C")
        odd = (motors.voltage < ratings.min_voltage) | (motors.voltage > ratings.max_voltage)
        odd = self._voltage.update(odd, now_ns)
        self._raise_where(Condition.VOLTAGE, odd, found, motors.voltage, "V")
        if motors.protected.any():
            joints = np.flatnonzero(motors.protected)
            detail = ", ".join(f"{self._names[i]} ({motors.errors[i]})" for i in joints)
            found.raise_(Condition.SERVO_PROTECTED, f"{detail}; call recover")
        if powered:
            self._raise_where(Condition.TORQUE_LOST, motors.limp, found)
        error = np.abs(sent - observation.state)
        pressing = (motors.effort >= STALL_CURRENT) & (error >= STALL_ERROR)
        stalled = self._stalls.update(pressing & powered, now_ns)
        grippers, others = stalled & self._gripper, stalled & ~self._gripper
        self._raise_where(Condition.GRIPPER_STALLED, grippers, found)
        self._raise_where(Condition.JOINT_STALLED, others, found)
        return Stalled(grippers, others)

    def _raise_where(
        self,
        condition: Condition,
        where: Mask,
        found: Conditions,
        values: Vector | None = None,
        unit: str = "",
    ) -> None:
        if not where.any():
            return
        joints = np.flatnonzero(where)
        words = [f"{self._names[i]}" if values is None else f"{self._names[i]} {values[i]:g}" for i in joints]
        found.raise_(condition, ", ".join(words) + (f" {unit}" if unit else ""))
