"""Pictures of other people's drivers as (H, W, 3) RGB, whatever encoding they publish."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from hardware.robot import Image as Picture

# encoding -> bytes a pixel, and how (H, W, bytes) becomes RGB. Names: sensor_msgs/image_encodings.hpp
ENCODINGS: Mapping[str, tuple[int, Callable[[Picture], np.ndarray]]] = {
    "rgb8": (3, lambda p: p),
    "bgr8": (3, lambda p: p[..., ::-1]),
    "8UC3": (3, lambda p: p[..., ::-1]),  # OpenCV's order, by convention
    "rgba8": (4, lambda p: p[..., :3]),
    "bgra8": (4, lambda p: p[..., 2::-1]),
    "mono8": (1, lambda p: np.repeat(p, 3, axis=2)),
    "8UC1": (1, lambda p: np.repeat(p, 3, axis=2)),
    "yuv422_yuy2": (2, lambda p: cv2.cvtColor(p, cv2.COLOR_YUV2RGB_YUY2)),
    "yuv422": (2, lambda p: cv2.cvtColor(p, cv2.COLOR_YUV2RGB_UYVY)),
}


def rgb_of(message: Image) -> Picture:
    """(H, W, 3) uint8 RGB; ValueError for an encoding that is not known, or too little data."""
    if message.encoding not in ENCODINGS:
        raise ValueError(f"encoding {message.encoding!r} is none of {', '.join(ENCODINGS)}")
    depth, convert = ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if len(message.data) < height * step or step < width * depth:
        raise ValueError(
            f"{width}x{height} {message.encoding} with rows of {step} bytes needs "
            f"{height * max(step, width * depth)} bytes, {len(message.data)} came"
        )
    rows = np.frombuffer(message.data, dtype=np.uint8, count=height * step).reshape(height, step)
    pixels = np.ascontiguousarray(rows[:, : width * depth]).reshape(height, width, depth)
    return np.ascontiguousarray(convert(pixels))


def rgb_of_compressed(message: CompressedImage) -> tuple[Picture, bytes | None]:
    """(H, W, 3) uint8 RGB, and the bytes where they are JPEG; ValueError where they are no picture."""
    data = bytes(message.data)
    decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR) if data else None
    if decoded is None:
        raise ValueError(f"{len(data)} bytes of {message.format!r} are no JPEG and no PNG")
    return np.ascontiguousarray(decoded[..., ::-1]), data if data.startswith(b"\xff\xd8") else None
