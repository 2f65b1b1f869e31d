"""Sentences of the report, computed from saved tables: what was run, what came out, what that can decide.

Every statement is made from a number and its interval; a verdict is given only where the interval allows one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairkd.claims import bias as claims
from fairkd.claims import paper
from fairkd.claims.quality import GLUE_CLAIMS
from fairkd.names import arm_title, arm_titles
from fairkd.profile import Profile
from fairkd.show.html import Html, render
from fairkd.show.sentences_glue import glue_sentence
from fairkd.show.tables import frame as table
from fairkd.show.tables import missing, paragraph, paragraphs, verdicts
from fairkd.wording import interval, number

Results = Mapping[str, pd.DataFrame]


PLANTED_NOTE = (
    "Controlled experiment: text made by rule and small models. It shows whether the measuring works, not what real "
    "text would show."
)


def not_run(what: str, notebook: str, *, profile: str = "") -> Html:
    """Stands where the results of a notebook are not there."""
    where = f"profile {profile!r} (fairkd reproduce {profile})" if profile else "this profile"
    return missing(what, f"not available, because notebook {notebook} has not finished for {where}.")


def all_claims(*results: Results | None, poolings: Sequence[str]) -> pd.DataFrame:
    """The nine claims: a row a claim and pooling, from the notebooks that judged them; "not run" for the others.

    Claims on GLUE know no pooling and stand with the headline's.

    Args:
        results: tables of each notebook by name, None if it did not finish.
        poolings: of the profile, the headline first.
    """
    judged = [frame for one in results if one for name, frame in one.items() if name.endswith("_claims")]
    nothing = claims.judge({}, layers={})
    tables = []
    for pooling in poolings:
        headline = pooling == poolings[0]
        own = [frame[frame.pooling.isin([pooling, ""] if headline else [pooling])] for frame in judged]
        others = nothing if headline else nothing[~nothing.claim.isin(GLUE_CLAIMS)]
        table = pd.concat([*own, others], ignore_index=True).assign(pooling=pooling)
        table = table.drop_duplicates("claim").sort_values("claim", ignore_index=True)
        tables.append(claims.with_holm(table))
    return pd.concat(tables, ignore_index=True)


def verdict_sentence(frame: pd.DataFrame, *, scale: str) -> Html:
    """How many claims are supported, contradicted or open (headline pooling), and what the numbers are."""
    headline = frame[frame.pooling == frame.pooling.iloc[0]]
    return paragraph(f"{claims.summary(headline)} {scale}")


def controlled(profile: Profile, frames: Mapping[str, Results]) -> Html:
    """The verdicts of the controlled experiment (:func:`fairkd.experiment.Experiment.controlled`) with a link to it."""
    if profile.planted_strengths:
        return paragraph("This is the controlled experiment: its verdicts stand above.")
    if "report" not in frames:
        return missing("The controlled experiment", "not run yet. It takes some minutes: fairkd reproduce planted.")
    frame = frames["report"]["report_claims"]
    headline = frame[frame.pooling == frame.pooling.iloc[0]]
    said = paragraph(f"{claims.summary(headline)} {PLANTED_NOTE}")
    return said + verdicts(headline) + render("notes.planted_link")


def planted(frame: pd.DataFrame) -> Html:
    """What the measured bias should do if it follows the planted strength, and whether it does (headline pooling).

    Args:
        frame: as from :meth:`fairkd.experiment.Experiment.planted`.
    """
    rows = []
    for arm, own in frame[frame.pooling == frame.pooling.iloc[0]].groupby("arm", sort=False):
        own = own.sort_values("strength")
        zero, others = own[own.strength == 0], own[own.strength != 0]
        within = (zero.signed_low <= 0) & (zero.signed_high >= 0)
        far = others[others.strength.abs() == others.strength.abs().max()]
        away = np.where(far.strength > 0, far.signed_low > 0, far.signed_high < 0)
        checks = {
            "rises with the strength": (own.signed.diff().iloc[1:] > 0).all(),
            "zero lies in the interval where nothing is planted": within.all(),
            "has the sign of the strength": (np.sign(others.signed) == np.sign(others.strength)).all(),
            "its interval leaves zero at the largest strengths": away.all(),
        }
        values = ", ".join(f"{number(s, 2)}: {number(v, 2)}" for s, v in zip(own.strength, own.signed, strict=True))
        rows += [{"model": arm, "mean signed d": text, "holds": "yes" if ok else "NO"} for text, ok in checks.items()]
        rows.append({"model": arm, "mean signed d": f"by strength: {values}", "holds": ""})
    return table(pd.DataFrame(rows), caption=f"Does the measured bias follow the planted one? {PLANTED_NOTE}")


def summary(
    facts: Mapping[str, Any],
    capacity: Results | None,
    ablation: Results | None,
    mixup: Results | None,
    glue: Results | None,
) -> Html:
    """What was run and what came out, in one paragraph each.

    Args:
        facts: of the experiment: corpus (sources, tokens), teacher (source, layers, hidden), updates, seeds.
        capacity: tables of 01_capacity by name, None if it did not finish.
        ablation: tables of 02_ablation by name, None if it did not finish.
        mixup: tables of 03_mixup by name, None if it did not finish.
        glue: tables of 04_glue by name, None if it did not finish.
    """
    suite = facts.get("glue", {}).get("suite", "")
    no_glue = "Table 3 is missing: 04_glue has not finished." if suite else "This profile has no GLUE tasks."
    texts = [
        what_was_run(facts),
        capacity_sentence(capacity) if capacity else "Figure 1 is missing: 01_capacity has not finished.",
        ablation_sentence(ablation) if ablation else "Table 1 is missing: 02_ablation has not finished.",
        mixup_sentence(mixup) if mixup else "Table 2 is missing: 03_mixup has not finished.",
        glue_sentence(glue, suite=suite) if glue else no_glue,
    ]
    return paragraphs(*texts)


def what_was_run(facts: Mapping[str, Any]) -> str:
    """Teacher, corpus and training in a sentence or two; leaves out what ``facts`` does not hold."""
    corpus, teacher, seeds = facts.get("corpus") or {}, facts.get("teacher") or {}, facts.get("seeds", [])
    text = "Students were distilled"
    if teacher:
        text += f" from the teacher '{teacher['source']}' ({teacher['layers']} layers of {teacher['hidden']} units)"
    if corpus:
        text += f" on {corpus['tokens']:,} tokens of {', '.join(corpus['sources'])}"
    if facts.get("updates"):
        text += f", {facts['updates']:,} updates each"
    text += f", with {len(seeds)} seed{'s' if len(seeds) != 1 else ''}."
    if teacher.get("adapted"):
        before, after = teacher["heldout_mlm_loss_before"], teacher["heldout_mlm_loss_after"]
        text += (
            f" The teacher first learned to predict masked words in {teacher['adaptation_steps']:,} updates: "
            f"its loss on held-out text went from {number(before, 2)} to {number(after, 2)} nats a word piece."
        )
    return text


def capacity_sentence(results: Results) -> str:
    """Figure 1 in words, for the headline pooling (the first)."""
    averages, correlation = results["capacity_averages"], results["capacity_correlation"]
    pooling = averages.pooling.iloc[0]
    rows = averages[averages.pooling == pooling]
    students = rows[rows.arm != "teacher"].sort_values("average")
    low, high = students.iloc[0], students.iloc[-1]
    text = (
        f"Capacity (Figure 1, {pooling} pooling): the students' average SEAT lies between {number(low.average, 2)} "
        f"({_layers(low.layers)}) and {number(high.average, 2)} ({_layers(high.layers)})"
    )
    for teacher in rows[rows.arm == "teacher"].itertuples():
        ends = interval(teacher.low, teacher.high)
        text += f"; the teacher's is {number(teacher.average, 2)} {ends}"
    row = correlation[correlation.pooling == pooling].iloc[0]
    return f"{text}. {correlation_sentence(row.r, row.low, row.high, str(row.covers))}"


def correlation_sentence(r: float, low: float, high: float, covers: str) -> str:
    """Pearson's r of layers and average SEAT, and what its interval can say about the paper's claim."""
    printed = number(paper.FIGURE1_R, 2)
    if not (low <= high):
        return f"The correlation with the number of layers is undefined here; the paper prints r = {printed}."
    text = f"Its correlation with the number of layers is r = {number(r, 2)} {interval(low, high)} over {covers}; "
    text += f"the paper prints r = {printed}. "
    if low <= 0 <= high:
        return text + "The interval holds zero: this run cannot say whether smaller students are more biased."
    if high < 0:
        return text + "The interval lies below zero: in this run smaller students are more biased, as in the paper."
    return text + "The interval lies above zero: in this run larger students are more biased, against the paper."


def ablation_sentence(results: Results) -> str:
    """Table 1 in words, for the headline pooling: which arm is lowest, here and in print."""
    averages = results["ablation_averages"]
    pooling = averages.pooling.iloc[0]
    ours = averages[(averages.pooling == pooling) & averages.arm.isin(list(paper.TABLE1))].set_index("arm")
    if ours.empty:
        return "Losses: this profile has none of the students of Table 1."
    best = str(ours.average.idxmin())
    printed = paper.TABLE1_PRINTED_AVERAGE
    best_printed = min(printed, key=lambda arm: printed[arm])
    row = ours.loc[best]
    text = (
        f"Losses (Table 1, {pooling} pooling): the lowest average SEAT is {number(float(row.average), 2)} "
        f"{interval(float(row.low), float(row.high))} with {arm_title(best)}; in the paper it is "
        f"{number(printed[best_printed])} with {arm_title(best_printed)} "
        f"({number(paper.average(paper.TABLE1[best_printed]))} by the six values that it prints)."
    )
    differences = results.get("ablation_differences")
    return text if differences is None else f"{text} {difference_sentence(differences, pooling)}"


def difference_sentence(differences: pd.DataFrame, pooling: str) -> str:
    """The paper's claim about L_ce: what leaving it out changes, and whether the interval decides."""
    row = _difference(differences, "no-ce", pooling)
    if row is None:
        return ""
    text = f"Without L_ce the average changes by {number(row.difference, 2)} {interval(row.low, row.high)}: "
    return text + _decides(
        row,
        unclear="this run cannot say whether L_ce adds bias",
        below="in this run L_ce adds bias, as in the paper",
        above="in this run L_ce removes bias, against the paper",
    )


def mixup_sentence(results: Results) -> str:
    """Table 2 in words, for the headline pooling: what the proposed mixup changes, and which student is lowest."""
    averages, differences = results["mixup_averages"], results["mixup_differences"]
    pooling = averages.pooling.iloc[0]
    rows = averages[(averages.pooling == pooling) & (averages.arm != "teacher")].set_index("arm")
    best = str(rows.average.idxmin())
    title = arm_title(best)
    text = f"Mitigation (Table 2, {pooling} pooling): "
    row = _difference(differences, "mixup-xy", pooling)
    if row is not None:
        text += f"mixup of logits and input changes the average by {number(row.difference, 2)} "
        decision = _decides(
            row,
            unclear="this run cannot say whether it helps",
            below="in this run it lowers the average, as in the paper",
            above="in this run it raises the average, against the paper",
        )
        text += f"{interval(row.low, row.high)}: {decision} "
    return text + f"The lowest of {len(rows)} students is {title} with {number(float(rows.average[best]), 2)}."


def winner(frame: pd.DataFrame) -> Html:
    """Which student is the lowest of a table, and which others may as well be (headline pooling).

    Args:
        frame: as from :func:`fairkd.bias.comparisons.behind_the_lowest`, with the column ``pooling``.
    """
    if frame.empty:
        return paragraph("There is one student only.")
    own = frame[frame.pooling == frame.pooling.iloc[0]]
    titles = arm_titles([*own.lowest, *own.arm])
    lowest = f"'{titles[own.lowest.iloc[0]]}'"
    tied = [titles[arm] for arm in own.arm[~(own.low > 0)]]
    if not tied:
        return paragraph(f"The lowest average is that of {lowest}, below all {len(own)} others at once (95 %).")
    return paragraph(
        f"The lowest average is that of {lowest}. With 95 % for all comparisons together, {len(tied)} of the "
        f"{len(own)} others may as well be the lowest: {', '.join(tied)}."
    )


def _difference(differences: pd.DataFrame, arm: str, pooling: str) -> Any:
    rows = differences[(differences.arm == arm) & (differences.baseline == "full") & (differences.pooling == pooling)]
    return None if rows.empty else rows.iloc[0]


def _decides(row: Any, *, unclear: str, below: str, above: str) -> str:
    """Which of three sentences an interval allows."""
    if not row.low <= row.high:
        return "the interval is undefined."
    return f"{unclear if row.low <= 0 <= row.high else below if row.high < 0 else above}."


def _layers(n: Any) -> str:
    return f"{n} layer" if n == 1 else f"{n} layers"
