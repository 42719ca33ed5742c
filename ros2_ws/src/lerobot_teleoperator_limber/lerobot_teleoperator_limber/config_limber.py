"""What `--teleop.type=limber` can be told."""

from dataclasses import dataclass

from lerobot.teleoperators.config import TeleoperatorConfig


@TeleoperatorConfig.register_subclass("limber")
@dataclass(kw_only=True)
class LimberTeleoperatorConfig(TeleoperatorConfig):
    """A device of limber's, or what a teleop_node says on `teleop/joint_command`."""

    # What leads: leader, keyboard, keyboard_tool, gamepad, spacemouse; topic: a teleop_node drives
    operator: str = "leader"
    # Spec of the robot that is led, as --robot.spec
    spec: str = "so101"

    # Path of the gamepad's or SpaceMouse's device; empty: the first one found
    device: str = ""
    # Leader arm: name of a shipped robot spec, or path to one
    leader: str = "so101_leader"
    # What stands behind the leader: serial or emulated; empty: as it says
    leader_driver: str = ""
    # The leader's serial port; empty: the spec's
    leader_port: str = ""
    # Its calibration file; empty: its own under the user's data folder
    leader_calibration: str = ""

    # ROS namespace of the robot that the teleop_node drives
    namespace: str = ""
