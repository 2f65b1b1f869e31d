"""Two encoders side by side: effect sizes, and sentences on the gender direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.bias.stimuli import TESTS
from fairkd.show.figures.style import COLOURS, OURS, PANE, lowest_and_highest, shared_legend, subscripts, theme, zero
from fairkd.show.tables.plain import records

LOOKS = ((OURS, "o"), (COLOURS[3], "s"), (COLOURS[2], "^"))
"""Colour and mark of each model."""
SPREAD = 0.3
"""Half the height of a row over which its sentences are spread, so that equal ones do not cover each other."""


def compare_effects(effects: pd.DataFrame) -> Figure:
    """The six tests of each model with their intervals, a row a test.

    Args:
        effects: model, test, effect_size, ci_low, ci_high; at most three models.
    """
    models = list(effects.model.drop_duplicates())
    heights = np.arange(len(TESTS))
    with theme():
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axis = figure.subplots()
        zero(axis, upright=True)
        for number_of, (model, (colour, mark)) in enumerate(zip(models, LOOKS, strict=False)):
            rows = effects[effects.model == model].set_index("test").loc[list(TESTS)]
            at = heights + 0.22 * (number_of - (len(models) - 1) / 2)
            axis.hlines(at, rows.ci_low, rows.ci_high, color=colour, linewidth=1.2)
            axis.plot(rows.effect_size, at, mark, color=colour, markersize=5.5, label=subscripts(model))
        axis.set_yticks(heights, TESTS)
        axis.invert_yaxis()
        axis.set_xlabel("effect size d")
        shared_legend(figure, [axis])
        values = [(f"{r.model}, {r.test}", r.effect_size) for r in records(effects)]
        figure.set_label(
            f"Effect size of each of the six tests with its 95 % interval: {', '.join(models)}. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def projection_strips(frame: pd.DataFrame, *, test: str) -> Figure:
    """Each sentence of a test on the gender direction of its encoder: a panel a model, a row a set of sentences.

    Args:
        frame: model, group, gendered, projection, a row a sentence.
        test: its name, for the title.
    """
    models = list(frame.model.drop_duplicates())
    groups = list(frame.group.drop_duplicates())
    with theme():
        figure = Figure(figsize=(min(3.9 * max(len(models), 1) + 0.8, PANE), 3.2), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(models), sharex=True, sharey=True))
        for axis, model in zip(axes, models, strict=True):
            zero(axis, upright=True)
            for row, group in enumerate(groups):
                own = frame[(frame.model == model) & (frame.group == group)]
                colour, mark = LOOKS[0] if own.gendered.all() else LOOKS[1]
                spread = SPREAD * (np.arange(len(own)) * 0.618 % 1 * 2 - 1)  # even, and the same every time
                axis.plot(own.projection, row + spread, mark, color=colour, markersize=3.2, alpha=0.6)
                middle = own.projection.mean()
                axis.plot([middle] * 2, [row - 0.4, row + 0.4], "-", color="#222222", linewidth=2)
            axis.set_title(subscripts(model))
            axis.set_yticks(range(len(groups)), groups)
            axis.set_xlabel("cosine with the gender direction (right: male)")
        axes[0].invert_yaxis()
        figure.suptitle(f"Sentences of {test}", x=0.01, ha="left", fontsize=10.5)
        means = frame.groupby(["model", "group"], sort=False).projection.mean().reset_index()
        values = [(f"mean of {row.group} in {row.model}", row.projection) for row in records(means)]
        figure.set_label(
            f"Each sentence of test {test} on the gender direction, a panel a model. {lowest_and_highest(values)}"
        )
    return figure
