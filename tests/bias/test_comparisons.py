"""Effects over seeds and words: estimates that subtract in pairs, and the tables made of them."""

import numpy as np
import pytest

from fairkd.bias import comparisons
from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import TESTS
from fairkd.errors import InputError
from fairkd.frames import SEAT_AVERAGES, SEAT_CORRELATION, SEAT_DIFFERENCES, SEAT_GAPS, SEAT_TESTS
from fairkd.rng import numpy_generator
from fairkd.stats.resampling import bias_aware_interval, holm, resample_seeds, simultaneous_intervals, widened

B = 400
WORDS = np.random.default_rng(0).normal(size=(1, B, 6))  # chance in the words, the same for every model


def arm(mean, *, seeds=5, spread=0.05, words=0.2, seed=0) -> Effects:
    d = mean + spread * np.random.default_rng(seed).normal(size=(seeds, 6))
    return Effects(d, d[:, None, :] + words * WORDS)


LAYERS = {"teacher": 4, "a": 1, "b": 2, "c": 3}


@pytest.fixture
def effects() -> dict[str, Effects]:
    return {"teacher": arm(0.5, seeds=1), "a": arm(1.2, seed=1), "b": arm(0.9, seed=2), "c": arm(-0.6, seed=3)}


def test_average_is_the_mean_over_tests_then_seeds_and_so_is_each_replicate(effects):
    own = effects["b"]
    average, signed = own.average(), own.signed()
    assert average.value == pytest.approx(np.mean([np.mean([abs(d) for d in row]) for row in own.d]))
    assert signed.value == pytest.approx(own.d.mean())
    assert average.by_seed.tolist() == pytest.approx([np.mean(np.abs(row)) for row in own.d])
    picks = resample_seeds(5, B, numpy_generator(0, "resampled seeds", 5))
    for b in (0, 7, B - 1):
        literal = np.mean([np.mean(np.abs(own.replicates[s, b])) for s in picks[b]])
        assert average.replicates[b] == pytest.approx(literal)


def test_a_difference_is_paired_and_antisymmetric(effects):
    a, b = effects["a"].average(), effects["b"].average()
    difference = a - b
    assert difference.value == a.value - b.value
    assert difference.replicates.tolist() == (a.replicates - b.replicates).tolist()
    assert difference.by_seed.tolist() == (a.by_seed - b.by_seed).tolist()
    low, high = difference.interval()
    assert (b - a).interval() == pytest.approx((-high, -low))
    assert (b - a).p() == pytest.approx(difference.p())
    # Both arms see the same words: what they share cancels, and the difference is known better than either.
    assert high - low < 0.6 * (a.interval()[1] - a.interval()[0])


def test_the_teachers_one_copy_stands_against_every_seed(effects):
    difference = effects["a"].average() - effects["teacher"].average()
    assert len(difference.by_seed) == 5
    assert difference.by_seed.mean() == pytest.approx(difference.value)


def test_averages_and_tests_are_a_row_an_arm(effects):
    table = comparisons.seat_averages(effects, LAYERS).set_index("arm")
    assert table.layers.to_dict() == LAYERS
    assert table.seeds.to_dict() == {"teacher": 1, "a": 5, "b": 5, "c": 5}
    assert table.average["c"] == pytest.approx(np.abs(effects["c"].d).mean())
    assert table.signed["c"] == pytest.approx(effects["c"].d.mean())
    assert table.signed["c"] < 0 < table.average["c"]
    assert (table.low <= table.average).all()
    assert (table.average <= table.high).all()
    estimate = effects["c"].average()
    expected = bias_aware_interval(estimate.value, widened(estimate.replicates, estimate.by_seed))
    assert (table.low["c"], table.high["c"]) == pytest.approx(expected)
    tests = comparisons.tests(effects, LAYERS)
    assert tests.test.tolist() == list(TESTS) * 4
    own = tests[tests.arm == "b"]
    assert own.effect_size.tolist() == pytest.approx(effects["b"].d.mean(axis=0).tolist())
    assert (own.low < own.effect_size).all()


def test_the_lowest_is_a_student_that_is_clearly_below_all_others_and_never_the_teacher():
    """In each test and in the average, which bold marks."""
    known = {"teacher": arm(0.1, seeds=1), "a": arm(3.0, seed=1), "b": arm(0.9, seed=2), "c": arm(3.1, seed=3)}
    for table in (comparisons.tests(known, LAYERS), comparisons.seat_averages(known, LAYERS)):
        assert set(table[table.lowest].arm) == {"b"}
    close = known | {"a": arm(0.9, seed=4)}
    for table in (comparisons.tests(close, LAYERS), comparisons.seat_averages(close, LAYERS)):
        assert not table.lowest.any()


def test_differences_are_to_the_baseline_with_adjusted_p(effects):
    table = comparisons.seat_differences(effects, baseline="b").set_index("arm")
    assert list(table.index) == ["teacher", "a", "c"]
    for name, row in table.iterrows():
        expected = effects[name].average() - effects["b"].average()
        assert row.difference == pytest.approx(expected.value)
        assert (row.low, row.high) == pytest.approx(expected.interval())
        assert row.p == pytest.approx(expected.p())
    assert table.p_holm.tolist() == pytest.approx(holm(table.p.to_numpy()).tolist())
    with pytest.raises(InputError, match=r"baseline 'bb' is not among the arms .* Did you mean 'b'"):
        comparisons.seat_differences(effects, baseline="bb")


def test_the_lowest_row_is_compared_with_all_others_at_once():
    effects = {"low": arm(0.50, seed=1), "near": arm(0.505, seed=2), "far": arm(1.5, seed=3)}
    table = comparisons.behind_the_lowest(effects).set_index("arm")
    assert set(table.lowest) == {"low"}
    assert table.low["near"] < 0 < table.high["near"]
    assert table.low["far"] > 0
    gaps = [effects[name].average() - effects["low"].average() for name in ("near", "far")]
    stretched = np.stack([widened(gap.replicates, gap.by_seed) for gap in gaps], axis=1)
    low, high = simultaneous_intervals([gap.value for gap in gaps], stretched)
    alone = np.array([gap.interval() for gap in gaps])  # what the other tables show lies within
    assert table.low.tolist() == pytest.approx(np.minimum(low, alone[:, 0]).tolist())
    assert table.high.tolist() == pytest.approx(np.maximum(high, alone[:, 1]).tolist())
    assert comparisons.behind_the_lowest({"low": effects["low"]}).empty


def test_correlation_is_that_of_layers_and_averages_and_stays_within_its_bounds(effects):
    students = {name: effects[name] for name in "abc"}
    row = comparisons.with_depth(students, LAYERS).iloc[0]
    averages = [students[name].average().value for name in "abc"]
    assert row.r == pytest.approx(np.corrcoef([1, 2, 3], averages)[0, 1])
    assert -1 <= row.low < row.high <= 1
    assert row.covers == "stimulus words and seeds"
    r = correlation([1, 2, 3], [students[name].average() for name in "abc"])
    per_seed = [np.corrcoef([1, 2, 3], [np.abs(students[n].d[s]).mean() for n in "abc"])[0, 1] for s in range(5)]
    assert r.by_seed.tolist() == pytest.approx(per_seed)


def test_one_seed_covers_words_only_and_says_so():
    known = {"a": 1.0, "b": 0.5, "c": 0.2}
    for seeds, covers in ((2, "stimulus words and seeds"), (1, "stimulus words")):
        effects = {name: arm(mean, seeds=seeds) for name, mean in known.items()}
        assert comparisons.with_depth(effects, LAYERS).covers.tolist() == [covers]
    average = effects["a"].average()
    assert average.interval() == pytest.approx(bias_aware_interval(average.value, average.replicates))


def test_every_column_of_every_table_is_filled_and_values_lie_in_their_intervals(effects):
    tables = {
        "tests": (comparisons.tests(effects, LAYERS), SEAT_TESTS),
        "averages": (comparisons.seat_averages(effects, LAYERS), SEAT_AVERAGES),
        "differences": (comparisons.seat_differences(effects, baseline="a"), SEAT_DIFFERENCES),
        "gaps": (comparisons.behind_the_lowest(effects), SEAT_GAPS),
        "depth": (comparisons.with_depth(effects, LAYERS), SEAT_CORRELATION),
    }
    for name, (table, columns) in tables.items():
        assert table.columns.tolist() == columns, name
        assert table.notna().all(axis=None), name
        for value, low, high in (
            ("average", "low", "high"),
            ("signed", "signed_low", "signed_high"),
            ("names", "names_low", "names_high"),
            ("difference", "low", "high"),
            ("effect_size", "low", "high"),
            ("r", "low", "high"),
        ):
            if value in table:
                assert ((table[low] < table[value]) & (table[value] < table[high])).all(), (name, value)
    tests, differences = tables["tests"][0], tables["differences"][0]
    assert set(differences.baseline) == {"a"}
    assert set(tests[tests.lowest].arm) <= {"c", "b"}
    little = {"a": arm(0.01, spread=0.01, words=0.3, seed=1)}
    averages = comparisons.seat_averages(little, {"a": 1})
    assert averages.low.min() >= 0
    assert averages.names_low.min() >= 0
