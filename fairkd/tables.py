"""Tables as HTML: ours beside the printed values, best in bold, intervals in small type, everything escaped.

Functions take tidy frames and return :class:`Html`, which a notebook shows and the report embeds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from fairkd import paper
from fairkd.stimuli import TESTS

TEST_TITLES = {
    "C6": "names, career / family",
    "C6b": "terms, career / family",
    "C7": "math / arts, terms",
    "C7b": "math / arts, names",
    "C8": "science / arts, terms",
    "C8b": "science / arts, names",
}
ARM_TITLES = {
    "full": "L_mlm + L_cos + L_ce",
    "no-cos": "L_mlm + L_ce",
    "no-ce": "L_mlm + L_cos",
    "mlm-only": "L_mlm (ours)",
    "teacher": "teacher",
}


@dataclass(frozen=True, repr=False)
class Html:
    """A piece of HTML that notebooks show. ``text`` must already be escaped."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Html, {len(self.text)} characters>"


def number(value: float | None, digits: int = 3) -> str:
    """A number with a true minus sign; "–" for what is missing."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval as "[low, high]"; empty where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def notice(scale: str) -> Html:
    """A box at the top of a page that says what its numbers are (``Profile.scale``)."""
    return Html(f'<div class="notice" role="note"><p><strong>{escape(scale)}</strong></p></div>')


def missing(what: str, why: str) -> Html:
    """The place of a result that is not there, and the reason."""
    return Html(f'<div class="missing" role="note"><p><strong>{escape(what)}</strong>: {escape(why)}</p></div>')


def paragraph(text: str) -> Html:
    """Plain text as a paragraph."""
    return Html(f"<p>{escape(text)}</p>")


def frame(
    data: pd.DataFrame,
    *,
    caption: str,
    titles: Mapping[str, str] | None = None,
    intervals: Mapping[str, tuple[str, str]] | None = None,
    digits: int = 3,
) -> Html:
    """A data frame as a table: the first column heads the rows, intervals stand below their values.

    Args:
        data: one row a row, its index is left out.
        caption: what the table shows, plain text.
        titles: heading of a column, where its name does not say it.
        intervals: column -> (column of the lower end, of the upper end); those two are not shown by themselves.
        digits: decimals of floats.
    """
    ends = {name for pair in (intervals or {}).values() for name in pair}
    columns = [name for name in data.columns if name not in ends]
    words = {name for name in columns if data[name].map(lambda value: isinstance(value, str)).any()}
    heads = [_head((titles or {}).get(str(name), str(name)), name in words) for name in columns]
    rows = []
    for _, record in data.iterrows():
        cells = []
        for position, name in enumerate(columns):
            low_high = (intervals or {}).get(str(name))
            text = (
                _cell(record[name], record[low_high[0]], record[low_high[1]], digits)
                if low_high
                else (_plain(record[name], digits))
            )
            kind = ' class="text"' if name in words else ""
            cells.append(f'<th scope="row"{kind}>{text}</th>' if position == 0 else f"<td{kind}>{text}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table(caption, f"<tr>{''.join(heads)}</tr>", rows)


def facts(values: Mapping[str, Any], *, caption: str) -> Html:
    """Plain facts, name and value, nested mappings as dotted names."""
    rows = [
        f'<tr><th scope="row" class="text">{escape(name)}</th><td class="text">{_plain(value)}</td></tr>'
        for name, value in _flat(values)
    ]
    head = '<tr><th scope="col" class="text">name</th><th scope="col" class="text">value</th></tr>'
    return _table(caption, head, rows)


def averages(data: pd.DataFrame, *, scale: str) -> Html:
    """Average SEAT of each student and the teacher, mean |d| and mean signed d with intervals.

    Args:
        data: arm, layers, seeds, pooling, average, low, high, signed, signed_low, signed_high.
        scale: what the numbers are (``Profile.scale``), for the caption.
    """
    columns = ["arm", "layers", "seeds", "pooling", "average", "low", "high", "signed", "signed_low", "signed_high"]
    return frame(
        data.sort_values("pooling", key=lambda names: names != data.pooling.iloc[0], kind="stable")[columns],
        caption=f"Average SEAT with 95 % intervals. {scale}",
        titles={"arm": "student", "average": "mean |d|", "signed": "mean signed d"},
        intervals={"average": ("low", "high"), "signed": ("signed_low", "signed_high")},
    )


def differences(data: pd.DataFrame, *, scale: str) -> Html:
    """Average SEAT of each student minus that of another, with paired intervals.

    Args:
        data: arm, baseline, pooling, difference, low, high.
        scale: as for :func:`averages`.
    """
    shown = data[["arm", "baseline", "pooling", "difference", "low", "high"]].copy()
    for name in ("arm", "baseline"):
        shown[name] = [ARM_TITLES.get(arm, arm) for arm in shown[name]]
    return frame(
        shown,
        caption=f"Differences of average SEAT (mean |d|) with paired 95 % intervals. {scale}",
        titles={"arm": "student", "baseline": "minus"},
        intervals={"difference": ("low", "high")},
    )


def table1(scores: pd.DataFrame, averages: pd.DataFrame, *, scale: str, pooling: str) -> Html:
    """Table 1, SEAT half: a column an arm, ours beside the printed values.

    The lowest absolute effect size of a row is bold, among ours and among the printed ones. Where the average of
    the printed cells is not the printed average (to three decimals, beyond rounding), both are shown.

    Args:
        scores: arm, pooling, test, effect_size, low, high.
        averages: arm, pooling, average, low, high, signed, signed_low, signed_high.
        scale: what the numbers are (``Profile.scale``), for the caption.
        pooling: which sentence vectors to show.
    """
    ours = scores[scores.pooling == pooling]
    means = averages[averages.pooling == pooling].set_index("arm")
    arms = [a for a in ours.arm.drop_duplicates() if a != "teacher"]
    columns = arms + (["teacher"] if "teacher" in set(ours.arm) else [])
    cells = ours.set_index(["arm", "test"])
    rows = []
    for test in TESTS:
        values = {arm: cells.loc[(arm, test)] for arm in columns}
        best = _lowest({arm: abs(values[arm].effect_size) for arm in arms})
        best_printed = _lowest({arm: paper.TABLE1[arm][test] for arm in arms if arm in paper.TABLE1})
        row = [f'<th scope="row">{test}<br><small>{escape(TEST_TITLES[test])}</small></th>']
        for arm in columns:
            value = values[arm]
            row.append(_td(_cell(value.effect_size, value.low, value.high), arm in best))
            if arm in paper.TABLE1:
                row.append(_td(number(paper.TABLE1[arm][test]), arm in best_printed, kind="printed"))
        rows.append(f"<tr>{''.join(row)}</tr>")
    rows.append(_average_row(means, arms, columns))
    rows.append(_signed_row(means, columns))
    return _table(_table1_caption(scale, pooling), _table1_head(columns), rows)


def _average_row(means: pd.DataFrame, arms: Sequence[str], columns: Sequence[str]) -> str:
    best = _lowest({arm: means.average[arm] for arm in arms})
    best_printed = _lowest({arm: paper.TABLE1_PRINTED_AVERAGE[arm] for arm in arms if arm in paper.TABLE1})
    row = ['<th scope="row">Avg.<br><small>mean |d|</small></th>']
    for arm in columns:
        value: Any = means.loc[arm]
        row.append(_td(_cell(value.average, value.low, value.high), arm in best))
        if arm in paper.TABLE1:
            row.append(_td(printed_average(arm), arm in best_printed, kind="printed"))
    return f'<tr class="total">{"".join(row)}</tr>'


def _signed_row(means: pd.DataFrame, columns: Sequence[str]) -> str:
    row = ['<th scope="row">Avg.<br><small>mean signed d</small></th>']
    for arm in columns:
        value: Any = means.loc[arm]
        row.append(_td(_cell(value.signed, value.signed_low, value.signed_high), False))
        if arm in paper.TABLE1:
            row.append(_td("–", False, kind="printed"))
    return f"<tr>{''.join(row)}</tr>"


def printed_average(arm: str) -> str:
    """Table 1's printed average, and that of its own rows where rounding does not explain the difference."""
    printed, own = paper.TABLE1_PRINTED_AVERAGE[arm], paper.table1_average(arm)
    # Each of the six cells is rounded to 0.0005 and the average is rounded once more.
    if abs(printed - own) <= 0.001:
        return number(printed)
    return f"{number(printed)}<br><small>({number(own)} by its rows)</small>"


def _table1_head(columns: Sequence[str]) -> str:
    top, below = ['<th scope="col" rowspan="2">SEAT</th>'], []
    for arm in columns:
        printed = arm in paper.TABLE1
        title = subscripts(escape(ARM_TITLES.get(arm, arm)))
        top.append(f'<th scope="colgroup" colspan="{2 if printed else 1}">{title}</th>')
        below.append('<th scope="col">ours</th>' + ('<th scope="col">printed</th>' if printed else ""))
    return f"<tr>{''.join(top)}</tr><tr>{''.join(below)}</tr>"


def _head(title: str, words: bool) -> str:
    kind = ' class="text"' if words else ""
    return f'<th scope="col"{kind}>{escape(title)}</th>'


def subscripts(text: str) -> str:
    """Escaped text with "L_ce" set as a symbol."""
    return re.sub(r"\bL_([a-z]+)", r"L<sub>\1</sub>", text)


def _table1_caption(scale: str, pooling: str) -> str:
    return (
        f"Table 1, SEAT: effect sizes d with {pooling} pooling, 95 % intervals in small type, "
        f"the lowest |d| of a row in bold. {scale}"
    )


def _lowest(values: Mapping[str, float]) -> set[str]:
    """Keys of the smallest value as shown, to three decimals; all of them where several are equal."""
    shown = {key: round(value, 3) for key, value in values.items() if math.isfinite(value)}
    return {key for key, value in shown.items() if value == min(shown.values())}


def _td(text: str, best: bool, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    value, line, small = text.partition("<br>")
    return f"<td{attribute}>{f'<strong>{value}</strong>' if best else value}{line}{small}</td>"


def _cell(value: float, low: float, high: float, digits: int = 3) -> str:
    span = interval(low, high)
    return number(value, digits) + (f"<br><small>{span}</small>" if span else "")


def _plain(value: Any, digits: int | None = None) -> str:
    """One value, escaped; floats to ``digits`` decimals, or as they are (a learning rate of 1e-06 must not be 0)."""
    if isinstance(value, bool) or value is None:
        return escape(str(value))
    if isinstance(value, float):
        return f"{value:.6g}" if digits is None else number(value, digits)
    if isinstance(value, list | tuple):
        return escape(", ".join(str(item) for item in value))
    return subscripts(escape(str(value)))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs


def _table(caption: str, head: str, rows: Sequence[str]) -> Html:
    return Html(
        f"<table><caption>{escape(caption)}</caption><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    )
