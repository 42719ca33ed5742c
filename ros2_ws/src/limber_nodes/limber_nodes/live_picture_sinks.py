"""Where a live picture can be seen: a Rerun viewer, a window, or a file that is written again and again."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.errors import HardwareError, unknown

Image = NDArray[np.uint8]  # (H, W, 3) RGB
STILL = "cameras.jpg"
TITLE = "limber: cameras"


class Sink(Protocol):
    """Shows the newest picture of every camera; `where` says it in a line."""

    where: str

    def show(self, images: Mapping[str, Image]) -> None:
        """Camera -> (H, W, 3); may raise `HardwareError` or `OSError`, which ends the showing."""

    def close(self) -> None: ...


class FileSink:
    """One JPEG, the cameras side by side; who reads it never sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STILL
        self._partial = folder / f".{os.getpid()}.{STILL}"
        self.where = f"the cameras' newest pictures: {self._file}"

    def show(self, images: Mapping[str, Image]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(".jpg", side_by_side(images)[..., ::-1])
        if done:
            self._partial.write_bytes(data.tobytes())
            self._partial.replace(self._file)

    def close(self) -> None:
        """The last picture stays."""
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)


class WindowSink:
    """A window of OpenCV's; needs its distribution with a user interface, and a display."""

    where = f"the cameras are in the window {TITLE!r}"

    def __init__(self, folder: Path) -> None:
        if not cv2.currentUIFramework():
            raise HardwareError(
                "live_picture 'window': this OpenCV has no windows; install opencv-python in place of "
                "opencv-python-headless, or choose rerun or file"
            )

    def show(self, images: Mapping[str, Image]) -> None:
        cv2.imshow(TITLE, side_by_side(images)[..., ::-1])
        cv2.waitKey(1)

    def close(self) -> None:
        cv2.destroyAllWindows()


class RerunSink:
    """A Rerun viewer, started where none runs yet."""

    where = "the cameras are in the Rerun viewer"

    def __init__(self, folder: Path) -> None:
        try:
            import rerun
        except ImportError:
            raise HardwareError(
                "live_picture 'rerun': expected the package rerun-sdk; pip install rerun-sdk"
            ) from None
        self._rerun = rerun
        self._stream = rerun.RecordingStream("limber_teleoperation")
        self._connect()

    def _connect(self) -> None:
        self._stream.spawn(memory_limit="500MB")

    def show(self, images: Mapping[str, Image]) -> None:
        for name, image in images.items():
            self._stream.log(f"cameras/{name}", self._rerun.Image(image).compress(jpeg_quality=80))

    def close(self) -> None:
        self._stream.flush()


SINKS: Mapping[str, Callable[[Path], Sink]] = {"window": WindowSink, "rerun": RerunSink, "file": FileSink}
CHOICES = ("auto", *SINKS, "none")


def make_sink(choice: str, folder: str | Path) -> Sink | None:
    """The sink of a `choice`; `auto`: the first that works here. `HardwareError` where it cannot work."""
    folder = Path(folder)
    if choice == "none":
        return None
    if choice not in CHOICES:
        raise HardwareError(unknown("live_picture", choice, CHOICES))
    if choice != "auto":
        return SINKS[choice](folder)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        for name in ("rerun", "window"):
            with suppress(HardwareError, RuntimeError):
                return SINKS[name](folder)
    return FileSink(folder)


def side_by_side(images: Mapping[str, Image]) -> Image:
    """(H, W, 3): all in one row, as high as the highest."""
    height = max(image.shape[0] for image in images.values())
    row = [np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0))) for image in images.values()]
    whole: Image = np.concatenate(row, axis=1)
    return whole
