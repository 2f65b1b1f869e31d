"""Sentences of the report, computed from saved tables: what was run, what came out, what that can decide.

Every statement is made from a number and its interval; a verdict is given only where the interval allows one.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from fairkd import paper
from fairkd.tables import ARM_TITLES, Html, interval, missing, number, subscripts

Results = Mapping[str, pd.DataFrame]


def not_run(what: str, notebook: str) -> Html:
    """Stands where the results of a notebook are not there."""
    return missing(what, f"not available, because notebook {notebook} has not finished for this profile.")


def not_built(what: str) -> Html:
    """Stands where an experiment is not part of this version."""
    return missing(what, "not run yet. The notebook for this experiment is not part of this version.")


def summary(facts: Mapping[str, Any], capacity: Results | None, ablation: Results | None) -> Html:
    """What was run and what came out, in one paragraph each.

    Args:
        facts: of the experiment: corpus (sources, tokens), teacher (source, layers, hidden), updates, seeds.
        capacity: tables of 01_capacity by name, None if it did not finish.
        ablation: tables of 02_ablation by name, None if it did not finish.
    """
    texts = [
        what_was_run(facts),
        capacity_sentence(capacity) if capacity else "Figure 1 is missing: 01_capacity has not finished.",
        ablation_sentence(ablation) if ablation else "Table 1 is missing: 02_ablation has not finished.",
    ]
    return Html("".join(f"<p>{subscripts(escape(text))}</p>" for text in texts))


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
        f"{interval(float(row.low), float(row.high))} with {ARM_TITLES[best]}; in the paper it is "
        f"{number(printed[best_printed])} with {ARM_TITLES[best_printed]} "
        f"({number(paper.table1_average(best_printed))} by the six values that it prints)."
    )
    differences = results.get("ablation_differences")
    return text if differences is None else f"{text} {difference_sentence(differences, pooling)}"


def difference_sentence(differences: pd.DataFrame, pooling: str) -> str:
    """The paper's claim about L_ce: what leaving it out changes, and whether the interval decides."""
    chosen = (differences.arm == "no-ce") & (differences.baseline == "full")
    rows = differences[chosen & (differences.pooling == pooling)]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    text = f"Without L_ce the average changes by {number(row.difference, 2)} {interval(row.low, row.high)}: "
    if not row.low <= row.high:
        return text + "the interval is undefined."
    if row.low <= 0 <= row.high:
        return text + "this run cannot say whether L_ce adds bias."
    if row.high < 0:
        return text + "in this run L_ce adds bias, as in the paper."
    return text + "in this run L_ce removes bias, against the paper."


def _layers(n: Any) -> str:
    return f"{n} layer" if n == 1 else f"{n} layers"
