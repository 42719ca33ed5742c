"""Statistics of an episode and of a dataset, in the form lerobot stores.

Every feature has min, max, mean, std, count and five quantiles. Vectors: shape (n,); images:
(3, 1, 1) in 0..1. Images are counted in 256 bins a channel while they stream by, which gives
all of them exactly and in one pass. (lerobot 0.4.4 squares uint8 pixels without widening them,
so its image std is wrong; ours is not.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

FeatureStats = dict[str, NDArray[Any]]
Stats = dict[str, FeatureStats]

# Larger images are thinned to about this many pixels a side for counting (lerobot thins to 150).
COUNTED_SIDE = 150


class ImageHistogram:
    """Counts the pixel values of a stream of images, for each channel."""

    def __init__(self) -> None:
        self.counts = np.zeros((3, 256), np.int64)
        self.frames = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count one image (H, W, 3)."""
        step = max(1, min(image.shape[:2]) // COUNTED_SIDE)
        thinned = image[::step, ::step]
        for channel in range(3):
            self.counts[channel] += np.bincount(thinned[..., channel].ravel(), minlength=256)
        self.frames += 1

    def stats(self) -> FeatureStats:
        """All statistics, (3, 1, 1) each, scaled to 0..1; count = frames."""
        values = np.arange(256) / 255.0
        total = self.counts.sum(axis=1)  # (3,)
        mean = self.counts @ values / total
        variance = self.counts @ values**2 / total - mean**2
        cumulative = np.cumsum(self.counts, axis=1)
        present = self.counts > 0
        result: FeatureStats = {
            "min": values[present.argmax(axis=1)],
            "max": values[255 - present[:, ::-1].argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(variance, 0.0)),
        }
        for name, q in QUANTILES.items():
            result[name] = values[(cumulative >= q * total[:, None]).argmax(axis=1)]
        shaped: FeatureStats = {key: value.reshape(3, 1, 1) for key, value in result.items()}
        shaped["count"] = np.array([self.frames])
        return shaped


def vector_stats(values: NDArray[np.generic]) -> FeatureStats:
    """Statistics over the first axis of (T, ...) numbers or booleans; scalars give shape (1,)."""
    if values.ndim == 1:
        values = values[:, None]
    wide = values.astype(np.float64)
    result: FeatureStats = {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": wide.mean(axis=0),
        "std": wide.std(axis=0),
        "count": np.array([len(values)]),
    }
    for name, value in zip(QUANTILES, np.quantile(wide, list(QUANTILES.values()), axis=0), strict=True):
        result[name] = value
    return result


def combine(parts: Sequence[Stats]) -> Stats:
    """Statistics of episodes together; quantiles are count-weighted means, as lerobot combines them."""
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: _combine_feature([part[key] for part in parts if key in part]) for key in keys}


def _combine_feature(parts: Sequence[FeatureStats]) -> FeatureStats:
    counts = np.array([int(np.asarray(part["count"]).ravel()[0]) for part in parts], np.float64)
    weights = counts / counts.sum()

    def weighted(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        return np.tensordot(weights, np.stack(arrays).astype(np.float64), axes=1)

    mean = weighted([part["mean"] for part in parts])
    spread = [part["std"].astype(np.float64) ** 2 + (part["mean"] - mean) ** 2 for part in parts]
    result: FeatureStats = {
        "min": np.min(np.stack([part["min"] for part in parts]), axis=0),
        "max": np.max(np.stack([part["max"] for part in parts]), axis=0),
        "mean": mean,
        "std": np.sqrt(weighted(spread)),
        "count": np.array([int(counts.sum())]),
    }
    for name in QUANTILES:
        if all(name in part for part in parts):
            result[name] = weighted([part[name] for part in parts])
    return result
