"""What all figures share: theme, colours, marks, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from fairkd.names import TEST_TITLES
from fairkd.wording import number

COLOURS: Any = (
    "#0173b2",
    "#de8f05",
    "#029e73",
    "#d55e00",
    "#cc78bc",
    "#ca9161",
    "#fbafe4",
    "#949494",
    "#ece133",
    "#56b4e9",
)
"""seaborn's palette "colorblind", written down like its style below: seaborn takes two seconds to import."""
OURS, PAPER, TEACHER_COLOUR = COLOURS[0], "#222222", "#666666"
PANE = 8.6
"""Inches at most: what JupyterLab leaves a figure beside its list of files, in a window of 1300 pixels."""
DPI = 144  # of pictures in panels, which are images: two of their pixels a page pixel

_WHITEGRID = {
    "axes.axisbelow": True, "axes.facecolor": "white", "axes.grid": True, "axes.labelcolor": ".15",
    "font.family": ["sans-serif"], "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "sans-serif"],
    "grid.linestyle": "-", "lines.solid_capstyle": "round", "patch.edgecolor": "w", "patch.force_edgecolor": True,
    "text.color": ".15", "xtick.bottom": False, "xtick.color": ".15", "xtick.direction": "out", "xtick.top": False,
    "ytick.color": ".15", "ytick.direction": "out", "ytick.left": False, "ytick.right": False,
}  # fmt: skip
"""seaborn's style "whitegrid"."""


def shades(n: int) -> list[str]:
    """So many colours from dark to light, an order that greyscale keeps: of the colour map "viridis", without ends."""
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0, 1, n + 2)[1:-1])]


def theme() -> AbstractContextManager[None]:
    """The settings all figures share, for a ``with`` block; nothing global changes."""
    return mpl.rc_context(
        {
            **_WHITEGRID,
            "figure.facecolor": "white",
            "axes.edgecolor": "#888888",
            "grid.color": "#e2e2e2",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            # Text stays text: a reader's own font writes it. It is laid out in a font that is wider than most.
            "font.family": "DejaVu Sans",
            "svg.fonttype": "none",
            "svg.hashsalt": "fairkd",
            "legend.frameon": False,
        }
    )


def subscripts(title: str) -> str:
    """A title with "L_ce" set as a symbol."""
    return re.sub(r"\bL_([a-z][a-z0-9]*)", r"$L_{\\mathrm{\1}}$", title)


def spread(wanted: ArrayLike, *, gap: float, low: float = 0.02, high: float = 0.98) -> NDArray[np.float64]:
    """Positions near the wanted ones, in their order, at least ``gap`` apart and from ``low`` to ``high``.

    Of all such positions these have the least sum of squared moves. Where not all find room between the ends, they go
    beyond ``high``.

    Args:
        wanted: shape (n,).
    """
    from scipy.optimize import isotonic_regression  # here: it takes a third of a second, for names beside points

    array = np.asarray(wanted, dtype=np.float64)
    if not len(array):
        return array
    order, steps = np.argsort(array, kind="stable"), gap * np.arange(len(array))
    fitted = isotonic_regression(array[order] - steps).x  # least squares under "never falling"
    placed = np.empty_like(array)
    placed[order] = np.clip(fitted, low, max(low, high - steps[-1])) + steps
    return placed


def test_title(test: str) -> str:
    """The heading of a test's panel, in two lines, so that it ends before the next one begins."""
    return f"{test}\n{TEST_TITLES[test]}"


def lowest_and_highest(named: Iterable[tuple[str, float]], digits: int = 2) -> str:
    """The second sentence of a description: where the values begin and where they end.

    >>> lowest_and_highest([("C6", 0.5), ("C7", -1.25), ("C8", float("nan"))])
    'Lowest: −1.25, C7; highest: 0.50, C6.'
    """
    finite = sorted(((value, name) for name, value in named if np.isfinite(value)), key=lambda pair: pair[0])
    if not finite:
        return "No value is there."
    (low, first), (high, last) = finite[0], finite[-1]
    if len(finite) == 1:
        return f"Its one value: {number(low, digits)}, {first}."
    return f"Lowest: {number(low, digits)}, {first}; highest: {number(high, digits)}, {last}."


def forest(axis: Axes, at: Any, y: Any, low: Any, high: Any) -> None:
    """Ours as filled marks with horizontal intervals at heights ``y``."""
    axis.hlines(y, low, high, color=OURS, linewidth=1.2)
    axis.plot(at, y, "o", color=OURS, markersize=5.5, label="ours")


def zero(axis: Axes, *, upright: bool) -> None:
    """The line of no effect."""
    draw = axis.axvline if upright else axis.axhline
    draw(0, color="#999999", linewidth=0.8)


def teacher_line(axis: Axes, teacher: pd.DataFrame, value: str, low: str, high: str) -> None:
    """The teacher's value as a dashed line, its interval as a band."""
    for _, row in teacher.iterrows():
        axis.axhline(row[value], color=TEACHER_COLOUR, linestyle="--", linewidth=1.3, label="teacher")
        if np.isfinite(row[low]) and np.isfinite(row[high]):
            axis.axhspan(row[low], row[high], color=TEACHER_COLOUR, alpha=0.13, linewidth=0)


def points(axis: Axes, x: Any, y: Any, low: Any, high: Any, *, label: str) -> None:
    """Ours as filled marks joined by a line, with upright intervals."""
    # Lines from end to end, not error bars: an interval of a mean of |d| need not hold its estimate.
    axis.vlines(x, low, high, color=OURS, linewidth=1.2)
    axis.plot(x, y, "o-", color=OURS, linewidth=1.2, markersize=5.5, label=label)


def hollow(axis: Axes, x: Sequence[float], y: Sequence[float] | np.ndarray) -> None:
    """The paper's values."""
    axis.plot(x, y, "D", markerfacecolor="none", markeredgecolor=PAPER, markersize=6.5, label="paper, printed")


def shared_legend(figure: Figure, axes: Sequence[Axes] | np.ndarray) -> None:
    """One legend above all panels, each label once."""
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside upper right", ncols=len(handles))
