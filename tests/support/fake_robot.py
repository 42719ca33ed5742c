"""A robot of a few numbers, and a clock moved by hand: what the loop's tests run on."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.errors import HardwareError
from hardware.robot import Array, Observation
from hardware.spec import RobotSpec


@dataclass
class ManualClock:
    """Robot time that passes only when somebody sleeps."""

    time_ns: int = NS

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until(self, time_ns: int) -> None:
        self.time_ns = max(self.time_ns, time_ns)


@dataclass
class FakeRobot:
    """Follows its goal with a first-order lag, one control period a sending; implements Torque too."""

    spec: RobotSpec
    clock: ManualClock = field(default_factory=ManualClock)
    lag: float = 0.5  # share of the distance to the goal covered in a tick
    connected: bool = False
    torque: bool = False
    torque_limit: float = 1.0
    sent: list[NDArray[np.float64]] = field(default_factory=list)
    dead: bool = False  # the bus answers no more
    unplugged: bool = False  # the port raises where torque is written
    frozen: bool = False  # readings stand still
    latency_ns: int = 0  # of a reading
    blocked: NDArray[np.bool_] = field(init=False)  # joints that something holds where they are
    state: NDArray[np.float64] = field(init=False)
    velocity: NDArray[np.float64] = field(init=False)
    _last: Observation | None = None

    def __post_init__(self) -> None:
        self.state = self.spec.joint_array("rest")
        self.velocity = np.zeros_like(self.state)
        self.blocked = np.zeros(len(self.state), dtype=np.bool_)

    def connect(self) -> None:
        self.connected = True

    def disconnect(self) -> None:
        self.connected = self.torque = False

    def get_observation(self) -> Observation:
        self._require()
        if self.frozen and self._last is not None:
            return self._last
        zeros = np.zeros(self.spec.n_joints, np.float32)
        self._last = Observation(
            stamp_ns=self.clock.now_ns() - self.latency_ns,
            state=self.state.astype(np.float32),
            velocity=self.velocity.astype(np.float32),
            effort=zeros,
            images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in self.spec.cameras},
            image_stamps_ns={c.name: self.clock.now_ns() for c in self.spec.cameras},
        )
        return self._last

    def send_action(self, action: Array) -> Array:
        self._require()
        goal = np.asarray(action, dtype=np.float64)
        if goal.shape != self.state.shape or not np.isfinite(goal).all():
            raise HardwareError(f"action: expected {len(self.state)} finite values, got {action!r}")
        goal = np.clip(goal, self.spec.joint_array("lower"), self.spec.joint_array("upper"))
        self.sent.append(goal)
        if self.torque:
            step = np.where(self.blocked, 0.0, self.lag * (goal - self.state))
            self.state, self.velocity = self.state + step, step * self.spec.control_hz
        return goal.astype(np.float32)

    def torque_on(self) -> None:
        self._require()
        self.torque = True

    def torque_off(self) -> None:
        self._require_port()
        self.torque = False

    def set_torque_limit(self, fraction: float) -> None:
        self._require_port()
        self.torque_limit = fraction

    def _require_port(self) -> None:
        if self.unplugged:
            raise OSError("device disconnected")

    def _require(self) -> None:
        if not self.connected:
            raise HardwareError("robot: not connected; call connect() first")
        if self.dead:
            raise HardwareError("servo 3: no answer")


def without_cameras(spec: RobotSpec) -> RobotSpec:
    return replace(spec, cameras=())


def without_fence(spec: RobotSpec) -> RobotSpec:
    return replace(spec, workspace=None, self_collision_margin=None)
