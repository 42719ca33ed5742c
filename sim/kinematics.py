"""Inverse kinematics of the arm's tool (mink), and what gravity asks of the motors."""

from collections.abc import Sequence

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from hardware.spec import RobotSpec
from sim.errors import SimError
from sim.models import ARMS, load_arm

Vector = NDArray[np.float64]

# A five-joint arm cannot hold every orientation: position comes first where both cannot be had.
POSITION_COST, ORIENTATION_COST = 1.0, 0.02
MAX_ITERATIONS = 40
POSITION_TOLERANCE = 1e-3  # m: the search ends
REACH_TOLERANCE = 1.5e-2  # m: beyond it the position counts as out of reach
ORIENTATION_TOLERANCE = 2e-2  # rad
STALLED = 1e-4  # rad: a step this small finds nothing better


class ToolKinematics:
    """The arm alone, without a world: where its tool is, and the joints that bring it somewhere.

    Joint vectors (n_joints,) are in spec order, positions (3,) m and in the base frame. The tool's
    x axis points out between the fingers; its z axis from the fixed finger to the moving jaw.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._model = load_arm(spec.model).compile()
        joints = [self._model.joint(name) for name in spec.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        motors = [self._model.actuator(name).id for name in spec.joint_names]
        self._stiffness = self._model.actuator_gainprm[motors, 0].copy()
        self._configuration = mink.Configuration(self._model)
        self._task = mink.FrameTask(
            "tool", "site", position_cost=POSITION_COST, orientation_cost=ORIENTATION_COST, lm_damping=1e-9
        )
        self._limits = [mink.ConfigurationLimit(self._model)]
        self._data = mujoco.MjData(self._model)
        arm = ARMS[spec.model]
        self._gripper = next(i for i, joint in enumerate(spec.joints) if joint.gripper)
        self._pan, self._roll = spec.joint_names.index(arm.pan), spec.joint_names.index(arm.roll)
        self._lower, self._upper = spec.joint_array("lower"), spec.joint_array("upper")
        self._ready = np.array([arm.ready.get(name, 0.0) for name in spec.joint_names])
        mujoco.mj_kinematics(self._model, self._data)
        self._pan_axis = self._data.joint(arm.pan).xanchor.copy()
        self._pan_sign = -np.sign(self._data.joint(arm.pan).xaxis[2])  # the arm heads along +x at 0

    def tool_position(self, joints: Vector) -> Vector:
        """Where the tool is, (3,)."""
        self._data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(self._model, self._data)
        position: Vector = self._data.site("tool").xpos.copy()
        return position

    def heading(self, joints: Vector) -> float:
        """Where the tool's z axis points, in rad about the base's z axis."""
        self._data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(self._model, self._data)
        axes = self._data.site("tool").xmat
        return float(np.arctan2(axes[5], axes[2]))

    def looking_down(self, position: Sequence[float] | Vector, heading: float, gripper: float) -> Vector:
        """The joints that bring the tool to `position`, pointing down, its z axis along `heading`.

        heading: rad about the base's z axis. gripper: its joint, which the tool does not depend
        on. Where the arm cannot point straight down it leans. Raises `SimError` when the position
        is out of reach.
        """
        target = np.array(position, dtype=np.float64)
        c, s = np.cos(heading), np.sin(heading)
        rotation = mink.SO3.from_matrix(np.array([[0.0, -s, c], [0.0, c, s], [-1.0, 0.0, 0.0]]))
        self._task.set_target(mink.SE3.from_rotation_and_translation(rotation, target))
        qpos = np.zeros(self._model.nq)
        qpos[self._qpos] = self._first_guess(target, heading)
        self._configuration.update(qpos)
        for _ in range(MAX_ITERATIONS):
            error = self._task.compute_error(self._configuration)
            far, turned = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
            if far < POSITION_TOLERANCE and turned < ORIENTATION_TOLERANCE:
                break
            velocity = mink.solve_ik(
                self._configuration, [self._task], dt=1.0, solver="daqp", damping=1e-9, limits=self._limits
            )
            self._configuration.integrate_inplace(velocity, 1.0)
            if np.abs(velocity).max() < STALLED:
                break
        far = np.linalg.norm(self._task.compute_error(self._configuration)[:3])
        if far > REACH_TOLERANCE:
            raise SimError(f"tool position: expected one within reach, got {np.round(target, 3).tolist()}")
        joints: Vector = self._configuration.q[self._qpos].copy()
        joints[self._gripper] = gripper
        return joints

    def _first_guess(self, target: Vector, heading: float) -> Vector:
        """The ready pose turned towards `target`, its tool turned to `heading`; (n_joints,)."""
        guess = self._ready.copy()
        away = target[:2] - self._pan_axis[:2]
        guess[self._pan] = -np.arctan2(away[1], away[0]) * self._pan_sign
        turn = heading - self.heading(guess)
        guess[self._roll] = (turn + np.pi) % (2 * np.pi) - np.pi
        within: Vector = np.clip(guess, self._lower, self._upper)
        return within

    def between(self, start: Vector, end: Vector) -> Vector:
        """Half way from one position to another (3,) around the arm's pan axis, not across its base."""
        relative = np.stack([start, end]) - self._pan_axis
        radius = np.hypot(relative[:, 0], relative[:, 1]).mean()
        angle = np.arctan2(relative[:, 1], relative[:, 0]).mean()
        x, y = self._pan_axis[:2] + radius * np.array([np.cos(angle), np.sin(angle)])
        return np.array([x, y, 0.5 * (start[2] + end[2])])

    def sag(self, joints: Vector) -> Vector:
        """How far gravity pulls each joint off its servo's goal at rest at `joints`, (n_joints,) rad."""
        self._data.qpos[self._qpos] = joints
        self._data.qvel[:] = 0.0
        mujoco.mj_forward(self._model, self._data)
        sag: Vector = self._data.qfrc_bias[self._dof] / self._stiffness
        return sag
