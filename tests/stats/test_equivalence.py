"""Equivalence against its definition and a known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fairkd.errors import InputError
from fairkd.stats.equivalence import equivalence
from fairkd.stats.estimates import Estimate


def estimate(value, replicates) -> Estimate:
    """Chance in the words alone: seeds that all say the same."""
    return Estimate(value, np.asarray(replicates, dtype=float), np.full(3, value))


@given(st.floats(-2, 2), st.integers(0, 2**32), st.integers(39, 300), st.sampled_from([0.05, 0.1, 0.3]))
def test_equivalence_is_two_one_sided_tests_of_the_estimate_and_of_the_corrected_one(value, seed, b, size):
    """Each rejects where a share of ``size`` of the deviations, and of the normal ones, is not as far as the margin."""
    replicates = value + np.random.default_rng(seed).normal(loc=0.1, size=b) / 2
    deviations = replicates - replicates.mean()
    normal = norm.isf(size) * replicates.std(ddof=1)
    up, down = max(np.quantile(deviations, 1 - size), normal), max(-np.quantile(deviations, size), normal)
    for margin in (0.5, 1.0):
        centres = value, 2 * value - replicates.mean()
        shown = all(centre + up < margin and centre - down > -margin for centre in centres)
        result = equivalence(estimate(value, replicates), margin, size)
        assert result.equivalent == shown == (result.p <= size)
        assert (result.low, result.high) == pytest.approx((min(centres) - down, max(centres) + up), abs=1e-5)


@given(st.integers(-200, 200), st.integers(0, 2**32), st.sampled_from([19, 20, 199, 999]))
def test_equivalence_is_shown_exactly_where_its_interval_lies_within_the_margin(value, seed, b):
    replicates = np.random.default_rng(seed).normal(size=b) / 2
    result = equivalence(estimate(value / 100, replicates), 1.0)
    assert result.equivalent == (result.low > -1 and result.high < 1)


def test_equivalence_gives_the_90_percent_interval_and_is_antisymmetric():
    draws = np.random.default_rng(0).normal(size=9999) * 0.1
    result = equivalence(estimate(0.02, draws - draws.mean() + 0.02), 0.3)
    assert (result.low, result.high) == pytest.approx((0.02 - 0.1645, 0.02 + 0.1645), abs=0.005)
    mirrored = equivalence(estimate(-0.02, -(draws - draws.mean() + 0.02)), 0.3)
    assert (mirrored.low, mirrored.high, mirrored.p) == pytest.approx((-result.high, -result.low, result.p))
    assert result.equivalent
    assert not equivalence(estimate(0.02, draws), 0.15).equivalent  # a margin inside the interval


def test_equivalence_is_declared_in_at_most_5_percent_where_the_truth_is_at_the_margin():
    generator, runs = np.random.default_rng(0), 2000
    declared = sum(
        equivalence(estimate(value, value + 0.1 * generator.normal(size=199)), 0.5).equivalent
        for value in 0.5 + 0.1 * generator.normal(size=runs)
    )
    assert 0.03 < declared / runs < 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)


def test_too_few_replicates_show_no_equivalence():
    result = equivalence(estimate(0.0, [0.0] * 18), 1.0)
    assert (result.low, result.high, result.equivalent) == (-math.inf, math.inf, False)
    assert equivalence(estimate(0.0, [0.0] * 19), 1.0).equivalent
    assert not equivalence(estimate(0.0, [0.0] * 298), 1.0, size=0.05 / 15).equivalent
    assert equivalence(estimate(0.0, [0.0] * 299), 1.0, size=0.05 / 15).equivalent


def test_equivalence_of_nothing_is_nan_and_not_shown():
    for value, replicates in ((0.1, []), (0.1, [0.0, math.nan]), (math.nan, [0.0, 0.1])):
        result = equivalence(estimate(value, replicates), 1.0)
        assert np.isnan([result.low, result.high, result.p]).all()
        assert not result.equivalent


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_equivalence_needs_a_margin_above_zero(margin):
    with pytest.raises(InputError, match="margin"):
        equivalence(estimate(0.1, [0.0, 0.1]), margin)


@pytest.mark.parametrize("size", [0, 0.5, 5])
def test_equivalence_rejects_a_size_outside_0_and_one_half(size):
    with pytest.raises(InputError, match="between 0 and 1/2"):
        equivalence(estimate(0.1, [0.0, 0.1]), 1.0, size=size)
