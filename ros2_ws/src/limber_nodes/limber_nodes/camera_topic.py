"""A camera that somebody else's driver publishes, as a `Camera`: sensor_msgs/Image or CompressedImage.

Its stamps are ROS time, which is the wall clock's where nobody simulates; robot time is this machine's
monotonic clock. A stamp of the last second is carried over with the difference of the two clocks; any
other (zero, another machine's clock, a simulation's) says nothing, and the picture's arrival is taken.
"""

import time
from collections import deque

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from hardware.cameras.contract import Camera, CameraError, Picture, check_size
from hardware.cameras.table import make_camera
from hardware.cameras.topic_source import is_topic, topic_of
from hardware.control.clock import NS
from hardware.spec import CameraSpec
from limber_nodes import conversions, qos
from limber_nodes.camera_encodings import rgb_of, rgb_of_compressed

KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
APPEAR_S = 5.0  # discovery takes a second on a busy machine
OLDEST_S = 1.0
KEPT = 5  # pictures that wait for their turn


def make_source(camera: CameraSpec, node: Node) -> Camera:
    """The camera of a spec, not open yet; a topic is heard by `node`."""
    if is_topic(camera.source):
        return TopicCamera(camera, topic_of(camera.source), node)
    return make_camera(camera)


class TopicCamera:
    """One subscription. `node` is spun by `read`, and by nobody else."""

    def __init__(self, spec: CameraSpec, topic: str, node: Node) -> None:
        self._spec = spec
        self._node = node
        self._topic = node.resolve_topic_name(topic)
        self._begin = f"camera {spec.name!r}: topic {self._topic!r}"
        self._subscription = None
        self._executor: SingleThreadedExecutor | None = None
        self._came: deque[tuple[int, Image | CompressedImage]] = deque(maxlen=KEPT)

    def open(self) -> None:
        """Waits for a publisher; `CameraError` where none appears, or one of something else.

        Once heard, a publisher that comes back needs no other subscription.
        """
        if self._executor:
            return
        own = {
            self._node.resolve_topic_name(f"{self._spec.name}/image_raw{end}") for end in ("", "/compressed")
        }
        if self._topic in own:
            raise CameraError(
                f"{self._begin} is where this camera is published to; give the camera another name"
            )
        kind = self._kind()
        self._subscription = self._node.create_subscription(kind, self._topic, self._take, qos.SENSOR_IN)
        self._executor = SingleThreadedExecutor(context=self._node.context)
        self._executor.add_node(self._node)

    def read(self, timeout_s: float) -> Picture | None:
        if self._executor is None:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        deadline = time.monotonic() + timeout_s
        while not self._came:
            left = deadline - time.monotonic()
            if left <= 0.0:
                if not self._node.count_publishers(self._topic):
                    raise CameraError(f"{self._begin}: its publisher went away")
                return None
            self._executor.spin_once(timeout_sec=left)
        return self._picture(*self._came.popleft())

    def close(self) -> None:
        if self._executor:
            self._executor.remove_node(self._node)
            self._executor.shutdown()
            self._node.destroy_subscription(self._subscription)
            self._executor = self._subscription = None
            self._came.clear()

    def _kind(self) -> type:
        """The type that is published."""
        deadline = time.monotonic() + APPEAR_S
        while not (
            kinds := {info.topic_type for info in self._node.get_publishers_info_by_topic(self._topic)}
        ):
            if time.monotonic() > deadline:
                images = [n for n, k in self._node.get_topic_names_and_types() if set(k) & set(KINDS)]
                there = ", ".join(sorted(images)) or "none"
                raise CameraError(f"{self._begin} has no publisher; pictures are on: {there}")
            time.sleep(0.05)
        known = [KINDS[kind] for kind in sorted(kinds) if kind in KINDS]
        if not known:
            raise CameraError(
                f"{self._begin}: expected {' or '.join(KINDS)}, it is {', '.join(sorted(kinds))}"
            )
        return known[0]

    def _take(self, message: Image | CompressedImage) -> None:
        self._came.append((time.monotonic_ns(), message))

    def _picture(self, arrival_ns: int, message: Image | CompressedImage) -> Picture:
        try:
            image, jpeg = (
                (rgb_of(message), None) if isinstance(message, Image) else rgb_of_compressed(message)
            )
        except ValueError as error:
            raise CameraError(f"{self._begin}: {error}") from None
        check_size(self._spec.name, (self._spec.width, self._spec.height), (image.shape[1], image.shape[0]))
        latency_ns = int(self._spec.latency_ms * NS / 1000)
        said_ns = conversions.stamp_ns(message.header.stamp) - time.time_ns() + time.monotonic_ns()
        if 0 <= arrival_ns - said_ns < OLDEST_S * NS:
            return Picture(said_ns - latency_ns, "source", image, jpeg)
        return Picture(arrival_ns - latency_ns, "arrival", image, jpeg)
