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
from hardware.arms.guardian import Guardian
from hardware.arms.servo_group import ServoGroup
from hardware.arms.supervision import Supervision
from hardware.buses.errors import BusError
from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.robot import Array, MotorRatings, MotorState, Observation
from hardware.servos.table import SERVOS
from hardware.spec import RobotSpec

READ_SHARE = 0.7  # of a control period until which missing answers are asked for again
ATTEMPTS = 3  # to write what must be there
CALM_S = 1.0  # to read every joint once where nothing presses
RATINGS = {"max_temperature": 1.0, "min_voltage": 0.1, "max_voltage": 0.1}  # register -> its unit
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
    status: NDArray[np.int64]  # error bits that are in the block read every period


def _nothing_yet(n: int) -> _Readings:
    nan = np.full((5, n), np.nan)
    never = np.zeros((3, n), dtype=np.int64)
    return _Readings(never[0], never[1], nan[0], nan[1], nan[2], nan[3], nan[4], never[2])


class SerialArm:
    """Implements `Robot`, `Torque`, `Motors` and `Health`. One thread drives it: the control loop's."""

    def __init__(
        self,
        spec: RobotSpec,
        groups: Sequence[ServoGroup],
        calibration: Calibration,
        guardian: Guardian | None = None,
    ) -> None:
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
        self._models = [SERVOS[servo.model] for servo in servos]
        self._stall = np.array([model.rated["stall_torque"] for model in self._models])
        self._stall_current = np.array([model.rated["stall_current"] for model in self._models])
        self._protects = np.array([model.protects for model in self._models])
        self._supervision = Supervision(self.groups, self._places)
        self._guardian = guardian
        self._ratings: MotorRatings | None = None
        self._torque_on = False
        self._missed = np.zeros(spec.n_joints, dtype=np.bool_)  # did not answer last time
        self._silent = np.zeros(spec.n_joints, dtype=np.int64)  # control periods without an answer
        self._reads = 0
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
            self._ratings = self._read_ratings()
            self._read_all()
        except HardwareError:
            self.disconnect()
            raise
        if self._guardian:
            self._guardian.start()
        self._connected = True

    def get_observation(self) -> Observation:
        self._require_connection()
        now_ns, until_s = time.monotonic_ns(), self._deadline()
        self._read(until_s)
        self._reads += 1
        if self._reads % self._spec.ticks_per_step == 0:
            self._supervision.look(until_s)
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
        self._require_all([g.write_goals(ticks[at]) for g, at in zip(self.groups, self._places, strict=True)])
        return self.scale.radians(ticks).astype(np.float32)

    def disconnect(self) -> None:
        """Close the ports; the torque stays as it is. May be called twice.

        An arm that still has torque keeps its guardian, which holds it when this process ends.
        """
        self._connected = False
        if self._guardian and not self._torque_on:
            self._guardian.dismiss()
        for group in self.groups:
            group.bus.close()

    # -- Torque -------------------------------------------------------------------------------

    def torque_on(self) -> None:
        """Hold the present position: it is made the goal, and read back, before torque goes on.

        Where there is a guardian, it must be ready to hold the arm if this process dies.
        """
        self._require_connection()
        if self._guardian:
            self._guardian.require()
        self._read_all()
        for group, joints in zip(self.groups, self._places, strict=True):
            present = self._seen.ticks[joints]
            for _ in range(ATTEMPTS):  # nobody answers to a sync write, and it may be lost
                group.write_goals(present)
                goals = np.array(group.read_all("goal_position"))
                off = np.abs(goals - present) * SERVOS[group.spec.servos[0].model].radians_per_tick
                if (off <= PLACE_ERROR).all():
                    break
            else:
                worst = int(np.argmax(off))
                raise BusError(
                    f"joint {group.spec.servos[worst].joint!r}: told to hold tick {present[worst]}, "
                    f"its goal reads {goals[worst]}; torque stays off"
                )
        self._switch(1)
        self._supervision.powered[:] = self._torque_on = True

    def torque_off(self) -> None:
        self._switch(0)
        self._torque_on = False  # not before: an arm that may have torque keeps its guardian

    def set_torque_limit(self, fraction: float) -> None:
        share = float(np.clip(fraction, 0.0, 1.0))
        self._require_all([group.write_torque_limit(share) for group in self.groups])

    def _switch(self, on: int) -> None:
        self._require_all([group.write_all("torque_enable", on) for group in self.groups])

    def _require_all(self, written: list[bool]) -> None:
        """A port that is gone is told once every other bus has been written to."""
        for group, done in zip(self.groups, written, strict=True):
            if not done:
                raise BusError(group.bus.trouble)

    # -- Motors -------------------------------------------------------------------------------

    @property
    def motor_ratings(self) -> MotorRatings:
        self._require_connection()
        assert self._ratings is not None
        return self._ratings

    def motor_state(self) -> MotorState:
        seen = self._seen
        bits = self._error_bits()
        current = np.where(np.isnan(seen.current), seen.load, seen.current / self._stall_current)
        return MotorState(
            effort=np.minimum(np.abs(current), 1.0),
            temperature=seen.temperature.copy(),
            voltage=seen.voltage.copy(),
            protected=bits & self._protects != 0,
            limp=self._torque_on & ~self._supervision.powered,
            errors=self._error_words(bits),
        )

    def recover(self) -> NDArray[np.bool_]:
        """Clear the protections that servos have latched, by switching their torque or rebooting them."""
        self._require_connection()
        joints: NDArray[np.bool_] = self._error_bits() & self._protects != 0
        for group, places in zip(self.groups, self._places, strict=True):
            for i, joint in enumerate(places):
                if joints[joint]:
                    group.recover(i, self._torque_on)
                    self._supervision.look_at(int(joint))
        self._read_all()
        return joints

    def _error_bits(self) -> NDArray[np.int64]:
        """Of every joint, as its model's table has them."""
        bits: NDArray[np.int64] = self._seen.status | self._supervision.latched
        return bits

    def _error_words(self, bits: NDArray[np.int64]) -> tuple[str, ...]:
        return tuple(model.fault_words(int(b)) for model, b in zip(self._models, bits, strict=True))

    # -- Health -------------------------------------------------------------------------------

    def health(self) -> Mapping[str, Mapping[str, float | str]]:
        """Per joint, what its servo last told, and how often it told nothing; per bus, its counters."""
        seen, words = self._seen, self._error_words(self._error_bits())
        now = time.monotonic_ns()
        joints: dict[str, Mapping[str, float | str]] = {
            name: {
                "temperature_c": float(seen.temperature[i]),
                "voltage_v": float(seen.voltage[i]),
                "load": float(seen.load[i]),
                "current_a": float(seen.current[i]),
                "silent": int(self._silent[i]),
                "age_s": (now - int(seen.stamps_ns[i])) / NS,
                "error": words[i],
            }
            for i, name in enumerate(self._spec.joint_names)
        }
        return joints | {f"bus.{group.spec.name}": group.bus.health() for group in self.groups}

    # -- inside -------------------------------------------------------------------------------

    def _require_connection(self) -> None:
        if not self._connected:
            raise HardwareError("robot: not connected; call connect() first")

    def _deadline(self) -> float:
        return time.monotonic() + READ_SHARE * self._spec.control_dt

    def _read(self, until_s: float) -> None:
        """Ask every bus; readings of servos that answered take the place of the last ones."""
        for group, joints in zip(self.groups, self._places, strict=True):
            now_ns, seen = time.monotonic_ns(), self._seen
            found = group.read(until_s)
            for places, feedback, errors in group.decoded(found):
                at = joints[places]
                seen.stamps_ns[at] = now_ns
                seen.ticks[at] = feedback.position
                seen.velocity[at] = feedback.velocity
                seen.load[at] = feedback.load
                seen.current[at] = feedback.current
                seen.voltage[at] = feedback.voltage
                seen.temperature[at] = feedback.temperature
                seen.status[at] = feedback.error
                alert = errors & ~feedback.error != 0
                self._supervision.suspect(at[alert | self._missed[at]])
            self._missed[joints] = True
            self._missed[joints[list(found)]] = False
            self._silent[joints] += self._missed[joints]

    def _read_all(self) -> None:
        """A new reading of every joint, without hurry; `BusError` names one that gives none."""
        since, until_s = time.monotonic_ns(), time.monotonic() + CALM_S
        while (self._seen.stamps_ns < since).any():
            if time.monotonic() > until_s:
                silent = self._spec.joint_names[int(np.argmin(self._seen.stamps_ns))]
                raise BusError(f"joint {silent!r}: its servo was found, and does not tell its position")
            self._read(until_s)

    def _read_ratings(self) -> MotorRatings:
        """What the servos themselves are set to bear."""
        tables = {name: np.zeros(self._spec.n_joints) for name in RATINGS}
        for name, unit in RATINGS.items():
            for group, joints in zip(self.groups, self._places, strict=True):
                tables[name][joints] = np.array(group.read_all(name)) * unit
        return MotorRatings(**tables)

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
