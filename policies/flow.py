"""Rectified flow matching over action chunks (Liu et al. 2209.03003, Lipman et al. 2210.02747).

    x_tau = (1 - tau) x0 + tau x1, x0 ~ N(0, I), x1 the demonstrated chunk, tau 0 noise .. 1 data
    loss  = |v(x_tau, tau, o) - (x1 - x0)|^2
    chunk = x0 + sum of v / n over n Euler steps

Each encoded observation serves several (x0, tau): the encoder is most of the cost of a step.
Training-time real-time chunking (arXiv 2512.05964): with `max_prefix` > 0 the first d points,
d ~ U{0..max_prefix}, enter clean with their own tau = 1 and have no loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from policies.method import CleanPrefix, Net


@dataclass(frozen=True)
class Flow:
    """Options of flow matching."""

    num_inference_steps: int = 4
    """Euler steps; 4 was as good as 10 on PushT, 1 clearly worse (policy-methods measurements)."""
    samples_per_observation: int = 8
    """Draws of (noise, tau) for each encoded observation in a training batch."""
    max_prefix: int = 0
    """Largest number of points conditioned on in training; 0 trains without a prefix."""

    def loss(self, net: Net, features: Tensor, chunk: Tensor) -> Tensor:
        k = self.samples_per_observation
        features, x1 = features.repeat(k, 1), chunk.repeat(k, 1, 1)  # (k B, ...)
        x0 = torch.randn_like(x1)
        tau = torch.rand(len(x1), 1, device=x1.device).expand(-1, x1.shape[1])  # (k B, H)
        weight = torch.ones_like(tau)
        if self.max_prefix:
            length = torch.randint(0, self.max_prefix + 1, (len(x1), 1), device=x1.device)
            clean = torch.arange(x1.shape[1], device=x1.device) < length
            tau, weight = tau.masked_fill(clean, 1.0), weight.masked_fill(clean, 0.0)
        t = tau.unsqueeze(-1)
        error = net((1 - t) * x0 + t * x1, tau, features) - (x1 - x0)
        return (error.square().mean(-1) * weight).sum() / weight.sum()

    def sample(
        self,
        net: Net,
        features: Tensor,
        noise: Tensor,
        prefix: CleanPrefix | None,
        knobs: Mapping[str, float],
    ) -> Tensor:
        n = int(knobs.get("num_inference_steps", self.num_inference_steps))
        guided = min(prefix.length, self.max_prefix) if prefix else 0
        x = noise
        for i in range(n):
            tau = torch.full(x.shape[:2], i / n, device=x.device)
            if prefix and guided:
                x = torch.cat([prefix.actions[:, :guided], x[:, guided:]], dim=1)
                tau[:, :guided] = 1.0
            x = x + net(x, tau, features) / n
        if prefix:
            x = torch.cat([prefix.actions, x[:, prefix.length :]], dim=1)
        return x
