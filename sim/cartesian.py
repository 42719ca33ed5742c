"""Joint goals that move the tool: forward, left, up, pitch, roll (mink)."""

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec
from hardware.teleop.cartesian import ToolMove
from sim.kinematics import ORIENTATION_TOLERANCE, POSITION_TOLERANCE
from sim.models import ARMS, load_arm

Vector = NDArray[np.float64]

# Position, pitch and roll are five numbers for five joints: both can be had, but at the workspace's edge.
POSITION_COST, ORIENTATION_COST = 1.0, 0.05
ITERATIONS = 6  # from the last goal, a few mm away: two are enough but at the edge
FOLLOWED = 4e-3  # m: further off than this, the tool's target was out of reach
FURTHEST = 0.1  # rad a joint moves in one goal; near a stretched arm a small move would ask for more
LEAD = 0.3  # rad that a goal may run ahead of an arm that does not follow, as one that is held


class CartesianJog:
    """Keeps the joints that a person's moves have led to; joint vectors are (n_joints,) in spec order.

    The tool's orientation is kept as pitch (0: level, pi/2: down) in the vertical plane through the pan
    axis and the tool, and roll about the tool's own axis; the plane turns with the arm.
    """

    def __init__(self, spec: RobotSpec) -> None:
        """Raises `SimError` for a robot without a model."""
        self._model = load_arm(spec.model).compile()
        arm = ARMS[spec.model]
        self._qpos = np.array([self._model.joint(name).qposadr[0] for name in spec.joint_names])
        self._gripper = next(i for i, joint in enumerate(spec.joints) if joint.gripper)
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._configuration = mink.Configuration(self._model)
        self._task = mink.FrameTask(
            "tool", "site", position_cost=POSITION_COST, orientation_cost=ORIENTATION_COST, lm_damping=1e-6
        )
        self._limits = [mink.ConfigurationLimit(self._model)]
        data = mujoco.MjData(self._model)
        mujoco.mj_kinematics(self._model, data)
        self._pitch = self._roll = 0.0
        self._pan = data.joint(arm.pan).xanchor[:2].copy()
        self.begin(spec.joint_array("rest"))

    @property
    def position(self) -> Vector:
        """Where the tool shall be, (3,) m in the base frame."""
        position: Vector = self._position.copy()
        return position

    @property
    def angles(self) -> tuple[float, float]:
        """(pitch, roll) that the tool shall have, rad."""
        return self._pitch, self._roll

    def begin(self, state: Vector) -> None:
        """The tool is where the joints are."""
        self._goal: Vector = np.clip(state, self._lower, self._upper)
        self._aim_at(self._goal)

    def goal(self, move: ToolMove, state: Vector) -> Vector:
        """The joints after one more move; they stay where they are at the workspace's edge, or too far
        ahead of the arm at `state`."""
        turned = np.array([move.forward, move.left, move.up])
        held = np.abs(self._goal - state).max() > LEAD
        if not held and (turned.any() or move.pitch or move.roll):
            self._goal = self._solve(turned, move.pitch, move.roll)
        if move.gripper:
            wanted = self._goal[self._gripper] + move.gripper
            near = np.clip(wanted, state[self._gripper] - LEAD, state[self._gripper] + LEAD)
            self._goal[self._gripper] = np.clip(near, self._lower[self._gripper], self._upper[self._gripper])
        goal: Vector = self._goal.copy()
        return goal

    def _solve(self, moved: Vector, pitch: float, roll: float) -> Vector:
        """The joints (n_joints,) that bring the tool to its moved target, or as near as they come."""
        self._position += moved
        self._pitch, self._roll = self._pitch + pitch, self._roll + roll
        rotation = mink.SO3.from_matrix(self._rotation())
        self._task.set_target(mink.SE3.from_rotation_and_translation(rotation, self._position))
        self._configuration.update(self._full(self._goal))
        for _ in range(ITERATIONS):
            error = self._task.compute_error(self._configuration)
            near = np.linalg.norm(error[:3]) < 0.1 * POSITION_TOLERANCE
            if near and np.linalg.norm(error[3:]) < 0.1 * ORIENTATION_TOLERANCE:
                break
            velocity = mink.solve_ik(
                self._configuration, [self._task], dt=1.0, solver="daqp", damping=1e-6, limits=self._limits
            )
            self._configuration.integrate_inplace(velocity, 1.0)
        joints = np.clip(self._configuration.q[self._qpos], self._lower, self._upper)
        joints[self._gripper] = self._goal[self._gripper]
        change = joints - self._goal
        share = FURTHEST / max(FURTHEST, np.abs(change).max())
        reached: Vector = self._goal + share * change
        error = self._task.compute_error(self._configuration)
        missed = np.linalg.norm(error[:3]) > FOLLOWED or np.linalg.norm(error[3:]) > ORIENTATION_TOLERANCE
        if missed or share < 1.0:
            self._aim_at(reached)  # the target does not wander off beyond what can be reached
        return reached

    def _aim_at(self, joints: Vector) -> None:
        """Make where the tool is with these joints its target."""
        self._configuration.update(self._full(joints))
        pose = self._configuration.get_transform_frame_to_world("tool", "site")
        self._position = pose.translation().copy()
        turn = -self._azimuth()
        c, s = np.cos(turn), np.sin(turn)
        in_plane = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ pose.rotation().as_matrix()
        self._pitch = float(np.arctan2(-in_plane[2, 0], in_plane[0, 0]))
        self._roll = float(np.arctan2(-in_plane[1, 2], in_plane[1, 1]))

    def _rotation(self) -> NDArray[np.float64]:
        """Of the tool (3, 3): about z into the arm's plane, then pitch, then roll."""
        azimuth = self._azimuth()
        turns = [mink.SO3.from_z_radians(azimuth), mink.SO3.from_y_radians(self._pitch)]
        whole = turns[0] @ turns[1] @ mink.SO3.from_x_radians(self._roll)
        matrix: NDArray[np.float64] = whole.as_matrix()
        return matrix

    def _azimuth(self) -> float:
        """Of the tool's target about the pan axis, rad."""
        away = self._position[:2] - self._pan
        return float(np.arctan2(away[1], away[0]))

    def _full(self, joints: Vector) -> Vector:
        qpos = np.zeros(self._model.nq)
        qpos[self._qpos] = joints
        return qpos
