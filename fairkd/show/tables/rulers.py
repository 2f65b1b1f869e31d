"""Bias by every ruler: a table a ruler, a row a student, a column a score."""

from __future__ import annotations

import pandas as pd

from fairkd.bias.ruler import Score
from fairkd.bias.rulers import RULERS
from fairkd.lab.calibration import ruler_title, score_title
from fairkd.names import arm_titles
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import frame, heading, paragraph, records, table


def ruler_scores(scores: pd.DataFrame) -> Html:
    """Every score of the teacher and the students, with 95 % intervals over items and seeds.

    Args:
        scores: the columns :data:`fairkd.frames.RULER_SCORES`.
    """
    return _by_ruler(scores, "value", "")


def ruler_differences(differences: pd.DataFrame) -> Html:
    """Every score of each student minus that of the baseline, with paired 95 % intervals.

    Args:
        differences: the columns :data:`fairkd.frames.RULER_DIFFERENCES`.
    """
    titles = arm_titles([*differences.arm, *differences.baseline])
    against = " or ".join(titles[name] for name in differences.baseline.drop_duplicates())
    return _by_ruler(differences, "difference", f", minus that of {against} (paired)")


def ruler_components(medians: pd.DataFrame) -> Html:
    """How much of a difference's chance lies in items, students and teachers: medians over arms, by score.

    Args:
        medians: the columns :data:`fairkd.frames.RULER_MEDIANS`.
    """
    titles = {
        "difference": "|difference|",
        "item_se": "standard error over items",
        "student_sd": "standard deviation over students",
        "teacher_sd": "standard deviation over teachers",
    }
    parts, rows = [name for name in titles if medians[name].notna().any()], []
    for row in records(medians):
        cells = [Cell(score_title(row.ruler, row.score), kind="text", symbols=False)]
        cells += [Cell(getattr(row, name), digits=(4, 4)) for name in parts]
        rows.append(Row([Cell(ruler_title(row.ruler), kind="text", head="row", symbols=False), *cells]))
    names = ("ruler", "score", *(titles[name] for name in parts))
    caption = (
        "Where the chance in a student's difference from the original lies, in the unit of each score: medians over "
        "the arms. One student or one teacher says nothing of what another would give."
    )
    return table(caption, [Row([heading(name, words=name in ("ruler", "score")) for name in names])], rows)


def ruler_unread(unread: pd.DataFrame) -> Html:
    """How many items of each ruler have no value, and why.

    Args:
        unread: the columns :data:`fairkd.frames.RULER_UNREAD`.
    """
    if unread.empty:
        return paragraph("Every model has a value of every item.")
    counts = unread.groupby(["ruler", "problem"], sort=False)["item"].nunique().reset_index()
    counts["ruler"] = counts["ruler"].map(ruler_title)
    return frame(counts, caption="Items without a value in some model", titles={"item": "items", "problem": "why"})


def _by_ruler(data: pd.DataFrame, value: str, what: str) -> Html:
    made = Html("")
    for ruler, own in data.groupby("ruler", sort=False):
        names = list(own.score.drop_duplicates())
        cells = {(row.arm, row.score): row for row in records(own)}
        titles, rows = arm_titles(own.arm.drop_duplicates()), []
        for arm in own.arm.drop_duplicates():
            row = [Cell(titles[arm], kind="text", head="row")]
            for name in names:
                found = cells[arm, name]
                row.append(Cell(getattr(found, value), (found.low, found.high), digits=(3, 3)))
            rows.append(Row(row))
        heads = [Cell(_head(_score(str(ruler), name)), head="col", symbols=False) for name in names]
        own_ruler, title = RULERS[str(ruler)], ruler_title(str(ruler))
        long = "" if own_ruler.title == title else f": {own_ruler.title}"
        caption = f"{title[0].upper()}{title[1:]}{long} ({own_ruler.source}){what}, with 95 % intervals."
        made += table(caption, [Row([Cell("student", head="col"), *heads])], rows, kind="wide")
    return made


def _score(ruler: str, name: str) -> Score:
    return next(score for score in RULERS[ruler].scores if score.name == name)


def _head(score: Score) -> str:
    return f"{score.title}\n{score.unit}" if score.unit else score.title
