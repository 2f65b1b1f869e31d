"""Bootstrap and correlation against literal loops."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairkd.errors import InputError
from fairkd.stats import centred_interval, multibootstrap, pearson_r, percentile_interval, resample_seeds

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))


def test_resampled_seeds_are_seeds_drawn_evenly_and_reproducibly():
    drawn = resample_seeds(4, 20_000, np.random.default_rng(1))
    assert drawn.shape == (20_000, 4)
    shares = np.bincount(drawn.ravel(), minlength=4) / drawn.size
    assert shares == pytest.approx([0.25] * 4, abs=0.01)
    assert np.array_equal(drawn, resample_seeds(4, 20_000, np.random.default_rng(1)))
    assert (np.sort(drawn, axis=1)[:, 1:] == np.sort(drawn, axis=1)[:, :-1]).any()  # with replacement


def test_one_seed_is_always_drawn():
    assert resample_seeds(1, 5, np.random.default_rng(0)).tolist() == [[0]] * 5


def test_no_seed_is_an_error():
    with pytest.raises(InputError, match="n_seeds=0"):
        resample_seeds(0, 5, np.random.default_rng(0))


def test_multibootstrap_is_the_mean_over_drawn_seeds_within_each_replicate():
    rng = np.random.default_rng(0)
    values, drawn = rng.normal(size=(3, 7, 2)), rng.integers(3, size=(7, 3))
    result = multibootstrap(values, drawn)
    assert result.shape == (7, 2)
    for b in range(7):
        for k in range(2):
            assert result[b, k] == pytest.approx(statistics.fmean(values[s, b, k] for s in drawn[b]))


def test_multibootstrap_of_one_seed_is_that_seed():
    values = np.random.default_rng(0).normal(size=(1, 5, 6))
    assert np.array_equal(multibootstrap(values, np.zeros((5, 1), dtype=int)), values[0])


@pytest.mark.parametrize(
    ("shape", "drawn"), [((3, 7), np.zeros((6, 3), int)), ((3,), np.zeros((3, 3), int)), ((3, 7), np.full((7, 3), 3))]
)
def test_multibootstrap_rejects_shapes_and_indices_that_do_not_fit(shape, drawn):
    with pytest.raises(InputError):
        multibootstrap(np.zeros(shape), drawn)


def test_percentile_interval_cuts_equal_tails():
    replicates = np.arange(1001) / 1000
    assert percentile_interval(np.random.default_rng(0).permutation(replicates)) == pytest.approx((0.025, 0.975))
    assert percentile_interval(replicates, level=0.5) == pytest.approx((0.25, 0.75))


def test_percentile_interval_works_along_the_first_axis_only():
    replicates = np.random.default_rng(0).normal(size=(200, 3, 2))
    low, high = percentile_interval(replicates)
    assert low.shape == high.shape == (3, 2)
    assert (low[2, 1], high[2, 1]) == pytest.approx(percentile_interval(replicates[:, 2, 1]))


def test_percentile_interval_without_numbers_is_nan():
    assert np.isnan(percentile_interval([])).all()
    assert np.isnan(percentile_interval([1.0, math.nan, 2.0])).all()


@pytest.mark.parametrize("level", [0, 1, 95])
def test_percentile_interval_rejects_a_level_outside_0_and_1(level):
    with pytest.raises(InputError, match="between 0 and 1"):
        percentile_interval([1.0], level=level)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8))
def test_pearson_r_is_the_textbook_formula(points):
    x, y = zip(*points, strict=True)
    result = pearson_r(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(result)
        return
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in points)
    literal = covariance / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y))
    assert result == pytest.approx(literal, abs=1e-9)
    assert -1 <= result <= 1


def test_pearson_r_is_vectorised_over_leading_axes():
    x, y = np.arange(1.0, 7.0), np.random.default_rng(0).normal(size=(5, 2, 6))
    result = pearson_r(x, y)
    assert result.shape == (5, 2)
    for i in range(5):
        for j in range(2):
            assert result[i, j] == pytest.approx(np.corrcoef(x, y[i, j])[0, 1])


def test_pearson_r_of_a_falling_line_is_minus_one():
    assert pearson_r([1, 2, 3], [0.9, 0.6, 0.3]) == pytest.approx(-1)


def test_pearson_r_of_one_point_is_nan_and_of_unequal_lengths_an_error():
    assert math.isnan(pearson_r([1], [2]))
    with pytest.raises(InputError, match=r"\(3,\) and \(2,\)"):
        pearson_r([1, 2, 3], [1, 2])


def test_centred_interval_keeps_the_spread_and_holds_the_estimate():
    draws = np.random.default_rng(0).normal(size=5000) + 0.7
    low, high = centred_interval(0.2, draws)
    plain = percentile_interval(draws)
    assert high - low == pytest.approx(plain[1] - plain[0])
    assert (low + high) / 2 == pytest.approx(0.2, abs=0.1)
    assert low < 0.2 < high


def test_centred_interval_covers_a_mean_of_absolute_values_where_the_percentile_interval_fails():
    """Six effects near zero, known noise: how often 95 % intervals of mean |d| cover the truth."""
    generator = np.random.default_rng(1)
    truth = np.array([0.0, 0.05, -0.05, 0.1, -0.1, 0.3])
    expected, runs, covered = np.abs(truth).mean(), 400, np.zeros(2)
    for _ in range(runs):
        d = truth + 0.3 * generator.normal(size=6)
        draws = np.abs(d + 0.3 * generator.normal(size=(400, 6))).mean(axis=1)
        intervals = (percentile_interval(draws), centred_interval(np.abs(d).mean(), draws))
        covered += [low <= expected <= high for low, high in intervals]
    assert covered[0] / runs < 0.5
    assert covered[1] / runs > covered[0] / runs + 0.3
