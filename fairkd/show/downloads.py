"""Data that a page carries along: a frame as CSV text, and the link from which a browser saves it."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from fairkd.show.html import Html, render

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(data: pd.DataFrame, *, digits: int | None = None) -> str:
    """A frame as CSV without its index. Numbers keep every digit.

    Text that a spreadsheet would take for a formula (it begins with = + - @ or a control character) gets an
    apostrophe before it: the text comes from data sets and model names. Numbers are never changed.

    Args:
        data: one row a row.
        digits: significant digits of floats, where not all are needed.
    """
    safe = data.rename(columns=_harmless).apply(
        lambda column: column if is_numeric_dtype(column) else column.map(_harmless)
    )
    text: str = safe.to_csv(index=False, lineterminator="\n", float_format=None if digits is None else f"%.{digits}g")
    return text


def csv_link(text: str, name: str) -> Html:
    """A link that saves ``text`` as the file ``name``; the file is inside the link, nothing is loaded."""
    return render("notes.data_link", name=name, address=data_url(text))


def data_url(text: str) -> str:
    """CSV text as a data URL, in UTF-8."""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode("ascii")


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
