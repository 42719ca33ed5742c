"""The tasks, one file each. A new task is a file here and a line in `TASKS`."""

from collections.abc import Callable

from hardware.errors import unknown
from sim.errors import SimError
from sim.tasks.contract import Task
from sim.tasks.pick_place import PickPlace

TASKS: dict[str, Callable[[], Task]] = {
    "PickPlace": PickPlace,
}


def load_task(name: str) -> Task:
    """The task called `name`; `SimError` when there is none."""
    if name not in TASKS:
        raise SimError(unknown("task", name, TASKS))
    return TASKS[name]()
