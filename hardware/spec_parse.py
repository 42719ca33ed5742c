"""From a spec's YAML to its fields, each checked and, where it cannot be right, named by its line."""

from typing import Any

from hardware.errors import unknown
from hardware.servos.table import SERVOS
from hardware.spec_parts import GRIP_MARGIN, BusSpec, CameraSpec, JointSpec, ServoSpec
from hardware.spec_ros2_control import parse_ros2_control
from hardware.spec_yaml import Located

CONTROL_HZ = 100  # default of the robot loop
ACTION_HZ = 20  # default rate of datasets, chunks and policies
HIGHEST_ID = 0xFC  # of a servo, in both protocols
DRIVERS = ("sim", "serial", "emulated", "ros2_control")  # what may stand behind a spec


def parse_spec(root: Located) -> dict[str, Any]:
    """The fields of a `RobotSpec`; `SpecError` names file and line of what cannot be right."""
    root.only(
        *("extends", "name", "description", "driver", "control_hz", "action_hz"),
        *("joints", "cameras", "buses", "model", "workspace", "self_collision_margin"),
        *("compose", "ports", "ros2_control"),
    )
    driver = root.text("driver", "sim")
    if driver not in DRIVERS:
        raise root.error("driver", unknown("driver", driver, DRIVERS))
    control_hz = root.positive_int("control_hz", CONTROL_HZ)
    action_hz = root.positive_int("action_hz", ACTION_HZ)
    if control_hz % action_hz:
        raise root.error("action_hz", f"action_hz {action_hz} must divide control_hz {control_hz}")
    joints: list[JointSpec] = []
    for item in root.items("joints"):
        joint = _joint(item)
        if joint.name in [j.name for j in joints]:
            raise item.error("name", f"joint {joint.name!r} is named twice")
        joints.append(joint)
    if not joints:
        raise root.error("joints", "expected at least one joint")
    cameras: list[CameraSpec] = []
    for item in root.items("cameras", optional=True):
        camera = _camera(item)
        if camera.name in [c.name for c in cameras]:
            raise item.error("name", f"camera {camera.name!r} is named twice")
        cameras.append(camera)
    margin = root.not_negative("self_collision_margin") if root.has("self_collision_margin") else None
    names = tuple(joint.name for joint in joints)
    return {
        "name": root.text("name"),
        "joints": tuple(joints),
        "cameras": tuple(cameras),
        "control_hz": control_hz,
        "action_hz": action_hz,
        "description": root.text("description", ""),
        "buses": _buses(root, names),
        "arms": root.mapping("compose").keys if root.has("compose") else (),
        "ros2_control": parse_ros2_control(root, names, driver),
        "model": root.text("model", root.text("name")),
        "workspace": _workspace(root),
        "self_collision_margin": margin,
        "driver": driver,
    }


def _workspace(root: Located) -> tuple[tuple[float, float], ...] | None:
    if not root.has("workspace"):
        return None
    box = root.mapping("workspace")
    box.only("x", "y", "z")
    return tuple(box.interval(axis) for axis in ("x", "y", "z"))


def _joint(item: Located) -> JointSpec:
    item.only(
        *("name", "position", "velocity", "acceleration", "jerk", "effort", "rest"),
        *("gripper", "grip_margin"),
    )
    lower, upper = item.interval("position")
    rest = item.number("rest")
    if not lower <= rest <= upper:
        raise item.error("rest", f"rest {rest:g} is outside the position limits [{lower:g}, {upper:g}]")
    return JointSpec(
        name=item.name("name"),
        lower=lower,
        upper=upper,
        velocity=item.positive("velocity"),
        acceleration=item.positive("acceleration"),
        jerk=item.positive("jerk"),
        effort=item.positive("effort"),
        rest=rest,
        gripper=item.flag("gripper", False),
        grip_margin=item.not_negative("grip_margin", GRIP_MARGIN),
    )


def _camera(item: Located) -> CameraSpec:
    item.only(
        *("name", "width", "height", "fps", "frame", "latency_ms"),
        *("source", "fourcc", "exposure", "white_balance", "intrinsics"),
    )
    name = item.name("name")
    return CameraSpec(
        name=name,
        width=item.positive_int("width"),
        height=item.positive_int("height"),
        fps=item.positive_int("fps"),
        frame=item.text("frame", f"{name}_optical_frame"),
        latency_ms=item.not_negative("latency_ms", 0.0),
        source=item.text("source", ""),
        fourcc=item.text("fourcc", "MJPG"),
        exposure=item.not_negative("exposure", 0.0),
        white_balance=item.not_negative("white_balance", 0.0),
        intrinsics=item.text("intrinsics", ""),
    )


def _buses(root: Located, joints: tuple[str, ...]) -> tuple[BusSpec, ...]:
    """The lines; where there are any, every joint has one servo on one of them."""
    buses: list[BusSpec] = []
    wired: set[str] = set()
    for item in root.items("buses", optional=True):
        item.only("name", "baud", "port", "servos")
        name = item.name("name")
        if name in [b.name for b in buses]:
            raise item.error("name", f"bus {name!r} is named twice")
        servos: list[ServoSpec] = []
        for entry in item.items("servos"):
            servo = _servo(entry, joints)
            if servo.joint in wired:
                raise entry.error("joint", f"joint {servo.joint!r} has two servos")
            if servo.id in [s.id for s in servos]:
                raise entry.error("id", f"id {servo.id} is on bus {name!r} twice")
            wired.add(servo.joint)
            servos.append(servo)
        buses.append(BusSpec(name, item.positive_int("baud"), tuple(servos), item.text("port", "")))
    missing = [joint for joint in joints if joint not in wired]
    if buses and missing:
        raise root.error("buses", f"no servo for joint {missing[0]!r}")
    return tuple(buses)


def _servo(item: Located, joints: tuple[str, ...]) -> ServoSpec:
    item.only("joint", "model", "id", "direction")
    joint, model = item.text("joint"), item.text("model")
    if joint not in joints:
        raise item.error("joint", unknown("joint", joint, joints))
    if model not in SERVOS:
        raise item.error("model", unknown("servo model", model, SERVOS))
    servo = item.positive_int("id")
    if servo > HIGHEST_ID:
        raise item.error("id", f"id: expected 1 to {HIGHEST_ID}, got {servo}")
    direction = item.number("direction", 1)
    if direction not in (-1, 1):
        raise item.error("direction", f"direction: expected 1 or -1, got {direction:g}")
    return ServoSpec(joint, model, servo, int(direction))
