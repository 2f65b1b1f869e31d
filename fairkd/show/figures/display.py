"""How a notebook shows a figure: as SVG whose text is text, once as it is and once for phones, in a column."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from fairkd.errors import InputError
from fairkd.show import svg
from fairkd.show.downloads import csv_text
from fairkd.show.figures.style import PANE, TEACHER_COLOUR, spread, subscripts, theme

PHONE = 3.64
"""Inches between the margins of a page on a phone."""
_LETTER, _LINE = 0.082, 0.17
"""Inches of a letter, generously, and of a line."""
_ROOM = 1.1
"""Inches of a panel's height that its labels take."""
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def show(figure: Figure, **given: Any) -> None:
    """Displays a figure as :func:`bundle` makes it, which takes the same arguments, and closes it."""
    from IPython.display import display

    made = bundle(figure, **given)
    display(made["data"], raw=True, metadata=made["metadata"])


def bundle(
    figure: Figure,
    *,
    data: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    note: str = "",
    alt: str | None = None,
    caption: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """What Jupyter displays of a figure: "data" by MIME type, SVG among it, and "metadata". Closes the figure.

    An exported page shows it with its number, its caption and a link, and on a phone with its panels in a column.

    Args:
        figure: as returned by the functions here, or any other.
        data: the numbers that it shows; the exported page offers them as a CSV file below the figure. Several frames
            follow one another in it.
        note: small type below the figure that stays with it when it is copied (``Experiment.badge``).
        alt: what a reader who cannot see it should know; the figure's own label where it is not given.
        caption: what it shows, plain text, above the figure on the page; the first sentence of ``alt`` where it is not
            given. A caption that begins with "Figure 1" gets no number of the page: it is the paper's.
        name: its id on the page, small letters, digits and hyphens; made of the caption where it is not given.

    Raises:
        InputError: ``name`` is no such name.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise InputError(f"a figure's name has small letters, digits and hyphens, as in 'figure-1', not {name!r}")
    text = alt or str(figure.get_label() or "Figure without a description")
    about: dict[str, Any] = {"alt": text, "caption": caption or first_sentence(text)}
    if name is not None:
        about["name"] = name
    if data is not None:
        about["csv"] = csv_text(data if isinstance(data, pd.DataFrame) else pd.concat(data, ignore_index=True))
    with theme():
        wide = _drawn(figure, note)
        if figure.get_figwidth() > PHONE and _is_a_grid(figure):
            in_a_column(figure)
            about["narrow"] = _drawn(figure, note)
    figure.clear()
    return {"data": {"image/svg+xml": wide, "text/plain": text}, "metadata": {"fairkd": about}}


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence.

    >>> first_sentence("Average SEAT, d = 0.5, by layers. Lowest: 1.")
    'Average SEAT, d = 0.5, by layers.'
    """
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _drawn(figure: Figure, note: str) -> str:
    """The figure as SVG with ``note`` below; the figure itself stays as it was."""
    width, height = figure.get_size_inches()
    engine, texts = figure.get_layout_engine(), list(figure.texts)
    if note:
        _footnote(figure, note)
    _laid_out(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    for added in [text for text in figure.texts if text not in texts]:
        added.remove()
    figure.set_size_inches(width, height)
    figure.set_layout_engine(engine or "none")
    drawing = svg.clean(buffer.getvalue())
    if width > PANE:  # a figure of somebody's own is shown smaller: JupyterLab would cut it at the right
        for side in ("width", "height"):
            drawing.set(side, f"{float(drawing.attrib[side]) * PANE / width:g}")
    return svg.written(drawing)


def _laid_out(figure: Figure) -> None:
    """Gives everything its place in an SVG file: ``savefig`` would draw the whole figure once more for that."""
    if (layout := figure.get_layout_engine()) is None:
        return
    FigureCanvasSVG(figure)
    figure.set_dpi(72)  # as it will be drawn
    layout.execute(figure)
    figure.set_layout_engine(None)


def _footnote(figure: Figure, text: str) -> None:
    """Makes the figure taller and writes below what was there."""
    width, height = figure.get_size_inches()
    wrapped = textwrap.fill(text, width=int(width * 13.5))
    extra = 0.17 * (wrapped.count("\n") + 1) + 0.12
    figure.set_layout_engine("constrained", rect=(0, extra / (height + extra), 1, height / (height + extra)))
    figure.set_size_inches(width, height + extra)
    figure.text(0.01, 0.05 / (height + extra), wrapped, fontsize=8.5, color=TEACHER_COLOUR, va="bottom")


def _is_a_grid(figure: Figure) -> bool:
    """Whether every panel has a place of its own in one grid: no second axis on another, no panel set by hand."""
    places = [axis.get_subplotspec() for axis in figure.axes]
    grids = {id(place.get_gridspec()) for place in places if place is not None}
    corners = {(place.num1, place.num2) for place in places if place is not None}
    return None not in places and len(grids) == 1 and len(corners) == len(places)


def in_a_column(figure: Figure) -> None:
    """Lays the figure out for a phone: panels below each other, each with its own labels, long words in two lines."""
    panels = [axis for axis in figure.axes if axis.axison or axis.get_legend() is not None]
    for axis in [axis for axis in figure.axes if axis not in panels]:
        axis.remove()
    grid = panels[0].get_gridspec() if panels else None
    labels = [(axis.get_xlabel(), axis.get_ylabel()) for axis in panels]
    shared = [next((pair[at] for pair in labels if pair[at]), "") for at in (0, 1)]
    height = figure.get_figheight() / (grid.nrows if grid else 1)
    heights = []
    for axis, (x, y) in zip(panels, labels, strict=True):
        if axis.axison:
            axis.tick_params(labelleft=True, labelbottom=True)
            _wrapped(axis, x or shared[0], y or shared[1])
        heights.append(_height(axis, height))
    column = figure.add_gridspec(max(len(panels), 1), 1, height_ratios=heights or [1])
    for n, axis in enumerate(panels):
        axis.set_subplotspec(column[n, 0])
        _apart(axis, heights[n] - _ROOM)
    _legends(figure)
    figure.set_layout_engine("constrained")
    figure.set_size_inches(PHONE, sum(heights) + _LINE * 1.5 * sum(len(legend.texts) for legend in figure.legends) / 2)


def _wrapped(axis: Axes, x: str, y: str) -> None:
    """Breaks what is longer than a phone is wide."""
    axis.set_title(_fill(axis.get_title(loc="left"), 40))
    axis.set_xlabel(_fill(x, 27 if _has_names(axis.get_yticklabels()) else 40))  # beside names there is less room
    axis.set_ylabel(_fill(y, 32))
    for text in _outside(axis):
        text.set_text(_fill(text.get_text(), 17))
    if _has_names(axis.get_xticklabels()):
        axis.tick_params(axis="x", rotation=90)
    names = [label.get_text() for label in axis.get_yticklabels()]
    if _has_names(axis.get_yticklabels()):
        axis.set_yticks(axis.get_yticks(), [_fill(name, 17) for name in names])


def _has_names(labels: Sequence[Text]) -> bool:
    """Whether rows or columns have names, not numbers."""
    return any(re.search(r"[A-Za-z]{2}", label.get_text()) for label in labels)


def _height(axis: Axes, height: float) -> float:
    """Inches of a panel: what it had, and what its rows need now."""
    rows, columns = axis.get_yticklabels(), axis.get_xticklabels()
    lines = [label.get_text().count("\n") + 1 for label in rows] if _has_names(rows) else []
    turned = max((len(label.get_text()) for label in columns), default=0) if _has_names(columns) else 0
    names = [text.get_text().count("\n") + 1 for text in _outside(axis)]
    size = max((float(label.get_fontsize()) for label in rows), default=10.0) / 72
    most = max(lines, default=0)
    need = size * len(lines) * (1.35 * most + (0.3 if most > 1 else 0))  # names of two lines stand apart from the next
    return max(
        min(height, 3.2), need + 0.9 + _LETTER * turned, 1.2 * _LINE * sum(names) + _ROOM if _outside(axis) else 0
    )


def _outside(axis: Axes) -> list[Any]:
    """Names that stand to the right of a panel."""
    return [text for text in axis.texts if isinstance(text, Annotation) and text.anncoords == "axes fraction"]


def _apart(axis: Axes, height: float) -> None:
    """Moves such names, which have more lines now, so that they do not touch; ``height``: inches of the axes."""
    names = _outside(axis)
    lines = max((name.get_text().count("\n") + 1 for name in names), default=1)
    places = spread([name.xyann[1] for name in names], gap=0.85 * _LINE * lines / height)
    for name, place in zip(names, places, strict=True):
        name.xyann = (name.xyann[0], place)


def _legends(figure: Figure) -> None:
    """Legends in as many columns as a phone has room for."""
    legends = [*figure.legends, *(legend for axis in figure.axes if (legend := axis.get_legend()) is not None)]
    for legend in legends:
        names = [text.get_text() for text in legend.get_texts()]
        longest = max((len(re.sub(r"[\\${}_]|mathrm", "", name)) for name in names), default=0)
        columns = max(1, min(len(names), int((PHONE - 0.1) / (0.6 + _LETTER * longest))))
        handles = [handle for handle in legend.legend_handles if handle is not None]
        if legend in figure.legends:
            legend.remove()
            figure.legend(handles, names, loc="outside upper left", ncols=columns)
        else:
            axis = legend.axes
            legend.remove()
            axis.legend(handles, names, loc="upper left", ncols=columns, handlelength=2.8)


def _fill(text: str, width: int) -> str:
    """Lines of at most ``width`` letters, where symbols count as they are seen."""
    seen = re.sub(r"\$L_\{\\mathrm\{(\w+)\}\}\$", r"L_\1", text)
    return subscripts("\n".join(textwrap.fill(line, width, break_long_words=False) for line in seen.split("\n")))
