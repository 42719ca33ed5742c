"""Environments by gymnasium name (`sim:PickPlace-v0`), resolved when a command runs.

What joins this room to a simulator is that name alone. An environment takes `cameras`, `width`,
`height` and `obs`, and observes under LeRobot's keys.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.contracts import PolicySpec
from policies.data.layout import IMAGES
from policies.errors import PolicyError


def make_environment(name: str, **options: Any) -> Any:
    """A gymnasium environment; `PolicyError` for a name that is not registered or cannot be imported,
    and for an environment that does not take the options."""
    os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer's threads fight the workers
    import gymnasium

    try:
        return gymnasium.make(name, disable_env_checker=True, **options)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        reason = " ".join(str(error).split())
    raise PolicyError(
        f"environment: expected a gymnasium name such as sim:PickPlace-v0, got {name!r}: {reason}"
    )


def policy_options(spec: PolicySpec) -> dict[str, Any]:
    """Options that make an environment show what a policy takes; its cameras share one size."""
    if not spec.cameras:
        return {"obs": "state", "cameras": ()}
    sizes = {(c.width, c.height) for c in spec.cameras}
    if len(sizes) > 1:
        raise PolicyError(f"cameras: expected one size for all in an environment, got {sorted(sizes)}")
    width, height = sizes.pop()
    # Pictures are read when a chunk is asked for, not in every step: see `Pictures`.
    return {"obs": "state", "cameras": spec.camera_names, "width": width, "height": height}


class Pictures:
    """The pictures of an environment's last observation, by camera.

    An environment around a `Robot` renders them on access, which is why it is made with
    obs="state" here: of every `execution_horizon` steps only one is looked at.
    """

    def __init__(self, env: Any, cameras: tuple[str, ...]) -> None:
        self._robot = getattr(env.unwrapped, "robot", None)
        self._cameras = cameras

    def of(self, observation: Mapping[str, Any]) -> dict[str, NDArray[np.uint8]]:
        """camera -> (H, W, 3) uint8 RGB."""
        if self._robot is None:
            return {name: observation[IMAGES + name] for name in self._cameras}
        images = self._robot.get_observation().images
        return {name: images[name] for name in self._cameras}
