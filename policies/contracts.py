"""What a policy is: a window of observations in, a chunk of actions out. Everything numpy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation
from hardware.spec import RobotSpec

Array = NDArray[np.float32]
Images = NDArray[np.uint8]  # (..., H, W, 3) RGB

EXECUTION_HORIZON = 8  # steps s between two requests; in lock-step 8 did better than 4 and 12


@dataclass(frozen=True)
class CameraShape:
    """A camera as a policy takes it."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class PolicySpec:
    """What a policy takes and gives. Actions are absolute joint goals at `action_hz`, in rad or m."""

    n_obs_steps: int
    chunk_size: int
    action_hz: int
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[CameraShape, ...]

    @property
    def action_dim(self) -> int:
        return len(self.action_names)

    @property
    def camera_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.cameras)


def policy_spec(
    robot: RobotSpec, chunk_size: int, n_obs_steps: int = 1, cameras: tuple[str, ...] | None = None
) -> PolicySpec:
    """The spec of a policy that moves every joint of `robot` and sees `cameras` (default: all)."""
    seen = robot.with_cameras(cameras).cameras
    return PolicySpec(
        n_obs_steps=n_obs_steps,
        chunk_size=chunk_size,
        action_hz=robot.action_hz,
        state_names=robot.joint_names,
        action_names=robot.joint_names,
        cameras=tuple(CameraShape(c.name, c.height, c.width) for c in seen),
    )


@dataclass(frozen=True)
class Prefix:
    """What the robot WILL execute from the step of the observation on, before a new chunk can start.

    actions: (n, A) the planned points, n <= chunk_size; the first `inference_delay` are fixed.
    inference_delay d: steps between the observation and the first point that can be played.
    execution_horizon s: steps between two requests; d <= s <= chunk_size - d.
    """

    actions: Array
    inference_delay: int
    execution_horizon: int


@dataclass(frozen=True)
class Context:
    """All that a prediction may depend on.

    state: (n_obs_steps, n_joints) float32; images: camera -> (n_obs_steps, H, W, 3) uint8 RGB;
    both oldest first. knobs: a method's own numbers for this call (`num_inference_steps`, ...).
    generator: source of the noise; None draws from the policy's own.
    """

    state: Array
    images: Mapping[str, Images]
    task: str = ""
    knobs: Mapping[str, float] = field(default_factory=dict)
    generator: np.random.Generator | None = None
    prefix: Prefix | None = None


class Policy(Protocol):
    """Anything that predicts chunks. Point i of a chunk is the goal to be SENT i steps after
    the step of the last observation in the window."""

    @property
    def spec(self) -> PolicySpec: ...

    def reset(self) -> None:
        """Forget everything of the episode before."""

    def predict_chunk(self, context: Context) -> Array:
        """(chunk_size, action_dim) float32; `PolicyError` when the context does not fit `spec`."""


class Corrector(Protocol):
    """A per-step correction head or residual, added before the SafetyFilter."""

    def correct(self, action: Array, observation: Observation, step: int) -> Array:
        """A bounded delta (A,) for the goal `action` (A,) of `step`, on the latest observation."""
