"""An estimate's interval and p-value say the same, and a winner is named only where it is one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from fairkd.errors import InputError
from fairkd.stats.estimates import Estimate, above_the_lowest, clear_lowest, detectable_lead
from fairkd.stats.resampling import bias_aware_interval, detectable_value, resample_seeds, widened

B = 400


def estimate(value, *, seeds=5, words=0.1, training=0.1, draw=0) -> Estimate:
    """The mean over seeds of a value with chance in the words, which all share, and in the training."""
    generator = np.random.default_rng(draw)
    by_seed = value + training * generator.normal(size=seeds)
    students = by_seed[resample_seeds(seeds, B, generator)].mean(axis=1)
    return Estimate(float(by_seed.mean()), students + words * np.random.default_rng(99).normal(size=B), by_seed)


@given(st.floats(-0.5, 0.5), st.integers(2, 8), st.floats(0.01, 0.3), st.integers(0, 1000), st.floats(0.5, 0.995))
def test_p_is_at_most_what_a_level_leaves_just_where_its_interval_leaves_zero(value, seeds, words, draw, level):
    one = estimate(value, seeds=seeds, words=words, draw=draw)
    low, high = one.interval(level)
    assert (one.p() <= 1 - level) == (not low <= 0 <= high)
    assert (-one).p() == pytest.approx(one.p())


@given(st.floats(-0.5, 0.5), st.integers(1, 8), st.floats(0.0, 0.3), st.integers(0, 1000), st.floats(0.5, 0.999))
def test_an_interval_from_sorted_deviations_is_that_of_widened_replicates(value, seeds, training, draw, level):
    """Which test_resampling.py checks; 0.999 asks for more replicates than there are."""
    one = estimate(value, seeds=seeds, training=training, draw=draw)
    expected = bias_aware_interval(one.value, widened(one.replicates, one.by_seed, level), level)
    assert one.interval(level) == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, math.nan])
def test_a_level_outside_zero_to_one_is_refused(level):
    for interval in (estimate(0.1).interval, estimate(0.1).strict_interval):
        with pytest.raises(InputError, match="level must lie between 0 and 1"):
            interval(level)


def test_p_is_uniform_where_nothing_differs():
    generator, runs = np.random.default_rng(0), 1000
    chance = [generator.normal(size=(1 + 300)) for _ in range(runs)]
    p = np.array([Estimate(own[0], own[1:] + own[0], np.full(2, own[0])).p() for own in chance])
    for size in (0.05, 0.2, 0.5, 0.8):
        assert (p <= size).mean() == pytest.approx(size, abs=4 * math.sqrt(size * (1 - size) / runs))


def test_one_seed_and_what_is_undefined_have_no_p():
    assert math.isnan(estimate(5.0, seeds=1).p())
    assert math.isnan(Estimate(0.1, np.array([]), np.array([0.1, 0.1])).p())
    assert math.isnan(Estimate(0.1, np.array([0.1, math.nan]), np.array([0.1, 0.1])).p())
    teacher, arm = estimate(0.0, seeds=1), estimate(5.0)
    assert (arm - teacher).p() == pytest.approx(2 / (1 + B), abs=1e-6)  # one copy is no lone draw


def test_a_winner_is_clear_only_where_all_distances_leave_zero_together():
    far = {"low": estimate(0.0), "mid": estimate(1.0, draw=1), "high": estimate(2.0, draw=2)}
    assert clear_lowest(far) == "low"
    lowest, gaps = above_the_lowest(far)
    assert (lowest, list(gaps)) == ("low", ["mid", "high"])
    assert all(0 < low < gap.value < high for gap, low, high in gaps.values())
    assert clear_lowest(far | {"near": estimate(0.01, draw=3)}) is None
    assert clear_lowest({name: estimate(n, seeds=1, draw=n) for n, name in enumerate("abc")}) is None
    assert clear_lowest({"low": far["low"]}) is None
    assert clear_lowest({}) is None


def test_more_rivals_make_a_winner_less_clear():
    """Among ten like arms the lowest of each draw would be named far too often if each distance stood alone."""
    named = sum(
        clear_lowest({str(n): estimate(0.0, draw=100 * run + n + 1) for n in range(10)}) is not None
        for run in range(100)
    )
    assert named <= 15


LEVELS = [0.95, 1 - 0.05 / 15]


@given(st.floats(-0.5, 0.5), st.integers(2, 8), st.floats(0.01, 0.3), st.integers(0, 1000), st.floats(0.5, 0.995))
def test_a_strict_interval_is_the_longer_of_percentiles_and_banerjees_and_p_agrees(value, seeds, words, draw, level):
    one = estimate(value, seeds=seeds, words=words, draw=draw)
    low, high = one.strict_interval(level)
    from_seeds = one.by_seed.var(ddof=1) / seeds
    from_words = max(0.0, one.replicates.var(ddof=1) - from_seeds)
    upper = (1 + level) / 2
    reach = math.sqrt(norm.ppf(upper) ** 2 * from_words + t.ppf(upper, seeds - 1) ** 2 * from_seeds)
    centres = one.value, 2 * one.value - one.replicates.mean()
    deviations = one.replicates - one.replicates.mean()
    assert low == pytest.approx(min(centres) - max(reach, -np.quantile(deviations, 1 - upper)))
    assert high == pytest.approx(max(centres) + max(reach, np.quantile(deviations, upper)))
    assert (one.strict_p() <= 1 - level) == (not low <= 0 <= high)
    assert ((-one).strict_interval(level)) == pytest.approx((-high, -low))


def test_few_replicates_give_no_interval_of_a_level_beyond_their_tails():
    hundred = Estimate(1.0, np.random.default_rng(0).normal(loc=1, scale=0.01, size=100), np.array([1.0, 1.01, 0.99]))
    assert math.isfinite(sum(hundred.strict_interval(0.95)))
    assert hundred.strict_interval(1 - 0.05 / 15) == (-math.inf, math.inf)
    assert math.isnan(hundred.detectable(1 - 0.05 / 15, 0.8))
    assert hundred.strict_p() == pytest.approx(2 / 101, abs=1e-6)
    ten = Estimate(1.0, np.random.default_rng(0).normal(loc=1, scale=0.01, size=10), np.array([1.0, 1.01, 0.99]))
    assert ten.interval() == (-math.inf, math.inf)
    assert math.isnan(ten.p())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("seeds", "words", "training"), [(3, 0.02, 0.1), (3, 0.1, 0.02), (10, 0.05, 0.1), (10, 0.1, 0)]
)
def test_what_is_called_detectable_is_found_in_about_80_percent_of_experiments(seeds, words, training, level):
    """Experiments are drawn anew, with their own words and students; the power of the mean of what they call so."""
    generator = np.random.default_rng(0)

    def experiment(value):
        word_noise, by_seed = words * generator.normal(), training * generator.normal(size=seeds)
        students = value + word_noise + by_seed
        draws = students[resample_seeds(seeds, 600, generator)].mean(axis=1) + words * generator.normal(size=600)
        return Estimate(float(students.mean()), draws, students)

    smallest = np.mean([experiment(0.0).detectable(level, 0.8) for _ in range(400)])
    found = [experiment(smallest).strict_interval(level) for _ in range(600)]
    assert np.mean([low > 0 for low, _ in found]) == pytest.approx(0.8, abs=0.1)
    false = [not low <= 0 <= high for low, high in (experiment(0.0).strict_interval(level) for _ in range(600))]
    assert np.mean(false) < 1 - level + 4 * math.sqrt((1 - level) * level / 600)


def test_one_seed_finds_nothing():
    draws = np.random.default_rng(0).normal(size=B)
    assert math.isnan(Estimate(1.0, draws, np.array([1.0])).detectable(0.95, 0.8))


# The lead over several


def lead_over(*sizes, shared=0.0, seeds=3, draws=40_000):
    """How far one lies above each of several, with chance of these sizes in the items alone; some of it is shared."""
    generator = np.random.default_rng(1)
    common = shared * generator.normal(size=draws)
    return [Estimate(0.0, common + size * generator.normal(size=draws), np.zeros(seeds)) for size in sizes]


def test_a_lead_over_one_is_what_a_difference_needs():
    (one,) = lead_over(0.1)
    assert detectable_lead([one], 0.99, 0.8) == pytest.approx(one.detectable(0.99, 0.8))
    assert detectable_lead([one, one, one], 0.99, 0.8) == pytest.approx(one.detectable(0.99, 0.8), rel=0.01)


@pytest.mark.parametrize("sizes", [(0.1, 0.1), (0.1, 0.4), (1.0, 0.1, 0.1, 0.1)])
def test_a_lead_over_independent_others_is_the_closed_form(sizes):
    """Found together with the product of Φ((lead − reach) / size): a reach is z times the size."""
    z = norm.ppf(0.995)
    leads = np.linspace(0, 6 * max(sizes), 20_000)
    together = np.prod([norm.cdf(leads / size - z) for size in sizes], axis=0)
    expected = leads[np.searchsorted(together, 0.8)]
    assert detectable_lead(lead_over(*sizes), 0.99, 0.8) == pytest.approx(expected, rel=0.02)


def test_the_noisiest_comparison_asks_for_the_lead():
    """A mean of what each needs is found in hardly any experiment: the lead must be told from the noisiest, too."""
    estimates = lead_over(1.0, 0.1, 0.1, 0.1, 0.1, 0.1)
    alone = [one.detectable(0.99, 0.8) for one in estimates]
    assert detectable_lead(estimates, 0.99, 0.8) == pytest.approx(max(alone), rel=0.02)
    assert estimates[0].power(0.99) < 0.8
    assert np.mean(alone) < 0.5 * max(alone)


def test_no_lead_is_told_where_a_comparison_finds_nothing():
    still, moving = Estimate(0.0, np.zeros(500), np.zeros(3)), lead_over(0.1)[0]
    assert math.isnan(detectable_lead([still, moving], 0.95, 0.8))
    one_seed = Estimate(0.0, moving.replicates, np.zeros(1))
    assert math.isnan(detectable_lead([moving, one_seed], 0.95, 0.8))


def test_a_lead_over_several_is_told_beyond_what_a_bias_adds_to_their_intervals():
    """Replicates far from the value make an interval longer, by half of how far they lie off on each side."""
    plain = lead_over(0.1, 0.1)
    biased = [Estimate(0.0, one.replicates + 0.5, one.by_seed) for one in plain]
    longer = biased[0].detectable(0.99, 0.8) - plain[0].detectable(0.99, 0.8)
    assert longer == pytest.approx(0.25, rel=0.01)
    together = detectable_lead(plain, 0.99, 0.8)
    assert together > 1.05 * plain[0].detectable(0.99, 0.8)
    assert detectable_lead(biased, 0.99, 0.8) == pytest.approx(longer + together, rel=0.005)


@pytest.mark.parametrize("parts", [(0.01, 0.0), (0.0, 0.01), (0.01, 0.01)])
def test_a_lead_is_told_where_only_items_or_only_seeds_vary_or_both_alike(monkeypatch, parts):
    (one,) = lead_over(0.1)
    monkeypatch.setattr(Estimate, "_chance", lambda self, level: (*parts, 0.0))
    assert detectable_lead([one], 0.95, 0.8) == pytest.approx(detectable_value(*parts, 3, 0.95, 0.8))


def test_an_end_at_zero_is_no_clear_lead(monkeypatch):
    two = {"low": estimate(0.0), "high": estimate(1.0)}
    for end, winner in ((0.0, None), (1e-9, "low")):
        monkeypatch.setattr(
            "fairkd.stats.estimates.above_the_lowest", lambda _, end=end: ("low", {"high": (two["high"], end, 2.0)})
        )
        assert clear_lowest(two) == winner
