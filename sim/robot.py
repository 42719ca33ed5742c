"""SimRobot: the robot contract over MuJoCo physics."""

from collections.abc import Callable
from types import MappingProxyType

import mujoco
import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from hardware.robot import Array, ObjectPose, Observation
from hardware.spec import RobotSpec
from sim.errors import SimError
from sim.render import CameraRenderer, Frame, LazyImages, State, take_state
from sim.scene import build_scene, physics_hz
from sim.tasks import load_task
from sim.tasks.contract import Task

FrameListener = Callable[[int, tuple[str, ...], State], None]


class SimRobot:
    """A simulated arm, with a task's objects or alone on its table.

    Implements `Robot`, `Simulated` and `Torque`. Robot time is the physics: it advances in
    `advance_to` only, in whole physics steps, and a reset does not turn it back. The same seed
    and the same goals give the same states, bit for bit. Frames are due at multiples of 1 / fps
    of robot time; an observation carries the last one due, rendered when it is looked at.
    """

    def __init__(
        self, spec: RobotSpec, task: Task | str | None = None, *, cameras: tuple[str, ...] | None = None
    ) -> None:
        """`cameras`: the ones to simulate (None: all of the spec). Raises `LimberError` for unknown names."""
        self._spec = spec.with_cameras(cameras)
        self.task = load_task(task) if isinstance(task, str) else task
        self.model = build_scene(self._spec, self.task)
        self.data = mujoco.MjData(self.model)
        self._hz = physics_hz(self._spec)
        self._steps = 0  # physics steps since the beginning of time
        joints = [self.model.joint(name) for name in spec.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self._motors = np.array([self.model.actuator(name).id for name in spec.joint_names])
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._rated = self.model.actuator_forcerange[self._motors].copy()
        self._torque, self._torque_limits = False, np.ones(spec.n_joints)
        self._renderer = CameraRenderer(self.model, self._spec.cameras)
        self._frames: dict[str, Frame] = {}
        self._listeners: list[FrameListener] = []
        self._connected = False
        self._place(spec.joint_array("rest"))
        self._apply_torque()
        self._capture(self._spec.camera_names)

    # -- Robot ----------------------------------------------------------------------------

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    def connect(self) -> None:
        self._connected = True

    def disconnect(self) -> None:
        """Cut the torque and free the renderer. May be called twice."""
        self._connected = False
        self.torque_off()
        self._renderer.close()

    def get_observation(self) -> Observation:
        self._require_connection()
        return Observation(
            stamp_ns=self.now_ns(),
            state=self.data.qpos[self._qpos].astype(np.float32),
            velocity=self.data.qvel[self._dof].astype(np.float32),
            effort=self.data.actuator_force[self._motors].astype(np.float32),
            images=self._images,
            image_stamps_ns=self._image_stamps,
        )

    def send_action(self, action: Array) -> Array:
        """Servo goals (n_joints,); beyond the joint limits they are clipped, as the servos do."""
        self._require_connection()
        goal = np.asarray(action, dtype=np.float64)
        if goal.shape != self._lower.shape or not np.isfinite(goal).all():
            raise SimError(f"action: expected {len(self._lower)} finite values, got {action!r}")
        goal = np.clip(goal, self._lower, self._upper)
        self.data.ctrl[self._motors] = goal
        return goal.astype(np.float32)

    # -- Torque ---------------------------------------------------------------------------

    def torque_on(self) -> None:
        self._torque = True
        self._apply_torque()

    def torque_off(self) -> None:
        """No motor pulls any more; the arm falls."""
        self._torque = False
        self._apply_torque()

    def set_torque_limit(self, fraction: float) -> None:
        self.set_torque_limits(np.full(self._spec.n_joints, fraction))

    def set_torque_limits(self, fractions: NDArray[np.float64]) -> None:
        """Limit each motor to its own share (n_joints,) of its rated torque."""
        self._torque_limits = np.clip(fractions, 0.0, 1.0)
        self._apply_torque()

    # -- Simulated ------------------------------------------------------------------------

    def reset(self, seed: int) -> str:
        """Place objects and arm by `seed` alone; torque and time stay as they are."""
        rng = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        pose = self._spec.joint_array("rest")
        instruction = ""
        if self.task is not None:
            start = self.task.start_pose(rng)
            pose = np.array([start.get(j.name, j.rest) for j in self._spec.joints])
            instruction = self.task.reset(self.model, self.data, rng)
        self._place(pose)
        self._capture(self._spec.camera_names)
        return instruction

    def objects(self) -> dict[str, ObjectPose]:
        return {} if self.task is None else self.task.objects(self.model, self.data)

    def success(self) -> bool:
        return self.task is not None and self.task.success(self.model, self.data)

    def reward(self) -> float:
        """The task's reward at this instant, 0..1."""
        return 0.0 if self.task is None else self.task.reward(self.model, self.data)

    def now_ns(self) -> int:
        return self._steps * NS // self._hz

    def advance_to(self, time_ns: int) -> None:
        """Step the physics to the last whole step that is not after `time_ns`."""
        target = (time_ns * self._hz + self._hz) // NS
        while self._steps < target:
            count = min([target] + [self._next_frame(camera.fps) for camera in self._spec.cameras])
            mujoco.mj_step(self.model, self.data, nstep=count - self._steps)
            self._steps = count
            due = tuple(c.name for c in self._spec.cameras if self._is_frame(c.fps, count))
            if due:
                state = self._capture(due)
                for listener in self._listeners:
                    listener(self.now_ns(), due, state)

    def add_frame_listener(self, listener: FrameListener) -> None:
        """`listener(stamp_ns, cameras, state)` is called whenever frames are due; it must not block."""
        self._listeners.append(listener)

    # -- inside ---------------------------------------------------------------------------

    def _require_connection(self) -> None:
        if not self._connected:
            raise SimError("robot: not connected; call connect() first")

    def _place(self, pose: NDArray[np.float64]) -> None:
        self.data.qpos[self._qpos] = pose
        self.data.qvel[:] = 0.0
        self.data.ctrl[self._motors] = pose
        mujoco.mj_forward(self.model, self.data)

    def _apply_torque(self) -> None:
        shares = self._torque_limits if self._torque else np.zeros_like(self._torque_limits)
        self.model.actuator_forcerange[self._motors] = self._rated * shares[:, None]

    def _next_frame(self, fps: int) -> int:
        """The first physics step after the present one at or after a multiple of 1 / fps."""
        frame = self._steps * fps // self._hz + 1
        return -(-frame * self._hz // fps)

    def _is_frame(self, fps: int, step: int) -> bool:
        return step * fps // self._hz > (step - 1) * fps // self._hz

    def _capture(self, cameras: tuple[str, ...]) -> State:
        """Take the cameras' frames of this instant."""
        now, state = self.now_ns(), take_state(self.model, self.data)
        for camera in cameras:
            self._frames[camera] = Frame(self._renderer, camera, now, state)
        self._images = LazyImages(self._frames)
        self._image_stamps = MappingProxyType({name: f.stamp_ns for name, f in self._frames.items()})
        return state
