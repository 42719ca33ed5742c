"""Messages to arrays and back. Stamps are nanoseconds of robot time."""

import math
from array import array
from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

from hardware.control.clock import NS
from hardware.robot import ObjectPose
from hardware.spec import CameraSpec

BASE_FRAME = "base_link"


def time_msg(stamp_ns: int) -> Time:
    return Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS)


def stamp_ns(stamp: Time) -> int:
    """A header's stamp as nanoseconds, bit for bit the inverse of `time_msg`."""
    return stamp.sec * NS + stamp.nanosec


def doubles(values: ArrayLike) -> array:
    """A message's sequence of float64; a list would take 100 times longer."""
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


# -- joints ------------------------------------------------------------------------------------


def joint_state(
    names: Sequence[str],
    time_ns: int,
    position: ArrayLike,
    velocity: ArrayLike | None = None,
    effort: ArrayLike | None = None,
    frame_id: str = "",
) -> JointState:
    """(n,) each; what is not given is filled with zeros: empty arrays break recordings' readers."""
    zeros = np.zeros(len(names))
    return JointState(
        header=Header(stamp=time_msg(time_ns), frame_id=frame_id),
        name=list(names),
        position=doubles(position),
        velocity=doubles(zeros if velocity is None else velocity),
        effort=doubles(zeros if effort is None else effort),
    )


def joint_arrays(
    message: JointState,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Position, velocity and effort (n,) in the message's own order (`message.name`)."""
    return np.array(message.position), np.array(message.velocity), np.array(message.effort)


def in_order(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Indices that bring values named `names` into the order `wanted`; ValueError if one is missing."""
    positions = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in positions]
    if missing:
        raise ValueError(f"expected joints {' '.join(wanted)}, got {' '.join(names)}")
    return [positions[name] for name in wanted]


def trajectory(
    names: Sequence[str], time_ns: int, points: NDArray[np.floating], action_dt: float
) -> JointTrajectory:
    """Action points (H, n), point i at i * action_dt; `time_ns` is the key, never a clock reading.

    Velocities and accelerations are the points' own differences and effort is zero: rosbags
    cannot read a trajectory whose sequences are empty.
    """
    step_ns = round(action_dt * NS)
    velocity = _rates(points, action_dt)
    acceleration = _rates(velocity, action_dt)
    zeros = np.zeros(len(names))
    message = JointTrajectory(header=Header(stamp=time_msg(time_ns)), joint_names=list(names))
    message.points = [
        JointTrajectoryPoint(
            positions=doubles(point),
            velocities=doubles(velocity[i]),
            accelerations=doubles(acceleration[i]),
            effort=doubles(zeros),
            time_from_start=Duration(sec=i * step_ns // NS, nanosec=i * step_ns % NS),
        )
        for i, point in enumerate(points)
    ]
    return message


def _rates(points: NDArray[np.floating], dt: float) -> NDArray[np.floating]:
    """Differences (H, n) from each point to the next, per second; the last one is repeated."""
    if len(points) < 2:
        return np.zeros_like(points)
    rates = np.diff(points, axis=0) / dt
    return np.concatenate([rates, rates[-1:]])


def trajectory_array(message: JointTrajectory) -> NDArray[np.float64]:
    """Points (H, n) in the message's own joint order; ValueError when they differ in length."""
    rows = [np.array(point.positions) for point in message.points]
    width = len(message.joint_names)
    if any(len(row) != width for row in rows):
        lengths = sorted({len(row) for row in rows})
        raise ValueError(f"expected {width} positions a point as joint_names says, got {lengths}")
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


# -- images ------------------------------------------------------------------------------------


def image_msg(time_ns: int, frame_id: str, image: NDArray[np.uint8]) -> Image:
    """(H, W, 3) uint8 RGB. An `array('B')` is taken as it is; a list would take 1000 times longer."""
    height, width, _ = image.shape
    message = Image(
        header=Header(stamp=time_msg(time_ns), frame_id=frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        step=width * 3,
    )
    message.data = array("B", np.ascontiguousarray(image).tobytes())
    return message


def image_array(message: Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, a view into the message; ValueError for an encoding other than rgb8, bgr8."""
    if message.encoding not in ("rgb8", "bgr8"):
        raise ValueError(f"expected encoding rgb8 or bgr8, got {message.encoding!r}")
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * 3].reshape(message.height, message.width, 3)
    return pixels if message.encoding == "rgb8" else pixels[..., ::-1]


def compressed_msg(
    time_ns: int, frame_id: str, image: NDArray[np.uint8], quality: int = 95
) -> CompressedImage:
    """(H, W, 3) uint8 RGB as JPEG. Quality 95: what the recordings keep."""
    import cv2

    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"expected an image that JPEG can hold, got shape {image.shape}")
    message = CompressedImage(header=Header(stamp=time_msg(time_ns), frame_id=frame_id), format="jpeg")
    message.data = array("B", data.tobytes())
    return message


def compressed_array(message: CompressedImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB; ValueError when the data is no image."""
    import cv2

    image = cv2.imdecode(np.frombuffer(message.data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"expected JPEG or PNG data, got {len(message.data)} bytes of something else")
    return np.ascontiguousarray(image[..., ::-1])


def camera_info(
    time_ns: int, camera: CameraSpec, fovy: float = math.radians(45), focal: float | None = None
) -> CameraInfo:
    """A pinhole without distortion: `focal` in pixels, or from the vertical angle `fovy` in rad."""
    f = focal if focal is not None else camera.height / 2 / math.tan(fovy / 2)
    cx, cy = (camera.width - 1) / 2, (camera.height - 1) / 2
    return CameraInfo(
        header=Header(stamp=time_msg(time_ns), frame_id=camera.frame),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


# -- task objects ------------------------------------------------------------------------------


def markers(time_ns: int, objects: Mapping[str, ObjectPose]) -> MarkerArray:
    """One cube an object: its name is the marker's namespace, its size the scale."""
    return MarkerArray(markers=[_marker(time_ns, name, pose) for name, pose in objects.items()])


def _marker(time_ns: int, name: str, pose: ObjectPose) -> Marker:
    w, x, y, z = pose.quaternion
    marker = Marker(
        header=Header(stamp=time_msg(time_ns), frame_id=BASE_FRAME),
        ns=name,
        type=Marker.CUBE,
        action=Marker.ADD,
        pose=Pose(position=_xyz(Point, pose.position), orientation=Quaternion(x=x, y=y, z=z, w=w)),
        scale=_xyz(Vector3, pose.size),
    )
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = 0.9, 0.5, 0.2, 1.0
    return marker


def _xyz(kind: type, values: Sequence[float]) -> object:
    x, y, z = (float(v) for v in values)
    return kind(x=x, y=y, z=z)


def object_poses(message: MarkerArray) -> dict[str, ObjectPose]:
    """The inverse of `markers`."""
    return {
        m.ns: ObjectPose(
            position=(m.pose.position.x, m.pose.position.y, m.pose.position.z),
            quaternion=(
                m.pose.orientation.w,
                m.pose.orientation.x,
                m.pose.orientation.y,
                m.pose.orientation.z,
            ),
            size=(m.scale.x, m.scale.y, m.scale.z),
        )
        for m in message.markers
    }
