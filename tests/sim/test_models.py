"""The primitive arm against the published joint frames, and a menagerie folder in its place."""

import os
from pathlib import Path

import mujoco
import numpy as np
import pytest

from hardware.errors import LimberError
from hardware.spec import load_spec
from sim.kinematics import ToolKinematics
from sim.models import load_arm
from sim.robot import SimRobot

SPEC = load_spec("so101")

# Body frames of mujoco_menagerie's robotstudio_so101 (pos, quat); every joint turns about its z axis.
PUBLISHED = {
    "shoulder_pan": ("shoulder", "0.0388353 0 0.0624", "0 0 -1 0"),
    "shoulder_lift": ("upper_arm", "-0.0303992 -0.0182778 -0.0542", "1 -1 -1 -1"),
    "elbow_flex": ("lower_arm", "-0.11257 -0.028 0", "1 0 0 1"),
    "wrist_flex": ("wrist", "-0.1349 0.0052 0", "1 0 0 -1"),
    "wrist_roll": ("gripper", "0 -0.0611 0.0181", "0.0172091 -0.0172091 0.706897 0.706897"),
    "gripper": ("moving_jaw_so101_v1", "0.0202 0.0188 -0.0234", "1 1 0 0"),
}


@pytest.fixture
def menagerie(tmp_path, monkeypatch):
    """A folder laid out like menagerie, with the published frames and boxes for meshes."""
    bodies, ends, actuators = "", "", ""
    for joint, (body, pos, quat) in PUBLISHED.items():
        limits = SPEC.joints[SPEC.joint_names.index(joint)]
        bodies += (
            f'<body name="{body}" pos="{pos}" quat="{quat}"><joint name="{joint}" axis="0 0 1" '
            f'range="{limits.lower} {limits.upper}"/><geom type="box" size=".01 .01 .01" mass="0.1"/>'
        )
        ends += "</body>"
        actuators += f'<position name="{joint}" joint="{joint}" kp="998" kv="2.7" forcerange="-2.94 2.94"/>'
    folder = tmp_path / "robotstudio_so101"
    folder.mkdir()
    (folder / "so101.xml").write_text(
        f'<mujoco><compiler angle="radian" autolimits="true"/><worldbody><body name="base">'
        f'<geom size=".02" mass="0.1"/>{bodies}{ends}</body></worldbody>'
        f"<actuator>{actuators}</actuator></mujoco>"
    )
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    return tmp_path


def places(joints):
    """Tool position and axes, wrist camera position and axes, at `joints`."""
    model = load_arm("so101").compile()
    data = mujoco.MjData(model)
    for name, angle in zip(SPEC.joint_names, joints, strict=True):
        data.joint(name).qpos[0] = angle
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    tool, camera = data.site("tool"), data.camera("wrist")
    return np.concatenate([tool.xpos, tool.xmat, camera.xpos, camera.xmat])


def test_the_primitive_arm_moves_like_the_published_one(menagerie, monkeypatch):
    rng = np.random.default_rng(0)
    poses = rng.uniform(SPEC.joint_array("lower"), SPEC.joint_array("upper"), (20, SPEC.n_joints))
    published = np.array([places(pose) for pose in poses])
    monkeypatch.delenv("MENAGERIE_ROOT")
    np.testing.assert_allclose(np.array([places(pose) for pose in poses]), published, atol=1e-4)


def test_joint_ranges_are_the_specs():
    model = load_arm("so101").compile()
    for joint in SPEC.joints:
        np.testing.assert_allclose(model.joint(joint.name).range, (joint.lower, joint.upper), atol=1e-4)


def test_a_menagerie_model_loads_in_place_of_the_primitive_one(menagerie):
    robot = SimRobot(SPEC, "PickPlace")
    robot.connect()
    robot.reset(0)
    assert robot.model.body("moving_jaw_so101_v1").id > 0
    robot.torque_on()
    robot.advance_to(50_000_000)
    assert np.isfinite(robot.get_observation().state).all()
    robot.disconnect()


def test_a_menagerie_root_without_the_arm_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(LimberError, match=r"robotstudio_so101/so101\.xml"):
        load_arm("so101")


@pytest.mark.skipif(
    not (Path(os.environ.get("MENAGERIE_ROOT", "/nowhere")) / "robotstudio_so101").is_dir(),
    reason="MENAGERIE_ROOT names no folder with robotstudio_so101",
)
def test_the_real_menagerie_model():
    robot = SimRobot(SPEC, "PickPlace")
    robot.connect()
    robot.reset(0)
    robot.torque_on()
    robot.advance_to(1_000_000_000)
    assert robot.get_observation().images["front"].std() > 5
    robot.disconnect()


def test_inverse_kinematics_finds_what_forward_kinematics_confirms():
    kinematics = ToolKinematics(SPEC)
    rng = np.random.default_rng(1)
    for _ in range(20):
        position = np.array([rng.uniform(0.15, 0.27), rng.uniform(-0.1, 0.1), rng.uniform(0.02, 0.06)])
        heading = np.arctan2(position[1], position[0]) + rng.uniform(-1.5, 1.5)
        joints = kinematics.looking_down(position, heading, gripper=0.3)
        assert joints[-1] == 0.3
        assert (joints >= SPEC.joint_array("lower") - 1e-6).all()
        assert (joints <= SPEC.joint_array("upper") + 1e-6).all()
        np.testing.assert_allclose(kinematics.tool_position(joints), position, atol=2e-3)
        assert abs(np.angle(np.exp(1j * (kinematics.heading(joints) - heading)))) < 0.05


def test_out_of_reach_is_an_error():
    with pytest.raises(LimberError, match="within reach"):
        ToolKinematics(SPEC).looking_down([0.6, 0.0, 0.1], 0.0, gripper=0.3)


def test_the_servo_sags_by_what_is_predicted():
    robot = SimRobot(SPEC)
    robot.connect()
    robot.torque_on()
    goal = np.array([0.0, 0.3, 0.0, 0.5, 0.0, 0.2])
    robot.send_action(goal.astype(np.float32))
    robot.advance_to(3_000_000_000)
    resting = robot.get_observation().state
    sag = ToolKinematics(SPEC).sag(resting.astype(np.float64))
    # Dry friction may hold a joint short of its balance by frictionloss / kp.
    np.testing.assert_allclose(goal - resting, sag, atol=2e-3)
