"""Single images of a dataset: their declared shape, and PNG cells of a parquet column."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data.layout import Feature
from policies.errors import DatasetError


def image_shape(feature: Feature) -> tuple[int, int]:
    """(height, width) of a camera feature, which may be declared (H, W, 3) or (3, H, W)."""
    shape = [int(n) for n in feature["shape"]]
    if len(shape) == 3 and shape[2] == 3:
        return shape[0], shape[1]
    if len(shape) == 3 and shape[0] == 3:
        return shape[1], shape[2]
    raise DatasetError(f"expected images of shape (H, W, 3), got {tuple(shape)}")


def encode_image(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) RGB as PNG bytes."""
    import cv2

    done, png = cv2.imencode(".png", image[..., ::-1])
    if not done:
        raise DatasetError(f"expected an image (H, W, 3) uint8, got {image.shape} {image.dtype}")
    return bytes(png.tobytes())


def decode_image(cell: Mapping[str, Any], root: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A parquet cell {"bytes", "path"} as (H, W, 3) RGB, scaled to `size` = (H, W) if need be."""
    import cv2

    data = cell["bytes"] if cell.get("bytes") is not None else (root / str(cell["path"])).read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DatasetError(f"{root}: expected a PNG or JPEG image, got {len(data)} bytes of something else")
    if bgr.shape[:2] != size:
        bgr = cv2.resize(bgr, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    rgb: NDArray[np.uint8] = np.ascontiguousarray(bgr[..., ::-1])
    return rgb
