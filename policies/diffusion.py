"""Diffusion Policy (Chi et al., arXiv 2303.04137): DDPM training, DDIM inference.

Noise schedules and the DDIM update are those of `diffusers`, imported when first used. The
network is told tau = 1 - t / T, so that 0 is noise and 1 is data as everywhere here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from policies.method import CleanPrefix, Net, strata


@dataclass(frozen=True)
class Diffusion:
    """Options; the defaults are Diffusion Policy's but for DDIM's fewer inference steps."""

    num_train_timesteps: int = 100
    num_inference_steps: int = 10
    """DDIM steps; the paper runs 100 DDPM steps, on real robots 10-16 of DDIM."""
    samples_per_observation: int = 8
    """Draws of (noise, t) for each encoded observation in a training batch."""

    def loss(self, net: Net, features: Tensor, chunk: Tensor, generator: Generator) -> Tensor:
        k, steps = self.samples_per_observation, self.num_train_timesteps
        clean = chunk.expand(k, -1, -1, -1)  # (K, B, H, A)
        noise = torch.randn(clean.shape, generator=generator, device=chunk.device)
        t = (strata(k, generator) * steps).long()
        noisy = _scheduler("DDPMScheduler", steps).add_noise(clean, noise, t)
        tau = (1 - t / steps).view(k, 1, 1).expand(-1, -1, chunk.shape[1])  # (K, 1, H)
        return (net(noisy, tau, features) - noise).square().mean()

    def sample(
        self,
        net: Net,
        features: Tensor,
        noise: Tensor,
        prefix: CleanPrefix | None,
        knobs: Mapping[str, float],
    ) -> Tensor:
        scheduler = _scheduler("DDIMScheduler", self.num_train_timesteps)
        scheduler.set_timesteps(int(knobs.get("num_inference_steps", self.num_inference_steps)))
        x = noise
        for t in scheduler.timesteps.tolist():
            tau = torch.full(x.shape[:2], 1 - t / self.num_train_timesteps, device=x.device)
            x = scheduler.step(net(x, tau, features), t, x).prev_sample
        return torch.cat([prefix.actions, x[:, prefix.length :]], dim=1) if prefix else x


@lru_cache(maxsize=8)
def _scheduler(name: str, num_train_timesteps: int) -> Any:
    import diffusers

    return getattr(diffusers, name)(
        num_train_timesteps=num_train_timesteps,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="epsilon",
        clip_sample=True,
    )
