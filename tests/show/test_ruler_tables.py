"""Tables of the rulers: every number at its ruler, score and student, with what is compared and what is missing."""

import math

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fairkd.bias.rulers import RULERS
from fairkd.frames import RULER_DIFFERENCES, RULER_MEDIANS, RULER_SCORES, RULER_UNREAD
from fairkd.show import tables

SCORES = [(ruler.name, score.name) for ruler in list(RULERS.values())[:2] for score in ruler.scores]


def parse(html: tables.Html) -> BeautifulSoup:
    return BeautifulSoup(html.text, "html.parser")


def values(arms):
    """A frame with a value of its own for each arm and score, and an interval of half a unit around it."""
    rows = [
        {
            "arm": arm,
            "seeds": 2,
            "ruler": ruler,
            "score": score,
            "value": (1 + 10 * i + j) / 7,
            "items": 5,
            "baseline": "full",
        }
        for i, arm in enumerate(arms)
        for j, (ruler, score) in enumerate(SCORES)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(low=frame.value - 0.5, high=frame.value + 0.5, difference=frame.value, p=0.5)


def exact(table):
    """By row title, the exact numbers of its cells: the value and the ends of its interval."""
    return {
        row.th.get_text(" "): [list(map(float, cell["data-exact"].split())) for cell in row.find_all("td")]
        for row in table.tbody.find_all("tr")
    }


@pytest.mark.parametrize("kind", ["scores", "differences"])
def test_a_table_a_ruler_has_every_number_where_it_belongs(kind):
    frame = values(["full", "mixup-xy"])
    if kind == "scores":
        soup = parse(tables.ruler_scores(frame[RULER_SCORES]))
    else:
        soup = parse(tables.ruler_differences(frame[RULER_DIFFERENCES]))
    found = soup.find_all("table")
    assert len(found) == 2
    for table, ruler in zip(found, list(RULERS.values())[:2]):
        first = SCORES.index((ruler.name, ruler.scores[0].name))
        assert ruler.title.lower() in table.find_parent().get_text(" ").lower()
        heads = [head.get_text(" ", strip=True) for head in table.thead.find_all("th")]
        assert [head.startswith(score.title) for head, score in zip(heads[1:], ruler.scores)] == [True] * len(heads[1:])
        numbers = exact(table)
        assert len(numbers) == 2
        for arm, own in enumerate(numbers.values()):
            wanted = [(1 + 10 * arm + first + column) / 7 for column in range(len(ruler.scores))]
            assert own == [pytest.approx([value, value - 0.5, value + 0.5], rel=1e-9) for value in wanted]
    if kind == "differences":
        assert "minus that of original" in soup.get_text(" ")


@pytest.mark.parametrize("lacking", [(), ("teacher_sd",), ("student_sd", "teacher_sd")])
def test_components_leave_out_what_there_is_one_of(lacking):
    row = {"ruler": SCORES[0][0], "score": SCORES[0][1], "difference": 1 / 7, "item_se": 2 / 7}
    row |= {"student_sd": 3 / 7, "teacher_sd": 4 / 7} | dict.fromkeys(lacking, math.nan)
    table = parse(tables.ruler_components(pd.DataFrame([row])[RULER_MEDIANS])).find("table")
    heads = [head.get_text(" ") for head in table.thead.find_all("th")]
    assert len(heads) == 6 - len(lacking)
    cells = [float(cell["data-exact"]) for cell in table.tbody.find_all("td") if cell.has_attr("data-exact")]
    assert cells == pytest.approx([row[name] for name in RULER_MEDIANS[2:] if name not in lacking], rel=1e-9)


def test_items_without_a_value_are_counted_by_ruler_and_reason():
    name = SCORES[0][0]
    rows = [(name, arm, item, "u", "not in the vocabulary") for arm in ("a", "b") for item in ("x", "y")]
    rows.append((name, "a", "z", "u", "<b>another</b>"))
    soup = parse(tables.ruler_unread(pd.DataFrame(rows, columns=RULER_UNREAD)))
    text = [[cell.get_text(" ") for cell in row.find_all(["th", "td"])] for row in soup.tbody.find_all("tr")]
    assert [(line[-2], line[-1]) for line in text] in (
        [("not in the vocabulary", "2"), ("<b>another</b>", "1")],
        [("<b>another</b>", "1"), ("not in the vocabulary", "2")],
    )
    assert "every item" in tables.ruler_unread(pd.DataFrame(columns=RULER_UNREAD)).text
