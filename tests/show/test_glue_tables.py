"""Scores of fine-tuned students as tables: printed values only beside GLUE, failures shown, baselines counted."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_frames import (
    ABLATION,
    GLUE_TASKS,
    averages,
    glue_averages,
    glue_baselines,
    glue_differences,
    glue_scores,
    scores,
)

from fairkd.claims import paper
from fairkd.glue.tasks import TASKS
from fairkd.show import tables
from fairkd.show.tables import glue
from fairkd.show.tables.baselines import above_baselines, beaten_sentence

HOSTILE = "<script>alert(1)</script>"
MINI = "mini-GLUE (synthetic)"
ARMS = ("full", "no-ce", "mixup-xy")
REASON = "validation-00000.parquet has no column 'hypothesis'; it has premise, hypothesys and label"


def parse(html: tables.Html) -> BeautifulSoup:
    return BeautifulSoup(html.text, "html.parser")


def rows_of(soup: BeautifulSoup) -> dict[str, list]:
    return {row.th.contents[0]: row.find_all("td") for row in soup.tbody.find_all("tr")}


def texts(cells) -> list[str]:
    return [cell.get_text(" ") for cell in cells]


def table3(arms=ARMS, *, real=False, failed=None, names=GLUE_TASKS, **columns) -> BeautifulSoup:
    data = glue_scores(arms, failed=failed, names=names).assign(**columns)
    means = glue_averages(arms, failed={arm for arm, _ in failed or {}})
    suite = "GLUE" if real else MINI
    return parse(tables.table3(data, means, suite=suite, real=real))


# --- Table 3 ---


def test_table3_has_the_papers_rows_and_a_column_an_arm():
    rows = rows_of(table3())
    assert list(rows) == [*paper.TABLE3["full"], "Avg."]
    data = glue_scores(ARMS).set_index(["arm", "task"])
    for task in paper.TABLE3["full"]:
        own = [data.loc[(arm, task)] for arm in ARMS]
        assert texts(rows[task]) == [f"{r.score:.1f} [{r.low:.1f}, {r.high:.1f}]" for r in own]
    assert texts(rows["Avg."]) == ["70.0 [69.0, 71.5]", "71.0 [70.0, 72.5]", "72.0 [71.0, 73.5]"]


def test_printed_values_stand_beside_ours_for_glue_alone():
    rows = rows_of(table3(real=True))
    for task, printed in paper.TABLE3["full"].items():
        assert rows[task][1].get_text() == f"{printed:.1f}"
        assert rows[task][4].get_text() == f"{paper.TABLE3['mixup-xy'][task]:.1f}"
        assert "printed" in rows[task][1]["class"]
    assert texts(rows["Avg."])[1::3] == ["76.7", "76.7"]
    assert len(rows["MNLI"]) == 5  # no-ce is not in the paper's Table 3
    synthetic = table3(real=False)
    assert not synthetic.select(".printed")
    assert "80.6" not in synthetic.get_text()
    assert "not comparable" in synthetic.caption.get_text()


def test_synthetic_tasks_are_never_called_glue():
    data, other = glue_scores(ARMS), glue_baselines()
    made = [
        tables.table3(data, glue_averages(ARMS), suite=MINI, real=False),
        tables.glue_differences(glue_differences(ARMS), suite=MINI),
        tables.glue_baselines(data, other, suite=MINI),
        tables.mini_glue_examples(pd.DataFrame({"task": ["RTE"], "split": ["train"], "a": ["b"], "label": [0]})),
    ]
    for html in made:
        assert MINI in html.text
        assert "GLUE" not in html.text.replace(MINI, "")
    table = tables.table1(scores(ABLATION), averages(ABLATION), pooling="mean", glue=row(MINI))
    assert "GLUE" not in table.text.replace(MINI, "")


def test_printed_table_stands_apart_and_says_so():
    soup = parse(tables.table3_printed(MINI))
    rows = rows_of(soup)
    for task, printed in paper.TABLE3["full"].items():
        assert texts(rows[task]) == [f"{printed:.1f}", f"{paper.TABLE3['mixup-xy'][task]:.1f}"]
    assert texts(rows["Avg."]) == ["76.7", "76.7"]
    assert f"Not comparable with scores on {MINI}" in soup.caption.get_text()
    for average in ("76.7", "76.3", "75.2"):
        assert average in soup.caption.get_text()
    assert [bool(cell.strong) for cell in rows["RTE"]] == [False, True]


def test_bold_is_ours_where_the_frame_says_so_and_the_highest_of_the_printed():
    rows = rows_of(table3(real=True))
    assert [bool(cell.strong) for cell in rows["MNLI"]] == [False, True, False, True, False]
    assert [bool(cell.strong) for cell in rows["RTE"]] == [False, False, False, True, True]
    assert [bool(cell.strong) for cell in rows["STS-B"]] == [False, True, False, True, True]  # 83.2 twice
    unclear = rows_of(table3(real=True, highest=False))
    assert [bool(cell.strong) for cell in unclear["MNLI"]] == [False, True, False, False, False]


def test_caption_says_what_scores_and_intervals_are():
    caption = table3().caption.get_text()
    for text in ("MNLI matched", "Matthews", "Pearson's and Spearman's", "QQP and MRPC", "accuracy and F1", "percent"):
        assert text in caption
    assert "95 % intervals over development examples (one seed)" in caption
    assert "development examples and 3 seeds" in table3(seeds=3).caption.get_text()


def test_tasks_are_described_by_the_metrics_of_their_headline():
    assert list(glue.METRIC_WORDS) == list(TASKS)
    for name, task in TASKS.items():
        words = glue.METRIC_WORDS[name].lower()
        assert all(metric.lower() in words for metric in task.metrics), name
        assert ("mean of" in words) == (len(task.metrics) > 1)


def test_failed_task_is_marked_with_its_reason_and_costs_its_arm_the_average():
    soup = table3(failed={("no-ce", "RTE"): REASON})
    rows = rows_of(soup)
    assert texts(rows["RTE"])[1].startswith("failed validation-00000.parquet")
    assert len(rows["RTE"][1].get_text()) < 50
    assert texts(rows["RTE"])[::2] == ["73.0 [70.0, 77.0]", "75.0 [72.0, 79.0]"]  # the others stay
    assert texts(rows["Avg."]) == ["70.0 [69.0, 71.5]", "–", "72.0 [71.0, 73.5]"]
    (note,) = soup.select(".missing")
    assert note.get_text() == f"Failed: RTE, no L_ce: {REASON}"


def test_task_that_fails_for_all_is_listed_once():
    soup = table3(failed=dict.fromkeys([(arm, "RTE") for arm in ARMS], REASON))
    (note,) = soup.select(".missing")
    assert note.strong.get_text() == "Failed: RTE, all students"
    assert not table3().select(".missing")


def test_with_some_of_the_tasks_the_printed_average_is_of_those():
    rows = rows_of(table3(real=True, names=("MNLI", "CoLA", "RTE"), seeds=3))
    assert rows["Avg."][1].get_text(" ") == "61.8 (76.7 of all)"  # (80.6 + 44.8 + 59.9) / 3
    assert rows["Avg."][4].get_text(" ") == "62.0 (76.7 of all)"
    assert [bool(cell.strong) for cell in rows["Avg."]] == [False, False, False, True, True]


# --- the row of Table 1 ---


def row(suite, **columns) -> pd.DataFrame:
    return glue_averages(("full", "no-cos", "no-ce")).assign(suite=suite, **columns)


def glue_cells(glue) -> list:
    table = tables.table1(scores(ABLATION), averages(ABLATION), pooling="mean", glue=glue)
    return parse(table).tbody.find_all("tr")[-1].find_all(["th", "td"])


def test_table1_has_a_row_of_glue_beside_the_printed_averages():
    head, *cells = glue_cells(row("GLUE"))
    assert head.contents[0] == "GLUE Avg."
    assert texts(cells) == [
        "70.0 [69.0, 71.5]",
        "76.7",
        "71.0 [70.0, 72.5]",
        "76.3",
        "72.0 [71.0, 73.5]",
        "75.2",
        "–",
    ]
    assert [n for n, cell in enumerate(cells) if cell.strong] == [1, 4]


def test_table1_names_other_tests_by_their_name_and_without_printed_values():
    head, *cells = glue_cells(row(MINI))
    assert head.contents[0] == f"{MINI} Avg."
    assert texts(cells)[1::2] == ["–", "–", "–"]
    head, *cells = glue_cells(row("GLUE", tasks=3))
    assert head.small.get_text() == "percent, 3 of 8 tasks"
    assert texts(cells)[1::2] == ["–", "–", "–"]


def test_table1_shows_a_dash_for_students_without_an_average():
    averages_ = row("GLUE")
    averages_.loc[averages_.arm == "no-ce", ["average", "low", "high"]] = np.nan
    assert texts(glue_cells(averages_))[5] == "–"
    assert texts(glue_cells(row("GLUE").query("arm != 'no-cos'")))[3] == "–"


# --- differences and baselines ---


def test_differences_are_by_task_with_the_average_last():
    soup = parse(tables.glue_differences(glue_differences(ARMS), suite="GLUE"))
    rows = rows_of(soup)
    assert list(rows) == [*GLUE_TASKS, "Avg."]
    assert texts(rows["Avg."]) == ["1.0 [−0.5, 2.5] p 0.010, Holm 0.020", "2.0 [0.5, 3.5] p 0.020, Holm 0.040"]
    assert [th.small.get_text() for th in soup.thead.find_all("th")[1:]] == 2 * ["minus original"]
    assert "the 2 in the row Avg." in soup.caption.get_text()
    assert "the 16 of single tasks" in soup.caption.get_text()


def test_difference_of_a_failed_task_is_a_dash():
    data = glue_differences(ARMS)
    data.loc[data.task == "RTE", ["difference", "low", "high", "p", "p_holm"]] = np.nan
    assert texts(rows_of(parse(tables.glue_differences(data, suite="GLUE")))["RTE"]) == ["–", "–"]


def small(low, high, score, *, seeds=3) -> pd.DataFrame:
    return pd.DataFrame([{"arm": "full", "seeds": seeds, "task": "RTE", "score": score, "low": low, "high": high}])


@pytest.mark.parametrize(
    ("low", "above"),
    [(56.1, True), (56.0, False), (54.0, False)],  # baselines in RTE end at 46, 56 and 55 percent
)
def test_clearly_above_means_beyond_the_intervals_of_all_baselines(low, above):
    counts = above_baselines(small(low, 80.0, 70.0), glue_baselines())
    assert counts.above.tolist() == [["RTE"] if above else []]
    assert counts.not_above.tolist() == [[] if above else ["RTE"]]


@pytest.mark.parametrize(("score", "above"), [(54.1, True), (54.0, False)])  # the best baseline in RTE has 54
def test_with_one_seed_scores_are_compared_as_numbers(score, above):
    counts = above_baselines(small(40.0, 80.0, score, seeds=1), glue_baselines())
    assert counts.above.tolist() == [["RTE"] if above else []]


def test_baselines_sentence_counts_from_the_numbers():
    data, others = glue_scores(("full", "no-ce")).assign(seeds=3), glue_baselines()
    data.loc[(data.arm == "no-ce") & (data.task == "CoLA"), ["score", "low", "high"]] = 54.5, 51.0, 58.0
    data.loc[(data.arm == "full") & (data.task == "RTE"), ["score", "low", "high"]] = 95.0, 94.0, 96.0
    data.loc[(data.arm == "full") & (data.task == "QQP"), ["score", "low", "high"]] = np.nan
    text = tables.baselines_sentence(data, others, suite=MINI)
    assert f"On {MINI}, these students lie clearly above all baselines (interval above intervals): original in" in text
    assert "original in 7 of 7 tasks; no L_ce in 7 of 8 tasks (not CoLA)." in text
    assert text.endswith("14 of these 15 scores are below 95; at or above it in RTE.")
    assert "No task" in tables.baselines_sentence(data.assign(score=np.nan), others, suite=MINI)
    once = tables.baselines_sentence(data.assign(seeds=1), others, suite=MINI)
    assert "clearly" not in once
    assert "in this one run, which decides nothing, these students score higher than all baselines: original" in once
    assert "no L_ce in 8 of 8 tasks." in once  # CoLA: 54.5 of 54


def test_baselines_stand_beside_students_which_are_bold_where_clearly_above():
    data = glue_scores(("full", "no-ce")).assign(seeds=3)
    data.loc[(data.arm == "full") & (data.task == "CoLA"), ["score", "low", "high"]] = 54.0, 51.0, 58.0
    soup = parse(tables.glue_baselines(data, glue_baselines(), suite=MINI))
    heads = [th.get_text() for th in soup.thead.find_all("th")]
    assert heads[3:] == ["majority class", "bag of words", "random weights"]
    rows = rows_of(soup)
    assert [bool(cell.strong) for cell in rows["CoLA"]] == [False, True, False, False, False]
    assert texts(rows["clearly above the baselines"])[:2] == ["7 of 8", "8 of 8"]
    assert texts(rows["below 95"])[:2] == ["8 of 8", "8 of 8"]
    assert "in 7 of 8 tasks (not CoLA)" in soup.p.get_text()
    assert "In bold: students whose interval" in soup.caption.get_text()


def test_with_one_seed_no_student_is_bold_or_called_clearly_above():
    soup = parse(tables.glue_baselines(glue_scores(ARMS), glue_baselines(), suite=MINI))
    assert not soup.tbody.find_all("strong")
    assert texts(rows_of(soup)["above the baselines, in this run"])[:3] == 3 * ["8 of 8"]
    assert "bold" not in soup.caption.get_text()
    assert "clearly" not in soup.get_text()
    assert "No baseline scores higher than a student." in soup.get_text()


def test_a_baseline_that_beats_a_student_is_named_with_both_numbers_whichever_it_is():
    data, others = glue_scores(("full", "no-ce", "teacher")), glue_baselines()
    data.loc[data.task == "MNLI", "score"] = 33.6, 53.4, 20.0
    data.loc[data.task == "CoLA", "score"] = 60.0, 53.96, 20.0  # 54.0 as shown: no baseline is above it
    others.loc[(others.arm == "untrained") & (others.task == "MNLI"), "score"] = 51.8
    expected = (
        "In this one run, baselines score higher than students: MNLI, majority class 45.0 against 33.6 (original); "
        "MNLI, bag of words 54.0 against 33.6 (original), 53.4 (no L_ce); MNLI, random weights 51.8 against 33.6 "
        "(original)."
    )
    assert beaten_sentence(data, others) == expected
    assert beaten_sentence(data.assign(seeds=3), others).startswith("Baselines score higher than students: MNLI, ")
    shown = parse(tables.glue_baselines(data, others, suite=MINI)).get_text()
    assert expected.replace("L_", "L") in shown  # the page has subscripts
    assert beaten_sentence(data.assign(score=np.nan), others) == beaten_sentence(data, others.iloc[:0]) == ""


def test_baseline_without_a_score_does_not_count():
    others = glue_baselines()
    others.loc[others.arm != "majority", ["score", "low", "high"]] = np.nan
    assert above_baselines(small(47.0, 50.0, 48.0), others).above.tolist() == [["RTE"]]
    none = above_baselines(small(47.0, 50.0, 48.0), others.assign(score=np.nan))
    assert none.tasks.tolist() == [0]


def test_examples_show_both_texts_of_a_pair():
    rows = [
        {"task": "RTE", "split": "train", "sentence1": "It rains.", "sentence2": "It is wet.", "label": "entailment"},
        {"task": "CoLA", "split": "validation", "sentence": "She sleep.", "label": "unacceptable", "idx": 3},
    ]
    soup = parse(tables.mini_glue_examples(pd.DataFrame(rows)))
    shown = [[c.get_text() for c in row.find_all(["th", "td"])] for row in soup.tbody.find_all("tr")]
    assert shown == [
        ["RTE", "train", "It rains. / It is wet.", "entailment"],
        ["CoLA", "validation", "She sleep.", "unacceptable"],
    ]


def test_text_from_data_is_escaped():
    data = glue_scores(ARMS, failed={("no-ce", "RTE"): HOSTILE}).replace({"mixup-xy": HOSTILE, "QQP": HOSTILE})
    means = glue_averages(ARMS).replace("mixup-xy", HOSTILE)
    differences = glue_differences(ARMS).replace({"mixup-xy": HOSTILE, "QQP": HOSTILE})
    others = glue_baselines().replace({"majority": f"{HOSTILE} again", "QQP": HOSTILE})
    made = [
        tables.table3(data, means, suite=HOSTILE, real=True),
        tables.table3_printed(HOSTILE),
        tables.glue_differences(differences, suite=HOSTILE),
        tables.glue_baselines(data, others, suite=HOSTILE),
        tables.mini_glue_examples(pd.DataFrame({n: [HOSTILE] for n in ("task", "split", "text", "label")})),
        tables.table1(scores(ABLATION), averages(ABLATION), pooling="mean", glue=row(HOSTILE)),
    ]
    for html in made:
        assert not parse(html).find_all("script")
        assert HOSTILE in parse(html).get_text()
    assert parse(made[0]).select(".missing")[0].get_text().endswith(HOSTILE)
