"""A camera's calibration, from the YAML file that ROS's camera_calibration writes.

Source: camera_calibration_parsers (ROS 2), the format that `camera_info_url` of ROS's drivers names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hardware.cameras.contract import CameraError
from hardware.spec import CameraSpec

COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
UNROTATED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Intrinsics:
    """Row-major, in px: k (3, 3) of the raw picture, p (3, 4) of the rectified one, r (3, 3), d (n,)."""

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]


def load_intrinsics(camera: CameraSpec) -> Intrinsics | None:
    """What `camera.intrinsics` says (a path or file:// address); None where it names no file.

    `CameraError` where the file is missing, damaged, or of another picture size: what a driver does to
    give another size, crop or scale, nobody can tell from here.
    """
    if not camera.intrinsics:
        return None
    path = Path(camera.intrinsics.removeprefix("file://")).expanduser()
    begin = f"camera {camera.name!r}: intrinsics {str(path)!r}"
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CameraError(f"{begin} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CameraError(f"{begin}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        found = _parse(data)
    except (KeyError, TypeError, ValueError) as error:
        what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise CameraError(f"{begin}: expected a file of ROS's camera_calibration; {what}") from None
    if (found.width, found.height) != (camera.width, camera.height):
        raise CameraError(
            f"{begin} was calibrated at {found.width}x{found.height}, the spec has "
            f"{camera.width}x{camera.height}; calibrate at the size that is used"
        )
    return found


def _parse(data: Any) -> Intrinsics:
    model = str(data["distortion_model"])
    if model not in COEFFICIENTS:
        raise ValueError(f"distortion_model {model!r} is none of {', '.join(COEFFICIENTS)}")
    k = _matrix(data, "camera_matrix", 9)
    plain = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)  # without a stereo partner, (k | 0)
    return Intrinsics(
        width=int(data["image_width"]),
        height=int(data["image_height"]),
        distortion_model=model,
        d=_matrix(data, "distortion_coefficients", COEFFICIENTS[model]),
        k=k,
        r=_matrix(data, "rectification_matrix", 9) if "rectification_matrix" in data else UNROTATED,
        p=_matrix(data, "projection_matrix", 12) if "projection_matrix" in data else plain,
    )


def _matrix(data: Any, name: str, size: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in data[name]["data"])
    if len(values) != size:
        raise ValueError(f"{name}: expected {size} numbers, got {len(values)}")
    return values
