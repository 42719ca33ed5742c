"""Names that limber's nodes are given, looked up before anything is started.

Every node looks its own up again; here a wrong one is one line, while nothing runs yet.
"""

from collections.abc import Mapping
from pathlib import Path

from hardware.errors import LimberError
from hardware.spec import RobotSpec, load_spec
from limber_bringup.model import Plan
from policies.checkpoint_folder import check_robot


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
    spec = _robot(given) if "robot" in given else None
    if "task" in given and (given["task"] not in ("", "none") or given.get("operator") == "expert"):
        from sim.tasks import load_task  # only here: an arm alone needs no MuJoCo

        load_task(given["task"])
    for name in ("checkpoint", "episode"):
        if name in given and not Path(given[name]).exists():
            raise LimberError(f"parameter {name!r}: {given[name]!r} does not exist")
    if "checkpoint" in given and spec:
        check_robot(given["checkpoint"], spec)
    if given.get("device", "cpu") != "cpu":
        from policies.device import check_device  # only here: imports torch

        check_device(given["device"])


def _robot(given: Mapping[str, str]) -> RobotSpec:
    """The robot as the node will have it: with the cameras and the picture size of the parameters."""
    spec = load_spec(given["robot"])
    cameras = tuple(name for word in given.get("cameras", "").split(",") if (name := word.strip()))
    chosen = None if not cameras else () if cameras == ("none",) else cameras
    width, height = (int(given.get(side, 0)) or None for side in ("width", "height"))
    return spec.with_cameras(chosen, width, height)
