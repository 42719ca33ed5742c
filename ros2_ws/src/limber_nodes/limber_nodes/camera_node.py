"""A real camera in the graph, in a process of its own: a slow or dead one delays nobody.

Started by robot_node with a pipe as standard input: ends when robot_node does. It says `ready` on
standard output, and whose stamps they have, once pictures of the right size come at the right rate.
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

from hardware.cameras.contract import Camera, CameraError, Picture, StampedBy
from hardware.cameras.intrinsics import load_intrinsics
from hardware.cameras.rate import WATCHED, check_rate
from hardware.control.priority import be_ordinary
from hardware.errors import LimberError
from hardware.spec import CameraSpec
from limber_nodes.camera_diagnostics import CameraDiagnostics
from limber_nodes.camera_publisher import CameraPublisher
from limber_nodes.camera_topic import make_source

FOVY = math.radians(45)  # where no calibration says it
FIRST_S = 10.0  # for the first picture
LOOK_S = 3.0  # for as many pictures as tell the rate
NEXT_S = 1.0  # a camera that gives none for this long is opened again
REOPEN_S = 0.5
TELL_S = 0.1  # robot_node is told of what was published this often


def serve(camera: CameraSpec, jpeg_quality: int, node: Node) -> None:
    """Publish every picture until standard input is closed; `CameraError` before the first one only."""
    source = make_source(camera, node)
    publisher = CameraPublisher(node, camera, FOVY, jpeg_quality, load_intrinsics(camera))
    health = CameraDiagnostics(node, camera)
    source.open()
    print(f"ready {_look(source, camera, node)}", flush=True)
    count, told_s = 0, time.monotonic()
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        health.tell()
        picture = _next(source, node, health)
        if picture is None:
            continue
        publisher.publish(picture.stamp_ns, picture.image, picture.jpeg)
        health.came(picture)
        count += 1
        if time.monotonic() - told_s > TELL_S:
            print(f"published {count} {picture.stamp_ns}", flush=True)
            told_s = time.monotonic()
    source.close()


def _look(source: Camera, camera: CameraSpec, node: Node) -> StampedBy:
    """Whose stamps the first pictures have; `CameraError` where none come, or at another rate than asked.

    A stream that says when its pictures were taken leaves some out for a slow reader: its rate is only said.
    """
    first = source.read(FIRST_S)
    if first is None:
        raise CameraError(f"camera {camera.name!r}: no picture within {FIRST_S:g} s")
    stamps, until_s = [first.stamp_ns], time.monotonic() + LOOK_S
    while len(stamps) < WATCHED and (left := until_s - time.monotonic()) > 0.0:
        picture = source.read(left)
        if picture:
            stamps.append(picture.stamp_ns)
    try:
        check_rate(camera.name, camera.fps, stamps)
    except CameraError as error:
        if first.stamped_by != "source" or not camera.source.startswith("http"):
            raise
        node.get_logger().warning(str(error))
    return first.stamped_by


def _next(source: Camera, node: Node, health: CameraDiagnostics) -> Picture | None:
    """The next picture; None where none came. A camera that went away is opened again."""
    try:
        return source.read(NEXT_S)
    except CameraError as error:
        health.went_away(str(error))
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
        with suppress(BrokenPipeError):  # robot_node is gone
            print(f"error: {error}", flush=True)
        sys.exit(2)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
