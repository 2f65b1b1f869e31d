"""How good each ruler is where the bias is known, as tables."""

from __future__ import annotations

import pandas as pd

from fairkd.lab.calibration import PLANTED_SCORE, ruler_title
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
        if not whole and PLANTED_SCORE.get(row.ruler) != row.score:
            continue
        cells = [Cell(text, kind="text", symbols=False) for text in (row.score, row.model)]
        cells.append(Cell(row.slope, (row.slope_low, row.slope_high), digits=(3, 3)))
        cells.append(Cell(_rises(row), kind="text"))
        cells += [Cell(value, digits=(2, 2)) for value in (row.noise / abs(row.slope), row.smallest)]
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
