"""HTML in one place: every tag that is written stands in ``templates/``, which Jinja2 fills; here is what fills them.

(:mod:`fairkd.show.pages.markup` adds contents, boxes and buttons to a finished page, as elements of its tree.)

Jinja2 escapes every text that it puts into a template, so that a hostile string in a data set or a model's name stays
text. Only :class:`Html`, which a template made, goes in as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fairkd.wording import interval, number

PIECES = Path(__file__).parent / "templates"
ENVIRONMENT = Environment(
    loader=FileSystemLoader(PIECES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# Pieces that are by turns plain and the index of a symbol: "L_ce is" -> ["L", "ce", " is"].
ENVIRONMENT.filters["symbols"] = re.compile(r"(?<=\bL)_([a-z][a-z0-9]*)").split


@dataclass(frozen=True, repr=False)
class Html:
    """A piece of HTML that notebooks show and the report embeds, as :func:`render` makes it; pieces can be added."""

    text: str

    def __add__(self, other: Html) -> Html:
        return Html(self.text + other.text)

    def badged(self, badge: str) -> Html:
        """With a few words in the caption of each table, which say what its numbers are.

        >>> Html("<caption>Scores<!--badge--></caption>").badged("demonstration").text
        '<caption>Scores <small class="badge">demonstration</small></caption>'
        """
        return Html(self.text.replace("<!--badge-->", render("notes.badge", text=badge).text.rstrip()))

    def __html__(self) -> str:
        """What Jinja2 asks for, so that a piece within a piece is not escaped again."""
        return self.text

    def _repr_html_(self) -> str:
        return render("notes.in_jupyter", piece=self).text

    def __repr__(self) -> str:
        return f"<Html, {len(self.text)} characters>"


@dataclass(frozen=True)
class Cell:
    """A cell of a table, or a heading: data, no markup.

    Attributes:
        value: a number, or text; a number that is missing is shown as "–".
        interval: its ends, shown in small type below the value where both are finite.
        best: whether the value is the best of its row or column, in bold.
        kind: "" for numbers, "text" for words, "printed" for the paper's values.
        digits: decimals of the value, and of the ends of its interval.
        below: further lines in small type.
        head: what the cell is the heading of: "row", "rowgroup", "col", "colgroup"; "" for none.
        columns: how many columns it spans, where that is said.
        rows: how many rows it spans, where that is said.
        symbols: whether "L_ce" is set as a symbol.
    """

    value: float | str | None
    interval: tuple[float, float] | None = None
    best: bool = False
    kind: str = ""
    digits: tuple[int, int] = (3, 2)
    below: tuple[str, ...] = ()
    head: str = ""
    columns: int | None = None
    rows: int | None = None
    symbols: bool = True

    @property
    def exact(self) -> str:
        """The value and the ends of its interval as the page keeps them for ``fairkd verify``; "" for words."""
        ends = self.interval if self.interval and all(map(math.isfinite, self.interval)) else ()
        return exactly(self.value, *ends) if isinstance(self.value, float) else ""

    @property
    def shown(self) -> list[str]:
        """The value as text, line by line: the heading of a column may have two."""
        text = self.value if isinstance(self.value, str) else number(self.value, self.digits[0])
        return text.split("\n") if self.head.startswith("col") else [text]

    @property
    def small(self) -> list[str]:
        """The lines below the value: its interval, and what else there is."""
        ends = interval(*self.interval, self.digits[1]) if self.interval else ""
        ends = ends.replace("\N{NO-BREAK SPACE}", " ")  # a narrow column of a notebook may part it, a page does not
        return [line for line in (ends, *self.below) if line]


@dataclass(frozen=True)
class Row:
    """Cells side by side; ``kind`` is the row's class for the style sheet: "total", "group", "first", "printed"."""

    cells: Sequence[Cell]
    kind: str = ""


def exactly(*values: float) -> str:
    """Numbers to twelve digits, by which they are found again in the tables that notebooks saved.

    >>> exactly(0.1 + 0.2, float("nan"), -2.0)
    '0.3 -2'
    """
    return " ".join(f"{value:.12g}" for value in values if math.isfinite(value))


def render(piece: str, /, **values: Any) -> Html:
    """What a macro of a template writes: "notes.missing" is ``missing`` in ``templates/notes.html.j2``."""
    template, macro = piece.split(".")
    return Html(str(getattr(ENVIRONMENT.get_template(f"{template}.html.j2").module, macro)(**values)))
