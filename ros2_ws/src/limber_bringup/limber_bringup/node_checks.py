"""What each of limber's nodes would refuse, found by the checks that the node itself makes.

Where a node's check cannot be called without the node (weights, horizon, report), its words stand here
too, and a test compares them with what the node says.
All nodes together import in 0.4 s on 2 cores, rclpy included and torch not.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limber_nodes.evaluator_node import EvaluatorSettings
from limber_nodes.operators import make_operator
from limber_nodes.parameters import settings_of
from limber_nodes.policy_node import PolicySettings
from limber_nodes.recorder_node import RecorderSettings
from limber_nodes.replay_node import ReplaySettings
from limber_nodes.robots import RobotSettings, robot_spec, task_name
from limber_nodes.task_node import TaskSettings
from limber_nodes.teleop_node import TeleopSettings

from hardware.errors import LimberError
from hardware.spec import load_spec
from policies.checkpoint_folder import (
    check_horizon,
    check_robot,
    checkpoint_folder,
    read_json,
    read_trained_for,
)
from policies.data.recorder_folder import RecordingFolder
from policies.errors import CheckpointError
from policies.paths import check_writable, report_page


def check_node(node: str, given: Mapping[str, Any], complete: bool) -> None:
    """Raises the `LimberError` of a node that is given these parameters; of an unknown node nothing is known.

    Unless they are `complete` each is checked by itself, and no default is taken for what is meant.
    """
    if node in NODES:
        settings, check = NODES[node]
        values = settings_of(settings, given)
        if complete:
            check(values)


def _robot(settings: RobotSettings) -> None:
    spec, task = robot_spec(settings), task_name(settings)
    driver = settings.driver or spec.driver
    plays_task = task is not None and driver in ("sim", "emulated")
    if plays_task:
        from sim.tasks import load_task  # only here: a real arm needs no MuJoCo

        load_task(str(task))
    if driver == "sim" or plays_task:
        from sim.models import load_arm

        try:
            load_arm(spec.model)
        except LimberError as error:
            hint = "" if driver == "sim" else "; give task:=none for the servos alone"
            raise LimberError(f"{error}{hint}") from None


def _teleop(settings: TeleopSettings) -> None:
    spec = load_spec(settings.robot)
    if settings.operator == "expert":  # a person's would print how to drive, and want a terminal
        make_operator(settings.operator, settings.task, spec)


def _recorder(settings: RecorderSettings) -> None:
    spec, folder = robot_spec(settings), Path(settings.folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):  # a new one would be made here
        RecordingFolder(folder, spec).unlock()
    elif not folder.is_dir():
        check_writable(folder)


def _policy(settings: PolicySettings) -> None:
    check_robot(settings.checkpoint, robot_spec(settings))
    if settings.device != "cpu":
        from policies.device import check_device  # only here: imports torch

        check_device(settings.device)
    _check_weights(checkpoint_folder(settings.checkpoint))
    check_horizon(settings.execution_horizon, read_trained_for(settings.checkpoint).spec.chunk_size)


def _check_weights(folder: Path) -> None:
    """Header and length of the weights, and that the statistics can be read; the network is the node's."""
    from safetensors import SafetensorError, safe_open

    read_json(folder, "stats.json")
    file = folder / "model.safetensors"
    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file}: damaged: {str(error).splitlines()[0]}") from None


def _evaluator(settings: EvaluatorSettings) -> None:
    robot_spec(settings)
    report_page(settings.report, settings.overwrite)


def _replay(settings: ReplaySettings) -> None:
    load_spec(settings.robot)
    if not Path(settings.episode).exists():  # to read it takes as long as the node takes
        raise LimberError(f"parameter 'episode': {settings.episode!r} does not exist")


def _task(settings: TaskSettings) -> None:
    """Its parameters' values are all that it can refuse."""


NODES: Mapping[str, tuple[type[Any], Callable[[Any], None]]] = {
    "robot_node": (RobotSettings, _robot),
    "task_node": (TaskSettings, _task),
    "teleop_node": (TeleopSettings, _teleop),
    "recorder_node": (RecorderSettings, _recorder),
    "policy_node": (PolicySettings, _policy),
    "evaluator_node": (EvaluatorSettings, _evaluator),
    "replay_node": (ReplaySettings, _replay),
}
