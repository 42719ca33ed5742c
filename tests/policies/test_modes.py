"""Demonstrations of two ways: a generative method plays one or the other, regression may not."""

import pytest
import torch

from policies.diffusion import Diffusion
from policies.flow import Flow
from policies.nets.chunk_mlp import ChunkMLP, ChunkMLPConfig
from policies.regression import Regression

H, A, D = 4, 1, 8
WAYS = 0.8  # chunks are all +0.8 or all -0.8


def draws(method, share, steps=300, n=512):
    """Chunk means (n,) after training on +0.8 with probability `share`, else -0.8."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = ChunkMLP(ChunkMLPConfig(width=64, n_blocks=2), H, A, D)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(steps):
        sides = (torch.rand(64, 1, 1, generator=generator) < share).float() * 2 - 1
        loss = method.loss(net, torch.zeros(64, D), WAYS * sides.expand(64, H, A), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        noise = torch.randn(n, H, A, generator=generator)
        return method.sample(net, torch.zeros(n, D), noise, None, {}).mean((1, 2))


@pytest.mark.parametrize("method", [Flow(), Diffusion()], ids=["flow", "diffusion"])
@pytest.mark.parametrize("share", [0.5, 0.7])
def test_both_ways_are_drawn_and_nothing_between(method, share):
    means = draws(method, share)
    assert ((means.abs() - WAYS).abs() < 0.3).float().mean() > 0.85
    assert abs((means > 0).float().mean() - share) < 0.2


def test_regression_gives_one_answer():
    means = draws(Regression(), 0.7)
    assert means.std() < 1e-3
