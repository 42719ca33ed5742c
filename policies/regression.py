"""Plain regression of the chunk: the baseline every generative policy is shown beside.

The same encoder and net, with a chunk of zeros in place of the noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from policies.method import CleanPrefix, Net


@dataclass(frozen=True)
class Regression:
    """L1 regression (as in ACT, arXiv 2304.13705, which found L1 better than L2 for chunks)."""

    def loss(self, net: Net, features: Tensor, chunk: Tensor, generator: Generator) -> Tensor:
        return (self._predict(net, features, chunk) - chunk).abs().mean()

    def sample(
        self,
        net: Net,
        features: Tensor,
        noise: Tensor,
        prefix: CleanPrefix | None,
        knobs: Mapping[str, float],
    ) -> Tensor:
        x = self._predict(net, features, noise)
        return torch.cat([prefix.actions, x[:, prefix.length :]], dim=1) if prefix else x

    @staticmethod
    def _predict(net: Net, features: Tensor, like: Tensor) -> Tensor:
        return net(torch.zeros_like(like), torch.zeros(like.shape[:2], device=like.device), features)
