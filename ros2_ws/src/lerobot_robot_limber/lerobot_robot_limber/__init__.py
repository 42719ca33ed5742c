"""Any limber robot as a LeRobot `Robot`: `--robot.type=limber`.

Importing this registers the type; LeRobot's command lines do so for every installed distribution whose
name begins with `lerobot_robot_`.
"""

from lerobot_robot_limber import one_line
from lerobot_robot_limber.config_limber import LimberRobotConfig
from lerobot_robot_limber.limber import LimberRobot

__all__ = ["LimberRobot", "LimberRobotConfig"]

one_line.install()
