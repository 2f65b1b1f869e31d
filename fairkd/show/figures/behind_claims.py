"""What a run says of the paper's claims on average SEAT, in one picture: the report's first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.claims.claims import printed_briefly
from fairkd.names import with_titles
from fairkd.show.figures.display import PHONE
from fairkd.show.figures.style import forest, hollow, shared_legend, subscripts, theme, zero
from fairkd.show.tables.plain import records
from fairkd.wording import interval, number

SIZE = (PHONE, 0.3, 0.75)
"""Inches: width, height of a row, and of the rest. As small as the first screen of a phone has room for it."""


def behind_claims(judged: pd.DataFrame) -> Figure | None:
    """Differences of average SEAT that claims are about, with the intervals that judge, beside the printed ones.

    Hollow marks are the printed differences of the same two students.

    Args:
        judged: the columns :data:`fairkd.frames.VERDICT_ROWS` and pooling; of the first pooling, the first part of each
            claim is shown that compares averages of SEAT and has an interval.

    Returns:
        The figure; None where no claim has such an interval.
    """
    own = judged[judged.pooling == judged.pooling.iloc[0]].drop_duplicates("claim")
    own = own[own.what.str.startswith("difference of average SEAT") & np.isfinite(own.low) & np.isfinite(own.high)]
    if own.empty:
        return None
    heights = np.arange(len(own))
    width, row, rest = SIZE
    with theme():
        figure = Figure(figsize=(width, row * len(own) + rest), layout="constrained")
        axis = figure.subplots()
        zero(axis, upright=True)
        forest(axis, own.estimate, heights, own.low, own.high)
        printed = [_value(printed_briefly(row.claim, row.part, row.what)) for row in records(own)]
        known = [at for at, value in enumerate(printed) if np.isfinite(value)]
        hollow(axis, [printed[at] for at in known], heights[known])
        for height, claim, title in zip(heights, own.claim, own.title, strict=True):
            where, label = axis.get_yaxis_transform(), f"{claim} {subscripts(title)}"
            above = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # no line runs through the words
            axis.text(0.0, height - 0.45, label, transform=where, fontsize=9, va="center", bbox=above)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_ylim(len(own) - 0.6, -0.75)
        axis.set_xlabel("difference of average SEAT")
        axis.grid(visible=False, axis="y")
        shared_legend(figure, [axis])
    told = [
        f"claim {row.claim}, {with_titles(row.what).rpartition(', ')[2]}: {number(row.estimate)} "
        f"{interval(row.low, row.high, 3)}, {row.verdict}"
        for row in records(own)
    ]
    figure.set_label(f"Differences of average SEAT behind the claims, with intervals. {'; '.join(told)}.")
    return figure


def _value(text: str) -> float:
    """The number that is printed, as :func:`~fairkd.claims.claims.printed_briefly` writes it; nan for none."""
    return np.nan if text == "–" else float(text.replace("−", "-"))
