"""How a robot spec becomes a robot: one line a driver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hardware.arms.calibration import Calibration, middle_calibration
from hardware.arms.composed_calibration import robot_calibration
from hardware.arms.make import make_serial_arm, port_table
from hardware.emulator.arm import EmulatedArm
from hardware.robot import Robot
from hardware.spec import DRIVERS as SPEC_DRIVERS
from hardware.spec import RobotSpec, load_spec
from limber_nodes.parameters import param
from limber_nodes.ros2_control_arm import Ros2ControlArm

SHARE: dict[str, Any] = {"low": 0.02, "high": 1.0, "read_only": False}


@dataclass(frozen=True)
class RobotSettings:
    """Parameters of robot_node."""

    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    driver: str = param("", "what stands behind the spec; empty: as it says", choices=("", *SPEC_DRIVERS))
    port: str = param("", "serial port, or ports by bus as left=/dev/a,right=/dev/b; empty: the spec's")
    plant: str = param(
        "", "what emulated servos turn, as module:name; empty: the simulated arm if there is a task"
    )
    calibration: str = param("", "calibration file; empty: the robot's own under the user's data folder")
    task: str = param("PickPlace", "task to simulate; none: the arm alone on its table")
    cameras: tuple[str, ...] = param((), "cameras to publish, separated by commas; empty: all; none: none")
    width: int = param(0, "picture width in px; 0: as the spec says", low=0, high=4096)
    height: int = param(0, "picture height in px; 0: as the spec says", low=0, high=4096)
    jpeg_quality: int = param(95, "JPEG quality of the compressed pictures", low=1, high=100)
    speed: float = param(1.0, "upper bound on simulated seconds per second; inf: no bound", low=0.01)
    realtime: bool = param(True, "SCHED_FIFO where permitted, up to speed 1")
    control_socket: str = param(
        "", "path of the simulation's control socket; empty: by user, domain, namespace"
    )
    park_timeout_s: float = param(
        10.0, "longest time to park on exit; a simulated arm is not parked", low=0.0
    )
    expected_delay: int = param(1, "steps that a chunk may take; one that takes more is counted late", low=0)
    min_remaining: int = param(1, "points that a late chunk must still have to be entered", low=1)
    velocity_share: float = param(
        1.0, "share of the spec's velocity limits to keep; may change at any time", **SHARE
    )
    acceleration_share: float = param(1.0, "the same of the acceleration limits", **SHARE)
    jerk_share: float = param(1.0, "the same of the jerk limits", **SHARE)
    plan_length: int = param(16, "points of planned_action", low=1, high=1000)


def robot_spec(settings: RobotSettings) -> RobotSpec:
    """The spec as the parameters want it; raises `SpecError`."""
    chosen = settings.cameras or None
    if chosen == ("none",):
        chosen = ()
    return load_spec(settings.robot).with_cameras(chosen, settings.width or None, settings.height or None)


def _simulated(spec: RobotSpec, settings: RobotSettings) -> Robot:
    from sim.robot import SimRobot  # only here: a machine with a real arm may lack MuJoCo

    return SimRobot(spec, task_name(settings))


def calibration_of(spec: RobotSpec, driver: str, path: str) -> Calibration | None:
    """What a robot's servos are read by; None where it has none. Raises `CalibrationError`."""
    driver = driver or spec.driver
    if driver == "serial":
        return robot_calibration(spec, path)
    return middle_calibration(spec) if driver == "emulated" else None


def _serial(spec: RobotSpec, settings: RobotSettings) -> Robot:
    ports = port_table(spec, settings.port)
    calibration = calibration_of(spec, "serial", settings.calibration)
    assert calibration is not None
    return make_serial_arm(spec, ports, calibration)


def _emulated(spec: RobotSpec, settings: RobotSettings) -> Robot:
    task = task_name(settings)
    plant = settings.plant or (f"sim:{spec.model}" if task else "")
    return EmulatedArm(spec, settings.robot, plant, task)


def _ros2_control(spec: RobotSpec, settings: RobotSettings) -> Robot:
    return Ros2ControlArm(spec)


DRIVERS: Mapping[str, Callable[[RobotSpec, RobotSettings], Robot]] = {
    "sim": _simulated,
    "serial": _serial,
    "emulated": _emulated,
    "ros2_control": _ros2_control,
}


def make_robot(spec: RobotSpec, settings: RobotSettings) -> Robot:
    """The robot, not connected yet; raises `LimberError` naming what is unknown or missing."""
    return DRIVERS[settings.driver or spec.driver](spec, settings)


def task_name(settings: RobotSettings) -> str | None:
    """The simulated task, None for none."""
    return None if settings.task in ("", "none") else settings.task
