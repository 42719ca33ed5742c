"""Statistics of a feature, and the affine map that brings it near [-1, 1]."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.errors import PolicyError

Mode = Literal["min-max", "mean-std"]
MIN_RANGE = 1e-2  # rad: a joint that hardly moved in the data is not blown up to full scale


@dataclass(frozen=True)
class FeatureStats:
    """Per element of a feature (n,): in the feature's own unit."""

    min: tuple[float, ...]
    max: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> "FeatureStats":
        """Statistics of `values` (N, n); `PolicyError` when there is nothing or a value not finite."""
        if values.ndim != 2 or len(values) == 0:
            raise PolicyError(f"statistics: expected shape (N, n) with N > 0, got {values.shape}")
        if not np.isfinite(values).all():
            raise PolicyError("statistics: expected finite values, got NaN or infinity in the data")
        wide = values.astype(np.float64)
        parts = (wide.min(0), wide.max(0), wide.mean(0), wide.std(0))
        return cls(*(tuple(part.tolist()) for part in parts))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "FeatureStats":
        return cls(*(tuple(float(v) for v in data[key]) for key in ("min", "max", "mean", "std")))


class Normalizer(nn.Module):
    """y = (x - offset) / scale over the last axis, and back."""

    def __init__(self, stats: FeatureStats, mode: Mode) -> None:
        super().__init__()
        if mode == "min-max":
            low, high = torch.tensor(stats.min), torch.tensor(stats.max)
            offset, scale = (low + high) / 2, (high - low).clamp(min=MIN_RANGE) / 2
        elif mode == "mean-std":
            offset, scale = torch.tensor(stats.mean), torch.tensor(stats.std).clamp(min=MIN_RANGE / 4)
        else:
            raise PolicyError(f"unknown normalisation {mode!r}; valid: min-max, mean-std")
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.get_buffer("offset")) / self.get_buffer("scale")

    def inverse(self, y: Tensor) -> Tensor:
        return y * self.get_buffer("scale") + self.get_buffer("offset")
