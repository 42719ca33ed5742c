"""An arm on a table in front of a camera, and whatever a task puts there."""

from math import lcm

import mujoco

from hardware.errors import unknown
from hardware.spec import RobotSpec
from sim.errors import SimError
from sim.geometry import look_at, quat_of
from sim.models import load_arm
from sim.tasks.contract import Task

MIN_PHYSICS_HZ = 200  # 5 ms: the coarsest step at which grasps held in the reference experiments
MAX_PHYSICS_HZ = 2000

# Facing the arm over the table: what a task uses and the gripper above it fill the picture.
FRONT_EYE = (0.75, -0.07, 0.72)
FRONT_TARGET = (0.125, -0.07, 0.045)
FRONT_FOVY_DEG = 30.0
BACKDROP = (0.62, 0.66, 0.70)


def physics_hz(spec: RobotSpec) -> int:
    """The slowest physics rate from `MIN_PHYSICS_HZ` on that meets every tick and every frame exactly.

    When the rates have no reasonable common multiple, ticks are met and frames are not.
    """
    common = lcm(spec.control_hz, *(camera.fps for camera in spec.cameras))
    rate = common if common <= MAX_PHYSICS_HZ else spec.control_hz
    return rate * -(-MIN_PHYSICS_HZ // rate)


def build_scene(spec: RobotSpec, task: Task | None) -> mujoco.MjModel:
    """The compiled world. Raises `SimError` when the arm lacks a joint or camera of the spec."""
    scene = load_arm(spec.model)
    scene.option.timestep = 1.0 / physics_hz(spec)
    # implicitfast, elliptic cone and impratio 10: grasps do not slip (menagerie's choice too).
    scene.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    scene.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    scene.option.impratio = 10.0
    scene.option.iterations, scene.option.ls_iterations = 20, 20
    _add_surroundings(scene)
    if task is not None:
        task.add_to_scene(scene)
    _prepare_pictures(scene, spec)
    model = scene.compile()
    _check_names(model, spec)
    return model


def _add_surroundings(scene: mujoco.MjSpec) -> None:
    world = scene.worldbody
    world.add_light(
        pos=(0.3, 0.3, 1.2),
        dir=(-0.1, -0.25, -1.0),
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        diffuse=(0.5, 0.5, 0.5),
        specular=(0.0, 0.0, 0.0),
        castshadow=False,
    )
    backdrop = scene.add_texture(
        name="backdrop", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT
    )
    backdrop.width, backdrop.height, backdrop.rgb1, backdrop.rgb2 = 4, 24, BACKDROP, BACKDROP
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=(0.2, 0.0, -0.02),
        size=(0.8, 0.8, 0.02),
        rgba=(0.80, 0.82, 0.84, 1.0),
        friction=(1.0, 0.01, 0.0001),
        condim=4,
    )
    world.add_camera(
        name="front", pos=FRONT_EYE, quat=quat_of(look_at(FRONT_EYE, FRONT_TARGET)), fovy=FRONT_FOVY_DEG
    )


def _prepare_pictures(scene: mujoco.MjSpec, spec: RobotSpec) -> None:
    visual = scene.visual
    visual.headlight.ambient = (0.35, 0.35, 0.35)
    visual.headlight.diffuse = (0.35, 0.35, 0.35)
    visual.headlight.specular = (0.0, 0.0, 0.0)
    visual.map.znear, visual.map.zfar = 0.005, 20.0
    scene.stat.extent, scene.stat.center = 1.0, (0.15, 0.0, 0.1)
    # Multisampling and shadows are most of a picture's cost without a GPU.
    visual.quality.offsamples = 0
    for light in scene.lights:
        light.castshadow = False
    visual.global_.offwidth = max([camera.width for camera in spec.cameras], default=64)
    visual.global_.offheight = max([camera.height for camera in spec.cameras], default=64)


def _check_names(model: mujoco.MjModel, spec: RobotSpec) -> None:
    """Every joint of the spec has a joint and an actuator, every camera a camera."""
    wanted = (
        ("joint", mujoco.mjtObj.mjOBJ_JOINT, model.njnt, spec.joint_names),
        ("actuator", mujoco.mjtObj.mjOBJ_ACTUATOR, model.nu, spec.joint_names),
        ("camera", mujoco.mjtObj.mjOBJ_CAMERA, model.ncam, spec.camera_names),
    )
    for kind, object_type, count, names in wanted:
        there = [mujoco.mj_id2name(model, object_type, i) or "" for i in range(count)]
        for name in names:
            if name not in there:
                raise SimError(unknown(f"{kind} of the model of {spec.name}", name, there))
