"""The paper's claims with their verdicts, as :func:`fairkd.claims.claims.judge` gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fairkd.arms import Arm
from fairkd.bias.rulers import RULERS
from fairkd.claims.claims import CLAIMS, count_rows, family_note, printed_briefly
from fairkd.claims.contrasts import ONE_SEED
from fairkd.claims.others import others_level
from fairkd.errors import InputError
from fairkd.lab.calibration import ruler_title
from fairkd.names import arm_name, arm_title, with_titles
from fairkd.show.html import Cell, Html, exactly, render
from fairkd.show.tables.plain import frame as plain_frame
from fairkd.show.tables.plain import records
from fairkd.wording import interval, listed, number, p_text, percent


def claims(frame: pd.DataFrame) -> Html:
    """The verdicts: a line a part of a claim, with what is printed, ours, the verdict, and what would have been found.

    The full sentence, p-values and the verdicts under other poolings unfold.

    Args:
        frame: the columns :data:`fairkd.frames.VERDICT_ROWS` and pooling; a row a part of a claim and pooling. The
            first pooling is the headline, of the others only the verdicts are shown.

    Raises:
        InputError: a part of a claim stands twice under one pooling.
    """
    headline, others = _by_claim(frame)
    first = ~headline.duplicated("claim")
    rows = [
        _findings(row) | _unfolded(row, others[(others.claim == row.claim) & (others.part == row.part)])
        for row in records(headline)
    ]
    rows = [row | {"first": own} for row, own in zip(rows, first, strict=True)]
    once = []
    for text in (ONE_SEED, *_not_about(headline)):  # said once in the caption, not in every row
        about = dict.fromkeys(str(row["claim"]) for row in rows if text in row["sentence"])
        if about:
            once.append(f"{text[:-1]} (claim{'s' if len(about) > 1 else ''} {listed(list(about))}).")
        rows = [row | {"sentence": row["sentence"].replace(text, "").strip()} for row in rows]
    caption = (
        f"Verdicts on the paper's claims by SEAT and GLUE, {_headline(frame)}: the printed difference (on names "
        "computed from its cells), that of the same two students here with the interval that judges, and the smallest "
        f"that a run like this finds with 80 % power. {family_note()}"
    )
    return render("claims.claims", caption=" ".join([caption, *once]), rows=rows, family=_for_all())


def claims_by_ruler(judged: pd.DataFrame, seat: pd.DataFrame) -> Html:
    """The claims on bias by every ruler: a row a claim, a column a ruler, SEAT first.

    Args:
        judged: the columns :data:`fairkd.frames.RULER_VERDICTS`.
        seat: as for :func:`claims`; of its headline, the first part of each claim is shown.
    """
    headline, _ = _by_claim(seat)
    both = pd.concat([headline.drop_duplicates("claim").assign(ruler=_SEAT), judged], ignore_index=True)
    caption = (
        f"The claims on bias by every ruler, {_headline(seat)} of SEAT: {_MARKS}, the difference (for claim 1 what one "
        "layer more changes; above zero is more bias) with the interval that judges, and after ≥ the smallest that "
        "would be found. Where a student is claimed to be the lowest of several, the difference is that from the one "
        "named below it, which decides, and the smallest is a lead over each of the others. Each ruler judges its "
        "rows as SEAT does, by itself, in its own unit."
    )
    scores = dict(zip(judged.ruler, judged.score, strict=True))
    heads = {_SEAT: _head(_SEAT), **{ruler: _head(ruler_title(ruler), _unit(ruler, scores[ruler])) for ruler in scores}}
    return _matrix(caption, both, heads, claims=judged)


def claims_of_others(judged: pd.DataFrame) -> Html:
    """The claims of others by every ruler, SEAT first: a row a claim, a column a ruler.

    Args:
        judged: the columns :data:`fairkd.frames.RULER_VERDICTS`, as from ``exp.other_claims()``.
    """
    named = judged.assign(title=judged.title + " (" + judged.source + ")")
    caption = (
        f"What others say, numbered by itself, by every ruler: {_MARKS}, the difference with the "
        f"{percent(others_level())} interval that judges, and after ≥ the smallest that would be found. The "
        f"{judged.claim.nunique()} rows of a ruler hold together with 95 %."
    )
    heads = {ruler: _head(ruler_title(ruler)) for ruler in judged.ruler.drop_duplicates()}
    return _matrix(caption, named, heads, claims=named)


def key_to_names(arms: Sequence[Arm]) -> Html:
    """What the names of students stand for, and what arms are called in parameters and result tables.

    Args:
        arms: of the profile.
    """
    rows = [{"name": arm_title(arm.name), "learns from": arm_name(arm.name).learns, "arm": arm.name} for arm in arms]
    return plain_frame(pd.DataFrame(rows), caption="Names of the students")


def _matrix(caption: str, judged: pd.DataFrame, heads: Mapping[str, Cell], *, claims: pd.DataFrame) -> Html:
    found = {(row.claim, row.ruler): _in_matrix(row) for row in records(judged)}
    lines = [
        {"claim": row.claim, "title": row.title, "cells": [found.get((row.claim, ruler)) for ruler in heads]}
        for row in records(claims.drop_duplicates("claim"))
    ]
    return render("claims.by_ruler", caption=caption, heads=list(heads.values()), rows=lines)


_MARKS = "✓ supported, ✗ contradicted, ? inconclusive"
_SEAT = "SEAT"


def detectable_difference(difference: float) -> str:
    """The smallest difference that would be found, with as many digits as it takes to tell it from none; "" for none.

    >>> detectable_difference(0.5618), detectable_difference(0.00004), detectable_difference(0.0)
    ('0.562', '0.00004', '')
    """
    if not (math.isfinite(difference) and difference):
        return ""
    digits = 3
    while digits < 6 and not float(f"{difference:.{digits}f}"):
        digits += 1
    return number(difference, digits)


def _unit(ruler: str, score: str) -> str:
    return next(one.unit for one in RULERS[ruler].scores if one.name == score)


def _head(title: str, unit: str = "") -> Cell:
    return Cell(title, below=(unit,) if unit else (), head="col", symbols=False)


def _in_matrix(row: Any) -> dict[str, Any]:
    found = detectable_difference(row.detectable)
    below = (_minus(row), f"≥ {found}" if found else "")
    return {
        "verdict": row.verdict,
        "cell": Cell(row.estimate, (row.low, row.high), digits=(3, 3), below=tuple(filter(None, below))),
    }


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
    """A row's own fields, and its numbers as text."""
    return row._asdict() | {
        "briefly": printed_briefly(row.claim, row.part, row.what),
        "minus": _minus(row),
        **_estimate(row),
        "exact": "" if row.verdict == "not run" else exactly(row.estimate, row.low, row.high),
        "smallest": detectable_difference(row.detectable),
    }


def _minus(row: Any) -> str:
    """Of a claim that one of several is the lowest or highest: from which other the difference is; else ""."""
    others = next((own.arms[1:] for own in CLAIMS if own.number == row.claim), ())
    other = row.what.rpartition(" − ")[2]
    return f"− {arm_title(other)}" if len(others) > 1 and other in others else ""


def _estimate(row: Any) -> dict[str, str]:
    """Ours in one line: the estimate and its interval, or in how many of the six tests something is so."""
    if not row.what.startswith("share of the 6 tests") or not math.isfinite(row.low):
        return {"value": number(row.estimate), "ends": interval(row.low, row.high, 3)}
    tests, low, high = (round(6 * share) for share in (row.estimate, row.low, row.high))
    return {"value": f"{tests} of 6", "ends": f"[{low},\N{NO-BREAK SPACE}{high}]"}


def _unfolded(row: Any, others: pd.DataFrame) -> dict[str, str]:
    """What is estimated, level, seeds, p-values and the verdicts under other poolings, in a sentence."""
    if row.verdict == "not run":
        return {"about": ""}
    parts = [with_titles(row.what), f"{percent(row.level)} interval" if math.isfinite(row.level) else ""]
    parts.append("one seed" if row.seeds == 1 else f"{int(row.seeds)} seeds")
    if number(row.p) != "–":
        pairs = (("p", p_text(row.p)), (_for_all(), p_text(row.p_adjusted)))
        parts += [f"{name} {text}" if text.startswith("<") else f"{name} = {text}" for name, text in pairs]
    parts += [f"{other.pooling} pooling: {other.verdict}" for other in records(others)]
    return {"about": f"{'; '.join(part for part in parts if part)}."}


def _not_about(frame: pd.DataFrame) -> list[str]:
    """That a claim is about GLUE, in the words of the judges."""
    found = frame.sentence.str.extract(r"(The paper's claim is about GLUE, not about .+\.)$")[0].dropna()
    return list(found.drop_duplicates())


def _for_all() -> str:
    return f"p for all {count_rows()}"
