"""Verdicts on the claims about quality, on scores for which they are known."""

import math

import numpy as np
import pytest
from scipy.stats import t

from fairkd.claims import claims, paper
from fairkd.claims.claims import judge_glue
from fairkd.claims.contrasts import ONE_SEED
from fairkd.claims.quality import MARGIN
from fairkd.glue.quality import TaskScores
from fairkd.stats.equivalence import equivalence
from fairkd.stats.estimates import Estimate
from fairkd.wording import interval

MINI = "mini-GLUE (synthetic)"
TASKS = list(paper.TABLE3["full"])
B = 2000
LEVEL = 1 - 0.05 / 15
"""Of each of the verdicts on the paper's claims."""


def scored(level, *, seeds=5, examples=0.1, training=0.1, draw=0):
    """Average ``level`` over eight tasks; chance of its own in the examples, and seeds spread evenly around it."""
    generator = np.random.default_rng(draw)
    spread = generator.permutation(np.linspace(-1, 1, seeds))[:, None] if seeds > 1 else np.zeros((1, 1))
    scores = level + np.linspace(-20, 20, 8) + training * spread
    noise = generator.normal(size=(1, B, 8))
    return TaskScores(scores, scores[:, None] + examples * math.sqrt(8) * (noise - noise.mean(axis=1, keepdims=True)))


def everything(**changed):
    """Every arm as the paper has it, far apart against the noise."""
    levels = paper.TABLE1_GLUE_AVERAGE | {"mixup-xy": 76.65}
    few = {"examples": 0.05, "training": 0.05}
    return {arm: scored(level, draw=i, **few) for i, (arm, level) in enumerate(levels.items())} | changed


def verdicts(arms, suite="GLUE"):
    return judge_glue(arms, suite=suite).set_index("claim")


def test_three_rows_in_the_columns_of_the_other_claims():
    table = judge_glue(everything(), suite="GLUE")
    nothing = claims.judge({}, layers={})
    assert table.columns.tolist() == nothing.columns.tolist()
    assert table["claim"].tolist() == [3, 8, 9]
    both = nothing[nothing["claim"].isin([3, 8, 9])].reset_index(drop=True)
    for column in ("title", "statement", "source", "printed"):
        assert table[column].tolist() == both[column].tolist()
    assert table["p_adjusted"].tolist() == pytest.approx(np.minimum(1, 15 * table["p"]).tolist())


def test_data_like_the_papers_support_its_claims():
    table = verdicts(everything())
    assert table.verdict.tolist() == ["supported"] * 3
    assert table.what[3] == "difference of average on GLUE in points, no-ce − no-cos"
    assert table.what[8] == "difference of average on GLUE in points, mixup-xy − full"
    assert table.what[9] == "difference of average on GLUE in points, full − no-cos"
    assert table.estimate.tolist() == pytest.approx([-1.1, -0.05, 0.4])
    assert "The average on GLUE is 75.20 for the student without L_ce and 76.30 for the" in table.sentence[3]
    assert "a difference in points of −1.10 [−" in table.sentence[3]
    assert "over examples and 5 seeds (a 99.7 % interval). Of the 2 others this is the closest" in table.sentence[3]
    assert "it scores lowest, as the paper claims" in table.sentence[3]
    assert "all intervals lie above zero: in this experiment it scores highest, as the" in table.sentence[9]
    assert "they are equivalent, as the paper claims." in table.sentence[8]


# --- claim 3 ---


def test_an_arm_that_scores_lower_contradicts_lowest():
    row = verdicts(everything(**{"no-cos": scored(74.0, draw=1)})).loc[3]
    assert row.verdict == "contradicted"
    assert row.estimate == pytest.approx(1.2)
    assert 0 < row.low < 1.2 < row.high
    assert "does not score lowest, against the paper" in row.sentence


def test_lowest_but_not_beyond_doubt_is_inconclusive():
    arms = everything(**{"no-cos": scored(75.3, draw=1)})
    row = verdicts(arms).loc[3]
    difference = arms["no-ce"].average() - arms["no-cos"].average()
    assert row.verdict == "inconclusive"
    assert (row.low, row.high, row.p) == pytest.approx((*difference.strict_interval(LEVEL), difference.strict_p()))
    assert row.low < 0 < row.high
    assert "none of the 2 others scores lower, and 1 of 2 intervals lie below zero" in row.sentence


# --- claim 9 ---


@pytest.mark.parametrize("run", range(10))
def test_highest_is_the_mirror_image_of_lowest(run):
    levels = np.random.default_rng(run).normal(scale=0.4, size=3)
    arms = {arm: scored(76 + level, draw=i) for i, (arm, level) in enumerate(zip(paper.TABLE1, levels, strict=True))}
    mirrored = {arm: TaskScores(152 - own.scores, 152 - own.replicates) for arm, own in arms.items()}
    first, second = {"full": "no-ce", "no-ce": "full", "no-cos": "no-cos"}, verdicts(arms).loc[9]
    other = verdicts({first[arm]: own for arm, own in mirrored.items()}).loc[3]
    assert second.verdict == other.verdict
    numbers = ["estimate", "low", "high"]
    assert second[numbers].tolist() == pytest.approx((-other[["estimate", "high", "low"]]).tolist(), abs=1e-5)
    for column in ("p", "p_adjusted", "level", "detectable"):
        assert second[column] == pytest.approx(other[column], abs=1e-5)


def test_an_arm_that_scores_higher_contradicts_highest():
    row = verdicts(everything(full=scored(74.0, draw=1))).loc[9]
    assert row.verdict == "contradicted"
    assert row.estimate == pytest.approx(-2.3)
    assert "2 of the 2 others score higher; this interval lies below zero, also when widened for 2" in row.sentence
    assert "it does not score highest, against the paper" in row.sentence


# --- claim 8 ---


def parts(difference):
    return difference.value, difference.replicates, difference.by_seed


@pytest.mark.parametrize(
    ("gap", "noise", "verdict"),
    [
        (0.0, 0.1, "supported"),
        (0.3, 0.1, "supported"),
        (-0.3, 0.1, "supported"),
        (1.0, 0.1, "inconclusive"),
        (-1.2, 0.1, "inconclusive"),
        (2.0, 0.1, "contradicted"),
        (-2.0, 0.1, "contradicted"),
        (0.0, 1.0, "inconclusive"),  # no significant difference, and no equivalence either
        (2.0, 1.0, "inconclusive"),
    ],
)
def test_equivalence_is_judged_by_where_the_interval_lies(gap, noise, verdict):
    ours, theirs = scored(76 + gap, examples=noise, draw=1), scored(76, examples=noise, draw=2)
    row = verdicts({"mixup-xy": ours, "full": theirs}).loc[8]
    value, replicates, by_seed = parts(ours.average() - theirs.average())
    assert row.verdict == verdict
    assert row.seeds == 5
    shown = equivalence(ours.average() - theirs.average(), 1.0, 1 - LEVEL)
    assert (verdict == "supported") == shown.equivalent
    if abs(value) < 1:
        assert (row.level, row.low, row.high, row.p) == pytest.approx((2 * LEVEL - 1, shown.low, shown.high, shown.p))
        assert interval(row.low, row.high, 2) + " over examples and 5 seeds (a 99.3 % interval)" in row.sentence
        assert "two one-sided tests at 0.33 % each" in row.sentence
        assert (verdict == "supported") == (row.low > -1 and row.high < 1)
        words = "reaches beyond one point from zero" if verdict == "inconclusive" else "lies within one point of zero"
    else:
        assert (row.low, row.high) == pytest.approx((ours.average() - theirs.average()).strict_interval(LEVEL))
        assert row.level == pytest.approx(LEVEL)
        sign = math.copysign(1, value)
        assert row.p == pytest.approx(Estimate(sign * value - 1, sign * replicates - 1, sign * by_seed - 1).strict_p())
        assert (verdict == "contradicted") == (row.low > 1 or row.high < -1)
        words = "does not lie wholly more" if verdict == "inconclusive" else "lies more than one point from zero"
    assert words in row.sentence
    assert (row.p_adjusted <= 0.05) == (verdict != "inconclusive")
    assert ("against the paper" in row.sentence) == (verdict == "contradicted")


@pytest.mark.parametrize("spread", [0.05, 0.13, 0.15, 0.2])
def test_few_seeds_widen_the_one_sided_tests_as_students_t_at_their_level(spread):
    """With three seeds and no chance in the examples: t of two degrees, 12.2 standard errors at 0.33 %."""
    theirs = scored(76, seeds=3, training=0, examples=0.0001)
    apart = np.array([-spread, 0, spread])[:, None]
    ours = TaskScores(theirs.scores + apart, theirs.replicates + apart[:, None])
    within = t.isf(1 - LEVEL, 2) * spread / math.sqrt(3) < 1
    assert verdicts({"mixup-xy": ours, "full": theirs}).verdict[8] == ("supported" if within else "inconclusive")
    assert within == (spread < 0.14)


def test_the_same_student_twice_is_equivalent():
    row = verdicts({"mixup-xy": scored(76), "full": scored(76)}).loc[8]
    assert (row.verdict, row.estimate, row.low, row.high) == ("supported", 0, 0, 0)


def test_the_margin_is_the_one_of_the_claim():
    assert MARGIN == 1.0
    assert "within one point" in next(claim.statement for claim in claims.CLAIMS if claim.number == 8)


# --- what cannot be judged ---


@pytest.mark.parametrize("gap", [0.0, 3.0, -3.0])
def test_one_seed_is_inconclusive_however_clear_the_numbers(gap):
    one = {arm: scored(level, seeds=1, draw=i) for i, (arm, level) in enumerate(paper.TABLE1_GLUE_AVERAGE.items())}
    table = verdicts(one | {"mixup-xy": scored(76.7 + gap, seeds=1, draw=9)})
    assert set(table.verdict) == {"inconclusive"}
    assert table[["p", "p_adjusted"]].isna().all(axis=None)
    assert np.isfinite(table[["estimate", "low", "high"]]).all(axis=None)
    for sentence in table.sentence:
        assert ONE_SEED in sentence
        assert "over examples, with one seed" in sentence
    assert "2 of 2 intervals over examples lie below zero" in table.sentence[3]
    assert f"the two differ by {'not less' if gap else 'less'} than one point" in table.sentence[8]


def test_one_arm_with_one_seed_is_enough_to_decide_nothing():
    table = verdicts(everything(full=scored(76.7, seeds=1)))
    assert table.verdict.tolist() == ["inconclusive"] * 3
    assert table.seeds.tolist() == [1, 1, 1]


def test_a_claim_with_a_failed_task_is_not_run_and_says_which_arm_lacks_what():
    failed = scored(76.65)
    failed.scores[2, 5] = failed.replicates[2, :, 5] = np.nan
    table = verdicts(everything(**{"mixup-xy": failed}))
    assert table.verdict.tolist() == ["supported", "not run", "supported"]
    assert table.sentence[8] == "The student of the proposed mixup has no average on GLUE: 1 of 8 tasks failed."
    assert table.loc[8, ["estimate", "low", "high", "p"]].isna().all()
    assert table.seeds[8] == 0
    failed.scores[:, 0] = np.nan
    assert "2 of 8 tasks failed" in verdicts(everything(full=failed)).sentence[3]


def test_an_average_over_other_tasks_is_none_on_glue():
    few = {arm: TaskScores(own.scores[:, :2], own.replicates[:, :, :2]) for arm, own in everything().items()}
    table = verdicts(few, MINI)
    assert set(table.verdict) == {"not run"}
    assert "average over 8 tasks" in table.sentence[3]
    assert f"Of {MINI}, 2 were run" in table.sentence[3]


def test_a_claim_without_its_arms_is_not_run_and_names_them():
    arms = everything()
    del arms["no-cos"], arms["mixup-xy"]
    table = verdicts(arms)
    assert set(table.verdict) == {"not run"}
    assert table.sentence[3] == "There is no result on GLUE for the student without L_cos."
    assert table.sentence[8] == "There is no result on GLUE for the student of the proposed mixup."
    assert set(verdicts({}).verdict) == {"not run"}


# --- whose tasks ---


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_synthetic_tasks_are_never_called_glue(seeds, noise):
    arms = {
        name: scored(own.average().value, seeds=seeds, examples=noise, draw=i)
        for i, (name, own) in enumerate(everything().items())
    }
    for table in (verdicts(arms, MINI), verdicts({}, MINI)):
        for row in table.itertuples():
            assert MINI in row.sentence
            about = f" The paper's claim is about GLUE, not about {MINI}."
            assert row.sentence.endswith(about) == (row.verdict != "not run")
            for text in (row.what, row.sentence.removesuffix(about)):
                assert "GLUE" not in text.replace(MINI, "")


def test_of_glue_itself_nothing_is_added():
    for sentence in verdicts(everything()).sentence:
        assert "not about" not in sentence
        assert "synthetic" not in sentence
