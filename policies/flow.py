"""Rectified flow matching over action chunks (Liu et al. 2209.03003, Lipman et al. 2210.02747).

    x_tau = (1 - tau) x0 + tau x1, x0 ~ N(0, I), x1 the demonstrated chunk, tau 0 noise .. 1 data
    loss  = |net(x_tau, tau, o) - x1|, the net predicts the chunk
    v     = (net(x_tau, tau, o) - x_tau) / (1 - tau), the velocity from noise to data
    chunk = x0 + sum of v / n over n Euler steps; the last one ends on the net's own prediction

Predicting the velocity instead, as the papers do, asks the net to pass the noise through to its
output; chunks lie near few dimensions, noise does not (Li and He, arXiv 2511.13720, on images).
L1 (as in ACT, arXiv 2304.13705) in place of the square draws both of two ways too, but favours
the likelier: one demonstrated 7 times of 10 is drawn 8 or 9 times (tests/policies/test_modes.py).

    pick-and-place, 170 demonstrations, 100 tuning seeds, one training seed    steps  success
    velocity, squared                                                          2000      77
    chunk, squared                                                             1500      82
    chunk, squared / (1 - tau)^2: flow matching exactly                        1500      89
    chunk, L1                                                                  1500      94

Each encoded observation serves K draws of (x0, tau): it is most of the cost of a step.
Training-time real-time chunking (arXiv 2512.05964): with `max_prefix` > 0 the first d points,
d ~ U{0..max_prefix}, enter clean with their own tau = 1 and have no loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from policies.method import CleanPrefix, Net, strata


@dataclass(frozen=True)
class Flow:
    """Options of flow matching."""

    num_inference_steps: int = 4
    """Euler steps; 4 was as good as 10 on PushT, 1 clearly worse (policy-methods measurements)."""
    samples_per_observation: int = 8
    """Draws of (noise, tau) for each encoded observation in a training batch."""
    max_prefix: int = 0
    """Largest number of points conditioned on in training; 0 trains without a prefix."""

    def loss(self, net: Net, features: Tensor, chunk: Tensor, generator: Generator) -> Tensor:
        k, (batch, horizon, _) = self.samples_per_observation, chunk.shape
        x1 = chunk.expand(k, -1, -1, -1)  # (K, B, H, A)
        x0 = torch.randn(x1.shape, generator=generator, device=chunk.device)
        tau = strata(k, generator).view(k, 1, 1).expand(-1, -1, horizon)  # (K, 1, H)
        if self.max_prefix == 0:
            t = tau.unsqueeze(-1)
            return (net((1 - t) * x0 + t * x1, tau, features) - x1).abs().mean()
        device = chunk.device
        length = torch.randint(0, self.max_prefix + 1, (k, batch, 1), generator=generator, device=device)
        clean = torch.arange(horizon, device=device) < length  # (K, B, H)
        tau = tau.expand(-1, batch, -1).masked_fill(clean, 1.0)
        t = tau.unsqueeze(-1)
        error = net((1 - t) * x0 + t * x1, tau, features) - x1
        return (error.abs().mean(-1) * ~clean).sum() / (~clean).sum()

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
            x = x + (net(x, tau, features) - x) / (n - i)  # v / n, since 1 - tau = (n - i) / n
        if prefix:
            x = torch.cat([prefix.actions, x[:, prefix.length :]], dim=1)
        return x
