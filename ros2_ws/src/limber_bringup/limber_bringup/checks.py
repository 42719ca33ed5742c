"""What limber's nodes are given, checked before anything is started.

Every node checks its own again; here a mistake is one line, while nothing runs yet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardware.errors import LimberError
from limber_bringup.model import Plan, Process

_PARAMETER_OPTIONS = {"-p", "--param", "--params-file"}


def check_plan(plan: Plan) -> None:
    """Raises `LaunchError`, which says where the node stands, for the first thing that it would refuse."""
    for process in plan.processes:
        program = Path(process.command[0])
        if program.parent.name != "limber_nodes":
            continue
        from limber_bringup.node_checks import check_node  # only here: imports the nodes, and rclpy

        given, complete = _given(process)
        try:
            check_node(program.name, given, complete)
        except (LimberError, OSError) as error:
            raise process.place.error(str(error)) from None


def _given(process: Process) -> tuple[dict[str, Any], bool]:
    """A node's parameters by name, and whether they are all: what stands in a file is left to the node."""
    complete = not _PARAMETER_OPTIONS.intersection(process.ros_arguments or ())
    given: dict[str, Any] = {}
    for source in process.parameters:
        if isinstance(source, Mapping):
            given |= source
        else:
            complete = False
    return given, complete
