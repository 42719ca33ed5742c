"""An image folder as a camera: its pictures in the order of their names, again and again."""

import time
from pathlib import Path

import cv2

from hardware.cameras.contract import CameraError, Picture, check_size, rgb
from hardware.control.clock import NS
from hardware.robot import Image
from hardware.spec import CameraSpec

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


class FolderCamera:
    """Pictures at the spec's rate, stamped when they are due."""

    def __init__(self, spec: CameraSpec, path: str) -> None:
        self._spec = spec
        self._path = Path(path)
        self._files: list[Path] = []
        self._count = 0
        self._start_s = 0.0

    def open(self) -> None:
        if not self._path.is_dir():
            raise CameraError(f"camera {self._spec.name!r}: folder {str(self._path)!r} does not exist")
        self._files = sorted(p for p in self._path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not self._files:
            kinds = " ".join(SUFFIXES)
            raise CameraError(f"camera {self._spec.name!r}: {str(self._path)!r} has no picture ({kinds})")
        self._count, self._start_s = 0, time.monotonic()
        self._load()

    def read(self, timeout_s: float) -> Picture | None:
        due_s = self._start_s + self._count / self._spec.fps
        wait_s = due_s - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        image = self._load()
        self._count += 1
        return Picture(int(due_s * NS), "source", image)

    def close(self) -> None:
        self._files = []

    def _load(self) -> Image:
        if not self._files:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        file = self._files[self._count % len(self._files)]
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if picture is None:
            raise CameraError(f"camera {self._spec.name!r}: {str(file)!r} is no picture")
        check_size(self._spec.name, (self._spec.width, self._spec.height), picture.shape[1::-1])
        return rgb(picture)
