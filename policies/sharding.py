"""The gradient of a batch, in shards: on a CPU one thread a shard, one torch thread in each.

The operations of a net that learns in minutes are too small for torch's own threads: two of them
gained a tenth of the steps a second, two shards six tenths (pick-and-place, batch 64, 2 cores).
A batch is cut and added up in a fixed order: the same number of threads gives the same weights.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor, nn


class ShardedGradient:
    """Computes losses and gradients of parts of a batch side by side."""

    def __init__(self, parameters: Iterable[nn.Parameter], batch_size: int, n_shards: int) -> None:
        """Each shard runs in a thread of its own, with as many torch threads as the caller has."""
        self._parameters = list(parameters)
        # Kept: `autograd.grad` may lay a gradient out otherwise than its weight, and the fused
        # optimiser takes them element by element.
        self._gradients = [torch.zeros_like(p) for p in self._parameters]
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        edges = [round(batch_size * i / n_shards) for i in range(n_shards + 1)]
        self.shards = [slice(a, b) for a, b in pairwise(edges) if b > a]
        self._weights = [(s.stop - s.start) / batch_size for s in self.shards]
        self._pool: ThreadPoolExecutor | None = None
        if len(self.shards) > 1:
            torch_threads = torch.get_num_threads()
            self._pool = ThreadPoolExecutor(
                len(self.shards), "shard", torch.set_num_threads, (torch_threads,)
            )

    def __call__(self, loss_of: Callable[[int, slice], Tensor]) -> float:
        """Put the mean gradient into `.grad` of the parameters; returns the mean loss.

        `loss_of(i, rows)` is the mean loss of shard i, the rows of the batch it has.
        """

        def part(i: int) -> tuple[float, tuple[Tensor, ...]]:
            loss = loss_of(i, self.shards[i]) * self._weights[i]
            gradients = torch.autograd.grad(loss, self._parameters)
            return float(loss.detach()), gradients

        indices = range(len(self.shards))
        parts = list(self._pool.map(part, indices) if self._pool else map(part, indices))
        torch._foreach_copy_(self._gradients, parts[0][1])
        for _, gradients in parts[1:]:
            torch._foreach_add_(self._gradients, gradients)
        return sum(loss for loss, _ in parts)
