"""Pieces of HTML that tables are made of: numbers, intervals, cells, and tables of any data frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from fairkd.wording import interval, number

LEFT = 'style="text-align: left"'
"""In JupyterLab, which lacks the report's style sheet, a cell would end at the right."""

TEXT = f'class="text" {LEFT}'
"""Attributes of a cell of words."""


@dataclass(frozen=True, repr=False)
class Html:
    """A piece of HTML that notebooks show. ``text`` must already be escaped."""

    text: str

    def _repr_html_(self) -> str:
        # JupyterLab would set what stands between two dollars of a text as a formula.
        return f'<div class="mathjax_ignore">{self.text}</div>'

    def __repr__(self) -> str:
        return f"<Html, {len(self.text)} characters>"


def notice(scale: str) -> Html:
    """A box at the top of a page that says what its numbers are (``Profile.scale``)."""
    return Html(f'<div class="notice" role="note"><p><strong>{escape(scale)}</strong></p></div>')


def missing(what: str, why: str) -> Html:
    """The place of a result that is not there, and the reason."""
    return Html(f'<div class="missing" role="note"><p><strong>{escape(what)}</strong>: {escape(why)}</p></div>')


def paragraph(text: str) -> Html:
    """Plain text as a paragraph."""
    return Html(f"<p>{escape(text)}</p>")


def subscripts(text: str) -> str:
    """Escaped text with "L_ce" set as a symbol."""
    return re.sub(r"\bL_([a-z]+)", r"L<sub>\1</sub>", text)


def frame(
    data: pd.DataFrame,
    *,
    caption: str,
    titles: Mapping[str, str] | None = None,
    intervals: Mapping[str, tuple[str, str]] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    digits: int = 3,
    interval_digits: int = 2,
) -> Html:
    """A data frame as a table: the first column heads the rows, intervals stand below their values.

    Args:
        data: one row a row, its index is left out.
        caption: what the table shows, plain text.
        titles: heading of a column, where its name does not say it.
        intervals: column -> (column of the lower end, of the upper end); those two are not shown by themselves.
        formats: column -> function from a value to plain text, for columns of numbers that need another form.
        digits: decimals of floats.
        interval_digits: decimals of the ends of intervals.
    """
    ends = {name for pair in (intervals or {}).values() for name in pair}
    columns = [name for name in data.columns if name not in ends]
    words = {name for name in columns if data[name].map(lambda value: isinstance(value, str)).any()}

    def show(record: pd.Series, name: Any) -> str:
        if str(name) in (intervals or {}):
            low, high = (intervals or {})[str(name)]
            return cell(record[name], record[low], record[high], digits, interval_digits)
        if str(name) in (formats or {}):
            return escape((formats or {})[str(name)](record[name]))
        return plain(record[name], digits)

    rows = []
    for _, record in data.iterrows():
        cells = []
        for position, name in enumerate(columns):
            kind = f" {TEXT}" if name in words else ""
            tag = f'th scope="row"{kind}' if position == 0 else f"td{kind}"
            cells.append(f"<{tag}>{show(record, name)}</{tag[:2]}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = [head((titles or {}).get(str(name), str(name)), words=name in words) for name in columns]
    return table(caption, f"<tr>{''.join(heads)}</tr>", rows)


def facts(values: Mapping[str, Any], *, caption: str) -> Html:
    """Plain facts, name and value, nested mappings as dotted names."""
    rows = [
        f'<tr><th scope="row" {TEXT}>{escape(name)}</th><td {TEXT}>{plain(value)}</td></tr>'
        for name, value in _flat(values)
    ]
    return table(caption, f"<tr>{head('name', words=True)}{head('value', words=True)}</tr>", rows)


def table(caption: str, top: str, *bodies: Sequence[str], kind: str = "") -> Html:
    """A table of ready rows.

    Args:
        caption: plain text.
        top: rows of the head, HTML.
        bodies: groups of rows, HTML.
        kind: class of the table, for the style sheet.
    """
    attribute = f' class="{kind}"' if kind else ""
    groups = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in bodies)
    words = subscripts(escape(caption))
    return Html(f"<table{attribute}><caption>{words}</caption><thead>{top}</thead>{groups}</table>")


def head(title: str, *, words: bool = False) -> str:
    """The heading of a column; ``words``: the column holds text, not numbers."""
    kind = f" {TEXT}" if words else ""
    return f'<th scope="col"{kind}>{escape(title)}</th>'


def cell(value: float, low: float, high: float, digits: int = 3, interval_digits: int = 2) -> str:
    """A number with its interval in small type below."""
    span = interval(low, high, interval_digits)
    return number(value, digits) + (small(span) if span else "")


def small(text: str) -> str:
    """Escaped text in small type on a line of its own."""
    return f"<br><small>{text}</small>"


def td(text: str, *, best: bool = False, kind: str = "") -> str:
    """A cell of escaped text; ``best`` makes what stands above its first line break bold."""
    attribute = f' class="{kind}"' if kind else ""
    value, line, below = text.partition("<br>")
    return f"<td{attribute}>{f'<strong>{value}</strong>' if best else value}{line}{below}</td>"


def plain(value: Any, digits: int | None = None) -> str:
    """One value, escaped; floats to ``digits`` decimals, or as they are (a learning rate of 1e-06 must not be 0)."""
    if isinstance(value, bool) or value is None:
        return escape(str(value))
    if isinstance(value, float):
        return f"{value:.6g}" if digits is None else number(value, digits)
    if isinstance(value, list | tuple):
        items = [str(item) for item in value]
        return escape(("; " if any("," in item for item in items) else ", ").join(items))
    return subscripts(escape(str(value)))


def records(data: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, whose fields have the type that the frame promises."""
    return list(data.itertuples())


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs
