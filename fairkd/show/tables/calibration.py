"""How good each ruler is where the bias is known, as tables."""

from __future__ import annotations

import math

import pandas as pd

from fairkd.bias.rulers import planted_score
from fairkd.lab.calibration import ruler_title
from fairkd.names import arm_titles
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import paragraph, records, table
from fairkd.wording import number


def calibration(data: pd.DataFrame, *, whole: bool = False, scale: str) -> Html:
    """What a strength of 1 adds, how noisy that is, and what is measured where nothing is planted: a row a score.

    Args:
        data: the columns :data:`fairkd.frames.CALIBRATION`.
        whole: every score; else of each ruler the one that is about what is planted.
        scale: what the numbers are (``Profile.scale``), for the caption.
    """
    rows = []
    for row in records(data):
        if not whole and planted_score(row.ruler) != row.score:
            continue
        cells = [Cell(text, kind="text", symbols=False) for text in (row.score, row.model)]
        cells.append(Cell(row.slope, (row.slope_low, row.slope_high), digits=(3, 3)))
        cells.append(Cell(_rises(row), kind="text"))
        cells += [
            Cell(value, digits=(2, 2))
            for value in (row.noise / abs(row.slope) if row.slope else math.inf, row.smallest)
        ]
        cells.append(Cell(row.zero, (row.zero_low, row.zero_high), digits=(3, 3)))
        rows.append(Row([Cell(ruler_title(row.ruler), kind="text", head="row", symbols=False), *cells]))
    names = ["ruler", "score", "model", "slope: a strength of 1 adds", "rises with the strength"]
    names += ["noise of one seed, ρ", "smallest ρ found with 80 % power", "where nothing is planted"]
    seeds = int(data.seeds.min())
    caption = (
        f"Rulers against planted strengths, with 95 % intervals over items and {seeds} seeds, each a teacher with its "
        "own draw of the text and its students. The slope is the least-squares line over strengths (of a score "
        "without a sign: over their sizes). Noise and the smallest strength are divided by the slope, so that rulers "
        f"can be compared. {scale}"
    )
    return table(caption, [Row([Cell(name, head="col", symbols=False) for name in names])], rows, kind="wide")


def _rises(row: pd.Series) -> str:
    """The test of the slope in a word."""
    if row.slope_low > 0:
        return "yes"
    return "no, it falls" if row.slope_high < 0 else "not shown"


def coverage(data: pd.DataFrame) -> Html:
    """How often intervals hold the truth where nothing is planted, over items alone and over items and seeds.

    Args:
        data: the columns :data:`fairkd.frames.COVERAGE`.
    """
    said = []
    for together, what in ((False, "over items alone, a seed at a time"), (True, "over items and seeds together")):
        own = data[(data.seed < 0) == together]
        held = own.groupby("ruler", sort=False).covers.agg(["sum", "count"])
        parts = ", ".join(f"{ruler_title(str(r))} {c['sum']} of {c['count']}" for r, c in held.iterrows())
        share = number(100 * float(own.covers.mean()), 1)
        said.append(f"Intervals {what} hold zero in {share} % of {len(own)} cases where nothing is planted ({parts}).")
    said.append("A 95 % interval should do so in about 95 %: one over items alone says nothing of another teacher.")
    return paragraph(" ".join(said))


def doses(data: pd.DataFrame, *, scale: str) -> Html:
    """What parameters do to bias: a row an arm at a value, a column a ruler, each minus the baseline.

    Args:
        data: the columns :data:`fairkd.frames.SWEEP_DIFFERENCES`.
        scale: as for :func:`calibration`.
    """
    kept = [row.score in (planted_score(row.ruler), "words of D", "names") for row in records(data)]
    own = data[kept]
    columns = list(dict.fromkeys(zip(own.ruler, own.score, strict=True)))
    rows = []
    for (parameter, value, arm), found in own.groupby(["parameter", "value", "arm"], sort=False):
        cells = {(row.ruler, row.score): row for row in records(found)}
        head = Cell(f"{arm_titles([str(arm)])[str(arm)]}, {parameter} {value}", kind="text", head="row")
        differences = [cells[column] for column in columns]
        rows.append(Row([head, *(Cell(one.difference, (one.low, one.high), digits=(3, 3)) for one in differences)]))
    heads = [Cell(f"{ruler_title(ruler)}\n{score}", head="col", symbols=False) for ruler, score in columns]
    baseline = arm_titles(own.baseline)[own.baseline.iloc[0]]
    caption = (
        f"What a parameter does to bias: each row minus {baseline} with the profile's values, paired, 95 %. {scale}"
    )
    return table(caption, [Row([Cell("student", head="col"), *heads])], rows, kind="wide")
