"""Exponential moving average of weights: what is evaluated and deployed."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """decay_t = min(decay, (1 + t) / (10 + t)), so that the first steps are forgotten quickly."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Average in the model's weights after optimiser step `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), list(model.state_dict().values()), 1 - decay)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)
