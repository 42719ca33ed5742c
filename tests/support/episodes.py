"""Episodes made of real ROS messages, for the tests of the raw log and its export."""

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from policies.data.raw_log import Channel, RawLogWriter

NS = 1_000_000_000


def header(stamp_ns: int, frame: str = "base_link") -> Header:
    return Header(stamp=Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS), frame_id=frame)


def joint_message(stamp_ns: int, position: list[float], names: tuple[str, ...] = ("a", "b")) -> bytes:
    values = [float(p) for p in position]
    message = JointState(header=header(stamp_ns), name=list(names))
    message.position, message.velocity, message.effort = values, [0.5] * len(values), [0.25] * len(values)
    return serialize_message(message)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    done, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return encoded.tobytes()


def picture_message(stamp_ns: int, picture: NDArray[np.uint8]) -> bytes:
    message = CompressedImage(header=header(stamp_ns, "front_optical_frame"), format="jpeg")
    message.data = jpeg(picture)
    return serialize_message(message)


def image_message(stamp_ns: int, rng: np.random.Generator) -> bytes:
    return picture_message(stamp_ns, rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))


def chunk_message(stamp_ns: int, points: NDArray[np.float64], names: tuple[str, ...] = ("a", "b")) -> bytes:
    message = JointTrajectory(header=header(stamp_ns), joint_names=list(names))
    zeros = [0.0] * len(names)  # rosbags cannot read empty sequences of float64
    message.points = [
        JointTrajectoryPoint(
            positions=[float(v) for v in row], velocities=zeros, accelerations=zeros, effort=zeros
        )
        for row in points
    ]
    return serialize_message(message)


def write_messages(writer: RawLogWriter, seconds: float) -> None:
    """Joints at 100 Hz, a camera near 30 Hz and a chunk a second, in chunks of a fifth of a second."""
    rng = np.random.default_rng(0)
    joints = Channel("/joint_states", "sensor_msgs/msg/JointState")
    camera = Channel("/front/image_raw/compressed", "sensor_msgs/msg/CompressedImage")
    chunk = Channel("/action_chunk", "trajectory_msgs/msg/JointTrajectory")
    for tick in range(round(seconds * 100)):
        stamp = tick * 10_000_000
        arrival = NS + stamp + 1_000_000
        writer.write(joints, joint_message(stamp, [tick / 100, -tick / 100]), arrival, stamp)
        if tick % 3 == 0:
            writer.write(camera, image_message(stamp, rng), arrival, stamp)
        if tick % 100 == 0:
            writer.write(chunk, chunk_message(stamp, np.arange(6.0).reshape(3, 2)), arrival, stamp)
        if tick % 20 == 19:
            writer.flush()
