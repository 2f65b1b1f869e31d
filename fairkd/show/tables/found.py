"""What was found in the corpus and done to the teacher: gender words, and debiasing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import frame, heading, missing, notice, plain_text, records, table
from fairkd.wording import listed, number

MET = ["met_female", "met_male", "visible_female", "visible_male", "taught"]
"""What is counted of a pair in what students read."""


def pairs(counts: pd.DataFrame, met: pd.DataFrame, *, documents: int, sequences: int) -> Html:
    """How often the words of each gender pair are met by students, stay visible, and occur in the training text.

    Args:
        counts: the columns :data:`fairkd.frames.WORD_COUNTS`.
        met: the columns :data:`fairkd.frames.WORDS_MET`, the pairs of ``counts`` for each seed; means over the seeds
            are shown.
        documents: all documents of the training text.
        sequences: all sequences of the training text.
    """
    means = met.groupby(["female", "male"], sort=False)[MET].mean()
    rows = []
    for row in records(counts):
        cells = [Cell(f"{n:,.0f}") for n in means.loc[(row.female, row.male)]]
        cells += [Cell(f"{row.n_female:,}"), Cell(f"{row.n_male:,}")]
        cells += [_share(row.sequences, sequences), _share(row.documents, documents)]
        rows.append(Row([Cell(f"{row.female} / {row.male}", kind="text", head="row"), *cells]))
    totals = [*means.sum(), counts.n_female.sum(), counts.n_male.sum()]
    cells = [Cell(f"{total:,.0f}") for total in totals] + [Cell("–"), Cell("–")]
    rows.append(Row([Cell("all pairs", kind="text", head="row"), *cells], kind="total"))
    groups = [("met by a student", 2), ("of these visible", 2), ("of these\nin L_ce", 0), ("in the training text", 4)]
    upper = [Cell("pair", kind="text", head="col", rows=2)]
    upper += [
        Cell(title, head="colgroup", columns=columns) if columns else Cell(title, head="col", rows=2)
        for title, columns in groups
    ]
    lower = [heading(name) for name in ("female", "male", "female", "male", "female", "male", "sequences", "documents")]
    made = table(_pairs_caption(met, documents, sequences), [Row(upper), Row(lower)], rows, kind="wide")
    if counts.positions.sum():
        return made
    warning = notice("No word of any pair occurs in this corpus: there is nothing to mix, and mixup changes nothing.")
    return warning + made


def _pairs_caption(met: pd.DataFrame, documents: int, sequences: int) -> str:
    seeds = [str(seed) for seed in met.seed.unique()]
    whose = f"of seed {seeds[0]}" if len(seeds) == 1 else f"(mean over the seeds {listed(seeds)})"
    counted, read = int(met.batches_counted.max()), int(met.batches_read.max())
    part = "" if counted == read else f" (counted in the first {counted:,} of its {read:,} batches)"
    return (
        f"What was mixed: how often a student {whose} meets the gender words, before masking{part}; how often they "
        "stay visible in its input, neither masked nor replaced, so that input embeddings and hidden states can be "
        "mixed; and at how many of these L_ce looks, so that logits can be mixed. Beside it how often they occur in "
        f"the whole training text, and in how many of its {sequences:,} sequences and {documents:,} documents; a "
        "sequence may hold several pairs, so these two have no sum."
    )


def _share(part: int, whole: int) -> Cell:
    return Cell(f"{part:,}", below=(f"{number(100 * part / whole, 1)} %",) if whole else ())


def debiasing(debiased: Mapping[str, Mapping[str, Any]], teachers: pd.DataFrame) -> Html:
    """What debiasing did to the teacher: words and sequences used, predictions and SEAT before and after.

    Args:
        debiased: name -> record (its ``record["debias"]``) of each debiased teacher; what has no label here is shown by
            its name. Empty if there is none.
        teachers: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling; arm is "original" or one of the names.
    """
    if not debiased:
        return missing("Debiasing", "not part of this profile: none of its students has a debiased teacher.")
    columns = ["arm", "pooling", "average", "low", "high", "signed", "signed_low", "signed_high"]
    seat = teachers.sort_values("pooling", key=lambda names: names != teachers.pooling.iloc[0], kind="stable")[columns]
    averages = frame(
        seat,
        caption="Average SEAT of the teacher before and after debiasing, with 95 % intervals over stimulus words",
        titles={"arm": "teacher", "average": "mean |d|", "signed": "mean signed d"},
        intervals={"average": ("low", "high"), "signed": ("signed_low", "signed_high")},
    )
    columns_of = {name: _labelled(record) for name, record in debiased.items()}
    labels = dict.fromkeys(label for column in columns_of.values() for label in column)
    rows = [
        Row([
            Cell(label, kind="text", head="row", symbols=False),
            *(Cell(plain_text(column.get(label, "–")), kind="text") for column in columns_of.values()),
        ])
        for label in labels
    ]  # fmt: skip
    heads = [heading("what", words=True), *(heading(name, words=True) for name in columns_of)]
    caption = (
        "How the teacher was debiased, and what became of its predictions. Words are counted in the sequences that it "
        "was trained on, not in the whole text"
    )
    return table(caption, [Row(heads)], rows) + averages


def tested_words(lists: pd.DataFrame) -> Html:
    """Which words of SEAT's lists the gender pairs and the lists of debiasing hold too.

    Args:
        lists: the columns :data:`fairkd.frames.TESTED_WORDS`.
    """
    rows = []
    for row in records(lists):
        cells = [Cell(", ".join(row.tests), kind="text")]
        cells += [
            Cell(f"{len(words)} of {len(row.words)}", below=(", ".join(words),), kind="text")
            for words in (row.pairs, row.debiasing)
        ]
        rows.append(Row([Cell(row.list, kind="text", head="row"), *cells]))
    names = ("SEAT's list", "tests", "in the pairs of mixup", "in the lists of debiasing")
    caption = (
        "How many of the words that SEAT tests are words that mixup exchanges, and how many the teacher is debiased "
        "on: where there are some, a student is measured partly on the words that it was changed with"
    )
    return table(caption, [Row([heading(name, words=True) for name in names])], rows)


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
    absent = words["not_in_training_sequences"]
    text = f"{words['used']} of {words['listed']} used, {absent} not in the chosen sequences"
    return f"{text}, not in the vocabulary: {', '.join(left_out)}" if left_out else text


def _nats(value: float) -> str:
    return f"{number(value)} nats a position"


def _objective(history: list[Mapping[str, float]]) -> str:
    return ", ".join(f"{epoch['objective']:.4g}" for epoch in history)


_LABELS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "sequences_scanned": ("sequences searched", "{:,}".format),
    "updates": ("updates", "{:,}".format),
    "sequences_read": ("sequences read in training", "{:,}".format),
    "tokens_read": ("tokens read in training", "{:,}".format),
    "epochs_run": ("epochs run", str),
    "epoch_kept": ("epoch kept, 0 is the original", str),
    "heldout_objective": ("held-out objective, before and after each epoch", _objective),
    "heldout_mlm_loss_before": ("held-out MLM loss before", _nats),
    "heldout_mlm_loss_after": ("held-out MLM loss after", _nats),
    "heldout_unigram_loss": ("held-out MLM loss of guessing by frequency", _nats),
    "heldout_kl": ("divergence of the predictions, KL(before || after)", _nats),
}
