"""Rulers side by side where the bias is known: what each makes of the planted strengths."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from fairkd.bias.rulers import planted_score
from fairkd.lab.calibration import ruler_title
from fairkd.names import TEACHER
from fairkd.show.figures.style import PANE, lowest_and_highest, shared_legend, theme
from fairkd.show.tables.plain import records
from fairkd.wording import number

ASIDE = 0.13
"""Of a row, between the marks of two strengths."""


def rulers_by_strength(scores: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """What every ruler measures at every planted strength, in units of planted strength: a panel a kind of model.

    A ruler that follows what was planted has its marks on the lines of their colours. The unit of each ruler is its own
    slope, so this shows noise and linearity, not the slope itself. A mark beyond the frame is a triangle at its edge.

    Args:
        scores: the columns :data:`fairkd.frames.CALIBRATION_SCORES`.
        table: the columns :data:`fairkd.frames.CALIBRATION`.
    """
    rulers = list(scores.ruler.drop_duplicates())
    strengths, values = np.sort(scores.strength.unique()), []
    colours = {rho: colormaps["RdBu_r"]((rho / abs(strengths).max() + 1) / 2 * 0.8 + 0.1) for rho in strengths}
    colours |= {0.0: "0.35"}
    edge = 3 * abs(strengths).max()
    with theme():
        figure = Figure(figsize=(PANE, 1.5 + 0.62 * len(rulers)), layout="constrained")
        models = [TEACHER, *(model for model in scores.model.drop_duplicates() if model != TEACHER)]
        for axis, model in zip(figure.subplots(1, len(models), sharey=True, squeeze=False)[0], models, strict=True):
            for rho in strengths:
                axis.axvline(rho, color=colours[rho], linewidth=1.0, linestyle=":")
            for height, ruler in enumerate(rulers):
                rows = in_strengths(scores, table, ruler, model)
                for place, row in enumerate(records(rows)):
                    at = height + ASIDE * (place - (len(rows) - 1) / 2)
                    colour = colours[row.strength]
                    axis.hlines(at, row.low, row.high, color=colour, linewidth=1.3)
                    label = f"ρ = {number(row.strength, 1)}" if height == 0 else None
                    outside = abs(row.value) > edge  # of a ruler whose slope is near zero
                    mark, where = (
                        ("<>"[row.value > 0], np.sign(row.value) * 0.97 * edge) if outside else ("o", row.value)
                    )
                    axis.plot(where, at, mark, color=colour, markersize=4.5, label=label)
                    values.append((f"{model}, {ruler_title(ruler)}, at {number(row.strength, 1)}", row.value))
            axis.set(title="teacher" if model == TEACHER else "student, all losses", xlabel="measured, as a strength ρ")
            axis.set_yticks(range(len(rulers)), [textwrap.fill(ruler_title(ruler), 30) for ruler in rulers])
            axis.set_ylim(len(rulers) - 0.5, -0.5)
            axis.set_xlim(-edge, edge)
            axis.grid(visible=False, axis="y")
        shared_legend(figure, figure.axes)
        figure.set_label(
            "What each ruler measures at each planted strength, in units of that strength, teacher and student. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def in_strengths(scores: pd.DataFrame, table: pd.DataFrame, ruler: str, model: str) -> pd.DataFrame:
    """Values and ends of a ruler's planted score divided by its slope, less its value where nothing is planted."""
    at = {"ruler": ruler, "score": planted_score(ruler), "model": model}
    own, line = (frame[(frame[list(at)] == list(at.values())).all(axis=1)] for frame in (scores, table))
    if own.empty:
        return own
    slope = float(line.slope.iloc[0])
    origin = float(own.value[own.strength == 0].iloc[0]) - (0.0 if line["size"].iloc[0] else float(line.zero.iloc[0]))
    ends = np.sort((own[["low", "high"]].to_numpy() - origin) / slope, axis=1)
    return own.assign(value=(own.value - origin) / slope, low=ends[:, 0], high=ends[:, 1]).sort_values("strength")
