"""What all figures share: theme, colours, marks, and how a notebook shows them."""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairkd.show.downloads import csv_text

COLOURS = sns.color_palette("colorblind").as_hex()
OURS, PAPER, TEACHER_COLOUR = COLOURS[0], "#222222", "#666666"
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
    return re.sub(r"\bL_([a-z][a-z0-9]*)", r"$L_{\\mathrm{\1}}$", title)


def show(
    figure: Figure,
    *,
    data: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    note: str = "",
    alt: str | None = None,
) -> None:
    """Displays a figure as :func:`bundle` makes it, and closes it."""
    from IPython.display import display

    made = bundle(figure, data=data, caption=note, alt=alt)
    display(made["data"], raw=True, metadata=made["metadata"])


def bundle(
    figure: Figure,
    *,
    data: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    caption: str = "",
    alt: str | None = None,
) -> dict[str, Any]:
    """What Jupyter displays of a figure, by MIME type, and its metadata: PNG with alternative text. Closes the figure.

    Args:
        figure: as returned by the functions here, or any other.
        data: the numbers that it shows; the exported page offers them as a CSV file below the figure. Several frames
            follow one another in it.
        caption: small type below the figure that stays with it when it is copied.
        alt: what a reader who cannot see it should know; the figure's own label where it is not given.
    """
    with theme():
        if caption:
            _footnote(figure, caption)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
    # bbox is not tightened, so the size on the page is the figure's own, known before the image is decoded.
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    text = alt or str(figure.get_label() or "Figure without a description")
    metadata: dict[str, Any] = {"image/png": {"alt": text, "width": width, "height": height}}
    if data is not None:
        whole = data if isinstance(data, pd.DataFrame) else pd.concat(data, ignore_index=True)
        metadata["fairkd"] = {"csv": csv_text(whole)}
    figure.clear()
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"data": {"image/png": image, "text/plain": text}, "metadata": metadata}


def _footnote(figure: Figure, text: str) -> None:
    """Makes the figure taller and writes below what was there."""
    width, height = figure.get_size_inches()
    lines = textwrap.fill(text, width=int(width * 17)).count("\n") + 1
    extra = 0.16 * lines + 0.1
    figure.set_layout_engine("constrained", rect=(0, extra / (height + extra), 1, height / (height + extra)))
    figure.set_size_inches(width, height + extra)
    wrapped = textwrap.fill(text, width=int(width * 17))
    figure.text(0.01, 0.05 / (height + extra), wrapped, fontsize=7, color=TEACHER_COLOUR, va="bottom")


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
