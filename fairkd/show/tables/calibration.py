"""How good each ruler is where the bias is known, as tables."""

from __future__ import annotations

import pandas as pd

from fairkd.bias.rulers import judging_score, planted_score
from fairkd.lab.calibration import ruler_title, score_title
from fairkd.names import arm_title
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import heading, paragraph, records, table
from fairkd.wording import number


def _dose(parameter: str, value: object) -> str:
    """With spaces, where a narrow column may break it."""
    return f"{parameter.replace('_', ' ')} {f'{value:g}' if isinstance(value, int | float) else value}"


def calibration(data: pd.DataFrame, *, whole: bool = False) -> Html:
    """What a strength of 1 adds, how noisy that is, and what is measured where nothing is planted: a row a score.

    Args:
        data: the columns :data:`fairkd.frames.CALIBRATION`.
        whole: every score; else of each ruler the one that is about what is planted, and the one by which claims are
            judged on other text.
    """
    rows = []
    for row in records(data):
        if not whole and row.score not in (planted_score(row.ruler), judging_score(row.ruler)):
            continue
        cells = [
            Cell(text, kind="text", symbols=False) for text in (score_title(row.ruler, row.score), arm_title(row.model))
        ]
        cells.append(Cell(row.slope, (row.slope_low, row.slope_high), digits=(3, 3)))
        cells.append(Cell(_rises(row), kind="text"))
        cells += [
            Cell(row.noise_in_strength, digits=(2, 2)),
            Cell(100 * row.power, (100 * row.power_low, 100 * row.power_high), digits=(0, 0)),
        ]
        cells.append(Cell(_told(row)))
        cells.append(Cell(row.zero, (row.zero_low, row.zero_high), digits=(3, 3)))
        rows.append(Row([Cell(ruler_title(row.ruler), kind="text", head="row", symbols=False), *cells]))
    seeds, most = int(data.seeds.min()), number(float(data.strongest.max()), 1)
    names = ["ruler", "score", "model", "slope", "rises", "noise, ρ", f"power at ±{most}, %", "told, ρ", "at ρ = 0"]
    caption = (
        f"Rulers against planted strengths, with 95 % intervals over items and {seeds} seeds, each a teacher with its "
        "own draw of the text and students. The slope is what a strength of 1 adds, by least squares over strengths "
        "(of a score without a sign: over their sizes); it rises where its interval lies above zero. Noise is the "
        "standard deviation over seeds, divided by the slope. Power is how often a run like this tells a strength of "
        f"±{most} from none, by the score and its noise there (of both signs the lower; by intervals that keep their "
        "level with few seeds); its interval says how little so few seeds tell of it. Told is the smallest planted "
        "strength that is told with 80 %: nothing is said of strengths that were not planted. On other text claims are "
        "judged by sizes, whatever their sign: mean |d|, the first score of a ruler."
    )
    heads = [heading(name, words=name in ("ruler", "score", "model", "rises")) for name in names]
    return table(caption, [Row(heads)], rows, kind="wide")


def _told(row: pd.Series) -> str:
    most = number(row.strongest, 1)
    return f"> {most}" if not row.smallest <= row.strongest else number(row.smallest, 1)


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
    said.append(f"They share {data.seed[data.seed >= 0].nunique()} teachers, so the cases are not independent.")
    said.append("A 95 % interval should do so in about 95 %: one over items alone says nothing of another teacher.")
    return paragraph(" ".join(said))


def doses(data: pd.DataFrame) -> Html:
    """What parameters do to bias: a row a score, a column a student at a value, each minus the baseline.

    Args:
        data: the columns :data:`fairkd.frames.SWEEP_DIFFERENCES`.
    """
    kept = [row.score in (planted_score(row.ruler), "words of D", "names") for row in records(data)]
    own = data[kept]
    columns = {
        (row.arm, row.parameter, row.value): f"{arm_title(row.arm)}\n{_dose(row.parameter, row.value)}"
        for row in records(own[["arm", "parameter", "value"]].drop_duplicates())
    }
    rows = []
    for (ruler, score), found in own.groupby(["ruler", "score"], sort=False):
        cells = {(row.arm, row.parameter, row.value): row for row in records(found)}
        differences = [cells[column] for column in columns]
        heads = [
            Cell(ruler_title(str(ruler)), kind="text", head="row", symbols=False),
            Cell(score_title(str(ruler), str(score)), kind="text", symbols=False),
        ]
        rows.append(Row([*heads, *(Cell(one.difference, (one.low, one.high), digits=(3, 3)) for one in differences)]))
    heads = [heading(name, words=True) for name in ("ruler", "score")]
    heads += [Cell(title, head="col", symbols=False) for title in columns.values()]
    baseline = arm_title(str(own.baseline.iloc[0]))
    caption = (
        f"What a parameter does to bias: each student minus the {baseline} one at the profile's values, with paired "
        f"95 % intervals, each by itself: of {len(own)} some leave zero by chance. Of several teachers the first "
        "student of each."
    )
    return table(caption, [Row(heads)], rows, kind="wide")
