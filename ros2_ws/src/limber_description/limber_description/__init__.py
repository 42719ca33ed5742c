"""The URDF of a robot, as `robot_description` wants it."""

from limber_description.description import DescriptionError, described_robots, robot_description

__all__ = ["DescriptionError", "described_robots", "robot_description"]
