"""Figures: one visual language for notebooks and report.

Ours is filled, the paper's printed value is hollow beside it, the teacher is a dashed line; an interval goes with
every estimate. Marks differ in shape and lightness as well as colour, so that they stay apart in greyscale and for
colour-blind readers. Functions take tidy frames and return the Figure, whose label is its alternative text.
"""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairkd.stimuli import TESTS
from fairkd.tables import ARM_TITLES, TEST_TITLES, interval, number

COLOURS = sns.color_palette("colorblind").as_hex()
OURS, PAPER, TEACHER = COLOURS[0], "#222222", "#666666"
DPI = 144  # two image pixels a page pixel


def theme() -> AbstractContextManager[None]:
    """The settings all figures share, for a ``with`` block; nothing global changes."""
    return mpl.rc_context(
        {
            **sns.axes_style("whitegrid"),
            "figure.facecolor": "white",
            "axes.edgecolor": "#888888",
            "grid.color": "#e2e2e2",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "legend.frameon": False,
        }
    )


def subscripts(title: str) -> str:
    """A title with "L_ce" set as a symbol."""
    return re.sub(r"\bL_([a-z]+)", r"$L_{\\mathrm{\1}}$", title)


def show(figure: Figure, *, note: str = "", alt: str | None = None) -> None:
    """Displays a figure as PNG with alternative text, and closes it.

    Args:
        figure: as returned by the functions here, or any other.
        note: small type below the figure that stays with it when it is copied (``Profile.scale``).
        alt: what a reader who cannot see it should know; the figure's own label where it is not given.
    """
    from IPython.display import display

    with theme():
        if note:
            _footnote(figure, note)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
    # bbox is not tightened, so the size on the page is the figure's own, known before the image is decoded.
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    text = alt or str(figure.get_label() or "Figure without a description")
    display(
        {"image/png": base64.b64encode(buffer.getvalue()).decode("ascii"), "text/plain": text},
        raw=True,
        metadata={"image/png": {"alt": text, "width": width, "height": height}},
    )
    figure.clear()


def _footnote(figure: Figure, text: str) -> None:
    """Makes the figure taller and writes below what was there."""
    width, height = figure.get_size_inches()
    lines = textwrap.fill(text, width=int(width * 17)).count("\n") + 1
    extra = 0.16 * lines + 0.1
    figure.set_layout_engine("constrained", rect=(0, extra / (height + extra), 1, height / (height + extra)))
    figure.set_size_inches(width, height + extra)
    wrapped = textwrap.fill(text, width=int(width * 17))
    figure.text(0.01, 0.05 / (height + extra), wrapped, fontsize=7, color=TEACHER, va="bottom")


def capacity(averages: pd.DataFrame, correlation: pd.DataFrame, *, printed_r: float) -> Figure:
    """Figure 1: average SEAT (mean |d|) against layers, a panel a pooling, the teacher as reference.

    Args:
        averages: arm, layers, pooling, average, low, high; the teacher is the arm "teacher".
        correlation: pooling, r, low, high, covers (what the interval of r is over).
        printed_r: the paper's correlation, named beside ours.
    """
    poolings = list(averages.pooling.drop_duplicates())
    with theme():
        figure = Figure(figsize=(4.2 * len(poolings) if len(poolings) > 1 else 6.4, 3.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(poolings), sharey=True))
        notes = []
        for axis, pooling in zip(axes, poolings, strict=True):
            rows = averages[averages.pooling == pooling]
            students = rows[rows.arm != "teacher"].sort_values("layers")
            _teacher_line(axis, rows[rows.arm == "teacher"], "average", "low", "high")
            _points(axis, students.layers, students.average, students.low, students.high, label="students")
            note = _correlation_note(correlation[correlation.pooling == pooling], printed_r)
            axis.set_title(f"{pooling} pooling\n{note}")
            axis.set_xlabel("layers of the student")
            axis.set_xticks(sorted(set(students.layers)))
            notes.append(f"{pooling} pooling: {_series(students)}; {note}".replace(";\n", ", ").replace("\n", " "))
        axes[0].set_ylabel("average SEAT, mean |d|")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.set_label("Average SEAT effect size against layers of the student. " + ". ".join(notes))
    return figure


def per_test(
    scores: pd.DataFrame,
    *,
    pooling: str,
    printed: Mapping[str, float] | None = None,
    printed_layers: int | None = None,
) -> Figure:
    """The six tests of Figure 1 one by one: signed effect size against layers.

    Args:
        scores: arm, layers, pooling, test, effect_size, low, high.
        pooling: which sentence vectors.
        printed: test -> the paper's value, drawn hollow at ``printed_layers``.
        printed_layers: depth of the student that stands for the paper's (half the teacher's).
    """
    data = scores[scores.pooling == pooling]
    with theme():
        figure = Figure(figsize=(7.6, 4.9), layout="constrained")
        panels = figure.subplots(2, 3, sharex=True, sharey=True)
        for axis, test in zip(panels.flat, TESTS, strict=True):
            rows = data[data.test == test]
            students = rows[rows.arm != "teacher"].sort_values("layers")
            axis.axhline(0, color="#999999", linewidth=0.8)
            _teacher_line(axis, rows[rows.arm == "teacher"], "effect_size", "low", "high")
            _points(axis, students.layers, students.effect_size, students.low, students.high, label="students")
            if printed and printed_layers is not None:
                _hollow(axis, [printed_layers], [printed[test]])
            axis.set_title(f"{test}: {TEST_TITLES[test]}")
            axis.set_xticks(sorted(set(students.layers)))
        for axis in panels[1]:
            axis.set_xlabel("layers of the student")
        for axis in panels[:, 0]:
            axis.set_ylabel("effect size d")
        figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
        spans = [f"{test} {_range(data, test)}" for test in TESTS]
        figure.set_label(f"Effect size against layers for each test, {pooling} pooling; range: " + ", ".join(spans))
    return figure


def ablation(scores: pd.DataFrame, *, pooling: str, printed: Mapping[str, Mapping[str, float]]) -> Figure:
    """Table 1 as a picture: a panel an arm, a row a test, ours filled and the printed value hollow.

    Args:
        scores: as for :func:`per_test`.
        pooling: which sentence vectors.
        printed: arm -> test -> the paper's value.
    """
    data = scores[scores.pooling == pooling]
    arms = [arm for arm in data.arm.drop_duplicates() if arm != "teacher"]
    with theme():
        figure = Figure(figsize=(max(2.3 * len(arms), 4.5) + 0.6, 3.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(arms), sharex=True, sharey=True))
        heights = np.arange(len(TESTS))
        for axis, arm in zip(axes, arms, strict=True):
            rows = data[data.arm == arm].set_index("test").loc[list(TESTS)]
            axis.axvline(0, color="#999999", linewidth=0.8)
            axis.hlines(heights - 0.12, rows.low, rows.high, color=OURS, linewidth=1.2)
            axis.plot(rows.effect_size, heights - 0.12, "o", color=OURS, markersize=5.5, label="ours")
            if arm in printed:
                _hollow(axis, [printed[arm][test] for test in TESTS], heights + 0.18)
            axis.set_title(subscripts(ARM_TITLES.get(arm, arm)))
            axis.set_yticks(heights, TESTS)
            axis.set_xlabel("effect size d")
        axes[0].invert_yaxis()
        _shared_legend(figure, axes)
        texts = [
            f"{ARM_TITLES.get(arm, arm)}: "
            + ", ".join(f"{r.test} {number(r.effect_size, 2)}" for r in data[data.arm == arm].itertuples())
            for arm in arms
        ]
        figure.set_label(f"Effect sizes of each arm and test, {pooling} pooling, ours. " + "; ".join(texts))
    return figure


def training(metrics: pd.DataFrame) -> Figure:
    """Loss terms of every arm against steps; several seeds are a line (mean) and a band (their range).

    Args:
        metrics: arm, seed, step and the columns ce, mlm, cos (nan or absent where an arm has no such term).
    """
    terms = [t for t in ("ce", "mlm", "cos") if t in metrics and metrics[t].notna().any()]
    arms = list(metrics.arm.drop_duplicates())
    # A step from dark to light is an order that greyscale keeps; dashes tell neighbours apart.
    palette = dict(zip(arms, sns.color_palette("viridis", len(arms) + 1).as_hex(), strict=False))
    with theme():
        figure = Figure(figsize=(2.7 * max(len(terms), 2), 3.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(terms), 1), sharex=True))
        for axis, term in zip(axes, terms, strict=True):
            rows = metrics[metrics[term].notna()]
            sns.lineplot(
                rows, x="step", y=term, hue="arm", style="arm", hue_order=arms, style_order=arms, palette=palette,
                errorbar=("pi", 100), ax=axis, linewidth=1.4, dashes=_dashes(len(arms)), legend=term == terms[0],
            )  # fmt: skip
            axis.set_title(subscripts(f"L_{term}"))
            axis.set(xlabel="update", ylabel="loss a token" if term == terms[0] else "")
        handles: tuple[Any, Any] = axes[0].get_legend_handles_labels()
        if axes[0].get_legend() is not None:
            axes[0].get_legend().remove()
        figure.legend(*handles, loc="outside upper right", ncols=min(4, len(arms) or 1))
        last = metrics.sort_values("step").groupby(["arm"], sort=False).tail(1)
        ends = ", ".join(f"{r.arm} {number(getattr(r, terms[0]), 2)}" for r in last.itertuples()) if terms else "none"
        name = f"L_{terms[0]}" if terms else "loss"
        figure.set_label(f"Training losses against updates for {len(arms)} arms; last {name}: {ends}")
    return figure


def _teacher_line(axis: Axes, teacher: pd.DataFrame, value: str, low: str, high: str) -> None:
    for _, row in teacher.iterrows():
        axis.axhline(row[value], color=TEACHER, linestyle="--", linewidth=1.3, label="teacher")
        if np.isfinite(row[low]) and np.isfinite(row[high]):
            axis.axhspan(row[low], row[high], color=TEACHER, alpha=0.13, linewidth=0)


def _points(axis: Axes, x: Any, y: Any, low: Any, high: Any, *, label: str) -> None:
    # Lines from end to end, not error bars: an interval of a mean of |d| need not hold its estimate.
    axis.vlines(x, low, high, color=OURS, linewidth=1.2)
    axis.plot(x, y, "o-", color=OURS, linewidth=1.2, markersize=5.5, label=label)


def _hollow(axis: Axes, x: Sequence[float], y: Sequence[float] | np.ndarray) -> None:
    axis.plot(x, y, "D", markerfacecolor="none", markeredgecolor=PAPER, markersize=6.5, label="paper, printed")


def _shared_legend(figure: Figure, axes: Sequence[Axes] | np.ndarray) -> None:
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside upper right", ncols=len(handles))


def _correlation_note(row: pd.DataFrame, printed_r: float) -> str:
    printed = f"the paper prints r = {number(printed_r, 2)}"
    if row.empty or not np.isfinite(row.r.iloc[0]):
        return f"r is undefined here;\n{printed}"
    one = row.iloc[0]
    return f"r = {number(float(one.r), 2)} {interval(one.low, one.high)}\nover {one.covers};\n{printed}"


def _series(students: pd.DataFrame) -> str:
    pairs = zip(students.layers, students.average.to_numpy(dtype=float), strict=True)
    return ", ".join(f"layers {layers}: {number(average, 2)}" for layers, average in pairs)


def _range(data: pd.DataFrame, test: str) -> str:
    values = data[(data.test == test) & (data.arm != "teacher")].effect_size.to_numpy(dtype=float)
    return f"{number(values.min(), 2)} to {number(values.max(), 2)}"


def _dashes(n: int) -> list[Any]:
    patterns: list[Any] = ["", (4, 1.5), (1, 1), (3, 1.25, 1.5, 1.25), (5, 1, 1, 1), (2, 2)]
    return [patterns[i % len(patterns)] for i in range(n)]
