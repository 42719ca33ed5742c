"""The scripted demonstrators, one a task. A new one is a file here and a line in `EXPERTS`."""

from collections.abc import Callable

from hardware.errors import unknown
from hardware.spec import RobotSpec
from sim.errors import SimError
from sim.experts.contract import Expert, ExpertAction
from sim.experts.pick_place import PickPlaceExpert

__all__ = ["EXPERTS", "Expert", "ExpertAction", "load_expert"]

EXPERTS: dict[str, Callable[[RobotSpec, int], Expert]] = {
    "PickPlace": PickPlaceExpert,
}


def load_expert(task: str, spec: RobotSpec, seed: int) -> Expert:
    """The demonstrator of `task` for the robot of `spec`; `SimError` when there is none."""
    if task not in EXPERTS:
        raise SimError(unknown("task with an expert", task, EXPERTS))
    return EXPERTS[task](spec, seed)
