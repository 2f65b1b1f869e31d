"""Equivalence against its definition and a known truth."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairkd.errors import InputError
from fairkd.stats.equivalence import equivalence

numbers = st.integers(-20, 20).map(lambda x: x / 8)  # exact in binary: ties are ties


@given(st.floats(-2, 2), st.lists(numbers, min_size=1, max_size=60), st.sampled_from([0.5, 1.0]))
def test_equivalence_is_two_one_sided_tests_of_the_estimate_and_of_the_corrected_one(estimate, replicates, margin):
    mean, b = statistics.fmean(replicates), len(replicates)
    one_sided = []
    for centre in (estimate, 2 * estimate - mean):
        one_sided.append((1 + sum(r - mean >= centre + margin for r in replicates)) / (1 + b))
        one_sided.append((1 + sum(r - mean <= centre - margin for r in replicates)) / (1 + b))
    result = equivalence(estimate, replicates, margin)
    assert result.p == pytest.approx(max(one_sided))
    assert result.equivalent == (result.p <= 0.05)


@given(st.integers(-200, 200), st.integers(0, 2**32), st.sampled_from([19, 20, 199, 999]))
def test_equivalence_is_shown_exactly_where_its_interval_lies_within_the_margin(estimate, seed, b):
    replicates = np.random.default_rng(seed).normal(size=b) / 2
    result = equivalence(estimate / 100, replicates, 1.0)
    assert result.equivalent == (result.low > -1 and result.high < 1)


def test_equivalence_gives_the_90_percent_interval_and_is_antisymmetric():
    draws = np.random.default_rng(0).normal(size=9999) * 0.1
    result = equivalence(0.02, draws - draws.mean() + 0.02, 0.3)
    assert (result.low, result.high) == pytest.approx((0.02 - 0.1645, 0.02 + 0.1645), abs=0.005)
    mirrored = equivalence(-0.02, -(draws - draws.mean() + 0.02), 0.3)
    assert (mirrored.low, mirrored.high, mirrored.p) == pytest.approx((-result.high, -result.low, result.p))
    assert result.equivalent
    assert not equivalence(0.02, draws, 0.15).equivalent  # a margin inside the interval


def test_equivalence_is_declared_in_at_most_5_percent_where_the_truth_is_at_the_margin():
    generator, runs = np.random.default_rng(0), 2000
    declared = sum(
        equivalence(estimate, estimate + 0.1 * generator.normal(size=199), 0.5).equivalent
        for estimate in 0.5 + 0.1 * generator.normal(size=runs)
    )
    assert 0.03 < declared / runs < 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)


def test_too_few_replicates_show_no_equivalence():
    result = equivalence(0.0, [0.0] * 18, 1.0)
    assert (result.low, result.high, result.equivalent) == (-math.inf, math.inf, False)
    assert equivalence(0.0, [0.0] * 19, 1.0).equivalent


def test_equivalence_of_nothing_is_nan_and_not_shown():
    for estimate, replicates in ((0.1, []), (0.1, [0.0, math.nan]), (math.nan, [0.0, 0.1])):
        result = equivalence(estimate, replicates, 1.0)
        assert np.isnan([result.low, result.high, result.p]).all()
        assert not result.equivalent


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_equivalence_needs_a_margin_above_zero(margin):
    with pytest.raises(InputError, match="margin"):
        equivalence(0.1, [0.0, 0.1], margin)


def test_equivalence_rejects_a_level_outside_0_and_1():
    with pytest.raises(InputError, match="between 0 and 1"):
        equivalence(0.1, [0.0, 0.1], 1.0, level=95)
