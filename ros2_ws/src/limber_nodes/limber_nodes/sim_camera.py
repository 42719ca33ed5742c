"""The camera process: renders, encodes and publishes what the control loop's process snapshots.

Started by robot_node (`limber_nodes.camera_feed`) with a socket as standard input, and with SIGINT
and SIGTERM blocked; lives as long as the other end. One core's worth of work that must not disturb
the control loop.
"""

import json
import os
import socket
import sys

os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer's threads would fight the loop's

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from hardware.control.priority import be_ordinary
from hardware.errors import LimberError
from hardware.spec import spec_from_dict
from limber_nodes.camera_feed import HEADER, READY
from limber_nodes.camera_publisher import CameraPublisher
from sim.render import CameraRenderer
from sim.scene import build_scene
from sim.tasks import load_task


def serve(connection: socket.socket, node: Node) -> None:
    """Publish every snapshot that comes, in order, until the other end hangs up."""
    start = json.loads(connection.recv(1 << 20))
    spec = spec_from_dict(start["spec"])
    model = build_scene(spec, load_task(start["task"]) if start["task"] else None)
    renderer = CameraRenderer(model, spec.cameras)
    publishers = [
        CameraPublisher(node, c, np.deg2rad(model.camera(c.name).fovy[0]), start["jpeg_quality"])
        for c in spec.cameras
    ]
    for camera in spec.cameras:  # the first picture opens EGL: not while time is running
        renderer.render(camera.name, _any_state(model))
    connection.send(READY)
    done = np.zeros(2 + len(spec.cameras), dtype=np.int64)  # snapshots, last stamp, frames by camera
    while message := connection.recv(1 << 20):
        stamp_ns, bits = HEADER.unpack_from(message)
        snapshot = np.frombuffer(message, dtype=np.float64, offset=HEADER.size)
        for i, camera in enumerate(spec.cameras):
            if bits >> i & 1:
                publishers[i].publish(stamp_ns, renderer.render(camera.name, snapshot))
                done[2 + i] += 1
        done[0] += 1
        done[1] = stamp_ns
        connection.send(done.tobytes())
    renderer.close()


def _any_state(model: object) -> np.ndarray:
    import mujoco

    from sim.render import take_state

    return take_state(model, mujoco.MjData(model))


def main() -> None:
    be_ordinary()  # robot_node may have real-time priority, which is not for rendering
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    connection = socket.socket(fileno=os.dup(0))
    node = Node("robot_cameras", enable_rosout=False)
    try:
        serve(connection, node)
    except LimberError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (BrokenPipeError, ConnectionResetError):  # robot_node was killed
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
