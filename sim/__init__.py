"""The robot contract over MuJoCo: scenes, tasks, scripted experts, and gymnasium environments.

`sim:PickPlace-v0` is what `gymnasium.make` takes; `make_env` takes the same arguments.
"""

import os
from typing import TYPE_CHECKING, Any

# Rendering without a display; MuJoCo reads this once, when it is first imported.
if "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")

import gymnasium

if TYPE_CHECKING:
    from hardware.spec import RobotSpec
    from sim.env import RobotEnv
    from sim.plant import SimPlant

TASK_NAMES = ("PickPlace",)

for _name in TASK_NAMES:
    if f"{_name}-v0" not in gymnasium.registry:
        gymnasium.register(id=f"{_name}-v0", entry_point="sim:make_env", kwargs={"task": _name})


def make_env(task: str, **options: Any) -> "RobotEnv":
    """The environment of `task`; the options are those of `sim.env.RobotEnv`."""
    from sim.env import RobotEnv

    return RobotEnv(task, **options)


def make_plant(name: str, spec: "RobotSpec", task: str | None) -> "SimPlant":
    """What an emulated servo line turns when it is asked for `sim:<name>`: the arm `name` at `task`."""
    from dataclasses import replace

    from sim.plant import SimPlant

    return SimPlant(replace(spec, name=name), task)
