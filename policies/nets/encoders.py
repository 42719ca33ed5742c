"""From pixels and joints to one feature vector.

    uint8 (B, n_obs, H, W, 3) of each camera -> conv stem 8x8 stride 4 -> 3x3 stride 2, twice
    -> flatten -> linear -> (B, n_obs * image_dim)
    state (B, n_obs, n) -> linear -> (B, state_dim)               only with use_state
    concatenated -> linear -> (B, feature_dim)

A wide stem with a large stride makes the first layer, where the pixels are, the cheapest one:
optimiser steps a second decide what a CPU learns in minutes. Flatten and linear keeps where
things are; measured against spatial softmax at this budget 96 to 72 % of pick-and-place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from policies.contracts import CameraShape


@dataclass(frozen=True)
class EncoderConfig:
    """Widths, tuned on pick-and-place at 96 px on 2 cores (tests/benchmarks/bench_pickplace.py)."""

    channels: tuple[int, ...] = (32, 64, 64)
    """Of the stem and of each 3x3 convolution with stride 2 after it."""
    image_dim: int = 128
    """Features of one image."""
    state_dim: int = 64
    """Features of the joint state, where it is used."""
    feature_dim: int = 256
    """Features of the whole observation."""


class ImageEncoder(nn.Module):
    """uint8 (B, H, W, 3) -> (B, image_dim)."""

    def __init__(self, height: int, width: int, channels: Sequence[int], image_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 8, stride=4, padding=2), nn.ReLU()]
        for n_in, n_out in pairwise(channels):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.no_grad():
            n_flat = self.convolutions(torch.zeros(1, 3, height, width)).numel()
        self.head = nn.Sequential(nn.Linear(n_flat, image_dim), nn.LayerNorm(image_dim), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2)  # a channels-last view: no copy
        x = x.float().div_(127.5).sub_(1.0)
        out: Tensor = self.head(self.convolutions(x).flatten(1))
        return out


class ObservationEncoder(nn.Module):
    """One encoder a camera, shared over the observation window, and the joint state if wanted."""

    def __init__(
        self,
        config: EncoderConfig,
        cameras: Sequence[CameraShape],
        n_obs_steps: int,
        n_state: int,
        use_state: bool,
    ) -> None:
        super().__init__()
        self.camera_names = [c.name for c in cameras]
        self.images = nn.ModuleDict(
            {c.name: ImageEncoder(c.height, c.width, config.channels, config.image_dim) for c in cameras}
        )
        n_in = len(cameras) * n_obs_steps * config.image_dim
        self.state = None
        if use_state or not cameras:
            self.state = nn.Sequential(nn.Linear(n_obs_steps * n_state, config.state_dim), nn.SiLU())
            n_in += config.state_dim
        self.feature_dim = config.feature_dim
        self.fuse = nn.Sequential(nn.Linear(n_in, config.feature_dim), nn.LayerNorm(config.feature_dim))

    def forward(self, images: Mapping[str, Tensor], state: Tensor) -> Tensor:
        """images: name -> uint8 (B, n_obs, H, W, 3); state (B, n_obs, n) normalised -> (B, feature_dim)."""
        batch = len(state)
        parts = [self.images[name](images[name].flatten(0, 1)).view(batch, -1) for name in self.camera_names]
        if self.state is not None:
            parts.append(self.state(state.flatten(1)))
        out: Tensor = self.fuse(torch.cat(parts, dim=1))
        return out
