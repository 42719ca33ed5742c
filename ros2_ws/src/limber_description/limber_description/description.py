"""A robot's URDF: the shipped kinematics with the limits of the spec that is in use.

Reads no model and needs no MuJoCo, so that a machine with a real arm can publish it.
"""

from importlib.resources import files
from xml.etree import ElementTree

from hardware.errors import LimberError, unknown
from hardware.spec import RobotSpec


class DescriptionError(LimberError):
    """A robot without a URDF, or with other joints than its URDF has."""


def described_robots() -> list[str]:
    """The robots whose URDF is shipped."""
    folder = files("hardware") / "robots"
    return sorted(f.name.removesuffix(".urdf") for f in folder.iterdir() if f.name.endswith(".urdf"))


def robot_description(spec: RobotSpec) -> str:
    """The URDF of `spec`; `DescriptionError` when none is shipped or its joints are others.

    Position limits in rad, velocity in rad/s and effort in N m are those of the spec.
    """
    if spec.model not in described_robots():
        raise DescriptionError(unknown("robot description", spec.model, described_robots()))
    text = (files("hardware") / "robots" / f"{spec.model}.urdf").read_text()
    robot = ElementTree.fromstring(text)
    moving = {j.get("name"): j for j in robot.iter("joint") if j.get("type") in ("revolute", "prismatic")}
    if set(moving) != set(spec.joint_names):
        raise DescriptionError(
            f"expected the joints of {spec.name}'s URDF, got those of the spec: "
            f"{', '.join(spec.joint_names)}; valid: {', '.join(str(name) for name in moving)}"
        )
    for joint in spec.joints:
        limit = moving[joint.name].find("limit")
        assert limit is not None, "the generator gives every moving joint its limits"
        for name in ("lower", "upper", "effort", "velocity"):
            limit.set(name, f"{getattr(joint, name):.9g}")
    return ElementTree.tostring(robot, encoding="unicode")
