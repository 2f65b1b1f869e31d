"""The paper's claims with their verdicts, as :func:`fairkd.claims.claims.judge` gives them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from fairkd.claims.claims import NOTE
from fairkd.claims.contrasts import LEVEL
from fairkd.errors import InputError
from fairkd.show.html import Cell, Html, render
from fairkd.show.tables.plain import records
from fairkd.wording import number, p_text


def claims(frame: pd.DataFrame, *, scale: str) -> Html:
    """The report's opening: a row a part of a claim, with what the paper prints, ours, the verdict and a sentence.

    Args:
        frame: the columns :data:`fairkd.frames.VERDICT_ROWS` and pooling; a row a part of a claim and pooling. The
            first pooling is the headline, of the others only the verdicts are shown.
        scale: what the numbers are (``Profile.scale``), for the caption.

    Raises:
        InputError: a part of a claim stands twice under one pooling.
    """
    headline, others = _by_claim(frame)
    parts = headline.claim.value_counts()
    rows = list[dict[str, Any]]()
    for row in records(headline):
        same = others[(others.claim == row.claim) & (others.part == row.part)]
        first = all(made["claim"] != row.claim for made in rows)
        rows.append(_findings(row) | _beside(row, same) | {"parts": int(parts[row.claim]) if first else 0})
    caption = f"The paper's claims and what this experiment says, {_headline(frame)}. {NOTE} {scale}"
    return render("claims.claims", caption=caption, rows=rows)


def verdicts(frame: pd.DataFrame, *, scale: str = "") -> Html:
    """The verdicts alone, a row a part of a claim, for embedding in another report.

    Args:
        frame: as for :func:`claims`; the first pooling is shown.
        scale: what the numbers are, for the caption.

    Raises:
        InputError: a part of a claim stands twice under one pooling.
    """
    headline, _ = _by_claim(frame)
    caption = (
        f"Verdicts on the paper's claims, {_headline(frame)}, with the interval that judges: 95 % where no other "
        f"level is named. p (Holm) allows for all rows. {scale}"
    ).strip()
    return render("claims.verdicts", caption=caption, rows=[_findings(row) for row in records(headline)])


def _by_claim(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the first pooling a claim's part has, in the order of claims, and the rows of its other poolings."""
    twice = frame[frame.duplicated(["claim", "part", "pooling"])]
    if len(twice):
        claim, part, pooling = twice.iloc[0][["claim", "part", "pooling"]]
        named = f"claim {claim}{f', {part},' if part else ''}"
        raise InputError(f"{named} stands twice under {pooling} pooling; give one row a part of a claim and pooling")
    order = {pooling: position for position, pooling in enumerate(frame.pooling.drop_duplicates())}
    ordered = frame.assign(_order=frame.pooling.map(order)).sort_values(["claim", "_order"], kind="stable")
    first = ~ordered.duplicated(["claim", "part"])
    return ordered[first], ordered[~first]


def _headline(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "none judged"
    pooling = frame.pooling.iloc[0]
    return f"{pooling} pooling" if pooling else "on the development examples"  # claims on GLUE know no pooling


def _findings(row: Any) -> dict[str, Any]:
    """A row's own fields, the estimate as a cell, and the level where it is another than most, in words."""
    cell = Cell(row.estimate, (row.low, row.high), digits=(3, 3))
    level = "" if row.level == LEVEL else f"{100 * row.level:.3g} % interval"
    return row._asdict() | {"cell": cell, "level": level, "holm": p_text(row.p_holm)}


def _beside(row: Any, others: pd.DataFrame) -> dict[str, Any]:
    """Seeds, p-values, what would be found, and the verdicts under other poolings, if a claim was run under any."""
    p_values = (("p", p_text(row.p)), ("Holm", p_text(row.p_holm))) if number(row.p) != "–" else ()
    return {
        "runs": "one seed" if row.seeds == 1 else f"{int(row.seeds)} seeds",
        "detectable": number(row.detectable, 3) if math.isfinite(row.detectable) else "",
        "p_values": [f"{name} {text}" if text.startswith("<") else f"{name} = {text}" for name, text in p_values],
        "others": [other for other in records(others) if not other.verdict == row.verdict == "not run"],
    }
