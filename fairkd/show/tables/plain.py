"""Notes, and tables of what needs no layout of its own: any data frame, plain facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from fairkd.show.html import Cell, Html, Row, render
from fairkd.wording import number


def bold(word: str, *, line: str = "row", printed: bool = True) -> str:
    """What bold means in a table, for its caption.

    Args:
        word: "lowest" or "highest".
        line: what the values stand in that are compared, "row" or "column".
        printed: whether there are printed values, which have no intervals.
    """
    text = (
        f"In bold: of our students the {word} of a {line}, where the intervals of its distances to all the others "
        "leave zero together (never with one seed)"
    )
    return f"{text}; of the printed values the {word}." if printed else f"{text}."


def notice(scale: str) -> Html:
    """A box at the top of a notebook that says what its numbers are (``Profile.scale``)."""
    return render("notes.notice", scale=scale)


def record(manifest: Mapping[str, Any]) -> Html:
    """A notebook's manifest, folded into one line.

    Args:
        manifest: as ``exp.finish()`` returns it.
    """
    notebook = manifest["notebook"]
    shown = {name: value for name, value in manifest.items() if name not in ("notebook", "token", "entries")}
    shown["entries of the store"] = len(manifest.get("entries", ()))
    whole = facts(shown, caption=f"Manifest of {notebook}")
    return render("notes.folded", summary=f"The record: results/{notebook}.json", content=whole)


def missing(what: str, why: str) -> Html:
    """The place of a result that is not there, and the reason."""
    return render("notes.missing", what=what, why=why)


def paragraph(text: str) -> Html:
    """Plain text as a paragraph."""
    return render("notes.paragraph", text=text)


def paragraphs(*texts: str) -> Html:
    """Plain texts as a paragraph each, with "L_ce" set as a symbol."""
    return render("notes.paragraphs", texts=texts)


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

    def cell(record: pd.Series, name: Any) -> Cell:
        head = "row" if name == columns[0] else ""
        kind = "text" if name in words else ""
        if str(name) in (intervals or {}):
            low, high = (intervals or {})[str(name)]
            ends = (record[low], record[high])
            return Cell(record[name], ends, kind=kind, digits=(digits, interval_digits), head=head)
        if str(name) in (formats or {}):
            return Cell((formats or {})[str(name)](record[name]), kind=kind, head=head, symbols=False)
        if isinstance(record[name], float):
            return Cell(record[name], kind=kind, digits=(digits, interval_digits), head=head)
        return Cell(plain_text(record[name], digits), kind=kind, head=head)

    rows = [Row([cell(record, name) for name in columns]) for _, record in data.iterrows()]
    heads = [heading((titles or {}).get(str(name), str(name)), words=name in words) for name in columns]
    return table(caption, [Row(heads)], rows)


def facts(values: Mapping[str, Any], *, caption: str) -> Html:
    """Plain facts, name and value, nested mappings as dotted names."""
    rows = [
        Row([Cell(name, kind="text", head="row", symbols=False), Cell(plain_text(value), kind="text")])
        for name, value in _flat(values)
    ]
    return table(caption, [Row([heading("name", words=True), heading("value", words=True)])], rows)


def table(caption: str, head: Sequence[Row], *bodies: Sequence[Row], kind: str = "") -> Html:
    """A table of cells.

    Args:
        caption: plain text.
        head: rows of headings.
        bodies: groups of rows.
        kind: class of the table, for the style sheet.
    """
    return render("tables.table", caption=caption, head=head, bodies=bodies, kind=kind)


def heading(title: str, *, words: bool = False) -> Cell:
    """The heading of a column, as it is; ``words``: the column holds text, not numbers."""
    return Cell(title, kind="text" if words else "", head="col", symbols=False)


def plain_text(value: Any, digits: int | None = None) -> str:
    """One value as text; floats to ``digits`` decimals, or as they are (a learning rate of 1e-06 must not be 0)."""
    if isinstance(value, float):
        return f"{value:.6g}" if digits is None else number(value, digits)
    if isinstance(value, list | tuple):
        items = [str(item) for item in value]
        return ("; " if any("," in item for item in items) else ", ").join(items)
    return str(value)


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
