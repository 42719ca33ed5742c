"""Renders a scene's cameras in a process of its own and serves them as streams: a plant's cameras.

Started with a socket as standard input, over which snapshots of the physics come: first one JSON
message (spec, task), then a header (stamp, bit set of cameras) and the state. It answers with the
streams' addresses, one JSON message, and ends when the other end does.
"""

import json
import os
import socket
import struct
import subprocess
import sys

os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer's threads would fight the servo line's

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.emulator.stream import StreamServer
from hardware.spec import RobotSpec, spec_from_dict
from sim.render import CameraRenderer
from sim.scene import build_scene
from sim.tasks import load_task

HEADER = struct.Struct("<qQ")
QUALITY = 95  # of the JPEG pictures, as recordings keep them


class CameraServer:
    """This process's end: starts the other one, and hands it what is to be rendered."""

    def __init__(self, spec: RobotSpec, task: str | None) -> None:
        self._names = spec.camera_names
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sim.camera_server"], stdin=theirs.fileno()
            )
        self._socket.send(json.dumps({"spec": spec.to_dict(), "task": task}).encode())
        self.urls: dict[str, str] = json.loads(self._socket.recv(1 << 16) or b"{}")
        self._socket.setblocking(False)
        self.lost = 0

    def push(self, stamp_ns: int, cameras: tuple[str, ...], state: NDArray[np.float64]) -> None:
        """Frames are due; lost, and counted, where the renderer is behind: a servo line waits for nobody."""
        bits = sum(1 << self._names.index(name) for name in cameras)
        try:
            self._socket.send(HEADER.pack(stamp_ns, bits) + state.tobytes())
        except OSError:
            self.lost += 1

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def main() -> None:
    connection = socket.socket(fileno=os.dup(0))
    start = json.loads(connection.recv(1 << 20))
    spec = spec_from_dict(start["spec"])
    model = build_scene(spec, load_task(start["task"]) if start["task"] else None)
    renderer = CameraRenderer(model, spec.cameras)
    server = StreamServer(spec.camera_names)
    connection.send(json.dumps({name: server.url(name) for name in spec.camera_names}).encode())
    while message := connection.recv(1 << 20):
        stamp_ns, bits = HEADER.unpack_from(message)
        state = np.frombuffer(message, dtype=np.float64, offset=HEADER.size)
        for i, name in enumerate(spec.camera_names):
            if bits >> i & 1:
                picture = renderer.render(name, state)[..., ::-1]
                _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                server.publish(name, stamp_ns, data.tobytes())
    server.close()
    renderer.close()


if __name__ == "__main__":
    main()
