"""The control loop's side of the camera process: snapshots out, counts of published frames back.

Both travel over one socket pair, so that either side notices at once when the other dies and
nothing is left behind in the file system. No frame is lost while the process lives: time waits
when `DEPTH` snapshots are on their way.
"""

import json
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError
from hardware.spec import RobotSpec
from limber_nodes.robots import RobotSettings, task_name

DEPTH = 16  # snapshots on their way before time waits: half a second at 30 Hz
START_S = 30.0  # the process imports MuJoCo and opens EGL: 1-2 s on 2 idle cores
STALL_S = 2.0  # time waits no longer than this for a renderer that does not answer
HEADER = struct.Struct("<qQ")  # stamp, bit set of cameras; then the state as float64
READY = b"ready"


class CameraFeed:
    """Starts the process, feeds it from the control thread, restarts it when it has died."""

    def __init__(self, spec: RobotSpec, settings: RobotSettings, arguments: Sequence[str]) -> None:
        """`arguments`: this process's own, whose namespace and remappings the other one shares."""
        self._cameras = [c.name for c in spec.cameras]
        self._start_message = json.dumps(
            {"spec": spec.to_dict(), "task": task_name(settings), "jpeg_quality": settings.jpeg_quality}
        ).encode()
        self._command = [sys.executable, "-m", "limber_nodes.sim_camera", *ros_arguments(arguments)]
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self.ready = self._stalled = False
        self._sent = self._done = 0  # snapshots, of the present process
        self._before = np.zeros(len(self._cameras), dtype=np.int64)  # frames of earlier processes
        # What is published: frames by camera, and the stamp that they hold up to. Replaced as one,
        # since another thread reads it.
        self._published = (np.zeros(len(self._cameras), dtype=np.int64), -1)
        self.frames_lost = 0
        self.restarts = 0
        self.wait_s = 0.0  # wall time that simulated time stood still for the cameras

    @property
    def frames_published(self) -> tuple[dict[str, int], int]:
        """Frames by camera since the start, and the stamp (ns) of the last snapshot among them."""
        counts, until_ns = self._published
        return dict(zip(self._cameras, counts.tolist(), strict=True)), until_ns

    def start(self) -> None:
        """Start the process and wait until it can render; raises `HardwareError`."""
        self._spawn()
        deadline = time.monotonic() + START_S
        while not self.ready:
            self._receive(max(0.0, min(0.5, deadline - time.monotonic())))
            if self._socket is None:
                raise HardwareError("cameras: the rendering process ended at once; its message is above")
            if time.monotonic() > deadline:
                self.stop()
                raise HardwareError(f"cameras: the rendering process was not ready within {START_S:g} s")

    def stop(self) -> None:
        """Let the process end; kill it if it will not."""
        self._hang_up()
        if self._process is None:
            return
        try:
            self._process.wait(timeout=1.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def mend(self) -> None:
        """Restart a process that has died. Called from a timer, never from the control thread."""
        if self._socket is None and self._process is not None:
            self.stop()
            self.restarts += 1
            self._spawn()

    # -- the control thread -------------------------------------------------------------------

    def push(self, stamp_ns: int, cameras: tuple[str, ...], state: NDArray[np.float64]) -> None:
        """Frames are due: hand the snapshot over. A frame that cannot be is counted as lost."""
        due = [self._cameras.index(name) for name in cameras]
        connection = self._socket
        if connection is None or not self.ready or self._sent - self._done >= DEPTH:
            self.frames_lost += len(due)
            return
        bits = sum(1 << i for i in due)
        try:
            connection.send(HEADER.pack(stamp_ns, bits) + state.tobytes())
            self._sent += 1
        except OSError:
            self.frames_lost += len(due)
            self._hang_up()

    def gate(self, _time_ns: int) -> None:
        """Hold time back while too many snapshots are on their way, for a bounded while."""
        self._receive(0.0)
        if self._sent - self._done < DEPTH:
            self._stalled = False
            return
        if self._stalled:
            return
        begin = time.monotonic()
        while self._sent - self._done >= DEPTH and self._socket is not None:
            self._receive(0.1)
            if time.monotonic() - begin > STALL_S:
                self._stalled = True
                break
        self.wait_s += time.monotonic() - begin

    def _receive(self, timeout_s: float) -> None:
        """Take what the process says: that it is ready, then cumulative counts."""
        connection = self._socket
        while connection is not None and select.select([connection], [], [], timeout_s)[0]:
            timeout_s = 0.0
            try:
                message = connection.recv(4096)
            except OSError:
                message = b""
            if not message:
                self._hang_up()
                return
            if message == READY:
                self.ready = True
                continue
            done, last_stamp, *counts = np.frombuffer(message, dtype=np.int64)
            self._done = int(done)
            self._published = (self._before + np.array(counts), int(last_stamp))

    # -- inside -------------------------------------------------------------------------------

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._before = self._published[0]
        self._sent = self._done = 0
        self.ready = self._stalled = False
        # Ctrl-C and a launcher's SIGTERM reach every process of the group; this one ends when robot_node
        # has. It keeps the mask that it is started with, so not even its first moments are cut short.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with theirs:
                self._process = subprocess.Popen(self._command, stdin=theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.send(self._start_message)
        self._socket = ours

    def _hang_up(self) -> None:
        connection, self._socket = self._socket, None
        self.ready = False
        if connection is not None:
            connection.close()


def ros_arguments(arguments: Sequence[str]) -> list[str]:
    """What follows `--ros-args`, less the node's name, which is the robot's alone."""
    if "--ros-args" not in arguments:
        return []
    given = list(arguments[arguments.index("--ros-args") :])
    kept: list[str] = []
    for word in given:
        if word.startswith(("__node:=", "__name:=")):
            kept.pop()  # the `-r` before it
        else:
            kept.append(word)
    return kept
