"""How a chunk network is trained and sampled: the part in which policies of this room differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

# (x (..., B, H, A), tau (..., B or 1, H), features (B, D)) -> (..., B, H, A): several draws an observation
Net = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class CleanPrefix:
    """The first `length` points of the chunk, known and normalised: actions (B, length, A)."""

    actions: Tensor
    length: int


class Method(Protocol):
    """A frozen dataclass of its own options, one file each, listed in `policies/table.py`.

    Chunks are normalised, (B, H, A). `noise` are standard normal draws given from outside, so
    that a policy's randomness has one source on every device.
    """

    def loss(self, net: Net, features: Tensor, chunk: Tensor, generator: Generator) -> Tensor:
        """A scalar to minimise, for features (B, D) and the demonstrated chunk (B, H, A).

        All noise is drawn from `generator`, on the device of the chunk.
        """

    def sample(
        self,
        net: Net,
        features: Tensor,
        noise: Tensor,
        prefix: CleanPrefix | None,
        knobs: Mapping[str, float],
    ) -> Tensor:
        """A chunk (B, H, A) from `noise` (B, H, A); a prefix is kept as its first points."""


def strata(k: int, generator: Generator) -> Tensor:
    """k times in 0..1, one from each of k even strata, (K,): one a draw for a whole batch.

    Less variance than drawing each, and the net sees k times and not k * B.
    """
    jitter = torch.rand(k, generator=generator, device=generator.device)
    return (torch.arange(k, device=generator.device) + jitter) / k
