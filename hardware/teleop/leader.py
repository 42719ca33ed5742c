"""A leader arm: the person moves it by hand, its torque off, and the follower goes where it is.

Joint for joint, by name. A gripper is a share of its range: what the leader's trigger was swept over in
its calibration becomes the range of the follower's gripper.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hardware.arms.calibration import calibration_path, load_calibration
from hardware.arms.make import make_serial_arm, port_table
from hardware.arms.serial_arm import SerialArm
from hardware.control.clock import NS
from hardware.emulator.arm import EmulatedArm
from hardware.errors import HardwareError, unknown
from hardware.spec import RobotSpec, load_spec
from hardware.teleop.contract import Sample, Vector

STALE_NS = NS // 20  # a joint not heard for 50 ms: let go, half of what the follower waits for a command
HAND = "hardware.teleop.hand:wave"  # the plant that moves an emulated leader
DRIVERS = ("serial", "emulated")


class LeaderArm:
    """A `Teleoperator`. Reads the leader in `poll`; a port that goes away lets go, and is opened again."""

    has_buttons = False

    def __init__(self, follower: RobotSpec, leader: SerialArm | EmulatedArm) -> None:
        """Raises `HardwareError` for a leader without one of the follower's joints."""
        self._leader = leader
        spec = leader.spec
        for name in follower.joint_names:
            if name not in spec.joint_names:
                raise HardwareError(
                    f"leader {spec.name!r}: {unknown('joint', name, spec.joint_names)}; expected a leader "
                    f"with every joint of {follower.name!r}"
                )
        self.help = f"{spec.name} leads {follower.name}: move it by hand"
        self._order = [spec.joint_names.index(name) for name in follower.joint_names]
        self._lower, self._upper = follower.joint_array("lower"), follower.joint_array("upper")
        self._zero, self._scale = self._mapping(follower)
        self._newest: Sample | None = None

    def connect(self) -> None:
        """Raises `HardwareError` naming the port, the servo or the calibration that is wrong."""
        self._leader.connect()
        self._leader.torque_off()  # a leader is moved by hand

    def poll(self) -> Sequence[str]:
        now_ns = time.monotonic_ns()
        seen = self._leader.get_observation()
        if now_ns - seen.oldest_ns > STALE_NS or not np.isfinite(seen.state).all():
            self._newest = None
            return ()
        angles = seen.state.astype(np.float64)[self._order]
        goal = np.clip(self._zero + self._scale * angles, self._lower, self._upper)
        self._newest = Sample(goal, seen.oldest_ns)
        return ()

    def begin(self, state: Vector) -> None:
        """The leader is where it is; the control loop brings the follower there without a jump."""

    def goal(self, state: Vector) -> Sample | None:
        return self._newest

    def press(self, key: str) -> None:
        """The terminal's keys move nothing here."""

    def close(self) -> None:
        self._leader.disconnect()

    def _mapping(self, follower: RobotSpec) -> tuple[Vector, Vector]:
        """(zero, scale): follower's joints = zero + scale * leader's, both (n_joints,)."""
        arm = self._leader.arm if isinstance(self._leader, EmulatedArm) else self._leader
        swept = np.array([[j.range_min, j.range_max] for j in arm.calibration.joints]).T
        ends = np.sort([arm.scale.radians(ticks) for ticks in swept], axis=0)[:, self._order]  # (2, n)
        grippers = np.array([joint.gripper for joint in follower.joints])
        share = (self._upper - self._lower) / (ends[1] - ends[0])
        scale = np.where(grippers, share, 1.0)
        return np.where(grippers, self._lower - share * ends[0], 0.0), scale


def make_leader(follower: RobotSpec, name: str, driver: str, port: str, calibration: str) -> LeaderArm:
    """The leader whose spec is `name`, not connected yet; empty driver, port, calibration: as it says.

    Raises `LimberError` for an unknown spec, a port that nobody gave, a calibration that is missing.
    """
    spec = load_spec(name).with_cameras(())
    driver = driver or spec.driver
    if driver == "emulated":
        return LeaderArm(follower, EmulatedArm(spec, name, HAND))
    if driver != "serial":
        raise HardwareError(f"leader {name!r}: {unknown('driver', driver, DRIVERS)}")
    if not port and not all(bus.port for bus in spec.buses):
        raise HardwareError(
            f"leader {name!r}: expected its serial port, got none; give leader_port:=/dev/... "
            "(`python -m hardware ports` lists them), or leader_driver:=emulated to try without one"
        )
    path = Path(calibration) if calibration else calibration_path(spec.name)
    return LeaderArm(follower, make_serial_arm(spec, port_table(spec, port), load_calibration(path)))
