"""Plants by name: `module:name`, resolved when a command runs."""

from importlib import import_module

from hardware.emulator.plant import Plant, ServoParameters, ServoPlant
from hardware.errors import HardwareError
from hardware.servos.table import SERVOS
from hardware.spec import RobotSpec

# Moment of the arm about each joint where it is stretched out, N m: an SO-101 (0.45 kg beyond the
# shoulder) measured with a scale by people who tune its gains.
GRAVITY = {"shoulder_lift": 0.7, "elbow_flex": 0.4, "wrist_flex": 0.12}
END_STOP = 0.05  # rad beyond the spec's limits


def servo_plant(spec: RobotSpec) -> ServoPlant:
    """Every joint with what its servo can do and the arm's weight on it, at the rest pose."""
    models = {joint: SERVOS[servo.model] for joint, servo in spec.servos.items()}
    joints = [
        ServoParameters(
            stall_torque=models[j.name].rated["stall_torque"],
            speed=models[j.name].rated["speed"],
            gravity=_moment(j.name) * models[j.name].rated["stall_torque"] / 1.6,
            gravity_angle=j.rest,  # folded up it lies still, stretched out it weighs most
            lower=j.lower - END_STOP,
            upper=j.upper + END_STOP,
        )
        for j in spec.joints
    ]
    return ServoPlant(joints, spec.joint_array("rest"))


def _moment(joint: str) -> float:
    """Of a joint or, in a composed robot, of one arm's."""
    return next((m for name, m in GRAVITY.items() if joint == name or joint.endswith(f"_{name}")), 0.0)


def load_plant(name: str, spec: RobotSpec, task: str | None) -> Plant:
    """The plant `name`: empty for the servos' own, else `module:name` of a module with `make_plant`."""
    if not name:
        return servo_plant(spec)
    module, colon, item = name.partition(":")
    if not colon:
        raise HardwareError(f"plant: expected module:name, as sim:so101, got {name!r}")
    try:
        make = import_module(module).make_plant
    except (ImportError, AttributeError) as error:
        raise HardwareError(f"plant {name!r}: {error}") from None
    plant: Plant = make(item, spec, task)
    return plant
