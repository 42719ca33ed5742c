"""Intervals against published values, and by simulation."""

from itertools import pairwise

import numpy as np
import pytest

from policies.evaluation.seeds import RANGES
from policies.evaluation.statistics import paired_difference, wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        (16, 20, 0.583982568, 0.919342337),
        (95, 100, 0.888249531, 0.978456321),
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (285, 300, 0.919152967, 0.969468359),
    ],
)
def test_wilson_agrees_with_scipy(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=1e-7)


def test_wilson_covers_at_95_percent():
    rng = np.random.default_rng(0)
    covered = [
        low <= p <= high
        for p in (0.5, 0.8, 0.95)
        for low, high in (wilson_interval(int(k), 60) for k in rng.binomial(60, p, 1000))
    ]
    assert 0.93 <= np.mean(covered) <= 0.975


def test_wilson_of_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(3, 2)


def test_paired_difference_is_narrower_where_pairs_agree():
    ours = [True] * 90 + [False] * 10
    theirs = [True] * 85 + [False] * 15
    mean, low, high = paired_difference(ours, theirs)
    assert mean == pytest.approx(0.05)
    assert -0.01 < low < 0.05 < high < 0.12
    same = paired_difference(ours, ours)
    assert same[0] == 0.0
    assert same[1] == pytest.approx(-same[2])
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([True], [])


def test_published_seed_ranges_are_disjoint():
    ranges = sorted((r.start, r.stop) for r in RANGES.values())
    assert all(stop <= start for (_, stop), (start, _) in pairwise(ranges))
