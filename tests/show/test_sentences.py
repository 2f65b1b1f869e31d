"""The report's sentences state numbers; what those decide is said in the judges' own words and nowhere else."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_frames import (
    ABLATION,
    CAPACITY,
    MIXUP,
    averages,
    behind,
    correlation,
    differences,
    glue_averages,
    glue_baselines,
    glue_differences,
    glue_scores,
)

from fairkd import Profile
from fairkd.bias.rulers import planted_score
from fairkd.claims import claims
from fairkd.frames import GLUE_TRAINING, WORDS_MET
from fairkd.show import sentences as report
from fairkd.show import tables

FACTS = {
    "corpus": {"sources": ["generated"], "tokens": 12345, "training_tokens": 10000},
    "teacher": {"source": "scratch", "layers": 3, "hidden": 32},
    "updates": 12,
    "students": {
        "seed 0": {"sequences_read": 96, "tokens_read": 1203},
        "seed 1": {"sequences_read": 96, "tokens_read": 1264},
    },
    "seeds": [0, 1],
}
NOT_RUN = report.all_claims(poolings=["mean"])


def test_run_is_described_from_facts():
    text = report.what_was_run(FACTS)
    assert text == (
        "Students were distilled from the teacher 'scratch' (3 layers of 32 units) on generated, 12 updates each, with "
        "2 seeds. Each read 96 sequences with 1,203 to 1,264 tokens, 12.0 to 12.6 % of one pass over the training text "
        "of 10,000 tokens, counted before masking."
    )
    losses = {"adaptation_steps": 30, "heldout_mlm_loss_before": 5.5, "heldout_mlm_loss_after": 5.125}
    read = {"sequences_read": 1500, "tokens_read": 25000}
    adapted = FACTS | {"teacher": FACTS["teacher"] | {"adapted": True, **losses, **read}}
    more = (
        " The teacher first learned to predict masked words in 30 updates, in which it read 1,500 sequences with "
        "25,000 tokens, 2.50 passes: its loss on held-out text went from 5.50 to 5.12 nats a word piece."
    )
    assert report.what_was_run(adapted) == text + more
    debiased = adapted | {"debiasing": {"updates": 5, "sequences_read": 80, "tokens_read": 500}}
    assert report.what_was_run(debiased) == text + more + (
        " Its debiased version was trained in 5 updates, in which it read 80 sequences with 500 tokens, 5.0 % of one "
        "pass, in sequences that are chosen for their words."
    )
    assert report.what_was_run({"seeds": [0]}) == "Students were distilled, with 1 seed."


def test_run_names_the_corpus_size_only_as_what_a_pass_is():
    """What students read is not what there is: the tokens of training and held-out text together are not named."""
    assert "12,345" not in report.what_was_run(FACTS)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [("CoLA", 240, 3), ("RTE", 1200, 3)],
            "On each of the 2 tasks of Table 3 a student is fine-tuned on 240 to 1,200 examples, each read 3 times.",
        ),
        ([("RTE", 96, 1)], "On the 1 task of Table 3 a student is fine-tuned on 96 examples, each read 1 time."),
    ],
)
def test_run_says_on_how_many_examples_students_are_fine_tuned(rows, text):
    training = pd.DataFrame(rows, columns=GLUE_TRAINING)
    assert report.what_was_run({"seeds": [0]}, training).endswith(f"with 1 seed. {text}")
    assert report.what_was_run(FACTS, training.iloc[:0]) == report.what_was_run(FACTS)


def test_capacity_sentence_names_lowest_and_highest_and_the_teacher():
    results = {"capacity_averages": averages(CAPACITY), "capacity_correlation": correlation()}
    text = report.capacity_sentence(results)
    assert "between 1.10 (1 layer) and 1.30 (4 layers); the teacher's is 1.00 [0.80,\xa01.30]" in text
    assert "mean pooling" in text
    assert "is r = −0.50 [−0.90,\xa00.20] over stimulus words; the paper prints r = −0.82." in text
    undefined = results | {"capacity_correlation": correlation(*[np.nan] * 3)}
    assert "is r = – over stimulus words; the paper prints r = −0.82." in report.capacity_sentence(undefined)


def ablation_tables() -> dict[str, pd.DataFrame]:
    return {
        "ablation_averages": averages(ABLATION),
        "ablation_differences": differences(ABLATION),
        "ablation_behind_the_lowest": behind(ABLATION),
    }


def test_ablation_sentence_names_our_lowest_and_the_papers_with_both_of_its_averages():
    text = report.ablation_sentence(ablation_tables())
    assert "the lowest average SEAT of 3 students is 1.10 [0.90,\xa01.40] with original" in text
    assert "In the paper the lowest is 0.670 with no L_ce (0.697 by the six values that it prints)" in text


def test_ablation_sentence_tells_what_leaving_out_l_ce_changes():
    results = ablation_tables()
    assert report.ablation_sentence(results).endswith(
        " Without L_ce the average changes by 0.00 [−0.02,\xa00.02] (95 %, by itself)."
    )
    results["ablation_differences"].loc[:, ["difference", "low", "high"]] = (0.0012, -0.0003, 0.012)
    assert report.ablation_sentence(results).endswith(
        "changes by 0.0012 [−0.0003,\xa00.0120] (95 %, by itself)."
    )  # digits as the interval's
    lone = results | {"ablation_differences": differences(ABLATION[:3])}
    assert "Without L_ce the average" not in report.ablation_sentence(lone)


@pytest.mark.parametrize(("seeds", "over"), [(1, "stimulus words, with one seed"), (3, "stimulus words and seeds")])
def test_mixup_sentence_names_the_lowest_and_against_whom(seeds, over):
    arms = (("teacher", 6), ("mixup-xy", 3), ("full", 3), ("mixup-h", 3))
    results = {"mixup_averages": averages(arms), "mixup_behind_the_lowest": behind(arms, seeds=seeds)}
    assert report.mixup_sentence(results) == (
        "Mitigation (Table 2, mean pooling): the lowest average SEAT of 3 students is 1.10 [0.90,\xa01.40] with mixup "
        "of input + logits; the next, original, lies 0.100 [−0.050,\xa00.250] above it "
        f"(over {over}, 95 % for all 2 distances together)."
    )


def test_a_lone_student_is_the_lowest_of_one():
    arms = (("teacher", 6), ("full", 3))
    results = {"mixup_averages": averages(arms), "mixup_behind_the_lowest": behind(MIXUP).iloc[:0]}
    assert report.mixup_sentence(results).endswith("of 1 student is 1.10 [0.90,\xa01.40] with original.")


DECIDING = (
    *("supported", "contradicted", "inconclusive", "cannot say", "decide", "the paper claims", "against the paper"),
    *("as in the paper", "holds zero", "below zero", "above zero", "lowers", "raises", "adds", "removes", "helps"),
    *("within one point", "beyond one point", "surely", "clearly", "equivalent", "more biased", "significant"),
)


@pytest.mark.parametrize("low", [-0.9, -0.1, 0.1])
def test_findings_of_notebooks_tell_numbers_and_decide_nothing(low):
    """Whatever side of zero (or of one point) the intervals lie on: that is for the judges."""
    arms, ends = ("full", "no-ce", "mixup-xy"), {"low": low, "high": low + 0.2}
    glue = quality(arms) | {"glue_differences": glue_differences(arms).assign(**ends)}
    capacity = {
        "capacity_averages": averages(CAPACITY),
        "capacity_correlation": correlation(low + 0.1, low, low + 0.2),
    }
    texts = [
        report.capacity_sentence(capacity),
        report.ablation_sentence(ablation_tables() | {"ablation_differences": differences(ABLATION).assign(**ends)}),
        report.mixup_sentence({"mixup_averages": averages(MIXUP), "mixup_behind_the_lowest": behind(MIXUP)}),
        report.glue_sentence(glue | {"glue_baselines": glue_baselines()}, suite=MINI),
    ]
    text = BeautifulSoup(report.finding(*texts).text, "html.parser").get_text("\n")
    assert "is r = " in text
    assert not [word for word in DECIDING if word in text]


def test_a_new_claim_by_one_entry_stands_in_the_table_and_is_counted(monkeypatch):
    bias, glue = (next(claim for claim in claims.CLAIMS if claim.number == n) for n in (4, 8))
    new = (replace(bias, number=10, title="Ours"), replace(glue, number=11, title="Ours on GLUE"))
    monkeypatch.setattr(claims, "CLAIMS", (*claims.CLAIMS, *new))
    judged = report.all_claims(poolings=["mean", "cls"])
    assert judged.claim[judged.pooling == "mean"].unique().tolist() == [*range(12)]
    assert judged.claim[judged.pooling == "cls"].unique().tolist() == [0, 1, 2, 4, 5, 6, 7, 10]
    soup = BeautifulSoup(tables.claims(judged).text, "html.parser")
    assert len(soup.find("tbody").find_all("tr")) == sum(len(claim.judges) for claim in claims.CLAIMS) == 18
    assert "No notebook that has finished with these values and this code judges it" in soup.get_text()
    assert report.counted(judged) == (
        "Of the 18 verdicts on the paper's claims (4 are checks of ours, on names) none is decided: 18 not run."
    )


# --- the card --------------------------------------------------------------------------------------------------------


def lines(judged, facts=None) -> list[str]:
    """The three lines of the card's answer."""
    soup = BeautifulSoup(report.card(facts or FACTS, judged, Profile.load("quick")).text, "html.parser")
    return [line.get_text().strip() for line in soup.find_all("li")]


def cases(*found, seeds=4) -> pd.DataFrame:
    """All verdicts inconclusive, but for those named, as (claim, verdict); estimates in thousandths tell rows apart."""
    frame = claims.judge({}, layers={}).assign(verdict="inconclusive", pooling="mean", seeds=seeds, level=1 - 0.05 / 15)
    frame["estimate"] = [0.001 * (n + 1) for n in range(len(frame))]
    frame["low"], frame["high"], frame["detectable"] = frame.estimate - 0.25, frame.estimate + 0.25, 0.5
    frame["what"] = [f"difference of average SEAT, a{row.claim} − b" for row in frame.itertuples()]
    for claim, verdict in found:
        frame.loc[frame.claim == claim, "verdict"] = verdict
    missing = ["estimate", "low", "high", "level", "detectable"]
    frame.loc[frame.verdict == "not run", missing] = np.nan
    return frame


GIVEN = [(), ((0, "supported"),), ((0, "contradicted"), (4, "supported")), ((4, "not run"), (3, "not run"))]
GIVEN += [tuple((claim, "not run") for claim in range(10)), tuple((claim, "supported") for claim in range(10))]


@pytest.mark.parametrize("given", GIVEN)
def test_the_cards_lines_say_what_the_table_of_verdicts_says(given):
    judged = cases(*given)
    counted, *told = lines(judged)
    table = BeautifulSoup(tables.claims(judged).text, "html.parser")
    shown = [cell.get_text() for cell in table.select("tbody .verdict")]
    for verdict in ("supported", "contradicted", "inconclusive", "not run"):
        count = sum(verdict in text for text in shown)
        assert (f"{count} {verdict}" in counted) == bool(count)
        which = sorted({str(row.claim) for row in judged.itertuples() if row.verdict == verdict})
        if which and verdict in ("supported", "contradicted"):
            assert re.findall(r"\d+", counted.partition(f"{count} {verdict} (")[2].partition(")")[0]) == which
    decided = sum("supported" in text or "contradicted" in text for text in shown)
    assert f"on the paper's claims (3 are checks of ours, on names) {decided or 'none'} " in counted
    rows = {row.summary.get_text().split()[0]: row for row in reversed(table.tbody.find_all("tr"))}
    for claim, word, line in (("0", "Distillation", told[0]), ("4", "Mixup", told[1])):
        verdict = rows[claim].select_one(".verdict").get_text().split(" ", 1)[1]
        assert line.startswith((f"{word}: ", f"{word} ("))
        assert verdict in line
        if verdict != "not run":  # the numbers are those of the table
            value, ends = rows[claim].find_all("td")[1].get_text().split(" ", 1)
            assert f"(a{claim} − b): {value} {ends}, {verdict}" in line
            smallest = rows[claim].find_all("td")[-1].get_text()
            assert line.endswith(f"; finds ≥\xa0{smallest}.") == (verdict == "inconclusive")


def test_one_seed_decides_nothing_and_the_card_says_so():
    assert lines(cases(seeds=1))[1].endswith(", inconclusive, as one seed decides nothing.")


def test_the_card_says_what_was_run_and_escapes_names():
    hostile = {**FACTS, "teacher": {"source": "<script>x</script>", "layers": 1, "hidden": 2}}
    soup = BeautifulSoup(report.card(hostile, NOT_RUN, Profile.load("quick")).text, "html.parser")
    assert not soup.find("script")
    text = " ".join(soup.get_text().split())
    assert "One teacher, '<script>x</script>' (1 layer of 2 units), 2 students of each kind, 12 updates each" in text
    assert "over 12 to 13 % of 10,000 tokens." in text
    other = report.card(FACTS, NOT_RUN, Profile.load("quick"), rulers=cases((0, "supported"), (4, "contradicted")))
    assert "15 not run. By other rulers than SEAT 3 of 15 are." in other.text
    assert soup.select_one(".badge").get_text() == "demonstration"


@pytest.mark.parametrize(
    ("taught", "says"),
    [
        ((1, 2), "2 to 3 of them where L ce looks"),
        ((4, 4), "4 to 6 of them where L ce looks"),
        ((5, 4), "and L ce looks at all"),
    ],
)
def test_the_card_says_on_how_many_words_mixup_acts(taught, says):
    """Of two pairs; seven words of the first seed stay visible, four of the second."""
    rows = [(0, 3, 1, taught[0]), (0, 1, 2, 2), (1, 4, 0, taught[1]), (1, 0, 0, 0)]
    rows = [(seed, "she", "he", 9, 9, female, male, looks, 2, 2) for seed, female, male, looks in rows]
    card = report.card(FACTS, NOT_RUN, Profile.load("quick"), met=pd.DataFrame(rows, columns=WORDS_MET))
    text = BeautifulSoup(card.text, "html.parser").get_text(" ", strip=True)
    assert f"In each, mixup met 4 to 7 visible gender words, {says}." in text


def test_only_the_published_setting_is_no_demonstration():
    names = ("quick", "planted", "paper")
    badges = ["demonstration", "demonstration: controlled experiment", "published setting"]
    assert [report.badge(Profile.load(name)) for name in names] == badges
    assert report.badge(Profile.load("paper").changed(temperature=4.0)) == "demonstration"


def test_what_was_not_run_is_a_line_each_with_the_command_that_makes_it():
    why = {"01_capacity": "01_capacity has not finished", "06_planted": "not yet", "04_glue": "no tasks"}
    quick = Profile.load("quick")
    soup = BeautifulSoup(report.not_in_this_run(why, quick).text, "html.parser")
    assert [line.get_text() for line in soup.find_all("li")] == [
        "Figure 1: 01_capacity has not finished; fairkd run 01_capacity --profile quick",
        "Rulers where the bias is known: not yet; fairkd reproduce planted",
        "Table 3: no tasks; fairkd run 04_glue --profile quick",
    ]
    lines = report.not_in_this_run({"04_glue": "no tasks"}, quick.changed(glue_source=None)).text
    assert "<code>" not in lines
    assert "Every notebook" in report.not_in_this_run({}, quick).text


# --- claims and the controlled experiment ----------------------------------------------------------------------------


def verdict_rows(verdict, claim, *, pooling="mean", p=0.01):
    nothing = claims.judge({}, layers={})
    rows = nothing[nothing.claim == claim].assign(verdict=verdict, estimate=-0.5, low=-0.9, high=-0.1, p=p, seeds=10)
    return rows.assign(pooling=pooling)


def test_all_claims_come_from_the_notebooks_that_judged_them():
    ablation = {"ablation_claims": verdict_rows("supported", 2), "ablation_tests": pd.DataFrame({"x": [1]})}
    mixup = {"mixup_claims": pd.concat([verdict_rows("contradicted", 4, p=0.03), verdict_rows("supported", 7)])}
    table = report.all_claims(None, ablation, mixup, poolings=["mean"])
    assert table.claim.tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9]
    expected = {2: "supported", 4: "contradicted", 7: "supported"}
    assert table.verdict.tolist() == [expected.get(claim, "not run") for claim in table.claim]
    text = report.counted(table)
    assert "5 are decided: 3 supported (claims 2 and 7), 2 contradicted (claim 4) and 10 not run." in text


def test_all_claims_are_judged_under_each_pooling_on_their_own():
    frame = pd.concat([verdict_rows("supported", 4), verdict_rows("inconclusive", 4, pooling="cls", p=0.5)])
    table = report.all_claims({"mixup_claims": frame}, poolings=["mean", "cls"])
    assert table[table.pooling == "mean"].claim.unique().tolist() == [*range(10)]
    assert table[table.pooling == "cls"].claim.unique().tolist() == [0, 1, 2, 4, 5, 6, 7]  # on GLUE there is none
    assert table[table.claim == 4].verdict.tolist() == 2 * ["supported"] + 2 * ["inconclusive"]


def test_claims_on_glue_stand_with_the_headline():
    glue = verdict_rows("supported", 8, p=0.02).assign(pooling="")
    frame = pd.concat([verdict_rows("supported", 4), verdict_rows("supported", 4, pooling="cls")])
    table = report.all_claims({"mixup_claims": frame}, {"glue_claims": glue}, poolings=["mean", "cls"])
    (row,) = table[table.claim == 8].itertuples()
    assert (row.pooling, row.verdict) == ("mean", "supported")


def strengths(signed, *, width=0.1) -> pd.DataFrame:
    rho = np.linspace(-1, 1, len(signed))
    frame = pd.DataFrame({"arm": "teacher", "seeds": 3, "strength": rho, "signed": signed, "pooling": "mean"})
    both = pd.concat([frame, frame.assign(pooling="cls")])
    return both.assign(signed_low=both.signed - width, signed_high=both.signed + width)


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
    soup = BeautifulSoup(report.planted_sentence(strengths(signed)).text, "html.parser")
    rows = soup.find("tbody").find_all("tr")
    assert [row.find_all("td")[-1].get_text() for row in rows][:4] == holds
    assert {row.find("th").get_text() for row in rows} == {"mean", "cls"}  # each pooling has its answer
    assert all(row.find_all("td")[1].get_text() == "3" for row in rows)
    assert f"0.00: {signed[2]:.2f}" in soup.get_text()


def test_controlled_experiment_is_a_sentence_with_a_link_where_it_has_been_run():
    quick, own = Profile.load("quick"), Profile.load("planted")
    frame = report.all_claims({"mixup_claims": verdict_rows("supported", 4)}, poolings=["mean"])
    assert report.controlled_sentence(quick, None).text == ""
    assert report.controlled_sentence(own, {"report_claims": frame}).text == ""
    text = report.controlled_sentence(quick, {"report_claims": frame}).text
    assert 'href="../planted/report.html"' in text
    assert "small models: of the 15 verdicts on the paper&#39;s claims (3 are checks of ours, on names) 2 " in text
    assert "are decided: 2 supported (claim 4)" in text


def calibrated(*more) -> pd.DataFrame:
    """A ruler that follows what is planted, one that does not, and others."""
    rows = [
        ("seat-mean", planted_score("seat-mean"), "full", 0.2, 0.9, 0.4, 0.71),
        ("pair-preference", planted_score("pair-preference"), "full", -0.1, 0.4, 0.4, 0.9),
        ("seat-mean", planted_score("seat-mean"), "teacher", -0.5, 0.5, 0.4, 0.2),
        *more,
    ]
    columns = ["ruler", "score", "model", "slope_low", "slope_high", "strongest", "power"]
    return pd.DataFrame(rows, columns=columns).assign(power_low=0.123, power_high=0.999)


def test_a_controlled_experiment_asks_about_rulers_and_says_how_many_follow_what_was_planted():
    own, other = Profile.load("planted"), Profile.load("quick")
    better = ("log-probability", planted_score("log-probability"), "full", 0.5, 0.9, 0.4, 0.984)
    for found, says in (
        (calibrated(), "Of 2 rulers on the students, 1 rises with what was planted."),
        (calibrated(better), "Of 3 rulers on the students, 2 rise with what was planted."),
        (calibrated()[1:], "Of 1 rulers on the students, none rise with what was planted."),
    ):
        soup = BeautifulSoup(report.card(FACTS, NOT_RUN, own, planted={"calibration": found}).text, "html.parser")
        assert says in soup.li.get_text()
        assert "Which rulers find a gender association" in soup.p.get_text()
    assert "Which rulers find" not in report.card(FACTS, NOT_RUN, other).text


def test_planted_finding_names_the_rulers_that_rise_and_what_they_find():
    table = calibrated()
    frame = pd.concat([strengths([-0.9, 0.0, 1.0]).assign(arm=arm) for arm in ("teacher", "full")])
    text = report.planted_finding(frame, table)
    assert "is −0.90 [−1.00,\xa0−0.80] at planted strength ρ = −1.0 and 1.00 [0.90,\xa01.10] at ρ = 1.0" in text
    assert "Of 2 rulers on the students, 1 rises with it. A run like this tells ρ = ±0.4 from none with a power" in text
    assert "of 71 % [12,\xa0100] (SEAT, mean pooling). Not shown to rise: pair preference." in text


def test_rulers_finding_tells_each_decided_verdict_with_its_interval():
    row = {"ruler": "pair-preference", "estimate": -0.5, "low": -0.9, "high": -0.1}
    rows = [row | {"claim": 4, "verdict": "supported"}, row | {"claim": 5, "verdict": "inconclusive"}]
    text = report.rulers_finding(pd.DataFrame(rows))
    assert "By 1 rulers" not in text
    assert "1 of 2 verdicts on the paper's claims is decided: claim 4 supported by pair preference (−0.5" in text
    none = report.rulers_finding(pd.DataFrame(rows[1:]))
    assert none.endswith("none of 1 verdicts on the paper's claims is decided.")


def test_winner_counts_the_students_whose_distance_to_the_lowest_may_be_zero():
    row = {"lowest": "mixup-xy", "pooling": "mean", "difference": 0.1, "seeds": 3}
    rows = [row | {"arm": "full", "low": -0.1, "high": 0.3}, row | {"arm": "mixup-h", "low": 0.02, "high": 0.2}]
    text = report.winner(pd.DataFrame(rows)).text.rstrip()
    assert "lowest average is that of &#39;mixup of input + logits&#39;" in text
    assert text.endswith("the 2 others, which hold together with 95 %, 1 holds zero: original.</p>")
    clear = pd.DataFrame(rows).assign(low=0.01)
    assert report.winner(clear).text.rstrip().endswith("which hold together with 95 %, none holds zero.</p>")
    assert "2 hold zero: original, mixup of " in report.winner(pd.DataFrame(rows).assign(low=-0.1)).text
    alone = report.winner(pd.DataFrame(rows).assign(seeds=1)).text
    assert "They are over stimulus words: one seed says nothing about another training." in alone
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
    text = report.glue_sentence(quality(), suite=MINI)
    assert (
        f"Quality (Table 3 on {MINI}): the average scores of 3 students lie between 70.0 [69.0,\xa071.5] "
        "(original) and 72.0 [71.0,\xa073.5] (mixup of input + logits) percent."
    ) in text
    assert "GLUE" not in text.replace(MINI, "")
    assert "synthetic" not in report.glue_sentence(quality(), suite="GLUE")
    assert "the average score is 70.0 [69.0,\xa071.5] (original) percent" in report.glue_sentence(
        quality(("full",)), suite=MINI
    )


def test_glue_sentence_tells_what_leaving_out_l_ce_changes():
    results = quality() | {"glue_differences": change("no-ce", -2.0, 0.5)}
    text = report.glue_sentence(results, suite="GLUE")
    told = "Without L_ce the average changes by −0.8 [−2.0,\xa00.5] points, in the paper by −1.5."
    assert text.endswith(f"{told} Intervals are over examples: one seed says nothing about another training.")
    results["glue_tasks"] = results["glue_tasks"].assign(seeds=3)
    assert report.glue_sentence(results, suite="GLUE").endswith(told)
    assert "in the paper by" not in report.glue_sentence(results, suite=MINI)
    assert "Without" not in report.glue_sentence(quality(), suite=MINI)


def test_glue_sentence_names_baselines_that_beat_a_student_with_both_numbers():
    results = quality() | {"glue_baselines": glue_baselines()}
    assert "baselines" not in report.glue_sentence(results, suite=MINI)
    tasks = results["glue_tasks"]
    tasks.loc[(tasks.arm == "no-ce") & (tasks.task == "MNLI"), "score"] = 33.6
    text = report.glue_sentence(results, suite=MINI)
    assert "In this one run, baselines score higher than students: MNLI, majority class 45.0 against 33.6" in text
    assert "MNLI, random weights 53.0 against 33.6 (no L_ce)." in text


def test_glue_sentence_says_what_failed():
    failed = {("no-ce", "RTE"): "no split"}
    text = report.glue_sentence(quality(failed=failed), suite=MINI)
    assert "Failed, so that averages are missing: RTE, no L_ce." in text
    assert "lie between 70.0 [69.0,\xa071.5] (original)" in text
    everything = {(arm, "RTE"): "no split" for arm in ("full", "no-ce", "mixup-xy")}
    assert "no student has an average" in report.glue_sentence(quality(failed=everything), suite=MINI)
