"""What `--robot.type=limber` can be told."""

from dataclasses import dataclass

from lerobot.robots.config import RobotConfig


@RobotConfig.register_subclass("limber")
@dataclass(kw_only=True)
class LimberRobotConfig(RobotConfig):
    """A limber robot, driven in this process, or (`ros`) by the robot_node that runs already."""

    # Name of a shipped robot spec, or path to a spec's YAML file
    spec: str = "so101"
    # Cameras to record, separated by commas; empty: all of the spec; none: none
    only_cameras: str = ""

    # What stands behind the spec (sim, serial, emulated); empty: as it says
    driver: str = ""
    # Serial port, or ports by bus as left=/dev/a,right=/dev/b; empty: the spec's
    port: str = ""
    # Calibration file; empty: the robot's own under the user's data folder
    calibration: str = ""
    # Task of a simulated world; none: the arm alone on its table
    task: str = "PickPlace"
    # Seed by which that world is placed when the robot connects; -1: as it begins, the arm at rest
    seed: int = -1
    # Longest time in s to move to the rest pose when the robot disconnects
    park_timeout_s: float = 10.0

    # Through ROS: robot_node has the arm, its driver, port and calibration
    ros: bool = False
    # Its ROS namespace
    namespace: str = ""
    # Arm it, send it goals, stop and park it at the end; false: only record what a teleop_node drives
    drive: bool = True
