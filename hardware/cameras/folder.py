"""An image folder as a camera: its pictures in the order of their names, again and again."""

from pathlib import Path

import cv2

from hardware.cameras.contract import CameraError, Picture, check_size, rgb
from hardware.cameras.pace import Pace
from hardware.robot import Image
from hardware.spec import CameraSpec

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


class FolderCamera:
    """Pictures at the spec's rate, stamped when they are due."""

    def __init__(self, spec: CameraSpec, path: str) -> None:
        self._spec = spec
        self._path = Path(path)
        self._files: list[Path] = []
        self._pace = Pace(spec.fps)

    def open(self) -> None:
        if not self._path.is_dir():
            raise CameraError(f"camera {self._spec.name!r}: folder {str(self._path)!r} does not exist")
        self._files = sorted(p for p in self._path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not self._files:
            kinds = " ".join(SUFFIXES)
            raise CameraError(f"camera {self._spec.name!r}: {str(self._path)!r} has no picture ({kinds})")
        self._load(0)
        self._pace.restart()

    def read(self, timeout_s: float) -> Picture | None:
        stamp_ns = self._pace.wait(timeout_s)
        return None if stamp_ns is None else Picture(stamp_ns, "source", self._load(self._pace.count - 1))

    def close(self) -> None:
        self._files = []

    def _load(self, number: int) -> Image:
        if not self._files:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        file = self._files[number % len(self._files)]
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if picture is None:
            raise CameraError(f"camera {self._spec.name!r}: {str(file)!r} is no picture")
        check_size(self._spec.name, (self._spec.width, self._spec.height), picture.shape[1::-1])
        return rgb(picture)
