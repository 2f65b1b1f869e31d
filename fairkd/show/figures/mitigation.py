"""Table 2 as pictures, and the controlled experiment: what mixup and debiasing change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.bias.stimuli import TESTS
from fairkd.names import TEACHER, arm_titles
from fairkd.show.figures.style import (
    OURS,
    PANE,
    TEACHER_COLOUR,
    forest,
    hollow,
    lowest_and_highest,
    shared_legend,
    subscripts,
    test_title,
    theme,
    zero,
)
from fairkd.show.tables.plain import records
from fairkd.wording import number


def mixup(tests: pd.DataFrame, *, pooling: str, printed: Mapping[str, Mapping[str, float]]) -> Figure:
    """The tests of Table 2 one by one: a panel a test, a row an arm, ours filled and the printed value hollow.

    Args:
        tests: the columns :data:`fairkd.frames.SEAT_TESTS` and pooling. The value of the arm "full", the
            original student, is drawn as a line through its panel.
        pooling: which sentence vectors.
        printed: arm -> test -> the paper's value.
    """
    data = tests[(tests.pooling == pooling) & (tests.arm != TEACHER)]
    titles = arm_titles(data.arm.drop_duplicates())
    arms, heights = list(titles), np.arange(len(titles))
    with theme():
        figure = Figure(figsize=(PANE, 1.4 + 0.74 * len(arms)), layout="constrained")
        panels = figure.subplots(2, 3, sharex=True, sharey=True)
        for axis, test in zip(panels.flat, TESTS, strict=True):
            rows = data[data.test == test].set_index("arm").loc[arms]
            zero(axis, upright=True)
            if "full" in arms:
                axis.axvline(rows.effect_size["full"], color=OURS, linestyle=":", linewidth=1.3, label="ours, original")
            forest(axis, rows.effect_size, heights - 0.17, rows.low, rows.high)
            both = [(printed[arm][test], n + 0.24) for n, arm in enumerate(arms) if arm in printed]
            if both:
                hollow(axis, *zip(*both, strict=True))
            axis.set_title(test_title(test))
            axis.grid(visible=False, axis="y")
            axis.set_yticks(heights, [subscripts(title) for title in titles.values()])
        panels[0, 0].invert_yaxis()
        for axis in panels[1]:
            axis.set_xlabel("effect size d")
        shared_legend(figure, panels.flat)
        values = [(f"{titles[r.arm]}, {r.test}", r.effect_size) for r in records(data)]
        figure.set_label(
            f"Effect size of each test and student with its 95 % interval, {pooling} pooling, and the printed values. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def difference_intervals(data: pd.DataFrame, *, pooling: str, printed: Mapping[str, float]) -> Figure:
    """Average SEAT of each arm minus the baseline's, with paired intervals; printed differences are hollow.

    Args:
        data: the columns :data:`fairkd.frames.SEAT_DIFFERENCES` and pooling.
        pooling: which sentence vectors.
        printed: arm -> the paper's average, from which its differences are taken.
    """
    rows = data[data.pooling == pooling]
    titles, heights = arm_titles([*rows.arm, *rows.baseline]), np.arange(len(rows))
    both = [
        (printed[row.arm] - printed[row.baseline], n + 0.22)
        for n, row in enumerate(records(rows))
        if row.arm in printed and row.baseline in printed
    ]
    baselines = " or ".join(titles[name] for name in rows.baseline.drop_duplicates())
    with theme():
        figure = Figure(figsize=(7.6, 1.3 + 0.4 * max(len(rows), 1)), layout="constrained")
        axis = figure.subplots()
        zero(axis, upright=True)
        forest(axis, rows.difference, heights - 0.18, rows.low, rows.high)
        if both:
            hollow(axis, *zip(*both, strict=True))
        axis.set_yticks(heights, [subscripts(titles[arm]) for arm in rows.arm])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.grid(visible=False, axis="y")
        axis.set_xlabel(subscripts(f"average SEAT (mean |d|) minus that of: {baselines}"))
        shared_legend(figure, [axis])
        values = [(titles[r.arm], r.difference) for r in records(rows)]
        figure.set_label(
            f"Average SEAT of each student minus that of {baselines}, {pooling} pooling, with paired 95 % intervals. "
            f"{lowest_and_highest(values, 3)}"
        )
    return figure


def planted_strengths(data: pd.DataFrame, *, pooling: str) -> Figure:
    """The controlled experiment: average signed SEAT against the planted strength, teacher and student.

    Args:
        data: the columns :data:`fairkd.frames.SEAT_AVERAGES`, pooling and strength; arm is "teacher" or "full".
        pooling: which sentence vectors.
    """
    rows = data[data.pooling == pooling].sort_values("strength")
    strengths = np.sort(rows.strength.unique())
    aside = 0.012 * float(np.ptp(strengths)) if len(strengths) > 1 else 0.0  # so that intervals do not hide each other
    values: list[tuple[str, float]] = []
    with theme():
        figure = Figure(figsize=(6.4, 3.9), layout="constrained")
        axis = figure.subplots()
        zero(axis, upright=False)
        zero(axis, upright=True)
        for arm, label, shift, look in (
            (
                TEACHER,
                "teacher",
                -aside,
                {"color": TEACHER_COLOUR, "marker": "s", "linestyle": "--", "markersize": 5},
            ),
            ("full", "student, all losses", aside, {"color": OURS, "marker": "o", "linestyle": "-", "markersize": 5.5}),
        ):
            own = rows[rows.arm == arm]
            axis.vlines(own.strength + shift, own.signed_low, own.signed_high, color=look["color"], linewidth=1.2)
            axis.plot(own.strength + shift, own.signed, label=label, linewidth=1.2, **look)
            values += [(f"{label} at {number(r.strength, 1)}", r.signed) for r in records(own)]
        axis.set_xticks(strengths, [number(value, 1) for value in strengths])
        axis.set(xlabel="planted strength ρ of the association", ylabel="average SEAT, mean signed d")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.set_label(
            f"Average SEAT (mean signed d) of teacher and student against the planted strength, {pooling} pooling. "
            f"{lowest_and_highest(values)}"
        )
    return figure
