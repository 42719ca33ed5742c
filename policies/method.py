"""How a chunk network is trained and sampled: the part in which policies of this room differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

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

    def loss(self, net: Net, features: Tensor, chunk: Tensor) -> Tensor:
        """A scalar to minimise, for features (B, D) and the demonstrated chunk (B, H, A)."""

    def sample(
        self,
        net: Net,
        features: Tensor,
        noise: Tensor,
        prefix: CleanPrefix | None,
        knobs: Mapping[str, float],
    ) -> Tensor:
        """A chunk (B, H, A) from `noise` (B, H, A); a prefix is kept as its first points."""
