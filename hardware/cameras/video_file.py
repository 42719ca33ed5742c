"""A video file as a camera: its pictures at the spec's rate, again and again."""

from pathlib import Path

import cv2

from hardware.cameras.contract import CameraError, Picture, check_size, rgb
from hardware.cameras.pace import Pace
from hardware.spec import CameraSpec


class VideoFileCamera:
    """Pictures stamped when they are due, whatever rate the file says."""

    def __init__(self, spec: CameraSpec, path: str) -> None:
        self._spec = spec
        self._path = Path(path)
        self._video: cv2.VideoCapture | None = None
        self._pace = Pace(spec.fps)

    def open(self) -> None:
        if not self._path.is_file():
            raise CameraError(f"camera {self._spec.name!r}: file {str(self._path)!r} does not exist")
        self.close()
        video = cv2.VideoCapture(str(self._path))
        size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if not video.isOpened() or 0 in size:
            raise CameraError(f"camera {self._spec.name!r}: {str(self._path)!r} is no video")
        check_size(self._spec.name, (self._spec.width, self._spec.height), size)
        self._video = video
        self._pace.restart()

    def read(self, timeout_s: float) -> Picture | None:
        if self._video is None:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        stamp_ns = self._pace.wait(timeout_s)
        if stamp_ns is None:
            return None
        ok, picture = self._video.read()
        if not ok:  # the end: from the beginning
            self._video.set(cv2.CAP_PROP_POS_FRAMES, 0)
            ok, picture = self._video.read()
        if not ok:
            raise CameraError(f"camera {self._spec.name!r}: {str(self._path)!r} cannot be read")
        return Picture(stamp_ns, "source", rgb(picture))

    def close(self) -> None:
        if self._video:
            self._video.release()
            self._video = None
