"""Where a robot's links are: forward kinematics of its URDF, vectorised in numpy.

Only what the safety chain asks of a model: link frames and the boxes of their collision shapes. Joints
are revolute or fixed; every moving joint is one of the robot's.
"""

from dataclasses import dataclass
from importlib.resources import files
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError

Array = NDArray[np.float64]
TOOL = "gripper_frame_link"


@dataclass(frozen=True)
class Capsule:
    """Contains a collision box of `link`: all that is nearer than `radius` to the segment, in m."""

    link: int
    start: Array  # (3,) in the link's frame
    end: Array  # (3,)
    radius: float


@dataclass(frozen=True)
class _Link:
    """How a link hangs on its parent: a matrix (4, 4) that is constant + sine * sin q + cosine * cos q."""

    name: str
    parent: int  # -1: the root
    joint: int  # index among the robot's joints; -1: fixed
    constant: Array
    sine: Array
    cosine: Array


class Kinematics:
    """The chain of a URDF; angles are (..., n_joints) in the order of `joint_names`."""

    def __init__(self, urdf: str, joint_names: tuple[str, ...]) -> None:
        """`HardwareError` where the URDF has a joint that the robot has not."""
        robot = ElementTree.fromstring(urdf)
        self._links: list[_Link] = []
        self.capsules: list[Capsule] = []
        children = {_child(joint): joint for joint in robot.findall("joint")}
        by_name = {str(link.get("name")): link for link in robot.findall("link")}
        self._index: dict[str, int] = {}
        for name in by_name:
            self._add(name, by_name, children, joint_names)

    @property
    def link_names(self) -> tuple[str, ...]:
        return tuple(link.name for link in self._links)

    def parent(self, link: int) -> int:
        """The link that carries it; -1 for the root."""
        return self._links[link].parent

    def index(self, name: str) -> int | None:
        """Of a link; None where the robot has none of this name."""
        return self._index.get(name)

    def carrier(self, link: int) -> int:
        """The link itself or, of one that hangs on it by fixed joints, the moving one; the root otherwise."""
        while self._links[link].joint < 0 and self._links[link].parent >= 0:
            link = self._links[link].parent
        return link

    def spans(self, n_joints: int) -> Array:
        """How far from each joint's axis each link's origin can be at most, m; 0 where it is not moved.

        (n_links, n_joints); a link's own joint is not among those that move its origin.
        """
        spans = np.zeros((len(self._links), n_joints))
        for i in range(len(self._links)):
            length, link = 0.0, self._links[i]
            while link.parent >= 0:
                length += float(np.linalg.norm((link.constant + link.cosine)[:3, 3]))
                link = self._links[link.parent]
                if link.joint >= 0:
                    spans[i, link.joint] = length
        return spans

    def movers(self, link: int) -> set[int]:
        """The joints that move a link, its own among them."""
        found = set()
        while link >= 0:
            found.add(self._links[link].joint)
            link = self._links[link].parent
        return found - {-1}

    def frames(self, angles: Array) -> Array:
        """Poses (..., n_links, 4, 4) of all links in the root's frame."""
        sine, cosine = np.sin(angles), np.cos(angles)
        poses = np.empty((*angles.shape[:-1], len(self._links), 4, 4))
        for i, link in enumerate(self._links):
            own: Array = link.constant
            if link.joint >= 0:
                s, c = sine[..., link.joint, None, None], cosine[..., link.joint, None, None]
                own = own + s * link.sine + c * link.cosine
            poses[..., i, :, :] = own if link.parent < 0 else poses[..., link.parent, :, :] @ own
        return poses

    def _add(
        self, name: str, links: dict[str, Element], children: dict[str, Element], joints: tuple[str, ...]
    ) -> None:
        """A link, after the one that carries it."""
        if name in self._index:
            return
        joint, parent = children.get(name), -1
        if joint is not None:
            carrier = str(_find(joint, "parent").get("link"))
            self._add(carrier, links, children, joints)
            parent = self._index[carrier]
        self._index[name] = i = len(self._links)
        self._links.append(_hung(name, parent, joint, joints))
        for shape in links[name].findall("collision"):
            box = shape.find("geometry/box")
            if box is not None:
                self.capsules.append(_around(i, _origin(shape), _numbers(box, "size")))


def load_kinematics(robot: str, joint_names: tuple[str, ...]) -> Kinematics | None:
    """Of a shipped robot, None where no URDF of it is."""
    file = files("hardware") / "robots" / f"{robot}.urdf"
    return Kinematics(file.read_text(), joint_names) if file.is_file() else None


def _hung(name: str, parent: int, joint: Element | None, joints: tuple[str, ...]) -> _Link:
    none = np.zeros((4, 4))
    if joint is None:
        return _Link(name, parent, -1, np.eye(4), none, none)
    origin = _origin(joint)
    if joint.get("type") == "fixed":
        return _Link(name, parent, -1, origin, none, none)
    if joint.get("type") != "revolute" or joint.get("name") not in joints:
        raise HardwareError(
            f"URDF: joint {joint.get('name')!r} of type {joint.get('type')!r}: expected a fixed joint, or a "
            f"revolute one of: {', '.join(joints)}"
        )
    x, y, z = axis = _numbers(_find(joint, "axis"), "xyz")
    along, cross = np.zeros((2, 4, 4))
    along[:3, :3] = np.outer(axis, axis)
    cross[:3, :3] = ((0, -z, y), (z, 0, -x), (-y, x, 0))
    still = along.copy()
    still[3, 3] = 1.0
    turned = np.zeros((4, 4))
    turned[:3, :3] = np.eye(3) - along[:3, :3]
    # Rodrigues: R = a a' + sin q [a]x + cos q (I - a a')
    return _Link(
        name, parent, joints.index(str(joint.get("name"))), origin @ still, origin @ cross, origin @ turned
    )


def _around(link: int, pose: Array, size: Array) -> Capsule:
    """The capsule along a box's longest edge."""
    half = 0.5 * size
    longest = int(np.argmax(half))
    reach = np.zeros(3)
    reach[longest] = half[longest]
    radius = float(np.linalg.norm(np.delete(half, longest)))
    turn, centre = pose[:3, :3], pose[:3, 3]
    return Capsule(link, centre - turn @ reach, centre + turn @ reach, radius)


def _origin(element: Element) -> Array:
    """The pose (4, 4) that an element's `origin` says; roll, pitch and yaw are about fixed axes."""
    pose: Array = np.eye(4)
    origin = element.find("origin")
    if origin is None:
        return pose
    (cr, cp, cy), (sr, sp, sy) = np.cos(_numbers(origin, "rpy")), np.sin(_numbers(origin, "rpy"))
    pose[:3, :3] = (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )
    pose[:3, 3] = _numbers(origin, "xyz")
    return pose


def _numbers(element: Element, name: str) -> Array:
    return np.array([float(word) for word in element.get(name, "0 0 0").split()])


def _find(element: Element, name: str) -> Element:
    found = element.find(name)
    if found is None:
        raise HardwareError(f"URDF: <{element.tag} name={element.get('name')!r}> has no <{name}>")
    return found


def _child(joint: Element) -> str:
    return str(_find(joint, "child").get("link"))
