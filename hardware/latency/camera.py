"""Moving a joint before a camera, and keeping what both say."""

import threading
import time

import cv2
import numpy as np

from hardware.cameras.contract import Camera, CameraError
from hardware.latency.correlate import CameraLatency, camera_latency
from hardware.latency.drive import Drive, room_around, stamp_of, stamp_s
from hardware.robot import Image

REACH = 0.25  # rad or m
WAVES_HZ = (0.43, 0.71, 1.13)  # no common period soon: a delay of one more period does not fit as well
SMALL = (96, 72)  # px; finer detail is the sensor's noise
READ_S = 1.0


class Watcher:
    """Reads a camera in a thread until `end`: stamps, and how much each picture differs from the last."""

    def __init__(self, camera: Camera) -> None:
        self.stamps_s: list[float] = []
        self.motion: list[float] = []
        self.trouble = ""
        self._camera = camera
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        last: np.ndarray | None = None
        while not self._ended.is_set():
            try:
                picture = self._camera.read(READ_S)
            except CameraError as error:
                self.trouble = str(error)
                return
            if picture is None:
                continue
            small = _small(picture.image)
            if last is not None:
                self.motion.append(float(np.abs(small - last).mean()))
            self.stamps_s.append(stamp_s(picture.stamp_ns))
            last = small


def measure_camera(drive: Drive, name: str, camera: Camera, joint: int, seconds: float) -> CameraLatency:
    """The latency of an open camera's stamps; `HardwareError` where it cannot be told."""
    home = drive.position
    home[joint] = room_around(drive, joint, REACH)
    drive.go(home)
    watcher = Watcher(camera)
    times: list[float] = []
    angles: list[float] = []
    begin = time.monotonic()
    try:
        while (t := time.monotonic() - begin) < seconds and not watcher.trouble:
            goal = home.copy()
            goal[joint] += REACH * np.mean([np.sin(2 * np.pi * f * t) for f in WAVES_HZ])
            seen, _ = drive.tick(goal)
            times.append(stamp_s(stamp_of(seen, joint)))
            angles.append(float(seen.state[joint]))
    finally:
        watcher.end()
    if watcher.trouble:
        raise CameraError(watcher.trouble)
    return camera_latency(
        name, np.array(watcher.stamps_s), np.array(watcher.motion), np.array(times), np.array(angles)
    )


def _small(image: Image) -> np.ndarray:
    """Grey and small, float32."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if grey.shape[1] > SMALL[0]:
        grey = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
    blurred: np.ndarray = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    return blurred
