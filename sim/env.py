"""A task as a gymnasium environment that runs the robot's very own loop and SafetyFilter."""

from math import gcd
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hardware.control.clock import NS, PhysicsClock
from hardware.control.loop import ControlLoop, TickReport
from hardware.errors import unknown
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec
from sim.emulated_robot import make_robot
from sim.errors import SimError
from sim.experts import Expert, load_expert
from sim.tasks import load_task

OBSERVATIONS = ("pixels", "state")


class RobotEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):  # type: ignore[misc]
    """One `step` is one action step: the goal given is the one SENT on the step's last tick.

    Observation keys are LeRobot's: `observation.state` (n,), `observation.images.<camera>`
    (H, W, 3) with obs="pixels", `observation.environment_state` (7 per object: position and
    quaternion in the base frame) with obs="state". `info["stamp_ns"]` is robot time since the
    episode began, so that equal seeds give equal episodes; the robot's own time goes on across resets.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        *,
        robot: str = "so101",
        cameras: tuple[str, ...] | None = None,
        width: int = 96,
        height: int = 96,
        obs: str = "pixels",
        render_mode: str | None = None,
    ) -> None:
        """Raises `LimberError` for an unknown task, robot, camera or kind of observation."""
        if obs not in OBSERVATIONS:
            raise SimError(unknown("kind of observation", obs, OBSERVATIONS))
        self.render_mode = render_mode
        self.task = load_task(task)
        self.spec_robot = load_spec(robot).with_cameras(cameras, width, height)
        self.robot = make_robot(self.spec_robot, self.task)
        self.robot.connect()
        self.loop = ControlLoop(self.robot, PhysicsClock(self.robot), SafetyFilter(self.spec_robot))
        self.instruction = ""
        self._pixels = obs == "pixels"
        self._names = self.spec_robot.joint_names
        self._tick_ns = NS // self.spec_robot.control_hz
        self._step_ns = NS // self.spec_robot.action_hz
        self._correction: NDArray[np.float64] | None = None
        self._held_ticks = 0
        self._elapsed_steps = 0
        self._start_ns = 0
        self._report: TickReport | None = None
        # Episodes begin when a step and every camera's frame fall together, so that they are all alike.
        rates = [self.spec_robot.action_hz, *(camera.fps for camera in self.spec_robot.cameras)]
        self._start_every_ns = NS // gcd(*rates)
        lower = self.spec_robot.joint_array("lower").astype(np.float32)
        upper = self.spec_robot.joint_array("upper").astype(np.float32)
        self.action_space = spaces.Box(lower, upper, dtype=np.float32)
        self.observation_space = self._make_observation_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin the episode of `seed`; the arm is armed and holds for one step before it is seen."""
        super().reset(seed=seed)
        scene_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        start = self.robot.now_ns() + self._step_ns
        start = -(-start // self._start_every_ns) * self._start_every_ns
        self.robot.advance_to(start - self._step_ns)
        self.loop.reset_world(lambda: self._place(scene_seed))
        self.loop.arm()
        self._correction, self._elapsed_steps = None, 0
        self._play_step()
        self._held_ticks = 0
        self._start_ns = self.robot.now_ns()
        return self._observe(), self._info()

    def _place(self, seed: int) -> None:
        self.instruction = self.robot.reset(seed)

    def _play_step(self) -> None:
        for _ in range(self.spec_robot.ticks_per_step):
            self._report = self.loop.tick()
            self.loop.clock.sleep_until(self.robot.now_ns() + self._tick_ns)
            self._held_ticks = self._held_ticks + 1 if self.robot.success() else 0

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Play `action` (n,) for one action step. Raises `CommandError` for a wrong length or a NaN."""
        point = np.array(action, dtype=np.float64)
        self.loop.scheduler.submit(point[None], self.loop.tick_count // self.spec_robot.ticks_per_step)
        if self._correction is not None:
            self.loop.offer_correction(self._names, self._correction, self.robot.now_ns())
        self._play_step()
        self._correction = None
        self._elapsed_steps += 1
        elapsed_s = self._elapsed_steps * self.spec_robot.action_dt
        reward = self.robot.reward()
        truncated = elapsed_s >= self.task.timeout_s - 1e-9
        return self._observe(), reward, self._succeeded(), truncated, self._info()

    def set_correction(self, delta: NDArray[np.float64] | None) -> None:
        """A bounded delta (n,) that is added to the next step's goals before the SafetyFilter."""
        self._correction = None if delta is None else np.asarray(delta, dtype=np.float64)

    def make_expert(self, seed: int) -> Expert:
        """The task's scripted demonstrator, drawing from a generator of its own."""
        return load_expert(self.task.name, self.spec_robot, seed)

    def render(self) -> NDArray[np.uint8]:
        """The first camera's picture."""
        return self.robot.get_observation().images[self.spec_robot.camera_names[0]]

    def close(self) -> None:
        self.robot.disconnect()

    def _succeeded(self) -> bool:
        return self._held_ticks >= round(self.task.hold_s * self.spec_robot.control_hz)

    def _observe(self) -> dict[str, Any]:
        observation = self.robot.get_observation()
        result: dict[str, Any] = {"observation.state": observation.state}
        if self._pixels:
            for camera, image in observation.images.items():
                result[f"observation.images.{camera}"] = image
        else:
            poses = [[*o.position, *o.quaternion] for o in self.robot.objects().values()]
            result["observation.environment_state"] = np.array(poses, dtype=np.float32).reshape(-1)
        return result

    def _info(self) -> dict[str, Any]:
        assert self._report is not None  # reset has played a step
        report = self._report
        return {
            "success": self._succeeded(),
            "stamp_ns": self.robot.now_ns() - self._start_ns,
            "instruction": self.instruction,
            "sent": report.sent,
            "base": report.sent if report.base is None else report.base,
        }

    def _make_observation_space(self) -> spaces.Dict:
        n = self.spec_robot.n_joints
        every: dict[str, spaces.Space[Any]] = {
            "observation.state": spaces.Box(-np.inf, np.inf, (n,), np.float32)
        }
        if self._pixels:
            for camera in self.spec_robot.cameras:
                shape = (camera.height, camera.width, 3)
                every[f"observation.images.{camera.name}"] = spaces.Box(0, 255, shape, np.uint8)
        else:
            size = 7 * len(self.robot.objects())
            every["observation.environment_state"] = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        return spaces.Dict(every)
