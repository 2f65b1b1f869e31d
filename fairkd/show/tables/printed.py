"""Tables 1 and 2 in the paper's layout, ours beside the printed values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.claims import paper
from fairkd.names import TABLE2_GROUPS, TEACHER, TEST_TITLES, arm_title
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.glue import column_title, glue_row, two_rows_of_heads
from fairkd.show.tables.plain import bold, table
from fairkd.wording import listed, number

MEAN_OF_NAMES = f"mean |d| of {listed(NAME_TESTS)}"


def table1(scores: pd.DataFrame, averages: pd.DataFrame, *, pooling: str, glue: pd.DataFrame | None = None) -> Html:
    """Table 1: a column an arm, ours beside the printed values; the row of GLUE where there are such scores.

    Of ours a value is bold where it is the lowest |d| of its row beyond doubt, of the printed ones where it is the
    lowest. Where the average of the printed cells is not the printed average (to three decimals, beyond rounding), both
    are shown.

    Args:
        scores: the columns :data:`fairkd.frames.SEAT_TESTS` and pooling.
        averages: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling.
        pooling: which sentence vectors to show.
        glue: average scores, the columns :data:`fairkd.frames.GLUE_AVERAGES`, suite and tasks (how many).
            Only the suite "GLUE" has printed values beside it: another one is another test.
    """
    ours = scores[scores.pooling == pooling]
    means = averages[averages.pooling == pooling].set_index("arm")
    arms = [a for a in ours.arm.drop_duplicates() if a != TEACHER]
    columns = arms + ([TEACHER] if TEACHER in set(ours.arm) else [])
    cells = ours.set_index(["arm", "test"])
    rows = []
    for test in TESTS:
        values = {arm: cells.loc[(arm, test)] for arm in columns}
        best_printed = smallest({arm: paper.TABLE1[arm][test] for arm in arms if arm in paper.TABLE1})
        row = [Cell(test, below=(TEST_TITLES[test],), head="row")]
        for arm in columns:
            value = values[arm]
            row.append(Cell(value.effect_size, (value.low, value.high), bool(value.lowest)))
            if arm in paper.TABLE1:
                row.append(Cell(paper.TABLE1[arm][test], best=arm in best_printed, kind="printed"))
        rows.append(Row(row))
    rows.append(_average_row(means, arms, columns))
    rows.append(_own_row(means, columns, "names", "names_low", "names_high", below=MEAN_OF_NAMES))
    rows.append(_own_row(means, columns, "signed", "signed_low", "signed_high", below="mean signed d"))
    more = ""
    if glue is not None and len(glue):
        rows.append(glue_row(glue, columns, [arm for arm in columns if arm in paper.TABLE1]))
        more = f" {glue.suite.iloc[0]} Avg.: the mean score in percent, where higher is better."
    caption = (
        f"Table 1, SEAT: effect sizes d with {pooling} pooling, 95 % intervals over {covered(ours)} in small type. "
        f"{bold('lowest |d|', printed=any(arm in paper.TABLE1 for arm in arms))}{more}"
    )
    head = two_rows_of_heads("SEAT", [(column_title(arm_title(arm)), arm in paper.TABLE1) for arm in columns])
    return table(caption, head, rows, kind="wide")


def _average_row(means: pd.DataFrame, arms: Sequence[str], columns: Sequence[str]) -> Row:
    best_printed = smallest({arm: paper.TABLE1_PRINTED_AVERAGE[arm] for arm in arms if arm in paper.TABLE1})
    row = [Cell("Avg.", below=("mean |d|",), head="row")]
    for arm in columns:
        value: Any = means.loc[arm]
        row.append(Cell(value.average, (value.low, value.high), bool(value.lowest)))
        if arm in paper.TABLE1:
            average, own = paper.TABLE1_PRINTED_AVERAGE[arm], paper.TABLE1[arm]
            row.append(_both_averages(average, own, "by its rows", best=arm in best_printed, kind="printed"))
    return Row(row, kind="total")


def _own_row(means: pd.DataFrame, columns: Sequence[str], name: str, low: str, high: str, *, below: str) -> Row:
    """An average that the paper does not print."""
    row = [Cell("Avg.", below=(below,), head="row")]
    for arm in columns:
        value: Any = means.loc[arm]
        row.append(Cell(value[name], (value[low], value[high])))
        if arm in paper.TABLE1:
            row.append(Cell(None, kind="printed"))
    return Row(row)


def _both_averages(printed: float, cells: Mapping[str, float], words: str, *, best: bool, kind: str = "") -> Cell:
    """The printed average, and that of its own cells where rounding does not explain the difference."""
    own = () if paper.follows(printed, cells) else (f"({number(paper.average(cells))} {words})",)
    return Cell(printed, best=best, kind=kind, below=own)


def table2(tests: pd.DataFrame, averages: pd.DataFrame, *, pooling: str) -> Html:
    """Table 2: a row an arm, ours with the printed values in the row below it, and two averages that are not printed.

    Of ours a value is bold where it is the lowest |d| of its column beyond doubt, of the printed rows shown where it is
    the lowest. Printed averages that do not follow from their own row show both numbers. Arms that were not run are
    left out; those that the paper does not have, and the teacher, come last.

    Args:
        tests: the columns :data:`fairkd.frames.SEAT_TESTS` and pooling.
        averages: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling.
        pooling: which sentence vectors to show.
    """
    ours = tests[tests.pooling == pooling]
    cells, means = ours.set_index(["arm", "test"]), averages[averages.pooling == pooling].set_index("arm")
    groups = _groups(ours.arm.drop_duplicates())
    students = [arm for group in groups.values() for arm in group if arm != TEACHER]
    printed = [arm for arm in students if arm in paper.TABLE2]
    best_printed = {test: smallest({arm: paper.TABLE2[arm][test] for arm in printed}) for test in TESTS}
    best_printed["Avg."] = smallest({arm: paper.TABLE2_PRINTED_AVERAGE[arm] for arm in printed})
    bodies = []
    for group, titles in groups.items():
        rows = [Row([Cell(group, head="rowgroup", columns=len(TESTS) + 5)], kind="group")]
        for arm, title in titles.items():
            both = arm in paper.TABLE2
            rows.append(_our_row(title, cells.loc[arm], means.loc[arm], both=both))
            if both:
                rows.append(_printed_row(arm, best_printed))
        bodies.append(rows)
    caption = (
        f"Table 2, SEAT: effect sizes d with {pooling} pooling, 95 % intervals over {covered(ours)} in small type. "
        f"{bold('lowest |d|', line='column', printed=bool(printed))}"
    )
    return table(caption, [_table2_head()], *bodies, kind="wide pairs-of-rows")


def covered(data: pd.DataFrame) -> str:
    """What the intervals of a frame with the column seeds are over; the teacher has one copy whatever the seeds."""
    seeds = data.loc[data.arm != TEACHER, "seeds"].unique().tolist() or [1]
    if max(seeds) == 1:
        return "stimulus words (one seed)"
    return f"stimulus words and {' to '.join(str(n) for n in sorted({min(seeds), max(seeds)}))} seeds"


def _groups(shown: Iterable[str]) -> dict[str, dict[str, str]]:
    """Group -> arm -> title, of these arms, in the order of the paper; those of a profile's own as they come."""
    found = list(shown)
    groups = {group: {arm: arm_title(arm) for arm in arms if arm in found} for group, arms in TABLE2_GROUPS.items()}
    placed = {arm for titles in groups.values() for arm in titles}
    *_, own = groups.values()
    own.update({arm: arm_title(arm) for arm in found if arm not in placed and arm != TEACHER})
    groups["For reference"] = {TEACHER: arm_title(TEACHER)} if TEACHER in found else {}
    return {group: titles for group, titles in groups.items() if titles}


def _table2_head() -> Row:
    tests = [Cell(test, below=(TEST_TITLES[test],), head="col") for test in TESTS]
    averages = [Cell("Avg.", below=(which,), head="col") for which in ("mean |d|", MEAN_OF_NAMES, "mean signed d")]
    return Row([Cell("Supervision", head="col", columns=2), *tests, *averages])


def _our_row(title: str, cells: Any, means: Any, *, both: bool) -> Row:
    row = [Cell(title, kind="text", head="row", rows=2 if both else None), Cell("ours", head="row")]
    for test in TESTS:
        value: Any = cells.loc[test]
        row.append(Cell(value.effect_size, (value.low, value.high), bool(value.lowest)))
    row.append(Cell(means.average, (means.low, means.high), bool(means.lowest)))
    row.append(Cell(means.names, (means.names_low, means.names_high)))
    row.append(Cell(means.signed, (means.signed_low, means.signed_high)))
    return Row(row, kind="first" if both else "")


def _printed_row(arm: str, best: Mapping[str, set[str]]) -> Row:
    row = [Cell("printed", head="row")]
    row += [Cell(value, best=arm in best[test]) for test, value in paper.TABLE2[arm].items()]
    average, own = paper.TABLE2_PRINTED_AVERAGE[arm], paper.TABLE2[arm]
    row.append(_both_averages(average, own, "by its row", best=arm in best["Avg."]))
    return Row([*row, Cell(None), Cell(None)], kind="printed")


def smallest(values: Mapping[str, float]) -> set[str]:
    """Keys of the smallest printed value, to three decimals; all of them where several are equal."""
    shown = {key: round(value, 3) for key, value in values.items() if math.isfinite(value)}
    return {key for key, value in shown.items() if value == min(shown.values())}
