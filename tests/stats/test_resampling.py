"""Bootstrap and correlation against literal loops, exact enumeration and known truths."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import nctdtrinc
from scipy.stats import norm, t

from fairkd.errors import InputError
from fairkd.stats.resampling import (
    bias_aware_interval,
    bias_corrected,
    degrees_of_freedom,
    detectable_value,
    fewest_replicates,
    holm,
    multibootstrap,
    p_by_inversion,
    pearson_r,
    percentile_interval,
    power_at,
    resample_seeds,
    shown_of_deviation,
    simultaneous_intervals,
    strict_reach,
    variance_parts,
    widened,
)

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))


def test_resampled_seeds_are_seeds_drawn_evenly_and_reproducibly():
    drawn = resample_seeds(4, 20_000, np.random.default_rng(1))
    assert drawn.shape == (20_000, 3)  # n - 1: see the test on the variance
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


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("drawn_seeds", ["all", "one less"])
def test_multibootstrap_over_every_draw_of_a_few_seeds(n, drawn_seeds):
    """Over all n^m draws of m seeds: the mean is that of the seeds, the variance sum of squares / (n m)."""
    m = n if drawn_seeds == "all" else n - 1
    draws = np.array(list(itertools.product(range(n), repeat=m)))
    values = np.array([0.3, -1.1, 2.0])[:n]
    result = multibootstrap(np.repeat(values[:, None], len(draws), axis=1), draws)
    assert sorted(result) == pytest.approx(
        sorted(statistics.fmean(picked) for picked in itertools.product(values, repeat=m))
    )
    assert result.mean() == pytest.approx(values.mean())
    usual = statistics.variance(values) / n  # of a mean of n seeds: unbiased
    assert result.var() == pytest.approx(usual * (n - 1) / m)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_resampled_seeds_have_the_variance_with_which_a_mean_of_seeds_is_reported(n):
    values = np.random.default_rng(n).normal(size=n)
    drawn = resample_seeds(n, 100_000, np.random.default_rng(0))
    means = multibootstrap(np.broadcast_to(values[:, None], (n, 100_000)), drawn)
    assert means.var() == pytest.approx(statistics.variance(values) / n, rel=0.02)


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


@pytest.mark.parametrize(("level", "fewest"), [(0.95, 39), (0.5, 3), (1 - 0.05 / 15, 599), (1 - 0.05 / 90, 3599)])
def test_percentile_interval_has_no_ends_beyond_the_tails_of_its_replicates(level, fewest):
    """A share of (1 - level) / 2 lies beyond each end, and the tails of B replicates show 1 / (B + 1)."""
    assert fewest_replicates(level) == fewest
    draws = np.random.default_rng(0).normal(size=(fewest, 2))
    low, high = percentile_interval(draws, level)
    assert (np.isfinite(low) & np.isfinite(high)).all()
    draws[0, 1] = math.nan
    low, high = percentile_interval(draws[:-1], level)
    assert (low[0], high[0]) == (-math.inf, math.inf)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("items", [0.0, 0.3, 0.7, 0.95, 1.0])
@pytest.mark.parametrize(("seeds", "level"), [(2, 0.95), (3, 0.95), (3, 1 - 0.05 / 15), (10, 1 - 0.05 / 15)])
def test_the_strict_reach_covers_at_its_level_and_finds_what_is_detectable(items, seeds, level):
    """Over normal means of variance 1, whatever part of it lies in the seeds."""
    generator, runs = np.random.default_rng(0), 200_000
    shown = (1 - items) * generator.chisquare(seeds - 1, size=runs) / (seeds - 1)
    upper = (1 + level) / 2
    reach = np.sqrt(norm.ppf(upper) ** 2 * items + t.ppf(upper, seeds - 1) ** 2 * shown)
    means = generator.normal(size=runs)
    assert (np.abs(means) > reach).mean() <= 1 - level + 4 * math.sqrt((1 - level) / runs)
    smallest = detectable_value(items, 1 - items, seeds, level, 0.8)
    assert (means + smallest > reach).mean() == pytest.approx(0.8, abs=0.01)
    if items == 0:
        assert smallest == pytest.approx(nctdtrinc(seeds - 1, 0.2, t.ppf(upper, seeds - 1)), rel=1e-4)
    if items == 1:
        assert smallest == pytest.approx(norm.ppf(upper) + norm.ppf(0.8))


@pytest.mark.parametrize("n", [2, 3, 10])
def test_how_much_of_a_deviation_few_values_show(n):
    shown = np.random.default_rng(0).normal(size=(200_000, n)).std(axis=1, ddof=1).mean()
    assert shown_of_deviation(n) == pytest.approx(shown, abs=0.005)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_percentile_interval_rejects_a_level_outside_0_and_1(level):
    with pytest.raises(InputError, match="between 0 and 1"):
        percentile_interval([1.0], level=level)


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
    assert pearson_r(["1", "2.5"], ["3", "2"]) == pytest.approx(-1)  # numbers as a table may have them


def test_pearson_r_is_nan_for_each_constant_alone():
    """Next to others, whose value it does not touch, however small their spread is."""
    found = pearson_r([0, 0.25, 0.5], [[1, 1, 1], [0.1, 0.2, 0.3], [7, 7, 7]])
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == pytest.approx(1)
    assert np.isnan(pearson_r([2, 2, 2], [[1, 2, 3], [1, 1, 1]])).all()
    assert np.isnan(pearson_r([1], [[2], [3]])).tolist() == [True, True]
    for x, y in (([[1, 2], [3, 4]], [1, 2]), ([1, 2], 3.0)):
        with pytest.raises(InputError, match=r"x must be \(n,\)"):
            pearson_r(x, y)


def test_a_constant_that_centring_leaves_with_rounding_is_one():
    tenth = [0.1] * 3
    assert np.ptp(np.array(tenth) - np.mean(tenth)) == 0 != np.abs(np.array(tenth) - np.mean(tenth)).max()
    assert np.isnan(pearson_r(tenth, [[1, 2, 3], tenth])).all()
    found = pearson_r([1, 2, 3], [tenth, [0.1, 0.2, 0.4]])
    assert np.isnan(found).tolist() == [True, False]


def test_one_seed_and_no_chance_at_all_have_no_variance():
    replicates = np.array([1.0, 2.0, 4.0])
    assert variance_parts(replicates, np.array([5.0])) == (pytest.approx(7 / 3), 0.0)
    assert detectable_value(0.0, 0.0, 3, 0.95, 0.8) == 0.0


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite():
    """(s² + v)² / (s⁴ / (n - 1)): of a variance known from n seeds, and one of items that is known for sure."""
    generator = np.random.default_rng(4)
    seeds = generator.normal(size=5)
    own = seeds.var(ddof=1) / 5
    for items in (0.0, 0.5 * own, 20 * own):
        spread = generator.normal(size=1000)
        replicates = (spread - spread.mean()) / spread.std(ddof=1) * math.sqrt(own + items)
        assert degrees_of_freedom(replicates, seeds) == pytest.approx((own + items) ** 2 / (own**2 / 4))
        # Resampled items may vary less than seeds do by accident: the seeds' own number is the fewest.
        assert degrees_of_freedom(replicates / 1e3, seeds) == pytest.approx(4)
    assert degrees_of_freedom(replicates, np.array([3.0])) == degrees_of_freedom(replicates, np.ones(4)) == math.inf


def test_pearson_r_of_one_point_is_nan_and_of_unequal_lengths_an_error():
    assert math.isnan(pearson_r([1], [2]))
    with pytest.raises(InputError, match=r"\(3,\) and \(2,\)"):
        pearson_r([1, 2, 3], [1, 2])


def centred_interval(estimate, replicates):
    """The simplest remedy for replicates that lie beside their estimate: shift them. What it cannot do is below."""
    array = np.asarray(replicates, dtype=float)
    return percentile_interval(array - array.mean() + estimate)


def test_intervals_without_replicates_or_with_a_nan_are_nan():
    assert np.isnan(bias_aware_interval(0.5, [])).all()
    assert np.isnan(bias_aware_interval(0.5, [0.1, math.nan])).all()
    assert math.isnan(bias_corrected(0.5, []))


@given(st.floats(-2, 2), st.lists(numbers, min_size=2, max_size=30))
def test_bias_aware_interval_is_the_hull_of_two_centred_ones_and_holds_both_estimates(estimate, replicates):
    corrected = estimate - (statistics.fmean(replicates) - estimate)
    assert bias_corrected(estimate, replicates) == pytest.approx(corrected, abs=1e-9)
    ends = [centred_interval(centre, replicates) for centre in (estimate, corrected)]
    expected = min(low for low, _ in ends), max(high for _, high in ends)
    assert bias_aware_interval(estimate, replicates) == pytest.approx(expected, abs=1e-9)


def test_bias_aware_interval_of_a_difference_is_antisymmetric():
    draws = np.random.default_rng(0).gamma(2, size=999)
    low, high = bias_aware_interval(0.4, draws)
    assert bias_aware_interval(-0.4, -draws) == pytest.approx((-high, -low))


# Simulated SEAT. Word noise is shared by all models (correlation RHO), as the words are; the rest is a student's own.
RUNS, B, RHO = 300, 200, 0.95
NEAR_ZERO = np.array([0.0, 0.05, -0.05, 0.1, -0.1, 0.0])
MIXED = np.array([0.0, 0.1, 0.3, 0.6, 0.9, 1.3])
LARGE = np.array([1.3, 0.9, 1.1, 1.4, 0.8, 1.2])


def simulated(generator, effects, *, seeds, words, spread, shared):
    """d (RUNS, seeds, 6) and replicates (RUNS, seeds, B, 6); ``shared``: standard normal noise of data and resamples.

    d = effect + spread · seed + words · word noise; a resample adds word noise of the same size.
    """
    own, word = math.sqrt(1 - RHO), math.sqrt(RHO)
    d = effects + spread * generator.normal(size=(RUNS, seeds, 6))
    d = d + words * (word * shared[0] + own * generator.normal(size=d.shape))
    return d, d[:, :, None] + words * (word * shared[1] + own * generator.normal(size=(RUNS, seeds, B, 6)))


def expected_size(effects, spread):
    """E|effect + spread · N(0, 1)|, mean over tests (folded normal): what an average SEAT estimates."""
    tail = np.array([math.erf(x / spread / math.sqrt(2)) for x in effects])
    return float((spread * math.sqrt(2 / math.pi) * np.exp(-((effects / spread) ** 2) / 2) + effects * tail).mean())


def coverage(arm, baseline=None, *, seeds, words=0.4, spread=0.2, statistic=np.abs, drawn=None, widen=True, seed=0):
    """Shares of RUNS in which percentile, centred and bias-aware intervals of a mean or difference hold the truth."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(RUNS, 1, 6)), generator.normal(size=(RUNS, 1, B, 6))
    settings = dict(seeds=seeds, words=words, spread=spread, shared=shared)
    truth, values, replicates = 0.0, 0.0, 0.0
    for sign, effects in ((1, arm), (-1, baseline)):
        if effects is not None:
            d, resampled = simulated(generator, effects, **settings)
            values = values + sign * statistic(d).mean(axis=2)
            replicates = replicates + sign * statistic(resampled).mean(axis=3)
            truth += sign * (expected_size(effects, spread) if statistic is np.abs else effects.mean())
    covered = np.zeros(3)
    for estimates, resampled in zip(values, replicates):
        draws = resample_seeds(seeds, B, generator) if drawn is None else drawn(generator)
        boot, estimate = multibootstrap(resampled, draws), estimates.mean()
        if widen:
            boot = widened(boot, estimates)
        ends = percentile_interval(boot), centred_interval(estimate, boot), bias_aware_interval(estimate, boot)
        covered += [low <= truth <= high for low, high in ends]
    return covered / RUNS


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize(("arm", "baseline"), [(MIXED, None), (LARGE, None), (MIXED, LARGE), (NEAR_ZERO, MIXED)])
def test_intervals_of_signed_means_and_differences_cover_in_95_percent(arm, baseline, seeds):
    covered = coverage(arm, baseline, seeds=seeds, statistic=np.asarray)
    assert (covered >= 0.90).all()
    assert (covered <= 0.99).all()


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize(("arm", "baseline"), [(MIXED, None), (LARGE, None), (MIXED, LARGE)])
def test_bias_aware_interval_covers_average_seat_of_moderate_and_large_effects(arm, baseline, seeds):
    assert 0.88 <= coverage(arm, baseline, seeds=seeds)[2] <= 0.99


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("effects", [NEAR_ZERO, MIXED, LARGE])
def test_bias_aware_interval_rarely_finds_a_difference_between_like_arms(effects, seeds):
    """Their biases cancel, and averages of |d| move less than their resamples: it errs on the safe side."""
    assert coverage(effects, effects, seeds=seeds)[2] >= 0.94


@pytest.mark.parametrize("seeds", [1, 3, 10])
def test_near_zero_no_interval_keeps_its_promise_and_the_bias_aware_one_comes_closest(seeds):
    """Known limit: of the bias of |d| the bootstrap sees only part. Near zero "95 %" means 80 to 90 %."""
    percentile, centred, aware = coverage(NEAR_ZERO, seeds=seeds, spread=0.1)
    assert percentile < 0.1
    assert centred < 0.65
    assert 0.78 <= aware < 0.95


@pytest.mark.parametrize(("effects", "most"), [(NEAR_ZERO, 0.5), (MIXED, 0.4)])
def test_bias_correction_removes_more_than_half_of_the_bias_of_an_average(effects, most):
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(RUNS, 1, 6)), generator.normal(size=(RUNS, 1, B, 6))
    d, replicates = simulated(generator, effects, seeds=3, words=0.4, spread=0.2, shared=shared)
    values, boots = np.abs(d).mean(axis=(1, 2)), np.abs(replicates).mean(axis=(1, 3))
    corrected = [bias_corrected(value, boot) for value, boot in zip(values, boots)]
    truth = expected_size(effects, 0.2)
    assert values.mean() - truth > 0.05
    assert abs(np.mean(corrected) - truth) < most * (values.mean() - truth)


@pytest.mark.parametrize(
    ("seeds", "expected"), [(2, (0.56, 0.59, 0.88)), (3, (0.73, 0.79, 0.93)), (5, (0.84, 0.86, 0.93))]
)
def test_drawing_one_seed_less_and_widening_mend_most_of_the_undercoverage_of_few_seeds(seeds, expected):
    """Signed paired difference with nearly all chance in the seeds, the harshest case; figures of 4000 runs.

    ===== ======== =========== ===================
    seeds draw n   draw n - 1  n - 1 and widened
    ===== ======== =========== ===================
    2     0.56     0.59        0.88
    3     0.73     0.79        0.93
    5     0.84     0.86        0.93
    10    0.90     0.91        0.94
    ===== ======== =========== ===================
    """
    options = dict(seeds=seeds, words=0.1, spread=0.3, statistic=np.asarray, seed=1)
    plain = coverage(
        MIXED, LARGE, widen=False, drawn=lambda generator: generator.integers(seeds, size=(B, seeds)), **options
    )
    one_less, wide = (coverage(MIXED, LARGE, widen=widen, **options) for widen in (False, True))
    assert (plain[0], one_less[0], wide[0]) == pytest.approx(expected, abs=0.05)


def test_widened_is_student_t_where_all_chance_is_in_the_seeds():
    """The replicates of n seeds alone: t / z with n - 1 degrees of freedom (4.303 / 1.960 for three seeds)."""
    values = np.array([0.1, 0.5, 0.3])
    replicates = np.array([np.mean(drawn) for drawn in itertools.product(values, repeat=2)])
    stretched = widened(replicates * math.sqrt(8 / 9) + 0.3 * (1 - math.sqrt(8 / 9)), values)  # variance with ddof 1
    assert stretched - 0.3 == pytest.approx((replicates - 0.3) * math.sqrt(8 / 9) * 4.30265 / 1.95996, rel=1e-4)


def test_widened_keeps_the_mean_and_hardly_moves_where_words_dominate_or_seeds_are_many():
    replicates, generator = np.random.default_rng(0).normal(size=2000), np.random.default_rng(1)
    for values in ([0.01, 0.02, 0.03], generator.normal(size=400) * 20):
        result = widened(replicates, values)
        assert result.mean() == pytest.approx(replicates.mean())
        assert 1 <= result.std() / replicates.std() < 1.01
    assert np.array_equal(widened(replicates, [0.3]), replicates)
    assert np.array_equal(widened(replicates, [0.3, 0.3]), replicates)
    assert np.isnan(widened([0.1, math.nan, 0.2], [0.1, 0.3])).all()
    assert widened([], [0.1, 0.3]).size == 0


def test_widened_rejects_shapes_that_do_not_fit():
    for replicates, values in ((np.zeros((2, 3)), [0.1]), ([0.1, 0.2], []), ([0.1, 0.2], 0.1)):
        with pytest.raises(InputError, match="seed_values"):
            widened(replicates, values)


@pytest.mark.parametrize("seeds", [3, 5])
def test_percentile_interval_of_a_correlation_covers_away_from_one(seeds):
    """r of layers and average SEAT (Figure 1) where the truth is no straight line; at |r| = 1 it cannot cover."""
    generator, layers = np.random.default_rng(0), np.arange(1, 7)
    scales = np.array([1.2, 0.9, 1.1, 0.8, 0.95, 0.7])
    truth = pearson_r(layers, [expected_size(scale * MIXED, 0.2) for scale in scales])
    shared = generator.normal(size=(RUNS, 1, 6)), generator.normal(size=(RUNS, 1, B, 6))
    averages, replicates = [], []
    for scale in scales:
        d, resampled = simulated(generator, scale * MIXED, seeds=seeds, words=0.3, spread=0.2, shared=shared)
        averages.append(np.abs(d).mean(axis=(1, 2)))
        replicates.append(np.abs(resampled).mean(axis=3))
    covered = 0
    for run in range(RUNS):
        draws = resample_seeds(seeds, B, generator)
        boots = np.stack([multibootstrap(r[run], draws) for r in replicates], axis=1)
        low, high = percentile_interval(pearson_r(layers, boots))
        covered += low <= truth <= high
    assert -0.9 < truth < -0.5
    assert covered / RUNS >= 0.90


@given(st.floats(0, 1), st.integers(1, 5000))
def test_p_is_one_less_the_highest_level_that_decides(limit, n_replicates):
    p = p_by_inversion(lambda level: level < limit, n_replicates)
    assert p == pytest.approx(max(1 - limit, 1 / (1 + n_replicates)), abs=1e-6)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_the_step_down_rule(p_values):
    """Adjusted p <= level exactly where stepping down (smallest p against level / k, and so on) rejects."""
    adjusted = holm(p_values)
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    largest = 0.0
    for step, i in enumerate(ranked):
        largest = max(largest, p_values[i] * (len(p_values) - step))
        assert adjusted[i] == pytest.approx(min(1.0, largest))


def test_holm_of_a_textbook_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("p_values", [[0.1, math.nan], [1.2], [-0.1], [[0.1]]])
def test_holm_rejects_what_is_no_list_of_p_values(p_values):
    with pytest.raises(InputError, match="between 0 and 1"):
        holm(p_values)


def correlated(generator, size):
    """Five statistics of unequal scale that share most of their noise."""
    return (generator.normal(size=(size, 1)) + 0.5 * generator.normal(size=(size, 5))) * [0.1, 0.2, 0.5, 1.0, 2.0]


def test_simultaneous_intervals_all_cover_at_once_where_single_ones_do_not():
    generator, runs = np.random.default_rng(0), 600
    together = alone = 0
    for _ in range(runs):
        estimates, replicates = correlated(generator, 1)[0], correlated(generator, 300)
        low, high = simultaneous_intervals(estimates, replicates)
        together += ((low <= 0) & (high >= 0)).all()
        single_low, single_high = percentile_interval(replicates - replicates.mean(axis=0) + estimates)
        alone += ((single_low <= 0) & (single_high >= 0)).all()
    assert together / runs == pytest.approx(0.95, abs=0.03)
    assert alone / runs < 0.90


def test_simultaneous_intervals_are_the_studentised_maximum_by_hand():
    replicates = np.random.default_rng(0).normal(size=(101, 3)) * [1, 2, 3] + 5
    estimates = np.array([0.0, 1.0, -1.0])
    low, high = simultaneous_intervals(estimates, replicates, level=0.9)
    errors = [statistics.stdev(column) for column in replicates.T]
    means = [statistics.fmean(column) for column in replicates.T]
    largest = sorted(max(abs(r - m) / e for r, m, e in zip(row, means, errors)) for row in replicates)
    assert high - estimates == pytest.approx(largest[90] * np.array(errors))
    assert estimates - low == pytest.approx(high - estimates)


def test_simultaneous_intervals_of_one_that_never_varies_and_of_nothing():
    moving = np.random.default_rng(0).normal(size=(200, 1))
    low, high = simultaneous_intervals([0.5, 1.0], np.hstack([np.ones((200, 1)), moving]))
    assert (low[0], high[0]) == (0.5, 0.5)
    assert (low[1], high[1]) == pytest.approx(tuple(end[0] for end in simultaneous_intervals([1.0], moving)))
    assert np.isnan(simultaneous_intervals([1.0, 2.0], np.empty((0, 2)))).all()
    assert np.isnan(simultaneous_intervals([1.0, 2.0], [[1.0, math.nan], [2.0, 1.0], [3.0, 1.5]])).all()


def test_simultaneous_intervals_of_two_replicates_and_of_numbers_as_text():
    low, high = simultaneous_intervals(["1.0"], [["0.5"], ["2.5"]])
    assert (high - low)[0] == pytest.approx(2.0)  # both lie 1 from their mean
    with pytest.raises(InputError, match=r"estimates must be \(k,\)"):
        simultaneous_intervals([[1.0, 2.0]], np.zeros((5, 2)))


@pytest.mark.parametrize("shape", [(5,), (5, 3), (2, 5)])
def test_simultaneous_intervals_reject_shapes_that_do_not_fit(shape):
    with pytest.raises(InputError, match=r"replicates \(B, k\)"):
        simultaneous_intervals([1.0, 2.0], np.zeros(shape))


def test_without_chance_every_value_above_zero_is_found_and_no_other():
    found = power_at(np.array([-1.0, 0.0, 1e-9, 0.5, 2.0]), 0.0, 0.0, 3, 0.95)
    assert found.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert found.dtype == np.float64
    assert detectable_value(0.0, 0.0, 3, 0.95, 0.8) == 0.0


def test_the_variance_of_one_seed_adds_nothing_whatever_it_is_said_to_be():
    assert strict_reach(4.0, 9.0, 1, 0.95) == pytest.approx(2 * norm.ppf(0.975))
    assert strict_reach(0.0, 9.0, 1, 0.95) == 0.0


def test_no_replicates_are_a_table_of_nans_of_the_same_shape():
    for shape in ((), (3,), (2, 3)):
        low, high = percentile_interval(np.empty((0, *shape)))
        assert np.shape(low) == np.shape(high) == shape
        assert np.isnan(low).all() and np.isnan(high).all()  # noqa: PT018


def test_draws_may_be_none_and_seeds_may_not():
    assert resample_seeds(3, 0, np.random.default_rng(0)).shape == (0, 2)
    assert resample_seeds(1, 0, np.random.default_rng(0)).shape == (0, 1)
    for seeds, replicates in ((0, 5), (3, -1)):
        with pytest.raises(InputError):
            resample_seeds(seeds, replicates, np.random.default_rng(0))


def test_what_does_not_fit_is_said_with_its_shapes_and_limits():
    values = np.zeros((3, 5))
    with pytest.raises(InputError, match=r"with equal replicates, not \(3, 5\) and \(4, 2\)"):
        multibootstrap(values, np.zeros((4, 2), dtype=int))
    with pytest.raises(InputError, match=r"must lie in 0 … 2$"):
        multibootstrap(values, np.full((5, 2), 3))


def test_two_replicates_are_widened_as_a_literal_form_does_and_one_is_left():
    seeds, two = np.array([0.0, 1.0, 3.0]), np.array([0.5, 2.5])
    mean_variance = seeds.var(ddof=1) / 3
    free = (3 - 1) * np.clip(two.var(ddof=1) / mean_variance, 1.0, 1e3) ** 2
    factor = t.ppf(0.975, free) / norm.ppf(0.975)
    assert widened(two, seeds) == pytest.approx(1.5 + factor * (two - 1.5))
    assert widened(two, seeds)[1] > 2.5
    assert widened(np.array([0.7]), seeds).tolist() == [0.7]


def test_a_correlation_never_leaves_one():
    generator = np.random.default_rng(0)
    xs = [generator.normal(size=7) for _ in range(2000)]
    found = np.array([pearson_r(x, sign * x * scale + 0.1) for x in xs for sign, scale in ((1, 3.0), (-1, 1 / 3))])
    assert np.abs(found).max() == 1.0
