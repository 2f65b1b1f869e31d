"""Average SEAT of students and teachers, and differences between them."""

from __future__ import annotations

import pandas as pd

from fairkd.names import arm_title, arm_titles
from fairkd.show.html import Html
from fairkd.show.tables.plain import frame
from fairkd.show.tables.printed import MEAN_OF_NAMES
from fairkd.wording import p_text


def seat_scores(data: pd.DataFrame, *, caption: str) -> Html:
    """The six tests of one encoder: d, and both p-values.

    Args:
        data: the columns :data:`fairkd.frames.SEAT_TABLE`.
        caption: what was measured.
    """
    titles = {"effect_size": "d", "p_words": "p (words)", "p_value": "p (sentences)"}
    formats = {"p_words": p_text, "p_value": p_text}
    return frame(data[["test", *titles]], caption=caption, titles=titles, formats=formats)


def averages(data: pd.DataFrame) -> Html:
    """Average SEAT of each student and the teacher with intervals: mean |d|, over names only too, and mean signed d.

    Args:
        data: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling.
    """
    columns = ["arm", "layers", "seeds", "pooling", "average", "low", "high", "names", "names_low", "names_high"]
    columns += ["signed", "signed_low", "signed_high"]
    rows = data.sort_values("pooling", key=lambda names: names != data.pooling.iloc[0], kind="stable")[columns]
    return frame(
        rows.assign(arm=[arm_title(arm) for arm in rows.arm]),
        caption="Average SEAT of each student and the teacher, by pooling, with 95 % intervals.",
        titles={"arm": "student", "average": "mean |d|", "names": MEAN_OF_NAMES, "signed": "mean signed d"},
        intervals={
            "average": ("low", "high"),
            "names": ("names_low", "names_high"),
            "signed": ("signed_low", "signed_high"),
        },
    )


def differences(data: pd.DataFrame) -> Html:
    """Average SEAT of each student minus that of another, with paired intervals and p-values.

    Args:
        data: the columns :data:`fairkd.frames.SEAT_DIFFERENCES` and pooling.
    """
    shown = data[["arm", "baseline", "pooling", "difference", "low", "high", "p", "p_holm"]].copy()
    titles = arm_titles([*data.arm, *data.baseline])
    for name in ("arm", "baseline"):
        shown[name] = [titles[arm] for arm in shown[name]]
    students = int(data.groupby("pooling").size().max()) if len(data) else 0
    return frame(
        shown,
        caption="Differences of average SEAT (mean |d|) with paired 95 % intervals. p is two-sided, for no difference; "
        f"p (Holm) allows for the number of students in the table, {students} under a pooling. One seed gives no p.",
        titles={"arm": "student", "baseline": "minus", "p_holm": "p (Holm)"},
        intervals={"difference": ("low", "high")},
        formats={"p": p_text, "p_holm": p_text},
        interval_digits=3,  # differences of similar students are small
    )
