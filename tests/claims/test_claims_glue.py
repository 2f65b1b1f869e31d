"""Verdicts on the claims about quality, on scores for which they are known."""

import math

import numpy as np
import pytest

from fairkd.claims import claims, paper
from fairkd.claims.claims import judge_glue
from fairkd.claims.contrasts import ONE_SEED
from fairkd.claims.quality import MARGIN
from fairkd.glue.quality import TaskScores
from fairkd.stats.equivalence import equivalence
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import holm, widened

MINI = "mini-GLUE (synthetic)"
TASKS = list(paper.TABLE3["full"])
B = 999


def scored(level, *, seeds=5, examples=0.1, training=0.1, draw=0):
    """Average ``level`` over eight tasks; chance of its own in the examples, and seeds spread evenly around it."""
    generator = np.random.default_rng(draw)
    spread = generator.permutation(np.linspace(-1, 1, seeds))[:, None] if seeds > 1 else np.zeros((1, 1))
    scores = level + np.linspace(-20, 20, 8) + training * spread
    noise = generator.normal(size=(1, B, 8))
    return TaskScores(scores, scores[:, None] + examples * math.sqrt(8) * (noise - noise.mean(axis=1, keepdims=True)))


def everything(**changed):
    """Every arm as the paper has it, far apart against the noise."""
    arms = {arm: scored(level, draw=i) for i, (arm, level) in enumerate(paper.TABLE1_GLUE_AVERAGE.items())}
    return arms | {"mixup-xy": scored(76.65, draw=9)} | changed


def verdicts(arms, suite="GLUE"):
    return judge_glue(arms, suite=suite).set_index("claim")


def test_two_rows_in_the_columns_of_the_other_claims():
    table = judge_glue(everything(), suite="GLUE")
    nothing = claims.judge({}, layers={})
    assert table.columns.tolist() == nothing.columns.tolist()
    assert table["claim"].tolist() == [3, 8]
    both = nothing[nothing["claim"].isin([3, 8])].reset_index(drop=True)
    for column in ("title", "statement", "source", "printed"):
        assert table[column].tolist() == both[column].tolist()
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].to_numpy()).tolist())


def test_data_like_the_papers_support_both_claims():
    table = verdicts(everything())
    assert table.verdict.tolist() == ["supported", "supported"]
    assert table.what[3] == "difference of average on GLUE in points, no-ce − no-cos"
    assert table.what[8] == "difference of average on GLUE in points, mixup-xy − full"
    assert table.estimate.tolist() == pytest.approx([-1.1, -0.05])
    assert "The average on GLUE is 75.20 for the student without L_ce and 76.30 for the" in table.sentence[3]
    assert "a difference in points of −1.10 [−" in table.sentence[3]
    assert "over examples and 5 seeds. Of the 2 others this is the closest" in table.sentence[3]
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
    assert (row.low, row.high, row.p) == pytest.approx((*difference.interval(), difference.p()))
    assert row.low < 0 < row.high
    assert "none of the 2 others scores lower, and 1 of 2 intervals lie below zero" in row.sentence


# --- claim 8 ---


def parts(difference):
    return difference.value, difference.replicates, difference.by_seed


@pytest.mark.parametrize(
    ("gap", "noise", "verdict"),
    [
        (0.0, 0.1, "supported"),
        (0.6, 0.1, "supported"),
        (-0.6, 0.1, "supported"),
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
    shown = equivalence(value, widened(replicates, by_seed, 0.9), 1.0)
    assert (verdict == "supported") == shown.equivalent
    if abs(value) < 1:
        assert (row.level, row.low, row.high, row.p) == pytest.approx((0.9, shown.low, shown.high, shown.p))
        assert (verdict == "supported") == (row.low > -1 and row.high < 1)
        words = "reaches beyond one point from zero" if verdict == "inconclusive" else "lies within one point of zero"
    else:
        assert (row.low, row.high) == pytest.approx((ours.average() - theirs.average()).interval())
        assert row.level == 0.95
        sign = math.copysign(1, value)
        assert row.p == pytest.approx(Estimate(sign * value - 1, sign * replicates - 1, sign * by_seed - 1).p())
        assert (verdict == "contradicted") == (row.low > 1 or row.high < -1)
        words = "does not lie wholly more" if verdict == "inconclusive" else "lies more than one point from zero"
    assert words in row.sentence
    assert (row.p <= 0.05) == (verdict != "inconclusive")
    assert ("against the paper" in row.sentence) == (verdict == "contradicted")


@pytest.mark.parametrize(("spread", "verdict"), [(0.5, "supported"), (0.6, "inconclusive")])
def test_few_seeds_widen_the_one_sided_tests_as_students_t_at_their_level(spread, verdict):
    """Of two draws of three seeds a ninth are at each end: 2.92 / 1.645 times as far with t of two degrees."""
    theirs = scored(76, seeds=3, training=0, examples=0.01)
    apart = np.array([-spread, 0, spread])[:, None]
    ours = TaskScores(theirs.scores + apart, theirs.replicates + apart[:, None])
    assert (spread * 2.92 / 1.645 < 1) == (verdict == "supported")
    assert spread * 4.303 / 1.96 > 1
    assert verdicts({"mixup-xy": ours, "full": theirs}).verdict[8] == verdict


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
    assert table[["p", "p_holm"]].isna().all(axis=None)
    assert np.isfinite(table[["estimate", "low", "high"]]).all(axis=None)
    for sentence in table.sentence:
        assert ONE_SEED in sentence
        assert "over examples, with one seed" in sentence
    assert "2 of 2 intervals over examples lie below zero" in table.sentence[3]
    assert f"the two differ by {'not less' if gap else 'less'} than one point" in table.sentence[8]


def test_one_arm_with_one_seed_is_enough_to_decide_nothing():
    table = verdicts(everything(full=scored(76.7, seeds=1)))
    assert table.verdict.tolist() == ["inconclusive", "inconclusive"]
    assert table.seeds.tolist() == [1, 1]


def test_a_claim_with_a_failed_task_is_not_run_and_says_which_arm_lacks_what():
    failed = scored(76.65)
    failed.scores[2, 5] = failed.replicates[2, :, 5] = np.nan
    table = verdicts(everything(**{"mixup-xy": failed}))
    assert table.verdict.tolist() == ["supported", "not run"]
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
