"""A residual MLP over a whole chunk, modulated (AdaLN) by time and observation.

    [x_tau (H, A), tau_i (H)] -> linear -> width
    block: x + gate * MLP(scale * LayerNorm(x) + shift), (shift, scale, gate) = linear(silu(c))
    c = features + embedding(tau of the last point)
    -> LayerNorm -> linear -> (H, A)

One tau a point, so that a clean prefix can enter with its own (training-time real-time
chunking, arXiv 2512.05964). A chunk of 16-32 points is short: an MLP sees it whole, and
needs a tenth of the time of a temporal U-Net.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ChunkMLPConfig:
    """Sizes; 384 wide and 4 deep was enough for PushT and pick-and-place on 2 cores."""

    width: int = 384
    n_blocks: int = 4


class Block(nn.Module):
    """One residual block. Its gate starts at zero, so that a new net is the identity."""

    def __init__(self, width: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(condition_dim, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(condition).chunk(3, dim=-1)
        out: Tensor = x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)
        return out


class ChunkMLP(nn.Module):
    """(x (B, H, A), tau (B, H), features (B, D)) -> (B, H, A)."""

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
        angle = tau[:, -1:] * self.get_buffer("frequencies")
        embedded = self.time(torch.cat([angle.sin(), angle.cos()], dim=-1))
        condition = nn.functional.silu(features + embedded)
        h = self.inputs(torch.cat([x.flatten(1), tau], dim=-1))
        for block in self.blocks:
            h = block(h, condition)
        out: Tensor = self.output(self.norm(h)).view(-1, *self.shape)
        return out
