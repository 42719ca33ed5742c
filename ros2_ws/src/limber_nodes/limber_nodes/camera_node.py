"""A real camera in the graph, in a process of its own: a slow or dead one delays nobody.

Started by robot_node with a pipe as standard input: ends when robot_node does. It says `ready` on
standard output once the first picture of the right size is there.
"""

import json
import math
import select
import sys
import time
from contextlib import suppress

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from hardware.cameras.contract import Camera, CameraError, Picture
from hardware.cameras.table import make_camera
from hardware.control.priority import be_ordinary
from hardware.errors import LimberError
from hardware.spec import CameraSpec
from limber_nodes.camera_publisher import CameraPublisher

FOVY = math.radians(45)  # where no calibration says it
FIRST_S = 10.0  # for the first picture
NEXT_S = 1.0  # a camera that gives none for this long is opened again
REOPEN_S = 0.5
TELL_S = 0.1  # robot_node is told of what was published this often


def serve(camera: CameraSpec, jpeg_quality: int, node: Node) -> None:
    """Publish every picture until standard input is closed; `CameraError` before the first one only."""
    source = make_camera(camera)
    publisher = CameraPublisher(node, camera, FOVY, jpeg_quality)
    source.open()
    if source.read(FIRST_S) is None:
        raise CameraError(f"camera {camera.name!r}: no picture within {FIRST_S:g} s")
    print("ready", flush=True)
    count, told_s = 0, time.monotonic()
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        picture = _next(source, node)
        if picture is None:
            continue
        publisher.publish(picture.stamp_ns, picture.image, picture.jpeg)
        count += 1
        if time.monotonic() - told_s > TELL_S:
            print(f"published {count} {picture.stamp_ns}", flush=True)
            told_s = time.monotonic()
    source.close()


def _next(source: Camera, node: Node) -> Picture | None:
    """The next picture; None where none came. A camera that went away is opened again."""
    try:
        return source.read(NEXT_S)
    except CameraError as error:
        node.get_logger().warning(f"{error}; opening it again", throttle_duration_sec=5.0)
    time.sleep(REOPEN_S)
    with suppress(CameraError):  # still away; the next read says so
        source.open()
    return None


def main() -> None:
    be_ordinary()  # robot_node may have real-time priority, which is not for pictures
    start = json.loads(sys.stdin.readline())
    camera = CameraSpec(**start["camera"])
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node(f"{camera.name}_camera", enable_rosout=False)
    try:
        serve(camera, start["jpeg_quality"], node)
    except LimberError as error:
        print(f"error: {error}", flush=True)
        sys.exit(2)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
