"""What all rulers have in common: stimuli by rule, a value an item, and scores of the values with intervals over items.

A ruler is a :class:`Ruler` in a module of its own; :data:`fairkd.bias.rulers.RULERS` is their table. What it finds in a
model is a value an item (:class:`Measured`). A score is a number made of all values, such as their mean. Items that
share a *unit*, the word or the pair of sentences that they are about, are resampled together; every model sees the same
resampled units, so that differences between models are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import Floats, mean_by_seed, multibootstrap, resample_seeds

ITEMS = ["item", "unit", "group", "value", "problem"]
"""Columns of what a ruler found: the item's name, what is resampled with it, the group that scores compare, the value
(nan where there is none) and why there is none ("" where there is one)."""


@dataclass(frozen=True)
class Score:
    """A number made of the values of a ruler's items.

    Attributes:
        name: short, unique within its ruler, as in "spread".
        title: in words.
        unit: "nats", "%" or "" for none.
        of: takes values (n,), their groups (n,) and weights (B, n), how often each item counts in each replicate;
            returns (B,), nan where a replicate leaves nothing to compute.
        neutral: its value where there is no bias.
        by_unit: ``of`` takes units in place of items, each with the mean of its items.
        size: it grows with the size of an association, whatever its sign.
        higher_is_more: whether a higher value is more bias, so that scores of two models say which has more; False
            where values on both sides of ``neutral`` are bias, or the score is of something else.
    """

    name: str
    title: str
    unit: str
    of: Callable[[Floats, NDArray[Any], Floats], Floats]
    neutral: float = 0.0
    by_unit: bool = False
    size: bool = False
    higher_is_more: bool = True


@dataclass(frozen=True)
class Ruler:
    """A way to measure bias in a masked language model.

    Attributes:
        name: as the command line and tables have it.
        title: in words.
        source: who proposed it.
        measure: takes model, tokenizer and the keyword ``batch_size``; returns a frame with the columns ``ITEMS``, in
            the order of the stimuli.
        scores: made of the values; the first is the headline.
    """

    name: str
    title: str
    source: str
    measure: Callable[..., pd.DataFrame]
    scores: tuple[Score, ...]


def item_weights(items: pd.DataFrame, n_bootstrap: int, *, ruler: str, seed: int = 0) -> Floats:
    """How often each item counts in each replicate, (n_bootstrap, n): units are drawn with replacement in each group.

    The draw depends on the names of the units, the ruler and the seed only, so it is the same for every model. Groups
    of the same units are drawn alike, so that scores of one group are paired with those of another; where groups share
    some of their units only, each is drawn by itself.
    """
    groups, units = (tuple(items[name].astype(str).to_numpy(object)) for name in ("group", "unit"))
    return _item_weights(groups, units, n_bootstrap, ruler, seed)


@lru_cache(maxsize=16)  # 5 MB each: every score, model and table has the same
def _item_weights(groups: tuple[str, ...], units: tuple[str, ...], n_bootstrap: int, ruler: str, seed: int) -> Floats:
    weights = np.zeros((n_bootstrap, len(groups)))
    group, unit = np.array(groups), np.array(units)
    for name in sorted(set(groups)):
        names, member = np.unique(unit[group == name], return_inverse=True)
        generator = numpy_generator(seed, f"ruler {ruler} {'|'.join(names)}")
        draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_bootstrap)
        weights[:, group == name] = draws[:, member]
    weights.flags.writeable = False
    return weights


def common(measured: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The items of which every model has a value, in the same order for all.

    Raises:
        InputError: the frames are not of the same stimuli, or no item is left.
    """
    names = measured[0]["item"].tolist()
    if any(frame["item"].tolist() != names for frame in measured):
        raise InputError("models can be compared on the same items only, and these were measured on others")
    kept = np.all([np.isfinite(frame["value"].to_numpy()) for frame in measured], axis=0)
    if not kept.any():
        raise InputError("there is no item of which every model has a value")
    return [frame[kept].reset_index(drop=True) for frame in measured]


def on_common_items(found: Mapping[Any, Sequence[Sequence[pd.DataFrame]]]) -> dict[Any, list[list[pd.DataFrame]]]:
    """What a ruler found in groups of models, by name, on the items of which every model has a value.

    Empty where there is no such item.
    """
    frames = [frame for groups in found.values() for frame in chain(*groups)]
    if not np.isfinite([frame["value"] for frame in frames]).all(axis=0).any():
        return {}
    kept = iter(common(frames))
    return {name: [[next(kept) for _ in group] for group in groups] for name, groups in found.items()}


def estimate_groups(
    ruler: Ruler, score: Score, groups: Sequence[Sequence[pd.DataFrame]], *, n_bootstrap: int
) -> Estimate:
    """A score of one arm, over its seeds and over resampled units.

    Args:
        ruler: that measured.
        score: one of its scores.
        groups: what it found in the models of each seed, on common items (:func:`common`).
        n_bootstrap: replicates.

    Returns:
        The mean over seeds; replicate b has the same units and seeds for every arm.
    """
    return over_seeds(estimate_models(ruler, score, groups, n_bootstrap=n_bootstrap))


def estimate_models(
    ruler: Ruler, score: Score, groups: Sequence[Sequence[pd.DataFrame]], *, n_bootstrap: int
) -> list[list[Estimate]]:
    """A score of each model of each seed; the arguments of :func:`estimate_groups`, which takes their mean."""
    each = iter(estimate_each(ruler, score, [*chain(*groups)], n_bootstrap=n_bootstrap))
    return [[next(each) for _ in group] for group in groups]


def estimate(ruler: Ruler, score: Score, found: pd.DataFrame, *, n_bootstrap: int = 1000) -> Estimate:
    """A score of one model, over resampled units; the arguments of :func:`estimate_groups`, of which it is a part."""
    return estimate_each(ruler, score, [found], n_bootstrap=n_bootstrap)[0]


def estimate_each(
    ruler: Ruler, score: Score, models: Sequence[pd.DataFrame], *, n_bootstrap: int = 1000
) -> list[Estimate]:
    """As :func:`estimate`, of models that were measured on the same items: all have the same draws."""
    items, values = models[0], np.stack([found["value"].to_numpy(dtype=float) for found in models])
    if score.by_unit:
        items, values = unit_means(items, values)
    weights, groups = item_weights(items, n_bootstrap, ruler=ruler.name), items["group"].to_numpy()
    each = []
    for own in values:
        once = score.of(own, groups, np.ones((1, len(own))))
        each.append(Estimate(float(once[0]), score.of(own, groups, weights), once))
    return each


def over_seeds(models: Sequence[Sequence[Estimate]]) -> Estimate:
    """The mean over seeds of what was estimated in each model of a seed, with resampled seeds in its replicates."""
    flat, students = list(chain(*models)), len(models[0])
    by_seed = mean_by_seed([own.value for own in flat], students)
    replicates = mean_by_seed([own.replicates for own in flat], students)  # (seeds, B)
    draws = resample_seeds(len(by_seed), replicates.shape[1], numpy_generator(0, "resampled seeds", len(by_seed)))
    return Estimate(float(by_seed.mean()), multibootstrap(replicates, draws), by_seed)


def unit_means(items: pd.DataFrame, values: Floats) -> tuple[pd.DataFrame, Floats]:
    """Units of each group, a row each with the columns group and unit, and the means of their items, (models, units).

    Args:
        items: the columns group and unit, n rows.
        values: (models, n).
    """
    means = pd.DataFrame(values.T).groupby([items["group"], items["unit"]], sort=False).mean()
    return means.index.to_frame(index=False), np.ascontiguousarray(means.to_numpy().T)


def weighted_mean(values: Floats, groups: NDArray[Any], weights: Floats) -> Floats:
    """Mean over items, (B,); the form of a score."""
    result: Floats = (weights @ values) / (weights @ np.ones(len(values)))
    return result


def group_mean(values: Floats, groups: NDArray[Any], weights: Floats, *, group: str) -> Floats:
    """Mean over the items of one group, (B,); nan where it has none."""
    own = _places(groups == group)
    if own is None:
        return np.full(len(weights), np.nan)
    return weighted_mean(values[own], groups[own], weights[:, own])


def _places(chosen: NDArray[np.bool_]) -> slice | NDArray[np.bool_] | None:
    """The same items as a slice, where they stand side by side: of weights that copies nothing; None for no item."""
    count = int(np.count_nonzero(chosen))
    first = int(chosen.argmax()) if count else 0
    if not count:
        return None
    return slice(first, first + count) if chosen[first : first + count].all() else chosen


def weighted_deviation(values: Floats, weights: Floats, own: NDArray[np.bool_]) -> Floats:
    """Standard deviation (ddof 1) of the items where ``own`` (n,) is true, each repeated by its weight, (B,).

    nan where there is no such item.
    """
    if (places := _places(own)) is None:
        return np.full(len(weights), np.nan)
    values, weights = values[places], weights[:, places]
    total = weights @ np.ones(len(values))
    # Not from sums of squares: those of equal values would leave much more than rounding.
    deviations = values - ((weights @ values) / total)[:, None]
    squares = np.einsum("bn,bn,bn->b", weights, deviations, deviations)  # makes no further array of megabytes
    result: Floats = np.sqrt(squares / np.maximum(total - 1, 1))
    return result
