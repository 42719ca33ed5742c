"""A residual MLP over a whole chunk, modulated (AdaLN) by observation and time.

    [x_tau (H, A), tau_i (H)] -> linear -> width
    block: x + gate * MLP(scale * LayerNorm(x) + shift)
           (shift, scale, gate) = linear(features) + linear(embedding(tau of the last point))
    -> LayerNorm -> linear -> (H, A)

One tau a point, so that a clean prefix can enter with its own (training-time real-time
chunking, arXiv 2512.05964). A chunk of 16-32 points is short: an MLP sees it whole, and
needs a tenth of the time of a temporal U-Net. Observation and time modulate by a sum, so that
K times x B observations cost K + B modulations and not K * B.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ChunkMLPConfig:
    """Sizes; on 2 cores the optimiser steps that a wider net costs are worth more than its width."""

    width: int = 256
    n_blocks: int = 4


class Block(nn.Module):
    """One residual block. Its gate starts at zero, so that a new net is the identity."""

    def __init__(self, width: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.by_features = nn.Linear(condition_dim, 3 * width)
        self.by_time = nn.Linear(condition_dim, 3 * width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        for parameter in (self.by_features.weight, self.by_features.bias, self.by_time.weight):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, features: Tensor, time: Tensor) -> Tensor:
        modulation = self.by_features(features) + self.by_time(time)
        shift, scale, gate = modulation.chunk(3, dim=-1)
        out: Tensor = x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)
        return out


class ChunkMLP(nn.Module):
    """(x (..., B, H, A), tau (..., B or 1, H), features (B, D)) -> (..., B, H, A)."""

    def __init__(self, config: ChunkMLPConfig, chunk_size: int, action_dim: int, feature_dim: int) -> None:
        super().__init__()
        self.shape = (chunk_size, action_dim)
        self.inputs = nn.Linear(chunk_size * (action_dim + 1), config.width)
        self.time = nn.Sequential(nn.Linear(64, feature_dim), nn.SiLU(), nn.Linear(feature_dim, feature_dim))
        self.blocks = nn.ModuleList([Block(config.width, feature_dim) for _ in range(config.n_blocks)])
        self.norm = nn.LayerNorm(config.width)
        self.output = nn.Linear(config.width, chunk_size * action_dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        frequencies = torch.exp(torch.linspace(0.0, math.log(1000.0), 32))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor, tau: Tensor, features: Tensor) -> Tensor:
        angle = tau[..., -1:] * self.get_buffer("frequencies")
        time = nn.functional.silu(self.time(torch.cat([angle.sin(), angle.cos()], dim=-1)))
        features = nn.functional.silu(features)
        taus = tau.expand(*x.shape[:-2], tau.shape[-1])
        h = self.inputs(torch.cat([x.flatten(-2), taus], dim=-1))
        for block in self.blocks:
            h = block(h, features, time)
        out: Tensor = self.output(self.norm(h)).unflatten(-1, self.shape)
        return out
