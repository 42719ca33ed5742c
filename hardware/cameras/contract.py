"""What a camera is to limber: pictures with the time at which they were taken."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from hardware.errors import HardwareError
from hardware.robot import Image

StampedBy = Literal["kernel", "source", "arrival"]


class CameraError(HardwareError):
    """A camera that is not there, or gives other pictures than it was asked for."""


@dataclass(frozen=True)
class Picture:
    """One picture (H, W, 3) RGB. `stamp_ns`: exposure in robot time, as well as `stamped_by` can tell.

    kernel: the driver's buffer time; source: the stream said it; arrival: when it came here. `jpeg`
    are the camera's own bytes where it compressed the picture itself.
    """

    stamp_ns: int
    stamped_by: StampedBy
    image: Image
    jpeg: bytes | None = None


class Camera(Protocol):
    """One source of pictures, for one thread. It may be closed and opened again after an unplug."""

    def open(self) -> None:
        """Raises `CameraError` where the camera is not there or gives another size or rate than asked."""

    def read(self, timeout_s: float) -> Picture | None:
        """The next picture; None where none came in time. `CameraError` where the camera went away."""

    def close(self) -> None:
        """May be called twice."""


def rgb(picture: Any) -> Image:
    """OpenCV's picture (H, W, 3) BGR as RGB."""
    image: Image = np.ascontiguousarray(picture[..., ::-1])
    return image


def check_size(name: str, wanted: tuple[int, int], got: tuple[int, int]) -> None:
    """Raise `CameraError` unless the picture has the size (width, height) of the spec."""
    if wanted != got:
        raise CameraError(
            f"camera {name!r}: expected {wanted[0]}x{wanted[1]}, it gives {got[0]}x{got[1]}; "
            "set width and height in the spec to what the camera has"
        )
