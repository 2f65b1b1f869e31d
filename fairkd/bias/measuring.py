"""Several models measured by several rulers: what ``fairkd bias`` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairkd.bias.masked import load_masked_lm
from fairkd.bias.own_text import own_text_ruler
from fairkd.bias.published import published_rulers
from fairkd.bias.ruler import Ruler, Score, common, estimate_each
from fairkd.bias.rulers import RULERS, measure_with
from fairkd.errors import InputError, one_of
from fairkd.frames import BIAS_DIFFERENCES, BIAS_SCORES, BIAS_UNREAD
from fairkd.stats.estimates import Estimate


@dataclass(frozen=True)
class Measured:
    """What rulers found in models.

    Attributes:
        rulers: that measured, by name.
        items: ruler and model -> what the ruler found, with the columns :data:`fairkd.bias.ruler.ITEMS`.
        scores: the columns :data:`fairkd.frames.BIAS_SCORES`; a row a ruler, score and model, in this order.
        differences: the columns :data:`fairkd.frames.BIAS_DIFFERENCES`, likewise, without the baseline.
        unread: the columns :data:`fairkd.frames.BIAS_UNREAD`.
    """

    rulers: dict[str, Ruler]
    items: dict[tuple[str, str], pd.DataFrame]
    scores: pd.DataFrame
    differences: pd.DataFrame
    unread: pd.DataFrame


def measure_models(
    models: Sequence[str],
    rulers: Sequence[str] = (),
    *,
    published: Path | None = None,
    text: Path | None = None,
    baseline: str | None = None,
    batch_size: int = 64,
    n_bootstrap: int = 1000,
) -> Measured:
    """Measures models with rulers and compares them with one of them.

    Args:
        models: folders or hub ids of models with an MLM head, each once.
        rulers: names in :data:`fairkd.bias.rulers.RULERS`, or of the published ones; all of both without any.
        published: a folder of published sets, whose rulers (:func:`fairkd.bias.published.published_rulers`) are added.
        text: a file with a sentence a line, whose ruler (:func:`fairkd.bias.own_text.own_text_ruler`) is added.
        baseline: the model that the others are compared with; the first without it.
        batch_size: sequences a batch at most.
        n_bootstrap: replicates of the intervals.

    Returns:
        Scores with 95 % intervals over items, and paired differences. An item of which a model has no value counts for
        no model.

    Raises:
        InputError: before anything is measured: no model or one given twice, an unknown ruler, a baseline that is none
            of the models, or a model that cannot be loaded; later: a model that a ruler cannot measure.
    """
    more = [*([] if published is None else published_rulers(published)), *([own_text_ruler(text)] if text else [])]
    known = RULERS | {ruler.name: ruler for ruler in more}
    names = list(dict.fromkeys(one_of(name, known, "ruler") for name in rulers)) or list(known)
    reference = _checked(models, baseline)
    for model in models:  # all of them, before the first is measured
        load_masked_lm(model)
    items: dict[tuple[str, str], pd.DataFrame] = {}
    for model in models:
        loaded, tokenizer = load_masked_lm(model)
        found = measure_with([known[name] for name in names], loaded, tokenizer, batch_size=batch_size)
        items |= {(name, model): own for name, own in found.items()}
    scores, differences = [], []
    for name in names:
        kept = dict(zip(models, common([items[name, model] for model in models]), strict=True))
        for score in known[name].scores:
            rows = compare(known[name], score, kept, baseline=reference, n_bootstrap=n_bootstrap)
            scores.append(rows[0])
            differences.append(rows[1])
    used = {name: known[name] for name in names}
    return Measured(used, items, pd.concat(scores), pd.concat(differences), unread_items(items))


def _checked(models: Sequence[str], baseline: str | None) -> str:
    """The baseline, after checks of the names."""
    if not models:
        raise InputError("no model given; name a folder or a hub id")
    twice = next((model for number, model in enumerate(models) if model in models[:number]), None)
    if twice is not None:
        raise InputError(f"the model {twice!r} is given twice; give each once")
    return models[0] if baseline is None else one_of(baseline, models, "baseline")


def compare(
    ruler: Ruler, score: Score, kept: dict[str, pd.DataFrame], *, baseline: str, n_bootstrap: int = 1000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A score of several models, and its paired differences from the baseline.

    Args:
        ruler: that measured.
        score: one of its scores.
        kept: what it found in each model, on common items (:func:`fairkd.bias.ruler.common`).
        baseline: one of the models.
        n_bootstrap: replicates.

    Returns:
        Rows with the columns ``BIAS_SCORES``, and with ``BIAS_DIFFERENCES``.
    """
    each = estimate_each(ruler, score, [*kept.values()], n_bootstrap=n_bootstrap)
    estimates = dict(zip(kept, each, strict=True))
    key = [ruler.name, score.name]
    rows = [[*key, model, *_with_interval(own), len(kept[model])] for model, own in estimates.items()]
    against = [
        [*key, model, baseline, *_with_interval(own - estimates[baseline])]
        for model, own in estimates.items()
        if model != baseline
    ]
    return pd.DataFrame(rows, columns=BIAS_SCORES), pd.DataFrame(against, columns=BIAS_DIFFERENCES)


def _with_interval(found: Estimate) -> tuple[float, float, float]:
    return found.value, *found.interval()


def unread_items(items: dict[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The items without a value: the columns ``BIAS_UNREAD``."""
    lost = [
        own[own["problem"] != ""].assign(ruler=ruler, model=model)[BIAS_UNREAD] for (ruler, model), own in items.items()
    ]
    return pd.concat(lost, ignore_index=True)


def unread_lines(measured: Measured) -> list[str]:
    """How many items a model has no value of, by ruler, and each of them: by what it is about, and why. For a user."""
    lines = []
    for (ruler, model), own in measured.items.items():
        lost = own[own["problem"] != ""]
        if len(lost):
            causes = Counter(zip(lost["unit"], lost["problem"], strict=True))
            named = "; ".join(f"{unit} ({count}): {problem}" for (unit, problem), count in causes.items())
            lines.append(f"{model}, {ruler}: {len(lost)} of {len(own)} items count for no model: {named}")
    return lines
