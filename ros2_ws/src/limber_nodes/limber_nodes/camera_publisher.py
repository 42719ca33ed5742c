"""One camera's three topics."""

from array import array

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from hardware.cameras.intrinsics import Intrinsics
from hardware.spec import CameraSpec
from limber_nodes import conversions, qos


class CameraPublisher:
    """Raw, compressed and camera_info, all with one stamp and frame.

    The raw picture is published only while somebody subscribes to it: the compressed one is what
    recorders and policies take, and the raw one is most of the bytes.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraSpec,
        fovy: float,
        jpeg_quality: int,
        intrinsics: Intrinsics | None = None,
    ) -> None:
        """fovy: vertical field of view in rad, where there are no `intrinsics`."""
        self._camera = camera
        self._quality = jpeg_quality
        self._raw = node.create_publisher(Image, f"{camera.name}/image_raw", qos.FRAMES_OUT)
        self._compressed = node.create_publisher(
            CompressedImage, f"{camera.name}/image_raw/compressed", qos.FRAMES_OUT
        )
        self._info = node.create_publisher(CameraInfo, f"{camera.name}/camera_info", qos.FRAMES_OUT)
        self._info_message = conversions.camera_info(0, camera, fovy)
        if intrinsics:
            fill(self._info_message, intrinsics)

    def publish(self, stamp_ns: int, image: np.ndarray, jpeg: bytes | None = None) -> None:
        """A picture (H, W, 3) RGB; `jpeg` where the camera compressed it itself."""
        frame = self._camera.frame
        self._info_message.header.stamp = conversions.time_msg(stamp_ns)
        self._info.publish(self._info_message)
        if jpeg is None:
            compressed = conversions.compressed_msg(stamp_ns, frame, image, self._quality)
        else:
            header = Header(stamp=conversions.time_msg(stamp_ns), frame_id=frame)
            compressed = CompressedImage(header=header, format="jpeg")
            compressed.data = array("B", jpeg)
        self._compressed.publish(compressed)
        if self._raw.get_subscription_count():
            self._raw.publish(conversions.image_msg(stamp_ns, frame, image))


def fill(message: CameraInfo, intrinsics: Intrinsics) -> None:
    """Put a calibration into a message, whose size is the calibration's."""
    message.distortion_model = intrinsics.distortion_model
    message.d, message.k = list(intrinsics.d), np.array(intrinsics.k)
    message.r, message.p = np.array(intrinsics.r), np.array(intrinsics.p)
