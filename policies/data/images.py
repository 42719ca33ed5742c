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


def decode_picture(data: bytes | memoryview) -> NDArray[np.uint8]:
    """A JPEG or PNG as (H, W, 3) RGB."""
    import cv2

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) else None
    if bgr is None:
        raise DatasetError(f"expected a JPEG or PNG picture, got {len(data)} bytes of something else")
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def decode_image(cell: Mapping[str, Any], root: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A parquet cell {"bytes", "path"} as (H, W, 3) RGB, scaled to `size` = (H, W) if need be."""
    import cv2

    data = cell["bytes"] if cell.get("bytes") is not None else (root / str(cell["path"])).read_bytes()
    try:
        rgb = decode_picture(data)
    except DatasetError as error:
        raise DatasetError(f"{root}: {error}") from None
    if rgb.shape[:2] != size:
        rgb = cv2.resize(rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return rgb
