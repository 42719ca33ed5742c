"""Somebody else's arm: the topics by which its ros2_control tells where it is and takes goals."""

from collections.abc import Sequence
from dataclasses import dataclass

from hardware.errors import unknown
from hardware.spec_yaml import Located

INTERFACES = ("position", "trajectory")


@dataclass(frozen=True)
class Ros2ControlSpec:
    """Topics of a controller manager that runs already.

    joint_states: sensor_msgs/JointState. command: what its controller takes: std_msgs/Float64MultiArray
    of all joints (`position`: forward_command_controller, position_controllers), or
    trajectory_msgs/JointTrajectory (`trajectory`: joint_trajectory_controller).
    joints: their names there, in the order of the spec's joints.
    """

    joint_states: str
    command: str
    interface: str
    joints: tuple[str, ...]


def parse_ros2_control(root: Located, joints: Sequence[str], driver: str) -> Ros2ControlSpec | None:
    """The section `ros2_control`, None without one; `SpecError` where the driver needs one."""
    if not root.has("ros2_control"):
        if driver == "ros2_control":
            raise root.error(
                "driver",
                "driver ros2_control: expected a section ros2_control with joint_states, command, interface",
            )
        return None
    section = root.mapping("ros2_control")
    section.only("joint_states", "command", "interface", "names")
    interface = section.text("interface")
    if interface not in INTERFACES:
        raise section.error("interface", unknown("interface", interface, INTERFACES))
    theirs = {joint: joint for joint in joints}
    if section.has("names"):
        names = section.mapping("names")
        for joint in names.keys:
            if joint not in theirs:
                raise names.error(joint, unknown("joint", joint, joints))
            theirs[joint] = names.text(joint)
    twice = [name for name in theirs.values() if list(theirs.values()).count(name) > 1]
    if twice:
        raise section.error("names", f"names: {twice[0]!r} stands for two joints")
    return Ros2ControlSpec(
        section.text("joint_states"), section.text("command"), interface, tuple(theirs.values())
    )
