"""Verdicts on data for which they are known: every arm is above, below or level with the others by construction."""

import math

import numpy as np
import pandas as pd
import pytest

from fairkd.bias.effects import Effects
from fairkd.bias.stimuli import TESTS
from fairkd.claims import claims, contrasts, paper
from fairkd.claims.bias import AverageSeat
from fairkd.claims.quality import AverageGlue
from fairkd.stats.estimates import Estimate, detectable_lead
from fairkd.wording import interval, percent

ROWS = 15
"""A verdict a part of a claim: that they hold together, each is judged at this level."""
LEVEL = 1 - 0.05 / ROWS
LAYERS = {"capacity-1": 1, "capacity-2": 2, "capacity-4": 4, "capacity-6": 6}
B = 3600


def effects(level, *, seeds=10, tests=(0.0,) * 6, words=0.005, training=0.005, draw=0):
    """Average SEAT ``level`` (if all d are positive), with noise over words and training of its own per ``draw``."""
    generator = np.random.default_rng(draw)
    spread = generator.permutation(np.linspace(-1, 1, seeds))[:, None] if seeds > 1 else np.zeros((1, 1))
    d = level + np.asarray(tests) + training * spread
    return Effects(d, d[:, None, :] + words * generator.normal(size=(1, B, 6)))


def everything(**changed):
    """Every arm as the paper has it, far apart against the noise."""
    levels = {arm: paper.average(cells) for arm, cells in (paper.TABLE2 | paper.TABLE1).items()}
    levels |= {arm: 1.5 - layers / 10 for arm, layers in LAYERS.items()}
    arms = {arm: effects(level, words=0.002, draw=i) for i, (arm, level) in enumerate(levels.items())}
    return arms | {"teacher": effects(0.5, seeds=1, draw=99)} | changed


def verdicts(arms, *, layers=LAYERS):
    """The first part of each claim, which is the whole of most."""
    return claims.judge(arms, layers=layers).drop_duplicates("claim").set_index("claim")


def part(arms, claim, title):
    table = claims.judge(arms, layers=LAYERS)
    return table[(table.claim == claim) & (table.part == title)].iloc[0]


def without(arms, *names):
    return {name: value for name, value in arms.items() if name not in names}


def holds(row):
    return row.low < row.estimate < row.high


# --- the table ---


def test_the_ten_claims_in_order_with_what_the_paper_prints_for_them():
    assert [claim.number for claim in claims.CLAIMS] == list(range(10))
    for claim in claims.CLAIMS:
        assert claim.title
        assert claim.statement.endswith(".")
        assert claim.source
        assert set(claim.arms) <= {*paper.TABLE1, *paper.TABLE2, "teacher"}
    assert {claim.number: len(claim.judges) for claim in claims.CLAIMS if len(claim.judges) > 1} == {
        4: 2,
        5: 2,
        6: 3,
        7: 2,
    }
    assert claims.count_rows() == ROWS
    assert claims.family_level() == pytest.approx(LEVEL)
    printed = [claim.printed for claim in claims.CLAIMS]
    figures = [
        *("no number", "−0.82", "0.670 0.960 0.992 0.697", "75.2 76.3 76.7", "0.738 0.992", "0.738 0.796"),
        *("0.738 0.836 C6b C7 C8 C8b", "1.008 0.992", "76.7 76.65 76.69", "76.7 76.3 75.2"),
    ]
    for text, expected in zip(printed, figures, strict=True):
        assert all(figure in text for figure in expected.split()), text


def test_a_row_a_part_of_a_claim_of_flat_columns_that_survive_parquet(tmp_path):
    table = claims.judge(everything(), layers=LAYERS)
    assert table["claim"].tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9]
    assert table["statement"].unique().tolist() == [claim.statement for claim in claims.CLAIMS]
    assert set(table["verdict"]) <= set(contrasts.VERDICTS)
    for name in ("estimate", "low", "high", "p", "p_adjusted"):
        assert table[name].dtype == float
    table.to_parquet(tmp_path / "verdicts.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "verdicts.parquet"), table, check_dtype=False)


def test_data_like_the_papers_support_its_claims_except_those_on_glue():
    table = claims.judge(everything(), layers=LAYERS)
    assert table.claim[table.verdict != "supported"].tolist() == [3, 8, 9]
    assert table.verdict.value_counts().to_dict() == {"supported": 12, "not run": 3}


def test_the_opposite_data_contradict_them():
    arms = {name: effects(2 - e.average().value, seeds=e.seeds) for name, e in everything().items()}
    table = claims.judge(arms, layers=LAYERS)
    assert table.claim[table.verdict != "contradicted"].tolist() == [3, 8, 9]
    assert table.verdict.value_counts().to_dict() == {"contradicted": 12, "not run": 3}


def test_arms_that_differ_by_less_than_the_noise_decide_nothing():
    arms = {
        name: effects(1 + 0.001 * i, seeds=e.seeds, words=0.2, draw=i)
        for i, (name, e) in enumerate(everything().items())
    }
    table = verdicts(arms)
    assert [n for n in table.index if table.verdict[n] != "inconclusive"] == [3, 8, 9]
    for n in (0, 4, 7):
        assert holds(table.loc[n])
        assert "holds zero" in table.sentence[n]


def test_a_new_claim_is_one_entry(monkeypatch):
    """It is judged by its judge on its arms, stands in the table in the usual columns, and widens all intervals."""
    words = {"title": "Ours", "statement": "Logits alone do it.", "source": "nowhere", "printed": "nothing"}
    new = claims.Claim(10, **words, arms=("mixup-y", "full"), ruler=AverageSeat, judges={"": contrasts.lower})
    on_glue = claims.Claim(11, **words, arms=("mixup-y", "full"), ruler=AverageGlue, judges={"": contrasts.lower})
    before = claims.judge(everything(), layers=LAYERS)
    monkeypatch.setattr(claims, "CLAIMS", (*claims.CLAIMS, new, on_glue))
    table = claims.judge(everything(**{"mixup-y": effects(0.4, draw=50)}), layers=LAYERS)
    same = ["claim", "title", "statement", "part", "verdict", "what", "estimate", "p", "seeds"]
    pd.testing.assert_frame_equal(table[same].iloc[:ROWS], before[same])
    run = (before.verdict != "not run") & (before.part != claims.BY_TEST)
    assert (table.high - table.low)[:ROWS][run].gt((before.high - before.low)[run]).all()
    row = table.set_index("claim").loc[10]
    assert (row.verdict, row.seeds, row.title) == ("supported", 10, "Ours")
    assert row.what == "difference of average SEAT, mixup-y − full"
    assert row.estimate == pytest.approx(0.4 - everything()["full"].average().value)
    assert row.level == pytest.approx(1 - 0.05 / 17)
    assert row.p_adjusted == pytest.approx(17 * row.p)
    assert claims.judge(everything(), layers=LAYERS).verdict.tolist()[-2:] == ["not run", "not run"]
    assert claims.judge_glue({}, suite="GLUE").claim.tolist() == [3, 8, 9, 11]
    assert "student with logits mixed" in claims.judge_glue({}, suite="GLUE").sentence[3]


# --- differences: claims 0, 4, 7 ---


@pytest.mark.parametrize(
    ("claim", "arm", "baseline", "side"),
    [(0, "full", "teacher", 1), (4, "mixup-xy", "full", -1), (7, "mixup-h", "full", 1)],
)
def test_a_difference_is_judged_by_where_its_interval_lies(claim, arm, baseline, side):
    base = effects(1.0, seeds=1 if baseline == "teacher" else 10)
    for gap, expected in ((0.3 * side, "supported"), (-0.3 * side, "contradicted"), (0.001, "inconclusive")):
        ours = effects(1 + gap, draw=1)
        row = verdicts({arm: ours, baseline: base}).loc[claim]
        assert row.verdict == expected
        assert row.estimate == pytest.approx(gap)
        difference = ours.average() - base.average()
        assert (row.low, row.high) == pytest.approx(difference.strict_interval(LEVEL))
        assert row.level == pytest.approx(LEVEL)
        assert row.seeds == 10
        assert row.what == f"difference of average SEAT, {arm} − {baseline}"
        assert "over stimulus words and 10 seeds" in row.sentence
        assert f"{abs(gap):.3f} [" in row.sentence
        assert "] over stimulus words and 10 seeds (a 99.7 % interval). The interval" in row.sentence
        assert ("as the paper claims" in row.sentence) == (expected == "supported")
        assert ("against the paper" in row.sentence) == (expected == "contradicted")


def test_the_order_of_words_follows_the_numbers():
    arms = {"full": effects(1.0), "mixup-xy": effects(0.7), "mixup-h": effects(0.8), "teacher": effects(1.2, seeds=1)}
    table = verdicts(arms)
    assert "the student of the proposed mixup scores lower than the original student, as the" in table.sentence[4]
    assert "the student with output embeddings mixed scores lower than the original student, aga" in table.sentence[7]
    assert "the original student scores lower than the teacher, against the paper" in table.sentence[0]


def test_arms_that_are_the_same_student_have_no_direction():
    same = {"full": effects(1.0, seeds=1), "mixup-xy": effects(1.0, seeds=1)}
    row = verdicts(same).loc[4]
    assert (row.verdict, row.estimate) == ("inconclusive", 0)
    assert "no difference at all" in row.sentence
    assert row[["low", "high", "level", "detectable"]].isna().all()  # no interval without length
    assert verdicts({"full": effects(1.0), "mixup-xy": effects(1.0)}).verdict[4] == "inconclusive"


# --- what cannot be judged ---


def test_one_seed_is_inconclusive_however_clear_the_numbers():
    one = {name: effects(e.average().value, seeds=1) for name, e in everything().items()}
    table = verdicts(one)
    assert [n for n in table.index if table.verdict[n] != "inconclusive"] == [3, 8, 9]
    assert table["p"].isna().all()
    assert table["p_adjusted"].isna().all()
    assert (claims.judge(one, layers=LAYERS).verdict.isin(["inconclusive", "not run"])).all()
    for n in (0, 1, 4, 6, 7):
        assert "In this one run" in table.sentence[n]
        assert "as the paper claims; the interval over stimulus words excludes zero" in table.sentence[n]
    for n in (2, 5):
        assert "none of the" in table.sentence[n]
    for n in (0, 1, 2, 4, 5, 6, 7):
        assert contrasts.ONE_SEED in table.sentence[n]
        assert "over stimulus words, with one seed" in table.sentence[n]
        assert math.isfinite(table.low[n])


def test_one_seed_shows_the_difference_to_the_lowest_of_the_others_however_noisy_another_is():
    arms = everything(**{arm: effects(1.0, seeds=1, draw=n) for n, arm in enumerate(paper.TABLE2)})
    arms |= {"mixup-xy": effects(1.2, seeds=1, draw=20), "full": effects(0.9, seeds=1, draw=21)}
    arms["debiased-teacher"] = effects(1.3, seeds=1, words=0.8, draw=22)
    row = part(arms, 5, claims.SIX_TESTS)
    assert row.what.endswith("mixup-xy − full")
    assert "5 of the 6 others score lower" in row.sentence


def test_one_seed_that_goes_against_the_paper_says_so():
    arms = {"full": effects(1.0, seeds=1), "mixup-xy": effects(1.001, seeds=1, draw=1)}
    sentence = verdicts(arms).sentence[4]
    assert (
        "scores higher than the original student, against the paper; the interval over stimulus words holds zero"
        in sentence
    )


def test_a_difference_whose_digits_are_all_zero_goes_neither_way():
    arms = {"full": effects(1.0, seeds=1), "mixup-xy": effects(1.0001, seeds=1, draw=1)}
    sentence = verdicts(arms).sentence[4]
    assert "a difference of 0.000" in sentence
    assert "In this one run there is no difference in the digits that are shown; the interval" in sentence


def test_the_fewest_seeds_count_but_never_the_teachers_one_copy():
    table = verdicts(everything(full=effects(0.9, seeds=4)))
    assert table.seeds.to_dict() == {0: 4, 1: 10, 2: 4, 3: 0, 4: 4, 5: 4, 6: 10, 7: 4, 8: 0, 9: 0}
    assert table.verdict[0] == "supported"
    for arm, claim in (("mixup-xy", 5), ("mixup-yh", 5), ("no-cos", 2), ("capacity-4", 1)):
        lone = verdicts(everything(**{arm: effects(everything()[arm].average().value, seeds=1)}))
        assert lone.verdict[claim] == "inconclusive"
        assert "with one seed" in lone.sentence[claim]


@pytest.mark.parametrize("where", ["d", "replicates"])
def test_an_undefined_effect_size_is_inconclusive_with_a_reason(where):
    broken = effects(0.1)
    getattr(broken, where)[..., 2] = np.nan
    table = verdicts(everything(**{"mixup-xy": broken, "no-ce": broken, "capacity-2": broken}))
    for n in (1, 2, 4, 5, 6):
        assert table.verdict[n] == "inconclusive"
        assert contrasts.UNDEFINED in table.sentence[n]
        assert "nan" not in table.sentence[n]
        assert math.isnan(table.p[n])
        assert math.isnan(table.low[n])
    assert table.verdict[0] == "supported"


def test_claims_on_glue_are_not_run_and_say_why():
    table = verdicts(everything())
    for n in (3, 8, 9):
        assert table.verdict[n] == "not run"
        assert "GLUE" in table.sentence[n]
        assert math.isnan(table.estimate[n])
        assert table.seeds[n] == 0


@pytest.mark.parametrize(
    ("arm", "lost", "named"),
    [
        ("teacher", [0], "the teacher"),
        ("no-cos", [2], "the student without L_cos"),
        ("mixup-yh", [5], "the student with logits and output embeddings mixed"),
        ("debiased-teacher", [5, 6], "the student of the debiased teacher"),
        ("capacity-4", [1], "capacity-4"),
        ("mixup-xy", [4, 5, 6], "the student of the proposed mixup"),
    ],
)
def test_a_claim_without_its_arms_is_not_run_and_names_them(arm, lost, named):
    table = verdicts(without(everything(), arm))
    assert [n for n in table.index if table.verdict[n] == "not run"] == sorted([3, 8, 9, *lost])
    assert all(named in table.sentence[n] for n in lost)


def test_nothing_at_all_is_not_run():
    table = claims.judge({}, layers={})
    assert set(table.verdict) == {"not run"}
    assert "the original student and the teacher" in table.sentence[0]
    assert table["p_adjusted"].isna().all()


def test_arms_that_no_claim_names_change_nothing():
    more = everything() | {"mlm-only": effects(0.01), "mixup-y": effects(0.02)}
    pd.testing.assert_frame_equal(verdicts(more), verdicts(everything()))


# --- claim 1 ---


@pytest.mark.parametrize(("slope", "verdict"), [(-0.1, "supported"), (0.1, "contradicted")])
def test_the_correlation_with_depth_is_judged_by_its_slope(slope, verdict):
    bend = {1: 0.02, 2: -0.03, 4: 0.01, 6: 0.0}
    means = {n: 1 + slope * n + bend[n] for n in bend}
    row = verdicts({arm: effects(means[n], draw=n) for arm, n in LAYERS.items()}).loc[1]
    assert row.verdict == verdict
    assert row.estimate == pytest.approx(np.polyfit(list(means), list(means.values()), 1)[0])
    assert row.low < row.estimate < row.high
    assert row.low * slope > 0
    assert row.p_adjusted < 0.05
    r = np.corrcoef(list(means), list(means.values()))[0, 1]
    assert "Over students of 1, 2, 4 and 6 layers" in row.sentence
    assert f"is r = {r:.2f}; per additional layer it changes by {slope:.1f}".replace("-", "−") in row.sentence
    assert f"it {'falls' if slope < 0 else 'rises'} with the layers" in row.sentence


def test_a_correlation_within_noise_is_inconclusive():
    row = verdicts({arm: effects(1.0, words=0.2, draw=n) for arm, n in LAYERS.items()}).loc[1]
    zigzag = {1: 1.0, 2: 1.1, 4: 0.95, 6: 1.02}
    noisy = verdicts({arm: effects(zigzag[n], words=0.5, draw=n) for arm, n in LAYERS.items()}).loc[1]
    assert row.verdict == noisy.verdict == "inconclusive"
    assert noisy.low < 0 < noisy.high
    assert noisy.p > 0.05


@pytest.mark.parametrize("words", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_the_slopes_interval_is_that_of_a_weighted_sum_of_averages(words):
    arms = {arm: effects(1.3 - n / 20, words=words, draw=n) for arm, n in LAYERS.items()}
    row, averages = verdicts(arms).loc[1], [arms[arm].average() for arm in LAYERS]
    rows = [
        np.polyfit(list(LAYERS.values()), np.stack([getattr(own, name) for own in averages]), 1)[0]
        for name in ("replicates", "by_seed")
    ]
    one = Estimate(rows[1].mean(), *rows)
    assert (row.low, row.high) == pytest.approx(one.strict_interval(LEVEL))
    assert row.p == pytest.approx(one.strict_p(), abs=1e-5)
    assert row.detectable == pytest.approx(one.detectable(LEVEL, 0.8))


def test_two_depths_are_no_correlation():
    row = verdicts(everything(), layers={"capacity-1": 1, "capacity-6": 6}).loc[1]
    assert row.verdict == "not run"
    assert "three" in row.sentence


# --- lowest of several: claims 2 and 5 ---


def one_on_one(arms, arm, rival):
    row = verdicts({"mixup-xy": arms[arm], "full": arms[rival]}).loc[4]
    return row.low, row.high, row.p


def test_lowest_is_supported_only_if_below_each_of_the_others():
    arms = everything(**{"no-ce": effects(0.5), "no-cos": effects(0.6, draw=1), "full": effects(0.9, draw=2)})
    row = verdicts(arms).loc[2]
    assert row.verdict == "supported"
    assert row.estimate == pytest.approx(-0.1)
    assert row.what == "difference of average SEAT, no-ce − no-cos"
    assert "the student without L_cos" in row.sentence
    assert "scores lowest, as the paper claims" in row.sentence


def test_lowest_but_not_beyond_doubt_is_inconclusive_with_the_largest_p():
    close = effects(0.51, words=0.1, draw=1)
    arms = everything(**{"no-ce": effects(0.5), "no-cos": close, "full": effects(0.9, draw=2)})
    row = verdicts(arms).loc[2]
    low, high, p = one_on_one(arms, "no-ce", "no-cos")
    assert low < 0 < high
    assert one_on_one(arms, "no-ce", "full")[1] < 0
    assert row.verdict == "inconclusive"
    assert (row.low, row.high, row.p) == pytest.approx((low, high, p))
    assert row.p > one_on_one(arms, "no-ce", "full")[2]
    assert "none of the 2 others scores lower, and 1 of 2 intervals lie below zero" in row.sentence


def test_above_any_of_the_others_contradicts_lowest():
    arms = everything(**{"mixup-xy": effects(0.7), "mixup-x": effects(0.5, draw=1)})
    row = verdicts(arms).loc[5]
    assert row.verdict == "contradicted"
    assert row.what == "difference of average SEAT, mixup-xy − mixup-x"
    assert row.estimate == pytest.approx(0.2)
    assert row.p == pytest.approx(6 * one_on_one(arms, "mixup-xy", "mixup-x")[2])
    assert "does not score lowest, against the paper" in row.sentence


def test_where_several_are_lower_the_surest_of_them_decides():
    near, far = effects(0.6999, words=0.05, draw=1), effects(0.5, draw=2)
    row = verdicts(everything(**{"mixup-xy": effects(0.7), "mixup-xyh": near, "mixup-x": far})).loc[5]
    assert row.what == "difference of average SEAT, mixup-xy − mixup-x"
    assert row.verdict == "contradicted"


def test_above_one_of_six_takes_more_than_one_interval():
    """A gap of 3.2 standard errors decides one comparison of 99.7 % (2.94), not the largest of six (3.45)."""
    ours, error = effects(0.7, words=0, training=0), 0.02
    for gap, verdict in ((3.2 * error, "inconclusive"), (4 * error, "contradicted")):
        rival = effects(0.7 - gap, words=error * math.sqrt(6), training=0, draw=7)
        arms = everything(**{"mixup-xy": ours, "mixup-x": rival})
        low, high, _ = one_on_one(arms, "mixup-xy", "mixup-x")
        assert 0 < low < high
        row = verdicts(arms).loc[5]
        assert row.verdict == verdict
        assert row.level == pytest.approx(1 - 0.05 / (6 * ROWS))
        widened_ends = (ours.average() - rival.average()).strict_interval(row.level)
        assert (row.low, row.high) == pytest.approx(widened_ends)
        assert row.low < low < high < row.high
        assert (row.low > 0) == (row.p_adjusted <= 0.05) == (verdict == "contradicted")
        if verdict == "inconclusive":
            assert "1 of the 6 others scores lower, but no interval that is widened for 6 comparisons" in row.sentence


def test_of_arms_that_are_all_alike_none_is_the_lowest():
    """Intersection-union: with six equal rivals the claim is hardly ever supported."""
    table1 = dict.fromkeys(paper.TABLE1, 1.0)
    found = []
    for run in range(40):
        noise = np.random.default_rng(run).normal(size=3) * 0.1 / math.sqrt(6)
        arms = {
            arm: effects(level + noise[i], words=0.1, training=0, draw=100 * run + i)
            for i, (arm, level) in enumerate(table1.items())
        }
        found.append(verdicts(arms).verdict[2])
    assert found.count("inconclusive") >= 39


# --- claim 6 ---


def literal_count(ours, theirs, level=LEVEL):
    """In how many tests |d| is surely lower, and in how many it is not surely higher."""
    ends = [
        [(ours.average([t]) - theirs.average([t])).strict_interval(1 - (1 - level) / k) for t in TESTS]
        for k in range(1, 7)
    ]  # k tests are picked from
    lower = [u for u in range(1, 7) if sum(high < 0 for _, high in ends[6 - u]) >= u]
    higher = [u for u in range(1, 7) if sum(low > 0 for low, _ in ends[6 - u]) >= u]
    return max(lower, default=0), 6 - max(higher, default=0)


@pytest.mark.parametrize(
    ("gaps", "average", "tests", "count", "word"),
    [
        ((-0.5, -0.5, -0.5, -0.5, 0.2, 0.2), "supported", "supported", 4, "always"),
        ((-0.5, -0.5, -0.5, -0.005, 0.2, 0.2), "supported", "inconclusive", 4, "which leaves open whether it is"),
        ((-0.9, -0.9, -0.5, 0.2, 0.2, 0.2), "supported", "contradicted", 3, "never"),
        ((-0.1, -0.1, -0.1, -0.1, 0.6, 0.6), "contradicted", "supported", 4, "always"),
        ((-0.1, -0.1, -0.1, -0.1, 0.2, 0.2), "inconclusive", "supported", 4, "always"),
    ],
)
def test_each_half_of_better_than_the_debiased_teacher_has_its_verdict(gaps, average, tests, count, word):
    theirs, ours = effects(1.2, draw=1), effects(1.2, tests=gaps, draw=2)
    arms = {"mixup-xy": ours, "debiased-teacher": theirs}
    assert (verdicts(arms).verdict[6], verdicts(arms).estimate[6]) == (average, pytest.approx(np.mean(gaps)))
    row = part(arms, 6, claims.BY_TEST)
    assert (row.verdict, row.estimate) == (tests, pytest.approx(count / 6))
    assert (row.p_adjusted <= 0.05) == (row.verdict != "inconclusive") == (6 * row.low >= 3.99 or 6 * row.high < 3.99)
    low, high = literal_count(ours, theirs)
    names = [test for test, gap in zip(TESTS, gaps, strict=True) if gap < 0]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    assert (6 * row.low, 6 * row.high) == pytest.approx((low, high))
    assert f"in {count} of 6 tests ({listed}), in {low} to {high} of them when words and seeds" in row.sentence
    assert row.sentence.endswith(f"are resampled (a 99.7 % interval): {word} 4 or more.")


@pytest.mark.parametrize("errors", [2.5, 3.05, 3.8, 4.2])
def test_to_be_lower_in_four_of_six_takes_more_than_four_intervals(errors):
    """They may be any four, so three are picked from: 3.26 standard errors at 99.7 %, not 2.94."""
    theirs, ours = (
        effects(1.0, words=0, training=0),
        effects(1.0, words=0, training=0, tests=(-0.1 * errors,) * 4 + (0,) * 2),
    )
    noise = np.random.default_rng(0).normal(size=(B, 6))
    noise = 0.1 * (noise - noise.mean(axis=0)) / noise.std(axis=0, ddof=1)
    ours = Effects(ours.d, ours.d[:, None] + noise)
    row = part({"mixup-xy": ours, "debiased-teacher": theirs}, 6, claims.BY_TEST)
    assert row.verdict == ("supported" if errors > 3.3 else "inconclusive")
    assert (row.p_adjusted <= 0.05) == (row.verdict == "supported")


def test_higher_in_most_tests_is_the_mirror_image_of_lower():
    theirs, ours = effects(1.2, draw=1), effects(1.2, tests=(-0.5, -0.4, -0.3, -0.02, 0.1, 0.2), words=0.02, draw=2)
    for one, other in ((ours, theirs), (theirs, ours)):
        lower = part({"mixup-xy": one, "debiased-teacher": other}, 6, claims.BY_TEST)
        higher = part({"mixup-h": other, "full": one}, 7, claims.BY_TEST)
        for column in ("verdict", "estimate", "low", "high", "p", "level", "p_adjusted"):
            assert higher[column] == pytest.approx(lower[column]) if column != "verdict" else lower[column], column
    assert "|d| of the student with output embeddings mixed is higher than that of the original" in higher.sentence


def test_tests_that_move_together_over_few_seeds_decide_no_sooner_than_one_of_them():
    """Of three seeds all are lower by chance in one case of eight, and then no draw of them is not."""
    spread = np.array([-0.1, -0.2, -0.4])[:, None] + np.zeros((3, 6))
    theirs, ours = effects(1.2, seeds=3, words=0, training=0), effects(1.2, seeds=3, words=0, training=0)
    ours = Effects(ours.d + spread, ours.replicates + spread[:, None])
    arms = {"mixup-xy": ours, "debiased-teacher": theirs}
    assert part(arms, 6, claims.SIX_TESTS).verdict == part(arms, 6, claims.BY_TEST).verdict == "inconclusive"


def test_the_sign_of_d_does_not_count():
    theirs, ours = effects(1.2), effects(-0.7, draw=2)
    row = verdicts({"mixup-xy": ours, "debiased-teacher": theirs}).loc[6]
    assert row.verdict == "supported"
    assert row.estimate == pytest.approx(-0.5)


def test_one_seed_does_not_decide_the_number_of_tests_either():
    arms = {"mixup-xy": effects(2.0, seeds=1), "debiased-teacher": effects(1.0, seeds=1)}
    row = part(arms, 6, claims.BY_TEST)
    assert row.verdict == "inconclusive"
    assert math.isnan(row.p)
    assert "in 0 of 6 tests, in 0 to 0 of them when words are resampled (a 99.7 % interval). One seed" in row.sentence


# --- claims 4 to 6 on the words that mixup leaves alone ---


@pytest.mark.parametrize("claim", [4, 5, 6])
def test_claims_on_mixup_are_judged_on_names_too(claim):
    """Mixup lowers the three tests with gender terms only: the average of six falls, that of the names does not."""
    terms = [0.0 if test in ("C6", "C7b", "C8b") else -0.5 for test in TESTS]
    arms = {arm: effects(1.2, draw=n) for n, arm in enumerate(paper.TABLE2)}
    ours = arms["mixup-xy"] = effects(1.2, tests=terms, draw=20)
    assert part(arms, claim, "average of six tests").verdict == "supported"
    row = part(arms, claim, "average of C6, C7b and C8b")
    assert row.verdict == "inconclusive"
    assert "over C6, C7b and C8b" in row.what
    rival = arms[row.what.split(" − ")[1]]
    columns = [TESTS.index(test) for test in ("C6", "C7b", "C8b")]
    assert row.estimate == pytest.approx(np.abs(ours.d[:, columns]).mean() - np.abs(rival.d[:, columns]).mean())


# --- verdict, interval and p ---


@pytest.mark.parametrize("run", range(30))
def test_verdict_interval_and_p_never_disagree(run):
    generator = np.random.default_rng(run)
    arms = {
        arm: effects(
            1 + 0.15 * generator.normal(), seeds=own.seeds, words=0.1, training=0.1, draw=100 * run + n,
            tests=0.05 * generator.normal(size=6),
        )
        for n, (arm, own) in enumerate(everything().items())
    }  # fmt: skip
    for row in claims.judge(arms, layers=LAYERS).itertuples():
        if row.verdict != "not run":
            decided = row.verdict != "inconclusive"
            assert (row.p_adjusted <= 0.05) == decided, row
            assert row.p_adjusted == pytest.approx(min(1, ROWS * row.p))
            middle = 3.99 / 6 if row.part == claims.BY_TEST else 0
            assert (row.low > middle or row.high < middle) == decided, row
            assert row.low <= row.estimate <= row.high
            assert row.level >= LEVEL - 1e-12
            if row.part != claims.BY_TEST:
                assert interval(row.low, row.high, 3) in row.sentence, row  # the sentence has the one that decided
                assert f"(a {percent(row.level)} interval)" in row.sentence


# --- several claims ---


def test_a_row_is_the_same_whichever_others_were_run():
    arms = everything(full=effects(0.99, words=0.02, draw=3))
    whole, some = claims.judge(arms, layers=LAYERS), claims.judge({a: arms[a] for a in paper.TABLE1}, layers={})
    pd.testing.assert_frame_equal(some[some.claim == 2], whole[whole.claim == 2])
    judged = whole[whole.p.notna()]
    assert judged.p_adjusted.tolist() == pytest.approx(np.minimum(1, ROWS * judged.p).tolist())
    assert whole.p_adjusted[whole.p.isna()].isna().all()


@pytest.mark.parametrize(("resamples", "verdict"), [(100, "inconclusive"), (598, "inconclusive"), (600, "supported")])
def test_too_few_resamples_decide_nothing_and_say_how_many_would(resamples, verdict):
    arms = {n: Effects(e.d, e.replicates[:, :resamples]) for n, e in everything().items()}
    table = claims.judge(arms, layers=LAYERS)
    table = table[~table.claim.isin([3, 8, 9])]
    assert set(table.verdict[table.part != claims.BY_TEST]) == {verdict}
    if verdict == "inconclusive":
        for sentence in table.sentence:
            assert f"With {resamples} resamples (seat_bootstrap) there is no interval of 99." in sentence
            assert "which takes 599" in sentence or "which takes 1,799" in sentence
        assert (table.p_adjusted > 0.05).all()
        assert np.isinf(table.low[table.claim == 4]).all()
        assert table.detectable.isna().all()


def test_many_resamples_are_needed_to_contradict_the_lowest_of_seven():
    arms = everything(**{"mixup-xy": effects(0.7), "mixup-x": effects(0.5, draw=1)})
    few = {n: Effects(e.d, e.replicates[:, :2000]) for n, e in arms.items()}
    row = part(few, 5, claims.SIX_TESTS)
    assert row.verdict == "inconclusive"
    assert "no interval of 99.94 %, which takes 3,599: nothing can be decided. Here 1 of the 6 others" in row.sentence
    assert row.p_adjusted > 0.05
    assert part(arms, 5, claims.SIX_TESTS).verdict == "contradicted"


def test_what_a_row_calls_detectable_is_for_its_level_and_all_its_comparisons():
    arms = everything(**{"mixup-xy": effects(0.9), "full": effects(0.9, draw=3)})
    difference = arms["mixup-xy"].average() - arms["full"].average()
    assert part(arms, 4, claims.SIX_TESTS).detectable == pytest.approx(difference.detectable(LEVEL, 0.8))
    each = [arms["mixup-xy"].average() - arms[arm].average() for arm in paper.TABLE2 if arm != "mixup-xy"]
    found = part(arms, 5, claims.SIX_TESTS).detectable
    assert found == pytest.approx(detectable_lead([-one for one in each], LEVEL, 0.8))
    assert max(one.detectable(LEVEL, 0.8) for one in each) < found
    assert found < max(one.detectable(LEVEL, 0.8 ** (1 / 6)) for one in each)  # they share the first arm's chance
    assert math.isnan(part(arms, 6, claims.BY_TEST).detectable)


def test_the_notes_say_how_many_hold_together():
    note = claims.family_note()
    assert (
        "The 15 verdicts (3 of them, on the tests with names, are checks of ours) are to hold together with 95 %"
        in note
    )
    assert "99.7 % interval" in note


def test_numbers_in_sentences_have_true_minus_signs_and_losses_their_symbol():
    for sentence in verdicts(everything()).sentence:
        assert " -" not in sentence
        assert "[-" not in sentence
    assert "L_ce" in verdicts(everything()).sentence[2]
