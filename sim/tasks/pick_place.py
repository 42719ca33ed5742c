"""PickPlace: a cube anywhere on the table, at any yaw, must end inside a bin that stands anywhere."""

from collections.abc import Mapping

import mujoco
import numpy as np

from hardware.robot import ObjectPose
from sim.geometry import yaw_quat

CUBE_SIZE = 0.030  # edge, m
CUBE_MASS = 0.030  # kg: the reference experiments' cube
CUBE_AREA = ((0.14, 0.30), (-0.04, 0.12))  # x, y of its centre: 16 x 16 cm, all within the arm's reach
BIN_AREA = ((0.08, 0.18), (-0.23, -0.13))  # x, y of its centre: 10 x 10 cm; its wall stays clear of cubes
BIN_INNER = 0.084  # between the walls
BIN_WALL = 0.003
BIN_HEIGHT = 0.035
INSTRUCTION = "put the cube into the bin"

# Gripper above the middle of the table, open a little, looking down.
START = {
    "shoulder_pan": 0.0,
    "shoulder_lift": -0.55,
    "elbow_flex": 0.45,
    "wrist_flex": 1.67 - 0.1,
    "wrist_roll": 0.0,
    "gripper": 0.3,
}
START_SPREAD = 0.1  # rad, so that no two episodes begin alike


class PickPlace:
    """Success: the cube's centre is between the walls and below the rim, and no finger touches it."""

    name = "PickPlace"
    hold_s = 0.5
    timeout_s = 12.0

    def add_to_scene(self, scene: mujoco.MjSpec) -> None:
        cube = scene.worldbody.add_body(name="cube", pos=(0.2, 0.05, CUBE_SIZE / 2))
        cube.add_freejoint(name="cube")
        cube.add_geom(
            name="cube",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[CUBE_SIZE / 2] * 3,
            mass=CUBE_MASS,
            rgba=(0.85, 0.12, 0.10, 1.0),
            condim=4,
            friction=(1.0, 0.01, 0.0001),
        )
        # A mocap body: placed at reset, then as good as screwed to the table.
        bin_body = scene.worldbody.add_body(name="bin", pos=(0.13, -0.17, 0.0), mocap=True)
        half, wall = BIN_INNER / 2, BIN_WALL / 2
        reach = half + BIN_WALL
        parts = {
            "bin_floor": ((0.0, 0.0, 0.001), (reach, reach, 0.001)),
            "bin_left": ((0.0, half + wall, BIN_HEIGHT / 2), (reach, wall, BIN_HEIGHT / 2)),
            "bin_right": ((0.0, -half - wall, BIN_HEIGHT / 2), (reach, wall, BIN_HEIGHT / 2)),
            "bin_front": ((half + wall, 0.0, BIN_HEIGHT / 2), (wall, half, BIN_HEIGHT / 2)),
            "bin_back": ((-half - wall, 0.0, BIN_HEIGHT / 2), (wall, half, BIN_HEIGHT / 2)),
        }
        for name, (pos, size) in parts.items():
            shade = (0.10, 0.28, 0.60, 1.0) if name == "bin_floor" else (0.13, 0.40, 0.80, 1.0)
            bin_body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, rgba=shade)

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> str:
        cube = data.joint("cube").qpos
        cube[:3] = rng.uniform(*CUBE_AREA[0]), rng.uniform(*CUBE_AREA[1]), CUBE_SIZE / 2
        cube[3:] = yaw_quat(rng.uniform(-np.pi, np.pi))
        bin_id = model.body("bin").mocapid[0]
        data.mocap_pos[bin_id] = rng.uniform(*BIN_AREA[0]), rng.uniform(*BIN_AREA[1]), 0.0
        return INSTRUCTION

    def start_pose(self, rng: np.random.Generator) -> Mapping[str, float]:
        return {name: angle + rng.uniform(-START_SPREAD, START_SPREAD) for name, angle in START.items()}

    def objects(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, ObjectPose]:
        sizes = {
            "cube": (CUBE_SIZE, CUBE_SIZE, CUBE_SIZE),
            "bin": (BIN_INNER + 2 * BIN_WALL, BIN_INNER + 2 * BIN_WALL, BIN_HEIGHT),
        }
        return {
            name: ObjectPose(
                tuple(data.body(name).xpos.tolist()), tuple(data.body(name).xquat.tolist()), size
            )
            for name, size in sizes.items()
        }

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """A quarter for reaching the cube, a quarter for lifting it, a quarter for nearing the bin."""
        if self.success(model, data):
            return 1.0
        cube, place = data.body("cube").xpos, data.body("bin").xpos
        reach = 1.0 - np.tanh(5.0 * np.linalg.norm(data.site("tool").xpos - cube))
        lift = np.clip((cube[2] - CUBE_SIZE / 2) / BIN_HEIGHT, 0.0, 1.0)
        carry = 1.0 - np.tanh(5.0 * np.linalg.norm(cube[:2] - place[:2]))
        within = self._inside(data)
        return float(0.25 * reach + 0.25 * max(lift, within) + 0.25 * carry * max(lift, within))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._inside(data) and not self._touched(model, data)

    @staticmethod
    def _inside(data: mujoco.MjData) -> bool:
        x, y, z = data.body("cube").xpos - data.body("bin").xpos
        return bool(max(abs(x), abs(y)) < BIN_INNER / 2 and z < BIN_HEIGHT)

    @staticmethod
    def _touched(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Whether anything but the bin or the table is in contact with the cube."""
        cube = model.geom("cube").id
        still = {cube, model.geom("table").id}
        bin_body = model.body("bin").id
        for pair in data.contact.geom[: data.ncon].tolist():
            if cube in pair:
                other = pair[0] if pair[1] == cube else pair[1]
                if other not in still and model.geom_bodyid[other] != bin_body:
                    return True
        return False
