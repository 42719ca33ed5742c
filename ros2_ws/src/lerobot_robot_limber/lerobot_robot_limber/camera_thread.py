"""A real camera read in a thread of its own, so that a slow one delays neither loop nor recording."""

import threading
import time
from contextlib import suppress

from hardware.cameras.contract import CameraError, Picture
from hardware.cameras.rate import WATCHED, check_rate
from hardware.cameras.table import make_camera
from hardware.robot import Image
from hardware.spec import CameraSpec
from lerobot_robot_limber.drive import fresh

# As robot_node's camera processes have them
FIRST_S = 10.0  # for the first picture
LOOK_S = 3.0  # for as many pictures as tell the rate
STALE_S = 1.0  # a camera that gives none for this long is opened again, and has none to give
REOPEN_S = 0.5


class CameraThread:
    """Keeps the newest picture. Raises `CameraError` where there is no camera, or another than asked."""

    def __init__(self, spec: CameraSpec) -> None:
        self._spec = spec
        self._camera = make_camera(spec)
        self._newest: tuple[Picture, float] | None = None  # and when it came, monotonic
        self._trouble = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Returns once pictures of the right size come at the right rate."""
        self._camera.open()
        self._look()
        self._thread = threading.Thread(target=self._run, name=f"camera {self._spec.name}", daemon=True)
        self._thread.start()

    def picture(self) -> Image:
        """(height, width, 3) uint8 RGB."""
        newest = self._newest
        if newest is None or not fresh(self._came_s, STALE_S):
            raise CameraError(self._trouble or f"camera {self._spec.name!r}: no picture for {STALE_S:g} s")
        return (self._newest or newest)[0].image

    def close(self) -> None:
        """May be called twice."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self._camera.close()

    def _came_s(self) -> float | None:
        return self._newest and self._newest[1]

    def _look(self) -> None:
        name = self._spec.name
        first = self._camera.read(FIRST_S)
        if first is None:
            raise CameraError(f"camera {name!r}: no picture within {FIRST_S:g} s")
        self._keep(first)
        stamps, until_s = [first.stamp_ns], time.monotonic() + LOOK_S
        while len(stamps) < WATCHED and (left := until_s - time.monotonic()) > 0.0:
            picture = self._camera.read(left)
            if picture:
                stamps.append(picture.stamp_ns)
        if first.stamped_by != "source":  # such a stream leaves pictures out for a slow reader
            check_rate(name, self._spec.fps, stamps)

    def _keep(self, picture: Picture) -> None:
        self._newest = (picture, time.monotonic())

    def _run(self) -> None:
        while not self._ended.is_set():
            self._read()

    def _read(self) -> None:
        try:
            picture = self._camera.read(STALE_S)
        except CameraError as error:
            self._trouble = self._trouble or str(error)
            self._ended.wait(REOPEN_S)
            with suppress(CameraError):  # still away; the next read says so
                self._camera.open()
            return
        if picture:
            self._keep(picture)
            self._trouble = ""
