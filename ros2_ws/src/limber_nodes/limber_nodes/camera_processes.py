"""One process a real camera: started before torque can go on, ended with the robot, mended when it dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from hardware.errors import HardwareError
from hardware.spec import CameraSpec
from limber_nodes.camera_feed import ros_arguments

START_S = 20.0
END_S = 2.0


class CameraProcess:
    """limber_nodes.camera_node for one camera; what it says is heard when somebody asks."""

    def __init__(self, camera: CameraSpec, jpeg_quality: int, arguments: Sequence[str]) -> None:
        self.name = camera.name
        self.ready = False
        self.trouble = ""
        self.stamped_by = ""  # kernel, source or arrival, once it is ready
        self.published, self.last_ns = 0, -1
        self._before = 0  # pictures of earlier processes
        self._start = json.dumps({"camera": asdict(camera), "jpeg_quality": jpeg_quality}).encode() + b"\n"
        self._command = [sys.executable, "-m", "limber_nodes.camera_node", *ros_arguments(arguments)]
        self._process: subprocess.Popen[bytes] | None = None
        self._half = b""

    def spawn(self) -> None:
        """Start it, again if need be."""
        self.ready, self._half, self._before = False, b"", self.published
        # As for the simulation's cameras: a signal to the group is for robot_node, which ends this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self._start)
        process.stdin.flush()
        os.set_blocking(process.stdout.fileno(), False)
        self._process = process

    def hear(self) -> bool:
        """Take what it said since; whether it lives."""
        if self._process is None:
            return False
        assert self._process.stdout is not None
        lines = (self._half + (self._process.stdout.read() or b"")).split(b"\n")
        self._half = lines.pop()
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "ready":
                self.ready, self.trouble, self.stamped_by = True, "", rest
            elif word == "published":
                count, stamp = rest.split()
                self.published, self.last_ns = self._before + int(count), int(stamp)
            else:
                self.trouble = line.decode().removeprefix("error: ")
        return self._process.poll() is None

    def let_end(self) -> None:
        """It ends when its standard input does."""
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def wait(self) -> None:
        """Until it has ended, or is killed."""
        process, self._process = self._process, None
        self.ready = False
        if process is None:
            return
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


class CameraProcesses:
    """The cameras of a robot that is no simulation; to robot_node what `CameraFeed` is."""

    frames_lost = 0  # what a camera did not give, nobody can count
    wait_s = 0.0  # nobody waits for a real camera

    def __init__(self, cameras: Sequence[CameraSpec], jpeg_quality: int, arguments: Sequence[str]) -> None:
        """`arguments`: this process's own, whose namespace and remappings the others share."""
        self._processes = [CameraProcess(camera, jpeg_quality, arguments) for camera in cameras]
        self.restarts = 0

    @property
    def ready(self) -> bool:
        return all(process.ready for process in self._processes)

    @property
    def frames_published(self) -> tuple[dict[str, int], int]:
        """Frames by camera since the start, and the stamp (ns) up to which all are counted."""
        counts = {process.name: process.published for process in self._processes}
        return counts, min((process.last_ns for process in self._processes), default=-1)

    def start(self) -> None:
        """Start all, and wait for a picture of each; `HardwareError` names one that gives none."""
        for process in self._processes:
            process.spawn()
        deadline = time.monotonic() + START_S
        for process in self._processes:
            while process.hear() and not process.ready and time.monotonic() < deadline:
                time.sleep(0.02)
            process.hear()
            if not process.ready:
                self.stop()
                raise HardwareError(
                    process.trouble or f"camera {process.name!r}: no picture within {START_S:g} s"
                )

    def stop(self) -> None:
        """Let them end; kill what will not. May be called twice."""
        for process in self._processes:
            process.let_end()
        for process in self._processes:
            process.wait()

    def mend(self) -> None:
        """Hear what they say, and start again what has died. Called from a timer."""
        for process in self._processes:
            if not process.hear():
                process.wait()
                self.restarts += 1
                process.spawn()
