"""The report's sentences follow from numbers and intervals, and claim nothing that those do not carry."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from frames import ABLATION, CAPACITY, averages, correlation, glue_averages, glue_baselines, glue_scores

from fairkd import Profile
from fairkd.claims import bias as claims
from fairkd.show import sentences as report
from fairkd.show.sentences_glue import glue_sentence

FACTS = {
    "corpus": {"sources": ["generated"], "tokens": 12345},
    "teacher": {"source": "scratch", "layers": 3, "hidden": 32},
    "updates": 12,
    "seeds": [0, 1],
}


def test_run_is_described_from_facts():
    text = report.what_was_run(FACTS)
    assert text == (
        "Students were distilled from the teacher 'scratch' (3 layers of 32 units) on 12,345 tokens of generated, "
        "12 updates each, with 2 seeds."
    )
    losses = {"adaptation_steps": 30, "heldout_mlm_loss_before": 5.5, "heldout_mlm_loss_after": 5.125}
    adapted = FACTS | {"teacher": FACTS["teacher"] | {"adapted": True, **losses}}
    assert report.what_was_run(adapted).removeprefix(text) == (
        " The teacher first learned to predict masked words in 30 updates: its loss on held-out text went from 5.50 "
        "to 5.12 nats a word piece."
    )
    assert report.what_was_run({"seeds": [0]}) == "Students were distilled, with 1 seed."


@pytest.mark.parametrize(
    ("r", "low", "high", "verdict"),
    [
        (-0.5, -0.9, 0.2, "cannot say"),
        (-0.8, -0.9, -0.1, "as in the paper"),
        (0.8, 0.1, 0.9, "against the paper"),
        (np.nan, np.nan, np.nan, "undefined"),
    ],
)
def test_verdict_on_capacity_needs_an_interval_without_zero(r, low, high, verdict):
    text = report.correlation_sentence(r, low, high, "stimulus words")
    others = {"cannot say", "as in the paper", "against the paper", "undefined"} - {verdict}
    assert verdict in text
    assert not any(other in text for other in others)
    assert "r = −0.82" in text


def test_capacity_sentence_names_lowest_and_highest_and_the_teacher():
    results = {"capacity_averages": averages(CAPACITY), "capacity_correlation": correlation()}
    text = report.capacity_sentence(results)
    assert "between 1.10 (1 layer) and 1.30 (4 layers); the teacher's is 1.00 [0.80, 1.30]" in text
    assert "mean pooling" in text


def test_ablation_sentence_names_our_lowest_and_the_papers_with_both_of_its_averages():
    text = report.ablation_sentence({"ablation_averages": averages(ABLATION)})
    assert "lowest average SEAT is 1.10 [0.90, 1.40] with L_mlm + L_cos + L_ce" in text
    assert "in the paper it is 0.670 with L_mlm + L_cos (0.697 by the six values that it prints)" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.5, 0.1, "cannot say"), (-0.5, -0.1, "adds bias"), (0.1, 0.5, "removes bias")]
)
def test_verdict_on_losses_needs_an_interval_without_zero(low, high, verdict):
    row = {"arm": "no-ce", "baseline": "full", "pooling": "mean", "difference": (low + high) / 2}
    text = report.difference_sentence(pd.DataFrame([row | {"low": low, "high": high}]), "mean")
    assert verdict in text.split(": ", 1)[1]
    assert report.difference_sentence(pd.DataFrame([row | {"low": low, "high": high}]), "cls") == ""


def test_summary_says_what_is_missing_and_escapes_names():
    hostile = {**FACTS, "teacher": {"source": "<script>x</script>", "layers": 1, "hidden": 2}}
    soup = BeautifulSoup(report.summary(hostile, None, None, None, None).text, "html.parser")
    assert "01_capacity has not finished" in soup.get_text()
    assert "02_ablation has not finished" in soup.get_text()
    assert "03_mixup has not finished" in soup.get_text()
    assert "no GLUE tasks" in soup.get_text()
    with_glue = report.summary({**FACTS, "glue": {"suite": "GLUE"}}, None, None, None, None)
    assert "04_glue has not finished" in with_glue.text
    assert "<script>x</script>" in soup.get_text()
    assert not soup.find("script")


# --- claims and the controlled experiment ----------------------------------------------------------------------------


def verdict_rows(verdict, claim, *, pooling="mean", p=0.01):
    nothing = claims.judge({}, layers={})
    row = nothing[nothing.claim == claim].assign(verdict=verdict, estimate=-0.5, low=-0.9, high=-0.1, p=p, seeds=10)
    return row.assign(pooling=pooling)


def test_all_claims_come_from_the_notebooks_that_judged_them():
    ablation = {"ablation_claims": verdict_rows("supported", 2), "ablation_tests": pd.DataFrame({"x": [1]})}
    mixup = {"mixup_claims": pd.concat([verdict_rows("contradicted", 4, p=0.03), verdict_rows("supported", 7)])}
    table = report.all_claims(None, ablation, mixup, poolings=["mean"])
    assert table.claim.tolist() == list(range(9))
    expected = {2: "supported", 4: "contradicted", 7: "supported"}
    assert table.verdict.tolist() == [expected.get(claim, "not run") for claim in range(9)]
    assert table.set_index("claim").p_holm[[2, 4, 7]].tolist() == pytest.approx([0.03, 0.03, 0.03])  # three tests
    text = report.verdict_sentence(table, scale="Demonstration <b>").text
    assert "Of 9 claims, 2 are supported, 1 contradicted" in text
    assert "Demonstration &lt;b&gt;" in text


def test_all_claims_are_judged_under_each_pooling_on_their_own():
    frame = pd.concat([verdict_rows("supported", 4), verdict_rows("inconclusive", 4, pooling="cls", p=0.5)])
    table = report.all_claims({"mixup_claims": frame}, poolings=["mean", "cls"])
    assert table[table.pooling == "mean"].claim.tolist() == [*range(9)]
    assert table[table.pooling == "cls"].claim.tolist() == [0, 1, 2, 4, 5, 6, 7]  # those on GLUE know no pooling
    assert table[table.claim == 4].verdict.tolist() == ["supported", "inconclusive"]
    assert table[table.claim == 4].p_holm.tolist() == [0.01, 0.5]


def test_claims_on_glue_stand_with_the_headline_and_share_its_correction():
    glue = verdict_rows("supported", 8, p=0.02).assign(pooling="")
    frame = pd.concat([verdict_rows("supported", 4), verdict_rows("supported", 4, pooling="cls")])
    table = report.all_claims({"mixup_claims": frame}, {"glue_claims": glue}, poolings=["mean", "cls"])
    (row,) = table[table.claim == 8].itertuples()
    assert (row.pooling, row.verdict, row.p_holm) == ("mean", "supported", 0.02)
    assert table[table.claim == 4].p_holm.tolist() == [0.02, 0.01]


def strengths(signed, *, width=0.1) -> pd.DataFrame:
    rho = np.linspace(-1, 1, len(signed))
    frame = pd.DataFrame({"arm": "teacher", "strength": rho, "signed": signed, "pooling": "mean"})
    return frame.assign(signed_low=frame.signed - width, signed_high=frame.signed + width)


@pytest.mark.parametrize(
    ("signed", "holds"),
    [
        ([-0.9, -0.4, 0.05, 0.5, 1.0], ["yes", "yes", "yes", "yes"]),
        ([-0.9, -0.4, 0.3, 0.2, 1.0], ["NO", "NO", "yes", "yes"]),
        ([-0.9, 0.05, 0.06, 0.5, 1.0], ["yes", "yes", "NO", "yes"]),
        ([-0.9, -0.05, 0.0, 0.5, 1.0], ["yes", "yes", "yes", "yes"]),
        ([-0.09, -0.05, 0.0, 0.5, 1.0], ["yes", "yes", "yes", "NO"]),
    ],
)
def test_planted_says_of_each_property_whether_it_holds(signed, holds):
    soup = BeautifulSoup(report.planted(strengths(signed)).text, "html.parser")
    cells = [row.find_all("td")[-1].get_text() for row in soup.find("tbody").find_all("tr")]
    assert cells[:4] == holds
    assert f"0.00: {signed[2]:.2f}" in soup.get_text()


def test_controlled_experiment_is_shown_where_it_has_been_run():
    quick, own = Profile.load("quick"), Profile.load("planted")
    assert "fairkd reproduce planted" in report.controlled(quick, {}).text
    assert "verdicts stand above" in report.controlled(own, {}).text
    frame = report.all_claims({"mixup_claims": verdict_rows("supported", 4)}, poolings=["mean"])
    text = report.controlled(quick, {"report": {"report_claims": frame}}).text
    assert 'href="../planted/report.html"' in text
    assert "1 is supported" in text
    assert "not what real text would show" in text


def test_mixup_sentence_names_the_lowest_and_decides_by_the_interval():
    rows = averages((("teacher", 6), ("mixup-xy", 3), ("full", 3)))
    change = {"arm": "mixup-xy", "baseline": "full", "pooling": "mean", "difference": -0.1, "p": 0.5, "p_holm": 0.5}
    for low, high, word in ((-0.2, 0.1, "cannot say"), (-0.2, -0.05, "lowers"), (0.05, 0.2, "raises")):
        differences = pd.DataFrame([change | {"low": low, "high": high}])
        text = report.mixup_sentence({"mixup_averages": rows, "mixup_differences": differences})
        assert word in text
        assert "The lowest of 2 students" in text
        assert "1.10" in text


def test_winner_names_the_students_that_may_as_well_be_the_lowest():
    row = {"lowest": "mixup-xy", "pooling": "mean", "difference": 0.1}
    rows = [row | {"arm": "full", "low": -0.1, "high": 0.3}, row | {"arm": "mixup-h", "low": 0.02, "high": 0.2}]
    text = report.winner(pd.DataFrame(rows)).text
    assert "lowest average is that of &#39;mixup: logits + input (proposed)&#39;" in text
    assert "1 of the 2 others may as well be the lowest: original student." in text
    clear = pd.DataFrame(rows).assign(low=0.01)
    assert "below all 2 others at once" in report.winner(clear).text
    assert "one student only" in report.winner(clear.iloc[:0]).text


# --- quality -------------------------------------------------------------------------------------------------------

MINI = "mini-GLUE (synthetic)"


def quality(arms=("full", "no-ce", "mixup-xy"), *, seeds=1, failed=None) -> dict[str, pd.DataFrame]:
    means = glue_averages(arms, failed={arm for arm, _ in failed or {}}).assign(seeds=seeds)
    return {"glue_tasks": glue_scores(arms, failed=failed), "glue_averages": means}


def change(arm, low, high) -> pd.DataFrame:
    row = {"arm": arm, "baseline": "full", "difference": (low + high) / 2, "low": low, "high": high}
    return pd.DataFrame([row | {"task": "RTE", "low": -99.0, "high": 99.0}, row | {"task": "Avg."}])


def test_glue_sentence_names_lowest_and_highest_and_the_tests():
    text = glue_sentence(quality(), suite=MINI)
    assert (
        f"Quality (Table 3 on {MINI}): the average scores of 3 students lie between 70.0 [69.0, 71.5] (original "
        "student) and 72.0 [71.0, 73.5] (mixup: logits + input (proposed)) percent."
    ) in text
    assert "GLUE" not in text.replace(MINI, "")
    assert "synthetic tests, not those of the paper" in text
    assert "synthetic" not in glue_sentence(quality(), suite="GLUE")
    assert "the average score is 70.0 [69.0, 71.5] (L_mlm + L_cos + L_ce) percent" in glue_sentence(
        quality(("full",)), suite=MINI
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.9, 0.9, "lies within one point"),
        (-1.2, 0.4, "does not decide"),
        (-2.0, -1.1, "lies beyond one point"),
        (1.1, 2.0, "lies beyond one point"),
        (np.nan, np.nan, "undefined"),
    ],
)
def test_quality_is_kept_only_where_the_interval_lies_within_one_point(low, high, said):
    results = quality(seeds=3) | {"glue_differences": change("mixup-xy", low, high)}
    text = glue_sentence(results, suite=MINI)
    others = {"lies within one point", "does not decide", "lies beyond one point", "undefined"} - {said}
    assert said in text
    assert not any(other in text for other in others)
    assert "one run" not in text


@pytest.mark.parametrize(
    ("low", "high", "said"), [(-2.0, 0.5, "holds zero"), (-2.0, -0.5, "below zero"), (0.5, 2.0, "above zero")]
)
def test_loss_of_quality_without_l_ce_needs_an_interval_without_zero(low, high, said):
    results = quality() | {"glue_differences": change("no-ce", low, high)}
    text = glue_sentence(results, suite="GLUE")
    assert said in text
    assert "in the paper by −1.5" in text  # 75.2 - 76.7
    assert "for this one run of the training" in text
    assert "in the paper by" not in glue_sentence(results, suite=MINI)


def test_glue_sentence_says_what_failed_and_how_students_stand_to_the_baselines():
    failed = {("no-ce", "RTE"): "no split"}
    text = glue_sentence(quality(failed=failed) | {"glue_baselines": glue_baselines()}, suite=MINI)
    assert "Failed, so that averages are missing: RTE, L_mlm + L_cos." in text
    assert "lie between 70.0 [69.0, 71.5] (original student)" in text
    assert "original student in 8 of 8 tasks; L_mlm + L_cos in 7 of 7 tasks" in text
    everything = {(arm, "RTE"): "no split" for arm in ("full", "no-ce", "mixup-xy")}
    assert "no student has an average" in glue_sentence(quality(failed=everything), suite=MINI)
