"""The shipped URDF is that of the simulated arm: same frames, up to date, read by other parsers too."""

from dataclasses import replace
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
from limber_description import DescriptionError, described_robots, robot_description
from limber_description.generate import generate

from hardware.spec import load_spec, robot_names
from sim.models import load_arm

ROBOTS = described_robots()
NUMBERS = {"xyz", "rpy", "size", "rgba", "value", "ixx", "ixy", "ixz", "iyy", "iyz", "izz"}


@pytest.fixture(autouse=True)
def _our_own_model(monkeypatch):
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)


def _rotation(rpy):
    """(3, 3) of roll, pitch, yaw about fixed axes, as the URDF specification defines them."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return yaw @ pitch @ roll


def _about(axis, angle):
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _numbers(element, name):
    return np.array([float(word) for word in element.get(name).split()])


def _forward_kinematics(urdf: str, angles: dict[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Position and rotation of every link of a URDF in its root link, read without any library."""
    robot = ElementTree.fromstring(urdf)
    joints = robot.findall("joint")
    children = {j.find("child").get("link") for j in joints}
    (root,) = {link.get("name") for link in robot.findall("link")} - children
    frames = {root: (np.zeros(3), np.eye(3))}
    while len(frames) <= len(joints):
        for joint in joints:
            parent, child = joint.find("parent").get("link"), joint.find("child").get("link")
            if parent not in frames or child in frames:
                continue
            position, rotation = frames[parent]
            origin = joint.find("origin")
            turned = rotation @ _rotation(_numbers(origin, "rpy"))
            moved = position + rotation @ _numbers(origin, "xyz")
            if joint.get("type") == "revolute":
                turned = turned @ _about(_numbers(joint.find("axis"), "xyz"), angles[joint.get("name")])
            frames[child] = (moved, turned)
    return frames


def test_every_robot_that_is_fenced_in_is_described():
    fenced = {spec.model for spec in map(load_spec, robot_names()) if spec.workspace is not None}
    assert fenced == set(ROBOTS)


@pytest.mark.parametrize("robot", ROBOTS)
def test_forward_kinematics_are_those_of_the_simulation(robot):
    spec = load_spec(robot)
    urdf = robot_description(spec)
    model = load_arm(robot).compile()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    for _ in range(200):
        joints = rng.uniform(spec.joint_array("lower"), spec.joint_array("upper"))
        for name, angle in zip(spec.joint_names, joints, strict=True):
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        frames = _forward_kinematics(urdf, dict(zip(spec.joint_names, joints, strict=True)))
        bodies = [model.body(i).name for i in range(1, model.nbody)]
        for body in bodies:
            np.testing.assert_allclose(frames[f"{body}_link"][0], data.body(body).xpos, atol=1e-6)
            np.testing.assert_allclose(
                frames[f"{body}_link"][1], data.body(body).xmat.reshape(3, 3), atol=1e-6
            )
        np.testing.assert_allclose(frames["gripper_frame_link"][0], data.site("tool").xpos, atol=1e-6)
        position, optical = frames["wrist_optical_frame"]
        np.testing.assert_allclose(position, data.camera("wrist").xpos, atol=1e-6)
        forward = -data.camera("wrist").xmat.reshape(3, 3)[:, 2]
        np.testing.assert_allclose(optical[:, 2], forward, atol=1e-6)  # REP-103: optical z looks ahead


@pytest.mark.parametrize("robot", ROBOTS)
def test_shipped_urdf_is_up_to_date(robot):
    """Compared number by number: the last digits may differ between processors."""

    def flat(urdf):
        return list(ElementTree.fromstring(urdf).iter())

    made = flat(generate(robot))
    spec = load_spec(robot)
    shipped = flat(robot_description(spec))
    assert [e.tag for e in made] == [e.tag for e in shipped], (
        "run python -m limber_description.generate again"
    )
    for new, old in zip(made, shipped, strict=True):
        assert set(new.keys()) == set(old.keys())
        for name in () if new.tag == "limit" else new.keys():  # limits come from the spec
            if name in NUMBERS:
                np.testing.assert_allclose(_numbers(new, name), _numbers(old, name), atol=1e-7)
            else:
                assert new.get(name) == old.get(name)


@pytest.mark.parametrize("robot", ROBOTS)
def test_another_parser_reads_the_urdf(robot):
    """MuJoCo's URDF reader: same joints, same limits, same masses."""
    spec = load_spec(robot)
    model = mujoco.MjModel.from_xml_string(robot_description(spec))
    assert {model.joint(i).name for i in range(model.njnt)} == set(spec.joint_names)
    for joint in spec.joints:
        np.testing.assert_allclose(model.joint(joint.name).range, (joint.lower, joint.upper), atol=1e-6)
    arm = load_arm(robot).compile()
    moving = arm.body_mass[2:].sum()  # the reader welds the base to its world and drops its mass
    assert model.body_mass[1:].sum() == pytest.approx(moving, rel=1e-6)


def test_limits_are_those_of_the_spec_in_use():
    spec = load_spec("so101")
    joints = (replace(spec.joints[0], lower=-0.5, upper=0.25, velocity=1.5, effort=0.75), *spec.joints[1:])
    robot = ElementTree.fromstring(robot_description(replace(spec, joints=joints)))
    limit = robot.find(f"joint[@name='{joints[0].name}']/limit")
    assert {name: float(value) for name, value in limit.items()} == {
        "lower": -0.5,
        "upper": 0.25,
        "velocity": 1.5,
        "effort": 0.75,
    }


def test_a_robot_without_a_urdf_is_refused():
    with pytest.raises(DescriptionError, match=r"unknown robot description 'so102' .*valid: so101"):
        robot_description(replace(load_spec("so101"), model="so102"))


def test_other_joints_than_the_urdfs_are_refused():
    spec = load_spec("so101")
    joints = (replace(spec.joints[0], name="waist"), *spec.joints[1:])
    with pytest.raises(DescriptionError, match="waist"):
        robot_description(replace(spec, joints=joints))
