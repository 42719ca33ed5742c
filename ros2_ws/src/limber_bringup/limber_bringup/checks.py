"""Names that limber's nodes are given, looked up before anything is started.

Every node looks its own up again; here a wrong one is one line, while nothing runs yet.
"""

from collections.abc import Mapping
from pathlib import Path

from hardware.errors import LimberError
from hardware.spec import load_spec
from limber_bringup.model import Plan


def check_plan(plan: Plan) -> None:
    """Raises `LaunchError`, which says where the node stands, for the first name that is not known."""
    for process in plan.processes:
        if Path(process.command[0]).parent.name != "limber_nodes":
            continue
        given: dict[str, str] = {}
        for source in process.parameters:
            if isinstance(source, Mapping):  # what stands in a file is left to the node
                given |= {name: str(value) for name, value in source.items()}
        try:
            _check(given)
        except LimberError as error:
            raise process.place.error(str(error)) from None


def _check(given: Mapping[str, str]) -> None:
    """Look up the parameters of one node."""
    if "robot" in given:
        spec = load_spec(given["robot"])
        cameras = tuple(name for word in given.get("cameras", "").split(",") if (name := word.strip()))
        if cameras != ("none",):
            spec.with_cameras(cameras)
    if "task" in given and (given["task"] not in ("", "none") or given.get("operator") == "expert"):
        from sim.tasks import load_task  # only here: an arm alone needs no MuJoCo

        load_task(given["task"])
    for name in ("checkpoint", "episode"):
        if name in given and not Path(given[name]).exists():
            raise LimberError(f"parameter {name!r}: {given[name]!r} does not exist")
