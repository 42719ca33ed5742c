"""What teleop_node can be told."""

from dataclasses import dataclass

from hardware.teleop.table import DeviceSettings
from limber_nodes.live_picture_sinks import CHOICES
from limber_nodes.operators import OPERATORS
from limber_nodes.parameters import param
from limber_nodes.teleop_session import Plan


@dataclass(frozen=True)
class TeleopSettings:
    """Parameters of teleop_node."""

    operator: str = param("expert", "who drives: a script, or a person with a device", choices=OPERATORS)
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    task: str = param("PickPlace", "task that the scripted expert knows")
    session: bool = param(
        True, "run episodes: arm, reset the task, drive; false: only take over from whoever drives"
    )
    take_over: bool = param(False, "without a session: drive from the start on, not only after T")
    episodes: int = param(0, "episodes to save before the process ends; 0: until the operator quits", low=0)
    seconds: float = param(0.0, "wall time after which no more episodes are begun; 0: no bound", low=0.0)
    at_least: int = param(1, "episodes to save even when the time is up", low=1)
    first_seed: int = param(0, "task seed of the first episode; each next one adds one", low=0)
    record: bool = param(True, "call the recorder's services around each episode")
    timeout_s: float = param(12.0, "robot time after which an episode has failed", low=0.1)
    device: str = param("", "path of the gamepad's or SpaceMouse's device; empty: the first one found")
    leader: str = param("so101_leader", "leader arm: name of a shipped robot spec, or path to one")
    leader_driver: str = param("", "what stands behind the leader: serial or emulated; empty: as it says")
    leader_port: str = param("", "the leader's serial port; empty: the spec's")
    leader_calibration: str = param("", "its calibration file; empty: its own under the user's data folder")
    live_picture: str = param(
        "auto", "where a person sees the cameras; auto: a viewer where there is a display", choices=CHOICES
    )
    live_folder: str = param("runs/live", "where the still is written that stands in for a viewer")


def devices_of(settings: TeleopSettings) -> DeviceSettings:
    return DeviceSettings(
        settings.device,
        settings.leader,
        settings.leader_driver,
        settings.leader_port,
        settings.leader_calibration,
    )


def plan_of(settings: TeleopSettings) -> Plan:
    return Plan(
        episodes=settings.episodes,
        first_seed=settings.first_seed,
        record=settings.record,
        attempts=2 * settings.episodes + 10 if settings.episodes else 0,
        at_least=settings.at_least,
        seconds=settings.seconds or float("inf"),
    )
