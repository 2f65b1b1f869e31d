"""The paper's claims with their verdicts, as :func:`fairkd.claims.claims.judge` gives them."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from fairkd.claims.claims import NOTE
from fairkd.errors import InputError
from fairkd.show.tables.markup import TEXT, Html, cell, head, records, small, subscripts, table
from fairkd.wording import number, p_value

MARKS = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "not run": "–"}
"""Beside the word, never instead of it."""


def claims(frame: pd.DataFrame, *, scale: str) -> Html:
    """The report's opening: a row a claim, with what the paper prints, ours, the verdict and a sentence.

    Args:
        frame: claim, title, statement, source, printed, verdict, sentence, what, estimate, low, high, p, seeds,
            p_holm, pooling; a row a claim and pooling. The first pooling is the headline, of the others only the
            verdicts are shown.
        scale: what the numbers are (``Profile.scale``), for the caption.

    Raises:
        InputError: a claim stands twice under one pooling.
    """
    headline, others = _by_claim(frame)
    rows = []
    for row in records(headline):
        other = others[others.claim == row.claim]
        rows.append(
            f'<tr role="row"><th role="rowheader" scope="row" {TEXT}>{_title(row)}'
            f"{small(subscripts(escape(row.statement)))}</th>"
            + _labelled("The paper prints", subscripts(escape(row.printed)) + small(escape(row.source)))
            + _labelled("Ours", _estimate(row))
            + _labelled("Verdict", verdict(row.verdict) + _other_verdicts(row, other))
            + _labelled("In words", subscripts(escape(row.sentence)))
            + "</tr>"
        )
    names = ("Claim", "The paper prints", "Ours", "Verdict", "In words")
    heads = "".join(f'<th role="columnheader" scope="col" {TEXT}>{name}</th>' for name in names)
    caption = f"The paper's claims and what this experiment says, {_headline(frame)}. {NOTE} {scale}"
    made = table(caption, f'<tr role="row">{heads}</tr>', rows, kind="claims")
    # On a phone each row becomes a block. Then only explicit roles tell screen readers that it is a table.
    text = made.text.replace("<table ", '<table role="table" ', 1)
    for part in ("thead", "tbody"):
        text = text.replace(f"<{part}>", f'<{part} role="rowgroup">', 1)
    return Html(text)


def verdicts(frame: pd.DataFrame, *, scale: str = "") -> Html:
    """The verdicts alone, a row a claim, for embedding in another report.

    Args:
        frame: as for :func:`claims`; the first pooling is shown.
        scale: what the numbers are, for the caption.

    Raises:
        InputError: a claim stands twice under one pooling.
    """
    headline, _ = _by_claim(frame)
    rows = [
        f'<tr><th scope="row" {TEXT}>{_title(row)}</th><td {TEXT}>{verdict(row.verdict)}</td>'
        f"<td>{cell(row.estimate, row.low, row.high, 3, 3)}</td><td {TEXT}>{escape(row.what)}</td></tr>"
        for row in records(headline)
    ]
    names = (("Claim", True), ("Verdict", True), ("Estimate", False), ("of", True))
    heads = "".join(head(name, words=words) for name, words in names)
    caption = f"Verdicts on the paper's claims, {_headline(frame)}, with 95 % intervals. {scale}".strip()
    return table(caption, f"<tr>{heads}</tr>", rows, kind="verdicts")


def verdict(word: str) -> str:
    """A verdict with its mark; the word is always there."""
    mark = f'<span aria-hidden="true">{MARKS[word]}</span> ' if word in MARKS else ""
    kind = f" verdict-{word.replace(' ', '-')}" if word in MARKS else ""
    return f'<span class="verdict{kind}">{mark}{escape(word)}</span>'


def _by_claim(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the first pooling a claim has, in the order of claims, and the rows of its other poolings."""
    twice = frame[frame.duplicated(["claim", "pooling"])]
    if len(twice):
        claim, pooling = twice.iloc[0][["claim", "pooling"]]
        raise InputError(f"claim {claim} stands twice under {pooling} pooling; give one row a claim and pooling")
    order = {pooling: position for position, pooling in enumerate(frame.pooling.drop_duplicates())}
    ordered = frame.assign(_order=frame.pooling.map(order)).sort_values(["claim", "_order"], kind="stable")
    first = ~ordered.duplicated("claim")
    return ordered[first], ordered[~first]


def _headline(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "none judged"
    pooling = frame.pooling.iloc[0]
    return f"{pooling} pooling" if pooling else "on the development examples"  # claims on GLUE know no pooling


def _title(row: Any) -> str:
    return f'<span class="number">{row.claim}</span> <strong>{subscripts(escape(row.title))}</strong>'


def _labelled(label: str, text: str) -> str:
    return f'<td role="cell" {TEXT} data-label="{label}">{text}</td>'


def _estimate(row: Any) -> str:
    """The estimate with interval, what it is, seeds and p-values."""
    if row.verdict == "not run":
        return "–"
    lines = [small(escape(row.what))] if row.what else []
    seeds = "one seed" if row.seeds == 1 else f"{int(row.seeds)} seeds"
    lines.append(small(f"{seeds}{_p_values(row)}"))
    return f'<span class="estimate">{cell(row.estimate, row.low, row.high, 3, 3)}</span>{"".join(lines)}'


def _p_values(row: Any) -> str:
    if number(row.p) == "–":
        return ""
    values = (("p", p_value(row.p)), ("Holm", p_value(row.p_holm)))
    shown = [f"{name} {text}" if text.startswith("<") else f"{name} = {text}" for name, text in values]
    return "".join(f'; <span class="nowrap">{escape(text)}</span>' for text in shown)


def _other_verdicts(headline: Any, rows: pd.DataFrame) -> str:
    """The verdicts under other poolings; nothing where a claim was run under none."""
    others = [row for row in records(rows) if not row.verdict == headline.verdict == "not run"]
    return "".join(small(f"{escape(row.pooling)} pooling: {verdict(row.verdict)}") for row in others)
