"""The printed values, and the averages that the paper's own cells give."""

import pandas as pd
import pytest

from fairkd import paper
from fairkd.stimuli import TESTS


def test_table_1_has_the_papers_layout():
    table = pd.DataFrame(paper.TABLE1)
    assert tuple(table.index) == TESTS
    assert list(table.columns) == ["full", "no-cos", "no-ce"]
    assert table.loc["C7b"].tolist() == [1.428, 1.316, 0.139]


@pytest.mark.parametrize(("arm", "mean"), [("full", 0.99183), ("no-cos", 0.96050), ("no-ce", 0.69700)])
def test_averages_are_those_of_the_cells(arm, mean):
    assert paper.table1_average(arm) == pytest.approx(mean, abs=5e-6)


def test_only_the_printed_average_of_no_ce_disagrees_with_its_cells():
    gaps = {arm: abs(paper.table1_average(arm) - paper.TABLE1_PRINTED_AVERAGE[arm]) for arm in paper.TABLE1}
    assert gaps["full"] < 0.0006
    assert gaps["no-cos"] < 0.0006
    assert gaps["no-ce"] == pytest.approx(0.027)


def test_the_other_printed_values():
    assert paper.TABLE1_PRINTED_AVERAGE == {"full": 0.992, "no-cos": 0.960, "no-ce": 0.670}
    assert paper.TABLE1_GLUE_AVERAGE == {"full": 76.7, "no-cos": 76.3, "no-ce": 75.2}
    assert paper.FIGURE1_R == -0.82


def test_the_citation_names_the_paper_in_both_forms():
    for text in (paper.CITATION, paper.BIBTEX):
        assert "Why Knowledge Distillation Amplifies Gender Bias" in text
        assert "10.18653/v1/2022.gebnlp-1.27" in text
    assert paper.BIBTEX.count("{") == paper.BIBTEX.count("}")
