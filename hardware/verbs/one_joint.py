"""One joint of a robot: its servo, its spec alone, its place in the calibration."""

from dataclasses import replace

from hardware.arms.calibration import Calibration, JointCalibration
from hardware.errors import HardwareError, unknown
from hardware.spec import BusSpec, RobotSpec, ServoSpec


def servo_of(spec: RobotSpec, joint: str) -> tuple[BusSpec, ServoSpec]:
    """The servo that moves `joint`, and its bus."""
    if joint not in spec.joint_names:
        raise HardwareError(unknown("joint", joint, spec.joint_names))
    for bus in spec.buses:
        for servo in bus.servos:
            if servo.joint == joint:
                return bus, servo
    raise HardwareError(f"robot {spec.name!r} has no servo buses; its spec needs a section `buses`")


def one_joint(spec: RobotSpec, joint: str) -> RobotSpec:
    """The same robot, as if it had no other joint."""
    bus, servo = servo_of(spec, joint)
    joints = tuple(j for j in spec.joints if j.name == joint)
    return replace(spec, joints=joints, buses=(replace(bus, servos=(servo,)),))


def with_joint(calibration: Calibration, joint: JointCalibration) -> Calibration:
    """The same calibration, with another `joint` in the place of its namesake."""
    return replace(
        calibration, joints=tuple(joint if j.joint == joint.joint else j for j in calibration.joints)
    )
