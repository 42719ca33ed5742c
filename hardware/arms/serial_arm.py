"""An arm of serial servos: the robot contract over one bus or more.

One sync read and one sync write a control period and bus. A joint whose servo did not answer keeps
its last reading, and `joint_stamps_ns` says how old that is; nothing old passes for new.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.arms.calibration import Calibration, TickScale
from hardware.arms.servo_group import ServoGroup
from hardware.buses.errors import BusError
from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.robot import Array, Observation
from hardware.servos.table import SERVOS
from hardware.spec import RobotSpec

READ_SHARE = 0.7  # of a control period until which missing answers are asked for again
CALM_S = 1.0  # to read every joint once where nothing presses
PLACE_ERROR = 0.05  # rad or m; a joint further off than this from where it was read is not held there


@dataclass
class _Readings:
    """The last of every joint (n_joints,), and when."""

    stamps_ns: NDArray[np.int64]
    ticks: NDArray[np.int64]
    velocity: NDArray[np.float64]
    load: NDArray[np.float64]
    current: NDArray[np.float64]
    voltage: NDArray[np.float64]
    temperature: NDArray[np.float64]
    error: NDArray[np.int64]


def _nothing_yet(n: int) -> _Readings:
    nan = np.full((5, n), np.nan)
    never = np.zeros((3, n), dtype=np.int64)
    return _Readings(never[0], never[1], nan[0], nan[1], nan[2], nan[3], nan[4], never[2])


class SerialArm:
    """Implements `Robot`, `Torque` and `Health`. One thread drives it: the control loop's."""

    def __init__(self, spec: RobotSpec, groups: Sequence[ServoGroup], calibration: Calibration) -> None:
        """Raises `CalibrationError` where the calibration is not this spec's."""
        self._spec = spec.with_cameras(())  # cameras have processes of their own
        self.groups = list(groups)
        self.calibration = calibration
        self.scale = TickScale(spec, calibration)
        self._places = [  # joint of each servo of each group
            np.array([spec.joint_names.index(s.joint) for s in group.spec.servos]) for group in groups
        ]
        servos = [spec.servos[name] for name in spec.joint_names]
        self._direction = np.array([servo.direction for servo in servos])
        self._stall = np.array([SERVOS[servo.model].rated["stall_torque"] for servo in servos])
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._seen = _nothing_yet(spec.n_joints)
        self._connected = False

    # -- Robot --------------------------------------------------------------------------------

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    def connect(self) -> None:
        """Open the ports; `BusError` or `CalibrationError` names the part that is wrong. Torque stays off."""
        if self._connected:
            return
        try:
            for group in self.groups:
                group.bus.open()
                group.check()
            self._check_offsets()
            self._read_all()
        except HardwareError:
            self.disconnect()
            raise
        self._connected = True

    def get_observation(self) -> Observation:
        self._require_connection()
        now_ns = time.monotonic_ns()
        self._read(self._deadline())
        seen = self._seen
        return Observation(
            stamp_ns=max(now_ns, int(seen.stamps_ns.max())),
            state=self.scale.radians(seen.ticks).astype(np.float32),
            velocity=(seen.velocity * self._direction).astype(np.float32),
            effort=(seen.load * self._stall * self._direction).astype(np.float32),
            joint_stamps_ns=seen.stamps_ns.copy(),
        )

    def send_action(self, action: Array) -> Array:
        """Goals (n_joints,), clipped to the limits and rounded to ticks, in one write a bus."""
        self._require_connection()
        goal = np.asarray(action, dtype=np.float64)
        if goal.shape != self._lower.shape or not np.isfinite(goal).all():
            raise HardwareError(f"action: expected {len(self._lower)} finite values, got {action!r}")
        ticks = self.scale.ticks(np.clip(goal, self._lower, self._upper))
        for group, joints in zip(self.groups, self._places, strict=True):
            if not group.write_goals(ticks[joints]):
                raise BusError(group.bus.trouble)
        return self.scale.radians(ticks).astype(np.float32)

    def disconnect(self) -> None:
        """Close the ports; the torque stays as it is. May be called twice."""
        self._connected = False
        for group in self.groups:
            group.bus.close()

    # -- Torque -------------------------------------------------------------------------------

    def torque_on(self) -> None:
        """Hold the present position: it is made the goal, and read back, before torque goes on."""
        self._require_connection()
        self._read_all()
        for group, joints in zip(self.groups, self._places, strict=True):
            present = self._seen.ticks[joints]
            group.write_goals(present)
            goals = np.array(group.read_all("goal_position"))
            off = np.abs(goals - present) * SERVOS[group.spec.servos[0].model].radians_per_tick
            if (off > PLACE_ERROR).any():
                worst = int(np.argmax(off))
                raise BusError(
                    f"joint {group.spec.servos[worst].joint!r}: told to hold tick {present[worst]}, "
                    f"its goal reads {goals[worst]}; torque stays off"
                )
        for group in self.groups:
            group.write_all("torque_enable", 1)

    def torque_off(self) -> None:
        for group in self.groups:
            group.write_all("torque_enable", 0)

    def set_torque_limit(self, fraction: float) -> None:
        share = float(np.clip(fraction, 0.0, 1.0))
        for group in self.groups:
            group.write_torque_limit(share)

    # -- Health -------------------------------------------------------------------------------

    def health(self) -> Mapping[str, Mapping[str, float | str]]:
        """Per joint, what its servo last told, and its error bits in words."""
        seen, words = self._seen, {}
        for group, joints in zip(self.groups, self._places, strict=True):
            for joint in joints:
                words[joint] = " ".join(group.bus.codec.error_words(int(seen.error[joint])))
        now = time.monotonic_ns()
        return {
            name: {
                "temperature_c": float(seen.temperature[i]),
                "voltage_v": float(seen.voltage[i]),
                "load": float(seen.load[i]),
                "current_a": float(seen.current[i]),
                "age_s": (now - int(seen.stamps_ns[i])) / NS,
                "error": words[i],
            }
            for i, name in enumerate(self._spec.joint_names)
        }

    # -- inside -------------------------------------------------------------------------------

    def _require_connection(self) -> None:
        if not self._connected:
            raise HardwareError("robot: not connected; call connect() first")

    def _deadline(self) -> float:
        return time.monotonic() + READ_SHARE * self._spec.control_dt

    def _read(self, until_s: float) -> None:
        """Ask every bus; readings of servos that answered take the place of the last ones."""
        for group, joints in zip(self.groups, self._places, strict=True):
            now_ns = time.monotonic_ns()
            found = group.read(until_s)
            if not found:
                continue
            for places, feedback, errors in group.decoded(found):
                at, seen = joints[places], self._seen
                seen.stamps_ns[at] = now_ns
                seen.ticks[at] = feedback.position
                seen.velocity[at] = feedback.velocity
                seen.load[at] = feedback.load
                seen.current[at] = feedback.current
                seen.voltage[at] = feedback.voltage
                seen.temperature[at] = feedback.temperature
                seen.error[at] = feedback.error | errors

    def _read_all(self) -> None:
        """A new reading of every joint, without hurry; `BusError` names one that gives none."""
        since, until_s = time.monotonic_ns(), time.monotonic() + CALM_S
        while (self._seen.stamps_ns < since).any():
            if time.monotonic() > until_s:
                silent = self._spec.joint_names[int(np.argmin(self._seen.stamps_ns))]
                raise BusError(f"joint {silent!r}: its servo was found, and does not tell its position")
            self._read(until_s)

    def _check_offsets(self) -> None:
        """The servos' homing offsets are those of the calibration."""
        for group, joints in zip(self.groups, self._places, strict=True):
            offsets = group.read_all("homing_offset")
            for servo, joint, offset in zip(group.spec.servos, joints, offsets, strict=True):
                wanted = self.calibration.joints[joint].homing_offset
                if offset != wanted:
                    raise HardwareError(
                        f"joint {servo.joint!r}: its servo's homing offset is {offset}, the calibration "
                        f"says {wanted}; load the arm's own calibration, or calibrate again"
                    )
