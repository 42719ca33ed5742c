"""Rotations, where MuJoCo's C functions want arrays of just the right shape."""

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def look_at(eye: Sequence[float], target: Sequence[float], up: Sequence[float] = (0.0, 0.0, 1.0)) -> Matrix:
    """(3, 3) axes of a camera at `eye` with `target` in its centre and `up` upright; it looks along -z."""
    back = np.array(eye, dtype=np.float64) - np.array(target, dtype=np.float64)
    back /= np.linalg.norm(back)
    right = np.cross(np.array(up, dtype=np.float64), back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


def quat_of(rotation: Matrix) -> Matrix:
    """(4,) wxyz of a rotation matrix (3, 3)."""
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(rotation, dtype=np.float64).reshape(9))
    return quat


def yaw_of(quaternion: Sequence[float]) -> float:
    """Heading about z of a wxyz quaternion, in rad."""
    w, x, y, z = quaternion
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def yaw_quat(yaw: float) -> Matrix:
    """(4,) wxyz of a rotation by `yaw` about z."""
    return np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
