"""Sliders that need no kernel: a picture for every value of a grid, all of them inside the page.

:func:`explorer` draws every picture here, once. The page's script (``templates/fairkd/page.js``) only swaps the
shapes when the slider moves, so that what a reader sees at a value is what Python computed for it. Where no script
runs (a mail program, JupyterLab, print) the picture of the start value stands there, and the numbers of all values
are a plain table below it.

A frame is what is shown at one value, a dictionary of plain lists and numbers:

- ``"lines"``: ``[{"name": str, "x": [float], "y": [float]}]``, drawn on one pair of axes; what is not finite (or
  ``None``) is a gap;
- ``"marks"``: ``[{"name": str, "x": float or [float], "y": float or [float]}]``, points on the same axes;
- ``"bands"``: ``[{"name": str, "x": [float], "low": [float], "high": [float]}]``, areas on the same axes: the
  first has the colour of the first line, whose interval it is;
- ``"bars"``: ``[{"name": str, "labels": [str], "values": [float]}]``, each a panel of level bars, side by side;
- ``"sentence"``: str, what the picture says at this value.

All are optional. Axes and scales hold all frames, so nothing but the data moves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fairkd.errors import InputError, nearest
from fairkd.show.downloads import csv_text, data_url
from fairkd.show.html import Cell, Html, Row, render
from fairkd.show.sliders.shapes import FEW, Frame, Piece, as_list, draw
from fairkd.show.tables.plain import heading, table
from fairkd.wording import number

_KEYS = {
    "lines": ("name", "x", "y"),
    "bands": ("name", "x", "low", "high"),
    "marks": ("name", "x", "y"),
    "bars": ("name", "labels", "values"),
}


def explorer(
    *,
    title: str,
    label: str,
    values: Sequence[float],
    start: int,
    x: str,
    y: str,
    frames: Sequence[Frame],
    note: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Html:
    """A figure with a slider over ``values`` that works in an exported page.

    Args:
        title: what the figure shows, plain text like all text here.
        label: of the slider, as in "α".
        values: the slider's values, in order; at least one.
        start: position in ``values`` that is shown first.
        x: label of the level axis, with its unit.
        y: label of the upright axis, with its unit.
        frames: what is shown at each value, see the module's text.
        note: small type below the figure (``Profile.scale``).
        x_range: ends of the level axis; those of the data where it is not given.
        y_range: ends of the upright axis; what leaves them is cut off (a density that goes to infinity).

    Raises:
        InputError: a frame for every value is not there, ``start`` is no position, or a frame is not of that form.
    """
    _check(values, start, frames)
    for ends in (x_range, y_range):
        if ends and not ends[0] < ends[1]:
            raise InputError(f"a range goes from its lower to its upper end, not from {ends[0]} to {ends[1]}")
    picture = draw(frames, x=x, y=y, x_range=x_range, y_range=y_range)
    texts, sentences = [text(value) for value in values], [str(frame.get("sentence", "")) for frame in frames]
    data = {"title": title, "texts": texts, "sentences": sentences, "shapes": [_plain(own) for own in picture.moving]}
    return render(
        "pictures.explorer",
        title=title,
        label=label,
        texts=texts,
        sentences=sentences,
        start=start,
        longest=max(sentences, key=len),
        picture=picture.at(start, label=f"{title}. {sentences[start]}".strip()),
        note=note,
        table=_table(title, label, texts, frames),
        file_name=f"{_file_name(title)}.csv",
        address=data_url(csv_text(long_form(label, values, frames), digits=6)),
        data=_json(data),
    )


def text(value: float) -> str:
    """A slider's value as it is shown, with a true minus sign."""
    return f"{value:g}".replace("-", "−")


def long_form(label: str, values: Sequence[float], frames: Sequence[Frame]) -> pd.DataFrame:
    """All numbers of all frames, a row a number: the slider's value, kind ("line", "mark", "bar"), name, at, value.

    A band is two kinds, "band low" and "band high". A line, band or bar panel that is the same at every value stands
    once, without a value of the slider.
    """
    rows: list[tuple[Any, ...]] = []
    for kind in _KEYS:
        same = len(frames) > 1 and all(frame.get(kind, []) == frames[0].get(kind, []) for frame in frames)
        for value, frame in zip([math.nan] if same else values, frames[:1] if same else frames, strict=True):
            for part in frame.get(kind, []):
                at, *columns = _KEYS[kind][1:]
                for column in columns:
                    what = kind.removesuffix("s") + (f" {column}" if len(columns) > 1 else "")
                    points = zip(as_list(part[at]), as_list(part[column]), strict=True)
                    rows += [(value, what, part["name"], *point) for point in points]
    return pd.DataFrame(rows, columns=[label, "kind", "name", "at", "value"])


def _table(title: str, label: str, texts: Sequence[str], frames: Sequence[Frame]) -> Html:
    """A row a value of the slider: what its bars and marks are, and its sentence."""
    named = dict.fromkeys((k, part["name"]) for k in ("bars", "marks") for f in frames for part in f.get(k, []))
    names = [(k, name) for k, name in (*named, ("sentence", "in words")) if any(_said(f, k, name) for f in frames)]
    rows = []
    for value, frame in zip(texts, frames, strict=True):
        cells = [Cell(_said(frame, kind, name), kind="text", symbols=False) for kind, name in names]
        rows.append(Row([Cell(value, head="row"), *cells]))
    heads = [heading(label), *(heading(str(name), words=True) for _, name in names)]
    return table(f"{title}: the numbers for every value", [Row(heads)], rows)


def _said(frame: Frame, kind: str, name: str) -> str:
    if kind == "sentence":
        return str(frame.get("sentence", ""))
    own = [part for part in frame.get(kind, []) if part["name"] == name]
    if kind == "bars":
        pairs = [pair for part in own for pair in zip(part["labels"], part["values"], strict=True)]
        return ", ".join(f"{word} {number(value)}" for word, value in pairs)
    marks = [as_list(part["y"]) for part in own]
    return ", ".join(number(value) for values in marks if len(values) <= FEW for value in values)


def _check(values: Sequence[float], start: int, frames: Sequence[Frame]) -> None:
    if not values or len(values) != len(frames):
        raise InputError(f"an explorer has a frame for every value: {len(values)} values, {len(frames)} frames")
    if not 0 <= start < len(values):
        raise InputError(f"start is a position in values, from 0 to {len(values) - 1}, not {start}")
    for position, frame in enumerate(frames):
        for key, parts in frame.items():
            if key not in (*_KEYS, "sentence"):
                raise InputError(f"frame {position}: no {key!r} in a frame.{nearest(key, [*_KEYS, 'sentence'])}")
            if key != "sentence":
                for part in parts:
                    _check_part(part, f"frame {position}, {key}", _KEYS[key])


def _check_part(part: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    if set(part) != set(keys):
        raise InputError(f"{where}: {sorted(part)} instead of {sorted(keys)}")
    first, *others = (len(as_list(part[key])) for key in keys[1:])
    for key, other in zip(keys[2:], others, strict=True):
        if first != other:
            raise InputError(f"{where}, {part['name']!r}: {first} {keys[1]} and {other} {key}")


def _file_name(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")[:60] or "numbers"


def _plain(parts: Mapping[str, Sequence[Piece]]) -> dict[str, list[Any]]:
    return {
        name: [[tag, dict(attributes), content] for tag, attributes, content in shapes]
        for name, shapes in parts.items()
    }


def _json(data: Any) -> str:
    """JSON that cannot end the element in which it stands."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
