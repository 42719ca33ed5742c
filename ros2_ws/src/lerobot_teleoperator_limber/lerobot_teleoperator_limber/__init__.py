"""Any of limber's devices as a LeRobot `Teleoperator`: `--teleop.type=limber`, for `--robot.type=limber`.

Importing this registers the type; LeRobot's command lines do so for every installed distribution whose
name begins with `lerobot_teleoperator_`.
"""

from lerobot_robot_limber import one_line

from lerobot_teleoperator_limber.config_limber import LimberTeleoperatorConfig
from lerobot_teleoperator_limber.limber import LimberTeleoperator

__all__ = ["LimberTeleoperator", "LimberTeleoperatorConfig"]

one_line.install()
