"""From what a dataset holds to what a policy for it takes."""

from dataclasses import replace

from hardware.spec import RobotSpec, load_spec, robot_names
from policies.contracts import CameraShape, PolicySpec
from policies.data.frames import Frames
from policies.errors import DatasetError, PolicyError


def dataset_spec(
    frames: Frames,
    chunk_size: int,
    n_obs_steps: int,
    cameras: tuple[str, ...] | None = None,
    robot: str | None = None,
) -> tuple[PolicySpec, RobotSpec | None]:
    """The policy's spec, and the robot's where it is known.

    cameras: default all of the dataset. robot: a shipped robot's name or a spec file; default what
    the dataset names, if that is shipped. Raises `PolicyError` for cameras that are not there,
    joints that are not the robot's, and chunks longer than the shortest episode would fill.
    """
    if chunk_size < 1 or n_obs_steps < 1:
        raise PolicyError(
            f"expected chunk_size and n_obs_steps of at least 1, got {chunk_size}, {n_obs_steps}"
        )
    longest = int((frames.episode_starts[1:] - frames.episode_starts[:-1]).max())
    if chunk_size > longest:
        raise PolicyError(
            f"chunk_size: expected at most {longest}, the dataset's longest episode, got {chunk_size}"
        )
    chosen = tuple(frames.images) if cameras is None else cameras
    for name in chosen:
        if name not in frames.images:
            has = " ".join(frames.images) or "none"
            raise DatasetError(f"cameras: expected [{' '.join(chosen)}], the dataset has [{has}]")
    shapes = tuple(CameraShape(name, *frames.images[name].shape[1:3]) for name in chosen)
    state_names = _names(frames, "observation.state", frames.state.shape[1])
    action_names = _names(frames, "action", frames.action.shape[1])
    spec = PolicySpec(n_obs_steps, chunk_size, frames.fps, state_names, action_names, shapes)
    return spec, _robot(frames, spec, robot)


def _names(frames: Frames, key: str, n: int) -> tuple[str, ...]:
    """Joint names; LeRobot's own datasets append `.pos`."""
    names = frames.names.get(key) or [f"{key}.{i}" for i in range(n)]
    return tuple(name.removesuffix(".pos") for name in names)


def _robot(frames: Frames, spec: PolicySpec, name: str | None) -> RobotSpec | None:
    if name is None and frames.robot_type not in robot_names():
        return None
    robot = load_spec(name or str(frames.robot_type))
    if spec.action_names != robot.joint_names:
        if name is None:  # another project's robot of the same name
            return None
        raise DatasetError(
            f"joints: robot {robot.name!r} has [{' '.join(robot.joint_names)}], "
            f"the dataset has [{' '.join(spec.action_names)}]"
        )
    known = {camera.name: camera for camera in robot.cameras}
    missing = [camera for camera in spec.camera_names if camera not in known]
    if missing:
        raise DatasetError(
            f"cameras: robot {robot.name!r} has [{' '.join(robot.camera_names)}], "
            f"the dataset has [{' '.join(spec.camera_names)}]; choose among them with --cameras"
        )
    cameras = tuple(replace(known[c.name], width=c.width, height=c.height) for c in spec.cameras)
    return replace(robot, cameras=cameras, action_hz=spec.action_hz)
