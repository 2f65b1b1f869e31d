"""Rulers of bias side by side: what each says of the same students, and how well they agree."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.bias.rulers import RULERS
from fairkd.lab.rulers import headlines
from fairkd.names import arm_titles
from fairkd.show.figures.style import forest, subscripts, theme, zero
from fairkd.show.tables.plain import records
from fairkd.wording import interval, number


def ruler_forest(data: pd.DataFrame) -> Figure:
    """Each student minus the baseline by the headline score of each ruler: a panel a ruler, a row a student.

    Args:
        data: the columns :data:`fairkd.frames.RULER_DIFFERENCES`; of each ruler the first score is drawn.
    """
    own = headlines(data)
    rulers, arms = list(own.ruler.drop_duplicates()), list(own.arm.drop_duplicates())
    titles, heights = arm_titles([*arms, *own.baseline]), np.arange(len(arms))
    texts = []
    with theme():
        figure = Figure(figsize=(2.2 + 2.3 * len(rulers), 1.4 + 0.3 * len(arms)), layout="constrained")
        for axis, ruler in zip(figure.subplots(1, len(rulers), sharey=True, squeeze=False)[0], rulers, strict=True):
            rows = own[own.ruler == ruler].set_index("arm").loc[arms].reset_index()
            score = RULERS[ruler].scores[0]
            zero(axis, upright=True)
            forest(axis, rows.difference, heights, rows.low, rows.high)
            axis.set_title(textwrap.fill(RULERS[ruler].title, 22))
            axis.set_xlabel(score.unit or "difference")
            axis.grid(visible=False, axis="y")
            values = [f"{titles[r.arm]} {number(r.difference)} {interval(r.low, r.high, 3)}" for r in records(rows)]
            texts.append(f"{RULERS[ruler].title} ({score.title}): {', '.join(values)}")
            axis.set_yticks(heights, [subscripts(titles[arm]) for arm in arms])
            axis.set_ylim(len(arms) - 0.5, -0.5)
        baseline = " or ".join(titles[name] for name in own.baseline.drop_duplicates())
        figure.set_label(f"Each student minus {baseline}, paired 95 % intervals, by ruler. {'; '.join(texts)}")
    return figure


def ruler_agreement(agreement: pd.DataFrame) -> Figure:
    """How well rulers agree on the differences of the students: a matrix of correlations.

    Args:
        agreement: correlations, the rulers' names as index and columns (:func:`fairkd.lab.rulers.agreement`).
    """
    import seaborn as sns

    names = list(agreement.columns)
    with theme():
        figure = Figure(figsize=(2.6 + 0.9 * len(names), 1.6 + 0.6 * len(names)), layout="constrained")
        axis = figure.subplots()
        scale = {"vmin": -1, "vmax": 1, "cmap": "RdBu_r", "center": 0}
        sns.heatmap(agreement, ax=axis, annot=True, fmt=".2f", square=False, cbar=False, linewidths=1, **scale)
        axis.set_xlabel("")
        axis.set_ylabel("")
        axis.tick_params(axis="x", rotation=30)
        values = agreement.to_numpy()
        pairs = [
            f"{names[a]} and {names[b]} {number(float(values[a, b]), 2)}"
            for a in range(len(names))
            for b in range(a + 1, len(names))
        ]
        figure.set_label(f"Correlation over students: {', '.join(pairs)}")
    return figure
