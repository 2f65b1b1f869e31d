"""How students were taught: training curves and how often gender words occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairkd.losses import LOSSES
from fairkd.names import arm_titles
from fairkd.show.figures.style import COLOURS, OURS, PANE, lowest_and_highest, shades, subscripts, theme
from fairkd.show.tables.plain import records

FIRST_COUNT = 0.7
"""Where a log scale of counts begins, so that one occurrence has a bar."""


def training(metrics: pd.DataFrame) -> Figure:
    """Loss terms of every arm against steps; several seeds are a line (mean) and a band (their range).

    Args:
        metrics: arm, seed, step and a column a loss of :data:`fairkd.losses.LOSSES` (nan or absent where an arm has
            no such term).
    """
    terms = [term for term in LOSSES if term in metrics and metrics[term].notna().any()]
    titles = arm_titles(metrics.arm.drop_duplicates())
    arms = list(titles)
    # A step from dark to light is an order that greyscale keeps; dashes tell neighbours apart.
    looks = list(zip(shades(len(arms) + 1)[: len(arms)], _dashes(len(arms)), strict=True))
    many = len(arms) > 6
    columns = 2 if many else max(len(terms), 1)
    lines = (len(terms) + columns) // columns if many else 1  # with many arms the legend fills a panel of its own
    with theme():
        size = (PANE, 3.2 * lines) if many else (min(2.7 * max(len(terms), 2), PANE), 3.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).flat
        band = 0.1 if many else 0.2
        for axis, term in zip(panels, terms, strict=False):
            rows = metrics[metrics[term].notna()]
            for arm, (colour, dashes) in zip(arms, looks, strict=True):
                own = rows[rows.arm == arm]
                _curve(axis, own, term, label=subscripts(titles[arm]), band=band, color=colour, dashes=dashes)
            axis.set_title(subscripts(f"L_{term}"))
            axis.set(xlabel="update", ylabel="loss a token" if many or term == terms[0] else "")
        handles: tuple[Any, Any] = panels[0].get_legend_handles_labels()
        if many:
            for axis in panels[len(terms) :]:
                axis.axis("off")
            panels[len(terms)].legend(*handles, loc="upper left", ncols=2, handlelength=2.8)
        else:
            figure.legend(*handles, loc="outside upper right", ncols=min(4, len(arms) or 1))
        last = metrics.sort_values("step").groupby(["arm"], sort=False).tail(1)
        values = zip(last.arm, last[terms[0]], strict=True) if terms else ()
        what = f"last L_{terms[0]}" if terms else "last loss"
        named = [(f"{what} of {titles[arm]}", value) for arm, value in values]
        figure.set_label(f"Training losses of {len(arms)} students against updates. {lowest_and_highest(named)}")
    return figure


def _curve(
    axis: Axes, rows: pd.DataFrame, term: str, *, label: str, band: float, color: str, dashes: tuple[float, ...]
) -> None:
    """The mean over seeds, and their range where there are several; no line for an arm without the term."""
    steps = rows.groupby("step")[term].agg(["mean", "min", "max"])
    (line,) = axis.plot(steps.index, steps["mean"], color=color, linewidth=1.4, label=label)
    line.set_dashes(dashes)
    if (steps["max"] > steps["min"]).any():
        axis.fill_between(steps.index, steps["min"], steps["max"], color=color, alpha=band, linewidth=0)


def _dashes(n: int) -> list[tuple[float, ...]]:
    patterns: list[tuple[float, ...]] = [(), (4, 1.5), (1, 1), (3, 1.25, 1.5, 1.25), (5, 1, 1, 1), (2, 2)]
    return [patterns[i % len(patterns)] for i in range(n)]


def pair_counts(counts: pd.DataFrame) -> Figure:
    """How often each word of a gender pair occurs: two bars a pair, on a log scale where counts are far apart.

    Args:
        counts: the columns :data:`fairkd.frames.WORD_COUNTS`.
    """
    numbers = counts[["n_female", "n_male"]].to_numpy()
    found = numbers[numbers > 0]
    log = bool(len(found)) and found.max() > 50 * found.min()
    heights = np.arange(len(counts))
    with theme():
        figure = Figure(figsize=(6.6, 1.2 + 0.42 * max(len(counts), 1)), layout="constrained")
        axis = figure.subplots()
        # Light and dark with hatching: two bars that stay apart in greyscale.
        for words, shift, look in (
            ("female", -0.2, {"color": COLOURS[1], "edgecolor": "#333333", "hatch": "///"}),
            ("male", 0.2, {"color": OURS, "edgecolor": "#333333"}),
        ):
            values = counts[f"n_{words}"]
            axis.barh(heights + shift, values, height=0.38, label=f"{words} word", linewidth=0.5, **look)
            for height, value in zip(heights + shift, values, strict=True):  # on a log scale zero has a label, no bar
                axis.annotate(
                    f"{value:,}", (max(value, FIRST_COUNT) if log else value, height), (3, 0),
                    textcoords="offset points", fontsize=8.5, va="center",
                )  # fmt: skip
        axis.set_yticks(heights, [f"{row.female} / {row.male}" for row in records(counts)])
        axis.invert_yaxis()
        if log:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axis.set_xlim(FIRST_COUNT, found.max() * 3)
        else:
            axis.set_xlim(0, 1.12 * max(int(numbers.max(initial=0)), 1))
        axis.grid(visible=False, axis="y")
        axis.set_xlabel(f"occurrences in the training text{', log scale' if log else ''}")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=2)
        named = [pair for r in records(counts) for pair in ((r.female, r.n_female), (r.male, r.n_male))]
        figure.set_label(
            f"How often each word of the gender pairs occurs in the training text. {lowest_and_highest(named, 0)}"
        )
    return figure
