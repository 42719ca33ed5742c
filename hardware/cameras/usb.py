"""A USB camera through Video4Linux, by a path that stays the same: /dev/v4l/by-id/..."""

import os
import time
from pathlib import Path

import cv2

from hardware.cameras.contract import CameraError, Picture, StampedBy, check_size, rgb
from hardware.control.clock import NS
from hardware.spec import CameraSpec

# OpenCV's POS_MSEC is the kernel's buffer time, on the monotonic clock; some versions give 0 there.
OLDEST_S = 1.0
MANUAL_EXPOSURE = 1  # V4L2_EXPOSURE_MANUAL


class UsbCamera:
    """One device. The newest picture is wanted: OpenCV is asked to keep no more than one back."""

    def __init__(self, spec: CameraSpec, device: str) -> None:
        self._spec = spec
        self._device = device
        self._video: cv2.VideoCapture | None = None

    def open(self) -> None:
        spec = self._spec
        if not os.path.exists(self._device):
            there = ", ".join(sorted(map(str, Path("/dev/v4l/by-id").glob("*")))) or "none"
            raise CameraError(f"camera {spec.name!r}: {self._device!r} is not there; cameras: {there}")
        self.close()
        video = cv2.VideoCapture(self._device, cv2.CAP_V4L2)
        if not video.isOpened():
            raise CameraError(
                f"camera {spec.name!r}: {self._device!r} cannot be opened; is another program using it, "
                "and is this user in its group (sudo usermod -aG video $USER)?"
            )
        if spec.fourcc:
            video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*spec.fourcc))
        for setting, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, spec.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, spec.height),
            (cv2.CAP_PROP_FPS, spec.fps),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            video.set(setting, value)
        if spec.exposure:
            video.set(cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL_EXPOSURE)
            video.set(cv2.CAP_PROP_EXPOSURE, spec.exposure)
        if spec.white_balance:
            video.set(cv2.CAP_PROP_AUTO_WB, 0)
            video.set(cv2.CAP_PROP_WB_TEMPERATURE, spec.white_balance)
        got = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        fps = video.get(cv2.CAP_PROP_FPS)
        self._video = video
        try:
            check_size(spec.name, (spec.width, spec.height), got)
            if fps and abs(fps - spec.fps) > 1.0:
                raise CameraError(
                    f"camera {spec.name!r}: expected {spec.fps} pictures/s, it gives {fps:g}; "
                    "set fps in the spec to what the camera has at this size"
                )
        except CameraError:
            self.close()
            raise

    def read(self, timeout_s: float) -> Picture | None:
        if self._video is None:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        ok, picture = self._video.read()  # the driver's own timeout is 10 s; hence a process of its own
        now_s = time.monotonic()
        if not ok:
            self.close()
            raise CameraError(f"camera {self._spec.name!r}: {self._device!r} went away")
        check_size(self._spec.name, (self._spec.width, self._spec.height), picture.shape[1::-1])
        stamp_s, by = self._stamp(now_s)
        return Picture(int(stamp_s * NS) - int(self._spec.latency_ms * NS / 1000), by, rgb(picture))

    def _stamp(self, now_s: float) -> tuple[float, StampedBy]:
        assert self._video is not None
        kernel_s = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        if 0.0 <= now_s - kernel_s < OLDEST_S:
            return kernel_s, "kernel"
        return now_s, "arrival"

    def close(self) -> None:
        if self._video:
            self._video.release()
            self._video = None
