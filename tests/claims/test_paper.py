"""The printed values, and the averages that the paper's own cells give."""

from pathlib import Path

import pandas as pd
import pytest

from fairkd.bias.stimuli import TESTS
from fairkd.claims import paper


def test_table_1_has_the_papers_layout():
    table = pd.DataFrame(paper.TABLE1)
    assert tuple(table.index) == TESTS
    assert list(table.columns) == ["full", "no-cos", "no-ce"]
    assert table.loc["C7b"].tolist() == [1.428, 1.316, 0.139]


def test_table_2_has_the_papers_layout():
    table = pd.DataFrame(paper.TABLE2).T
    assert tuple(table.columns) == TESTS
    assert list(table.index) == [
        *("full", "debiased-teacher", "mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy"),
    ]
    assert list(paper.TABLE2_PRINTED_AVERAGE) == list(table.index)
    assert table.loc["mixup-yh"].tolist() == [1.310, 0.397, 1.325, 0.989, 0.863, 1.321]
    assert paper.TABLE2["full"] == paper.TABLE1["full"]


def test_table_3_has_the_papers_layout():
    table = pd.DataFrame(paper.TABLE3)
    assert list(table.index) == ["MNLI", "QQP", "QNLI", "SST-2", "CoLA", "STS-B", "MRPC", "RTE"]
    assert table.loc["CoLA"].tolist() == [44.8, 43.6]
    assert list(paper.TABLE3_PRINTED_AVERAGE) == list(table.columns) == ["full", "mixup-xy"]
    assert paper.TABLE3_PRINTED_AVERAGE["full"] == paper.TABLE1_GLUE_AVERAGE["full"]


# Added up by hand, in units of the last printed place.
SUMS = {
    "TABLE1": {"full": 5951, "no-cos": 5763, "no-ce": 4182},
    "TABLE2": {
        **{"full": 5951, "debiased-teacher": 5014, "mixup-h": 6047, "mixup-x": 4955},
        **{"mixup-yh": 6205, "mixup-xyh": 4779, "mixup-xy": 4424},
    },
    "TABLE3": {"full": 6135, "mixup-xy": 6132},
}


@pytest.mark.parametrize(("name", "unit"), [("TABLE1", 1000), ("TABLE2", 1000), ("TABLE3", 10)])
def test_averages_are_those_of_the_cells(name, unit):
    table = getattr(paper, name)
    assert {arm: round(sum(cells.values()) * unit) for arm, cells in table.items()} == SUMS[name]
    for arm, cells in table.items():
        assert paper.average(cells) == pytest.approx(SUMS[name][arm] / unit / len(cells), abs=1e-9)


def test_two_printed_averages_do_not_follow_from_their_cells():
    columns = {
        "TABLE1": (paper.TABLE1, paper.TABLE1_PRINTED_AVERAGE, 3),
        "TABLE2": (paper.TABLE2, paper.TABLE2_PRINTED_AVERAGE, 3),
        "TABLE3": (paper.TABLE3, paper.TABLE3_PRINTED_AVERAGE, 1),
    }
    wrong = {
        (name, arm): round(paper.average(table[arm]), digits)
        for name, (table, printed, digits) in columns.items()
        for arm in table
        if not paper.follows(printed[arm], table[arm], digits=digits)
    }
    assert wrong == {("TABLE1", "no-ce"): 0.697, ("TABLE2", "mixup-x"): 0.826}


def test_an_average_follows_if_rounding_explains_the_difference():
    cells = {"a": 1.000, "b": 2.000}
    assert paper.follows(1.501, cells)
    assert not paper.follows(1.502, cells)
    assert paper.follows(1.6, cells, digits=1)
    assert not paper.follows(1.7, cells, digits=1)


def test_the_lowest_of_each_test_and_the_paper_s_comparison_with_the_debiased_teacher():
    table = pd.DataFrame(paper.TABLE2).T
    winners = {test: list(table.index[table[test] == table[test].min()]) for test in TESTS}
    assert winners == {
        "C6": ["debiased-teacher"],
        "C6b": ["mixup-x", "mixup-xyh"],
        "C7": ["mixup-xy"],
        "C7b": ["mixup-yh"],
        "C8": ["mixup-xy"],
        "C8b": ["mixup-xyh"],
    }
    assert min(paper.TABLE2_PRINTED_AVERAGE, key=paper.TABLE2_PRINTED_AVERAGE.__getitem__) == "mixup-xy"
    lower = table.columns[table.loc["mixup-xy"] < table.loc["debiased-teacher"]]
    assert list(lower) == ["C6b", "C7", "C8", "C8b"]
    higher = table.columns[table.loc["mixup-h"] > table.loc["full"]]
    assert list(higher) == ["C7b", "C8", "C8b"]  # three, where the text says "most tests"
    table1 = pd.DataFrame(paper.TABLE1)
    assert table1.idxmin(axis=1).tolist() == ["no-ce", "no-ce", "full", "no-ce", "no-cos", "no-ce"]


def test_the_other_printed_values():
    assert paper.TABLE2_PRINTED_AVERAGE == {
        **{"full": 0.992, "debiased-teacher": 0.836, "mixup-h": 1.008, "mixup-x": 0.830},
        **{"mixup-yh": 1.034, "mixup-xyh": 0.796, "mixup-xy": 0.738},
    }
    assert paper.TABLE3_PRINTED_AVERAGE == {"full": 76.7, "mixup-xy": 76.7}
    assert paper.TABLE1_PRINTED_AVERAGE == {"full": 0.992, "no-cos": 0.960, "no-ce": 0.670}
    assert paper.TABLE1_GLUE_AVERAGE == {"full": 76.7, "no-cos": 76.3, "no-ce": 75.2}
    assert paper.FIGURE1_R == -0.82


def test_the_citation_names_the_paper():
    for text in (paper.CITATION, Path("README.md").read_text(encoding="utf-8")):
        assert "Why Knowledge Distillation Amplifies Gender Bias" in text
        assert "10.18653/v1/2022.gebnlp-1.27" in text
