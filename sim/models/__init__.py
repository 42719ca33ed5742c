"""Arm models: one MJCF a robot, and the places on it that every model must offer."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from hardware.errors import unknown
from sim.errors import SimError
from sim.geometry import look_at, quat_of


@dataclass(frozen=True)
class ArmModel:
    """Where an arm's MJCF is, and its tool and cameras placed on a body of it.

    Places are given in axes parallel to the base's when every joint is 0, from the body's origin,
    so that they mean the same on any model of the same arm whatever its body frames are.
    """

    file: str
    menagerie: str  # the folder of mujoco_menagerie with a model of the same arm
    menagerie_file: str
    hand: str  # the body that carries the tool and the wrist camera
    tool: tuple[float, float, float]  # midway between the fingertips: the published gripperframe
    camera: tuple[float, float, float]  # beside the hand; the fingers point up in its picture
    camera_target: tuple[float, float, float]
    camera_fovy_deg: float
    pan: str  # the joint that turns the whole arm about z
    roll: str  # the joint that turns the tool about its own x axis
    ready: Mapping[str, float]  # rad, tool looking down in front of the arm: where searches begin


ARMS = {
    "so101": ArmModel(
        file="so101.xml",
        menagerie="robotstudio_so101",
        menagerie_file="so101.xml",
        hand="gripper",
        tool=(0.092, -0.0005, 0.0115),
        camera=(0.030, 0.068, 0.006),
        camera_target=(0.115, 0.0, 0.006),
        camera_fovy_deg=70.0,
        pan="shoulder_pan",
        roll="wrist_roll",
        ready={"shoulder_lift": -0.4, "elbow_flex": 0.6, "wrist_flex": 1.37},
    )
}


def load_arm(robot: str) -> mujoco.MjSpec:
    """The arm alone, with a site `tool` and a camera `wrist` on its hand.

    With MENAGERIE_ROOT set and the arm's folder in it, that model is loaded instead of the
    primitive one. Raises `SimError` for a robot without a model.
    """
    if robot not in ARMS:
        raise SimError(unknown("simulated robot", robot, ARMS))
    arm = ARMS[robot]
    spec = mujoco.MjSpec.from_file(str(model_file(arm)))
    _add_places(spec, arm)
    return spec


def model_file(arm: ArmModel) -> Path:
    """The MJCF that is loaded: menagerie's where MENAGERIE_ROOT has it, else ours."""
    root = os.environ.get("MENAGERIE_ROOT")
    if root:
        path = Path(root) / arm.menagerie / arm.menagerie_file
        if not path.is_file():
            raise SimError(f"MENAGERIE_ROOT: expected {arm.menagerie}/{arm.menagerie_file} in {root!r}")
        return path
    return Path(__file__).parent / arm.file


def _add_places(spec: mujoco.MjSpec, arm: ArmModel) -> None:
    model = spec.copy().compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    axes = data.body(arm.hand).xmat.reshape(3, 3)  # hand -> base, all joints at 0
    hand = spec.body(arm.hand)
    hand.add_site(name="tool", pos=axes.T @ np.array(arm.tool), quat=quat_of(axes.T), group=4)
    hand.add_camera(
        name="wrist",
        pos=axes.T @ np.array(arm.camera),
        quat=quat_of(axes.T @ look_at(arm.camera, arm.camera_target, up=(1.0, 0.0, 0.0))),
        fovy=arm.camera_fovy_deg,
    )
