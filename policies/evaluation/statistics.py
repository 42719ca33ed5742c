"""Intervals for success rates."""

import math
from collections.abc import Sequence

Z_95 = 1.959963984540054  # two-sided 95 % of the standard normal


def wilson_interval(successes: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval (low, high) of a proportion; (0, 1) when nothing was tried.

    Good at small n and near 0 and 1, where the normal interval is not (Wilson 1927).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n, got {successes} of {n}")
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def paired_difference(
    ours: Sequence[bool], theirs: Sequence[bool], z: float = Z_95
) -> tuple[float, float, float]:
    """Difference of two success rates on the same seeds, with its interval: (mean, low, high).

    Pairs agree on most seeds, which makes this narrower than two separate intervals. One pair
    of disagreements is added each way (Agresti and Min 2005), which keeps it honest at small n.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"expected as many pairs on both sides, got {len(ours)} and {len(theirs)}")
    n = len(ours)
    gained = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    b, c, m = gained + 0.5, lost + 0.5, n + 2
    centre = (b - c) / m
    half = z * math.sqrt((b + c) - (b - c) ** 2 / m) / m
    return (gained - lost) / n, max(-1.0, centre - half), min(1.0, centre + half)
