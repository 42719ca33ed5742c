"""Episodes made of real ROS messages, for the tests of the raw log and its export."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Header, String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.spec import RobotSpec
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


def string_message(text: str) -> bytes:
    return serialize_message(String(data=text))


def picture_of(position: NDArray[np.float64], size: int = 32) -> NDArray[np.uint8]:
    """A picture whose brightness tells the first joint's position: 128 at 0, 100 more per rad."""
    return np.full((size, size, 3), np.clip(round(128 + 100 * position[0]), 0, 255), dtype=np.uint8)


def write_episode(
    path: Path,
    spec: RobotSpec,
    *,
    seconds: float = 4.0,
    success: str = "true",
    arrival_delay_ms: Mapping[str, float] | None = None,
    stamp_delay_ms: Mapping[str, float] | None = None,
    content_delay_ms: Mapping[str, float] | None = None,
    lost_frames: tuple[int, ...] = (),
    teleop: bool = True,
    first_stamp_ns: int = 7 * NS,
    speed: float = 1.0,
    noise: float = 0.0,
    truth: Callable[[float], NDArray[np.float64]] | None = None,
) -> Path:
    """An episode as robot_node would have it: joints swing as `truth(seconds)` says, (n,) in rad.

    A camera's arrival, stamps or content can be late; `content` is what the picture shows.
    """
    names, n = spec.joint_names, spec.n_joints
    swing = truth or (lambda t: 0.5 * np.sin(2 * np.pi * 0.7 * t + np.arange(n)))
    tick_ns, step = NS // spec.control_hz, spec.ticks_per_step
    messages: list[tuple[int, int, Channel, bytes]] = []

    def add(topic: str, kind: str, stamp: int, delay_ms: float, data: bytes) -> None:
        since = (stamp - first_stamp_ns) / speed
        messages.append((round(1_000 * NS + since + delay_ms * 1e6), stamp, Channel(topic, kind), data))

    rng = np.random.default_rng(0)
    for tick in range(round(seconds * spec.control_hz)):
        stamp, t = first_stamp_ns + tick * tick_ns, tick / spec.control_hz
        goal = swing(t + spec.control_dt)
        sent = goal + noise * rng.standard_normal(n)
        add(
            "/joint_states",
            "sensor_msgs/msg/JointState",
            stamp,
            0.5,
            joint_message(stamp, list(swing(t)), names),
        )
        add(
            "/executed_action",
            "sensor_msgs/msg/JointState",
            stamp,
            0.5,
            joint_message(stamp, list(sent), names),
        )
        if teleop:
            data = joint_message(stamp, list(goal), names)
            add("/teleop/joint_command", "sensor_msgs/msg/JointState", stamp, 1.0, data)
        if tick % step == 0:
            points = chunk_message(stamp, goal[None], names)
            add("/planned_action", "trajectory_msgs/msg/JointTrajectory", stamp, 0.6, points)
    for camera in spec.cameras:
        for frame in range(int(seconds * camera.fps)):
            if frame in lost_frames:
                continue
            true_ns = first_stamp_ns + frame * NS // camera.fps
            shown = (true_ns - first_stamp_ns) / NS - (content_delay_ms or {}).get(camera.name, 0.0) / 1e3
            stamp = true_ns - round((stamp_delay_ms or {}).get(camera.name, 0.0) * 1e6)
            data = picture_message(stamp, picture_of(swing(shown), camera.width))
            delay = 3.0 + (arrival_delay_ms or {}).get(camera.name, 0.0)
            kind = "sensor_msgs/msg/CompressedImage"
            since = (true_ns - first_stamp_ns) / speed
            arrival = round(1_000 * NS + since + delay * 1e6)
            messages.append((arrival, stamp, Channel(f"/{camera.name}/image_raw/compressed", kind), data))
    info = {"task": "swing", "operator": "test", "robot": json.dumps(spec.to_dict()), "robot_hash": spec.hash}
    writer = RawLogWriter(path, info)
    for arrival, stamp, channel, data in sorted(messages, key=lambda m: m[0]):
        writer.write(channel, data, arrival, stamp)
    return writer.save({"success": success})
