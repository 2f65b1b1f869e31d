"""The paper's claims with their verdicts, as :func:`fairkd.claims.claims.judge` gives them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from fairkd.bias.rulers import RULERS
from fairkd.claims.claims import NOTE, adjusted_note, count_rows, family_note
from fairkd.claims.others import others_level
from fairkd.errors import InputError
from fairkd.lab.calibration import ruler_title
from fairkd.show.html import Cell, Html, render
from fairkd.show.tables.plain import records
from fairkd.wording import number, p_text, percent


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
    caption = f"The paper's claims and what this experiment says, {_headline(frame)}."
    return render("claims.claims", caption=f"{caption} {family_note()} {adjusted_note()} {NOTE} {scale}", rows=rows)


def verdicts(frame: pd.DataFrame, *, scale: str = "") -> Html:
    """The verdicts alone, a row a part of a claim, for embedding in another report.

    Args:
        frame: as for :func:`claims`; the first pooling is shown.
        scale: what the numbers are, for the caption.

    Raises:
        InputError: a part of a claim stands twice under one pooling.
    """
    headline, _ = _by_claim(frame)
    caption = f"Verdicts on the paper's claims, {_headline(frame)}, with the interval that judges."
    caption = f"{caption} {family_note()} {adjusted_note()} {scale}".strip()
    rows = [_findings(row) for row in records(headline)]
    return render("claims.verdicts", caption=caption, rows=rows, family=_for_all())


def claims_by_ruler(judged: pd.DataFrame, seat: pd.DataFrame, *, scale: str) -> Html:
    """The claims on bias by every ruler: a row a claim, a column a ruler, SEAT first.

    Args:
        judged: the columns :data:`fairkd.frames.RULER_VERDICTS`.
        seat: as for :func:`claims`; of its headline, the first part of each claim is shown.
        scale: as for :func:`claims`.
    """
    rulers = list(judged.ruler.drop_duplicates())
    headline, _ = _by_claim(seat)
    both = pd.concat([headline.drop_duplicates("claim").assign(ruler=_SEAT), judged], ignore_index=True)
    found = {(row.claim, row.ruler): _findings(row) | {"smallest": _brief(row.detectable)} for row in records(both)}
    lines = [
        {"claim": row.claim, "title": row.title, "cells": [found.get((row.claim, ruler)) for ruler in (_SEAT, *rulers)]}
        for row in records(judged.drop_duplicates("claim"))
    ]
    caption = (
        f"The claims on bias by every ruler, {_headline(seat)} of SEAT: verdict, difference (for claim 1 what a "
        f"layer more changes) with the interval that judges, and after ≥ the smallest that an experiment like this "
        f"finds with 80 % power. Each ruler is a family by itself. {family_note()} {scale}"
    )
    scores = dict(zip(judged.ruler, judged.score, strict=True))
    heads = [_SEAT, *(_called(ruler, scores[ruler]) for ruler in rulers)]
    return render("claims.by_ruler", caption=caption.strip(), heads=heads, rows=lines)


def claims_of_others(judged: pd.DataFrame, *, scale: str) -> Html:
    """The claims of others by every ruler, SEAT first: a row a claim, a column a ruler.

    Args:
        judged: the columns :data:`fairkd.frames.RULER_VERDICTS`, as from ``exp.other_claims()``.
        scale: as for :func:`claims`.
    """
    rulers = list(judged.ruler.drop_duplicates())
    found = {(row.claim, row.ruler): _findings(row) | {"smallest": _brief(row.detectable)} for row in records(judged)}
    lines = [
        {
            "claim": row.claim,
            "title": f"{row.title} ({row.source})",
            "cells": [found.get((row.claim, ruler)) for ruler in rulers],
        }
        for row in records(judged.drop_duplicates("claim"))
    ]
    level = percent(others_level())
    caption = (
        f"What others say, by every ruler: verdict, difference with the {level} interval that judges, and after ≥ the "
        f"smallest that an experiment like this finds with 80 % power. The {len(lines)} rows of a ruler hold together "
        f"with 95 %. {scale}"
    )
    return render("claims.by_ruler", caption=caption.strip(), heads=[ruler_title(name) for name in rulers], rows=lines)


_SEAT = "SEAT"


def _called(ruler: str, score: str) -> str:
    unit = next(one.unit for one in RULERS[ruler].scores if one.name == score)
    return f"{ruler}, {unit}" if unit else ruler


def _brief(smallest: float) -> str:
    return f"≥ {number(smallest)}" if math.isfinite(smallest) else ""


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
    """A row's own fields, the estimate as a cell, and the level of its interval in words."""
    cell = Cell(row.estimate, (row.low, row.high), digits=(3, 3))
    level = f"{percent(row.level)} interval" if math.isfinite(row.level) else ""
    return row._asdict() | {"cell": cell, "level": level, "adjusted": p_text(row.p_adjusted)}


def _beside(row: Any, others: pd.DataFrame) -> dict[str, Any]:
    """Seeds, p-values, what would be found, and the verdicts under other poolings, if a claim was run under any."""
    p_values = (("p", p_text(row.p)), (_for_all(), p_text(row.p_adjusted))) if number(row.p) != "–" else ()
    return {
        "runs": "one seed" if row.seeds == 1 else f"{int(row.seeds)} seeds",
        "detectable": number(row.detectable) if math.isfinite(row.detectable) else "",
        "p_values": [f"{name} {text}" if text.startswith("<") else f"{name} = {text}" for name, text in p_values],
        "others": [other for other in records(others) if not other.verdict == row.verdict == "not run"],
    }


def _for_all() -> str:
    return f"p for all {count_rows()}"
