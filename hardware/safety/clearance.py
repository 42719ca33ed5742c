"""How far a pose is from what it must not do: leave the workspace, or touch itself."""

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError
from hardware.kinematics import TOOL, Capsule, Kinematics, load_kinematics
from hardware.spec import RobotSpec

Array = NDArray[np.float64]
Index = NDArray[np.intp]
NEAR = 1e-9  # m^2; a capsule shorter than that is a sphere


class Clearance:
    """Distances in m, one a constraint; a pose keeps a constraint while its distance is not negative.

    First those of points from the sides of the workspace: every moving joint's origin, and the tool.
    Then those between links that are no neighbours, as capsules around their boxes. Pairs that are
    closer than `margin` in the rest pose are folded up on purpose and left out.
    """

    def __init__(
        self, kinematics: Kinematics, workspace: Array | None, margin: float | None, rest: Array
    ) -> None:
        """workspace: (3, 2) least and greatest x, y, z in the base frame, m. margin: m between two links.
        None: not looked at. rest: (n_joints,), allowed.
        """
        self._kinematics = kinematics
        self._workspace = np.zeros((3, 2)) if workspace is None else workspace
        points = [] if workspace is None else self._moving_frames(rest)
        self._points = np.array(points, dtype=np.intp)
        self._margin = margin or 0.0
        self._starts = np.array([(*c.start, 1.0) for c in kinematics.capsules])
        self._ends = np.array([(*c.end, 1.0) for c in kinematics.capsules])
        self._links = np.array([c.link for c in kinematics.capsules], dtype=np.intp)
        pairs = np.array(self._pairs(kinematics.capsules), dtype=np.intp).reshape(-1, 2)
        self._keep_apart(pairs if margin is not None else pairs[:0])
        apart = self._between(kinematics.frames(rest), np.arange(len(self._radii))) >= 0
        self._keep_apart(np.stack((self._first, self._second), axis=1)[apart])
        self.slopes = self._slopes(len(rest))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of the links that are kept apart."""
        names, links = self._kinematics.link_names, self._links
        found = {(names[links[a]], names[links[b]]) for a, b in zip(self._first, self._second, strict=True)}
        return sorted(found)

    def __call__(self, angles: Array, which: Index | None = None) -> Array:
        """Distances (..., n_constraints) of poses (..., n_joints), or only of `which` constraints, sorted."""
        n = len(self._points)
        which = np.arange(n + len(self._radii)) if which is None else which
        points, pairs = which[which < n], which[which >= n] - n
        frames = self._kinematics.frames(angles)
        room = self._room(frames, points)
        return np.concatenate((room, self._between(frames, pairs)), axis=-1) if len(pairs) else room

    def _keep_apart(self, pairs: Index) -> None:
        """Of capsules, (n_pairs, 2) indices."""
        radii = np.array([c.radius for c in self._kinematics.capsules])
        self._first, self._second = pairs[:, 0], pairs[:, 1]
        self._radii = radii[self._first] + radii[self._second]

    def _moving_frames(self, rest: Array) -> list[int]:
        """Links whose origin some joint moves, and the tool."""
        kinematics = self._kinematics
        spans = kinematics.spans(len(rest))
        joints = [i for i, row in enumerate(spans) if row.any() and kinematics.carrier(i) == i]
        tool = kinematics.index(TOOL)
        return joints if tool is None else [*joints, tool]

    def _pairs(self, capsules: list[Capsule]) -> list[tuple[int, int]]:
        """Capsules of links that are neither the same nor neighbours."""
        kinematics = self._kinematics
        carriers = [kinematics.carrier(c.link) for c in capsules]

        def apart(a: int, b: int) -> bool:
            return a != b and kinematics.parent(a) != b and kinematics.parent(b) != a

        n = len(capsules)
        return [(a, b) for a in range(n) for b in range(a + 1, n) if apart(carriers[a], carriers[b])]

    def _slopes(self, n_joints: int) -> Array:
        """How much each distance changes at most with each joint (n_constraints, n_joints), m/rad."""
        kinematics = self._kinematics
        spans = kinematics.spans(n_joints)
        rows = [spans[i] for i in self._points]
        for a, b in zip(self._first, self._second, strict=True):
            row = np.zeros(n_joints)
            for near, far in ((a, b), (b, a)):
                capsule = kinematics.capsules[near]
                extent = max(np.linalg.norm(capsule.start), np.linalg.norm(capsule.end))
                # A joint that moves both links leaves them as they are to each other.
                alone = kinematics.movers(capsule.link) - kinematics.movers(kinematics.capsules[far].link)
                for joint in alone:
                    row[joint] += spans[capsule.link, joint] + float(extent)
            rows.append(row)
        return np.array(rows).reshape(-1, n_joints)

    def _room(self, frames: Array, points: Index) -> Array:
        """Distances (..., n_points) to the nearest side of the workspace."""
        at = frames[..., :3, 3][..., self._points[points], :]
        room: Array = np.minimum(at - self._workspace[:, 0], self._workspace[:, 1] - at).min(axis=-1)
        return room

    def _between(self, frames: Array, pairs: Index) -> Array:
        """Distances less margin (..., n_pairs) of pairs of capsules."""
        capsules, position = np.unique(
            np.stack((self._first[pairs], self._second[pairs])), return_inverse=True
        )
        a, b = position.reshape(2, -1)
        poses = frames[..., self._links[capsules], :3, :]
        start, end = _apply(poses, self._starts[capsules]), _apply(poses, self._ends[capsules])
        gap = _segment_distance(start[..., a, :], end[..., a, :], start[..., b, :], end[..., b, :])
        left: Array = gap - self._radii[pairs] - self._margin
        return left


def clearance_of(spec: RobotSpec) -> Clearance | None:
    """What a spec asks for; None where it asks for nothing."""
    if spec.workspace is None and spec.self_collision_margin is None:
        return None
    kinematics = load_kinematics(spec.model, spec.joint_names)
    if kinematics is None:
        raise HardwareError(
            f"robot {spec.name!r}: a workspace or a self-collision margin needs its URDF, "
            f"hardware/robots/{spec.model}.urdf is not there"
        )
    workspace = None if spec.workspace is None else np.array(spec.workspace)
    return Clearance(kinematics, workspace, spec.self_collision_margin, spec.joint_array("rest"))


def _apply(poses: Array, points: Array) -> Array:
    moved: Array = (poses @ points[..., None])[..., 0]
    return moved


def _segment_distance(a0: Array, a1: Array, b0: Array, b1: Array) -> Array:
    """Between segments, (..., 3) each. Source: Ericson, Real-Time Collision Detection, 5.1.9."""
    along, across, apart = a1 - a0, b1 - b0, a0 - b0
    a, e = _dot(along, along), _dot(across, across)
    b, c, f = _dot(along, across), _dot(along, apart), _dot(across, apart)
    spread = a * e - b * b
    skew = spread > NEAR * a * e
    s = np.where(skew, (b * f - c * e) / np.where(skew, spread, 1.0), 0.0)
    s = np.clip(s, 0.0, 1.0)
    t = np.clip((b * s + f) / np.maximum(e, NEAR), 0.0, 1.0)
    s = np.clip((b * t - c) / np.maximum(a, NEAR), 0.0, 1.0)
    gap = apart + s[..., None] * along - t[..., None] * across
    distance: Array = np.sqrt(_dot(gap, gap))
    return distance


def _dot(x: Array, y: Array) -> Array:
    product: Array = np.einsum("...i,...i->...", x, y)
    return product
