"""What was found in the corpus and done to the teacher: gender words, and debiasing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import facts, frame, heading, missing, notice, records, table
from fairkd.wording import number


def pairs(counts: pd.DataFrame, *, documents: int, sequences: int) -> Html:
    """How often the words of each gender pair occur in the training text, with totals.

    Args:
        counts: the columns :data:`fairkd.frames.WORD_COUNTS`.
        documents: all documents of the corpus.
        sequences: all sequences of the corpus.
    """
    rows = []
    for row in records(counts):
        cells = [Cell(f"{n:,}") for n in (row.n_female, row.n_male, row.positions)]
        cells += [_share(row.sequences, sequences), _share(row.documents, documents)]
        rows.append(Row([Cell(f"{row.female} / {row.male}", kind="text", head="row"), *cells]))
    totals = [Cell(f"{counts[name].sum():,}") for name in ("n_female", "n_male", "positions")]
    rows.append(Row([Cell("all pairs", kind="text", head="row"), *totals, Cell("–"), Cell("–")], kind="total"))
    names = ("female", "male", "word pieces", "sequences", "documents")
    heads = [heading("pair", words=True), *map(heading, names)]
    caption = (
        "How often the gender words occur in the training text, before masking: occurrences of the female and of the "
        f"male word, word pieces of both, and in how many of {sequences:,} sequences and {documents:,} documents. "
        "A sequence may hold several pairs, so these two have no sum."
    )
    made = table(caption, [Row(heads)], rows)
    if counts.positions.sum():
        return made
    warning = notice("No word of any pair occurs in this corpus: there is nothing to mix, and mixup changes nothing.")
    return warning + made


def _share(part: int, whole: int) -> Cell:
    return Cell(f"{part:,}", below=(f"{number(100 * part / whole, 1)} %",) if whole else ())


def debiasing(record: Mapping[str, Any] | None, teachers: pd.DataFrame, *, scale: str) -> Html:
    """What debiasing did to the teacher: words and sequences used, predictions and SEAT before and after.

    Args:
        record: of the debiased teacher (its ``record["debias"]``); what has no label here is shown by its name. None
            if there is none.
        teachers: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling; arm is "original" or "debiased".
        scale: what the numbers are (``Profile.scale``), for the caption.
    """
    if record is None:
        return missing("Debiasing", "not part of this profile: none of its students has a debiased teacher.")
    columns = ["arm", "pooling", "average", "low", "high", "signed", "signed_low", "signed_high"]
    seat = teachers.sort_values("pooling", key=lambda names: names != teachers.pooling.iloc[0], kind="stable")[columns]
    before_after = frame(
        seat.replace({"arm": {"original": "before", "debiased": "after"}}),
        caption=f"Average SEAT of the teacher before and after debiasing, with 95 % intervals over stimulus words. "
        f"{scale}",
        titles={"arm": "debiasing", "average": "mean |d|", "signed": "mean signed d"},
        intervals={"average": ("low", "high"), "signed": ("signed_low", "signed_high")},
    )
    done = facts(_labelled(record), caption="How the teacher was debiased, and what became of its predictions")
    return done + before_after


def _labelled(record: Mapping[str, Any]) -> dict[str, Any]:
    rest, labelled = dict(record), dict[str, Any]()
    for name, words in rest.pop("words", {}).items():
        labelled[f"{name} words"] = _words(words)
    by_kind = {stage: rest.pop(f"sequences_{stage}", {}) for stage in ("found", "trained", "heldout")}
    for kind in dict.fromkeys(kind for numbers in by_kind.values() for kind in numbers):
        labelled[f"sequences, {kind}"] = ", ".join(
            f"{numbers[kind]:,} {stage}"
            for stage, numbers in zip(("found", "trained on", "held out"), by_kind.values(), strict=True)
            if kind in numbers
        )
    for name, (label, show) in _LABELS.items():
        if name in rest:
            labelled[label] = show(rest.pop(name))
    return labelled | rest


def _words(words: Mapping[str, Any]) -> str:
    """How many of a list were used, and which the vocabulary cannot represent."""
    left_out = words["not_in_vocabulary"]
    text = f"{words['used']} of {words['listed']} used, {words['without_occurrence']} without occurrence"
    return f"{text}, not in the vocabulary: {', '.join(left_out)}" if left_out else text


def _nats(value: float) -> str:
    return f"{number(value)} nats a position"


def _objective(history: list[Mapping[str, float]]) -> str:
    return ", ".join(f"{epoch['objective']:.4g}" for epoch in history)


_LABELS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "sequences_scanned": ("sequences searched", "{:,}".format),
    "updates": ("updates", "{:,}".format),
    "epochs_run": ("epochs run", str),
    "epoch_kept": ("epoch kept, 0 is the original", str),
    "heldout_objective": ("held-out objective, before and after each epoch", _objective),
    "heldout_mlm_loss_before": ("held-out MLM loss before", _nats),
    "heldout_mlm_loss_after": ("held-out MLM loss after", _nats),
    "heldout_unigram_loss": ("held-out MLM loss of guessing by frequency", _nats),
    "heldout_kl": ("divergence of the predictions, KL(before || after)", _nats),
}
