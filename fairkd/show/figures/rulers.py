"""Rulers of bias side by side: what each says of the same students, and how well they agree."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.bias.rulers import RULERS
from fairkd.lab.calibration import ruler_title
from fairkd.lab.rulers import headlines
from fairkd.names import arm_titles
from fairkd.show.figures.style import PANE, forest, lowest_and_highest, subscripts, theme, zero
from fairkd.wording import number


def ruler_forest(data: pd.DataFrame) -> Figure:
    """Each student minus the baseline by the headline score of each ruler: a panel a ruler, a row a student.

    Args:
        data: the columns :data:`fairkd.frames.RULER_DIFFERENCES`; of each ruler the first score is drawn.
    """
    own = headlines(data)
    rulers, arms = list(own.ruler.drop_duplicates()), list(own.arm.drop_duplicates())
    titles, heights = arm_titles([*arms, *own.baseline]), np.arange(len(arms))
    columns = min(3, max(len(rulers), 1))
    lines = -(-max(len(rulers), 1) // columns)
    with theme():
        size = (min(2.2 + 2.2 * columns, PANE), (1.2 + 0.25 * len(arms)) * lines)
        figure = Figure(figsize=size, layout="constrained")
        panels = list(figure.subplots(lines, columns, sharey=True, squeeze=False).flat)
        for axis in panels[len(rulers) :]:
            axis.axis("off")
        for axis, ruler in zip(panels, rulers, strict=False):
            rows = own[own.ruler == ruler].set_index("arm").loc[arms].reset_index()
            score = RULERS[ruler].scores[0]
            zero(axis, upright=True)
            forest(axis, rows.difference, heights, rows.low, rows.high)
            axis.set_title(textwrap.fill(ruler_title(ruler), 26))
            axis.set_xlabel(score.unit or "difference")
            axis.locator_params(axis="x", nbins=4)  # their numbers stand apart in a third of a page
            axis.grid(visible=False, axis="y")
            axis.set_yticks(heights, [subscripts(titles[arm]) for arm in arms])
            axis.set_ylim(len(arms) - 0.5, -0.5)
        baseline = " or ".join(titles[name] for name in own.baseline.drop_duplicates())
        figure.set_label(
            f"Each student minus {baseline} with paired 95 % intervals, a panel a ruler, each in its own unit. "
            f"{int(((own.low > 0) | (own.high < 0)).sum())} of {len(own)} intervals leave zero."
        )
    return figure


_DARK = 0.65
"""Correlations beyond it stand on a dark colour."""


def ruler_agreement(agreement: pd.DataFrame) -> Figure:
    """How well rulers agree on the differences of the students: a matrix of correlations.

    Args:
        agreement: correlations, the rulers' names as index and columns (:func:`fairkd.lab.rulers.agreement`).
    """
    names = [ruler_title(name) for name in agreement.columns]
    labels, places = [textwrap.fill(name, 21) for name in names], np.arange(len(names)) + 0.5
    values = agreement.to_numpy(dtype=float)
    with theme():
        figure = Figure(figsize=(min(2.6 + 0.9 * len(names), PANE), 1.6 + 0.6 * len(names)), layout="constrained")
        axis = figure.subplots()
        # Not seaborn's heatmap: seaborn takes a second to import, for this figure alone.
        shown = np.ma.masked_invalid(values)
        axis.pcolormesh(shown, vmin=-1, vmax=1, cmap="RdBu_r", edgecolors="white", linewidth=1)
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            said = number(value, 2).replace("0.", ".")  # as correlations are written
            colour = "white" if abs(value) > _DARK else ".15"
            axis.text(places[column], places[row], said, color=colour, fontsize=8.5, ha="center", va="center")
        axis.set_xticks(places, labels)
        axis.set_yticks(places, labels)
        axis.set_ylim(len(names), 0)
        axis.grid(visible=False)
        axis.tick_params(axis="x", rotation=90)
        pairs = [
            (f"{names[a]} and {names[b]}", float(values[a, b]))
            for a in range(len(names))
            for b in range(a + 1, len(names))
        ]
        figure.set_label(f"Correlation of each two rulers over the students. {lowest_and_highest(pairs)}")
    return figure
