"""The Sentence Encoder Association Test (May et al. 2019), the paper's measure of bias (Section 3, Appendix B).

Six tests on one encoder: effect size d, a permutation p-value over words, the published one over sentences (which
takes near copies for independent), and an interval over the stimulus words. A positive d is the stereotype in all six.
The sentences live in ``fairkd.bias.stimuli``, loading and pooling in
``fairkd.bias.encoding``, the statistic in ``fairkd.bias.association``; all are offered here under their public names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairkd.bias.association import (
    NO_SPREAD,
    Floats,
    associations,
    effect,
    effect_size,
    p_value,
    permutation_p,
    permutation_word_p,
    unit,
    word_p_value,
)
from fairkd.bias.encoding import check_pooling, encode, encode_each, load_encoder
from fairkd.bias.poolings import POOLINGS
from fairkd.bias.stimuli import LISTS, ROLES, TESTS, stimuli, words
from fairkd.bias.unknown import unknown_sentences, unknown_words
from fairkd.errors import InputError
from fairkd.frames import SEAT_TABLE
from fairkd.rng import numpy_generator
from fairkd.stats.resampling import percentile_interval

__all__ = [
    "POOLINGS",
    "TESTS",
    "Measurement",
    "effect_size",
    "encode",
    "evaluate",
    "load_encoder",
    "measure",
    "measure_each",
    "measure_encoder",
    "p_value",
    "stimuli",
    "word_p_value",
]


@dataclass(frozen=True)
class Measurement:
    """SEAT of one encoder.

    Attributes:
        table: a row a test, with the columns :data:`fairkd.frames.SEAT_TABLE` and the numbers of sentences n_x, n_y,
            n_a, n_b.
        replicates: shape ``(n_bootstrap, 6)``, signed d of each test (order of ``TESTS``) under resampled words.
    """

    table: pd.DataFrame
    replicates: Floats


def measure(
    model: Any,
    tokenizer: Any,
    *,
    pooling: str = "mean",
    n_samples: int = 100_000,
    n_bootstrap: int = 1000,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> Measurement:
    """The six tests on one encoder, with p-values and intervals over stimulus words.

    Args:
        model, tokenizer: as from ``load_encoder``; a model with a head works too.
        pooling: one of ``POOLINGS``.
        n_samples: splits of the published permutation test; that over words looks at all 12,870.
        n_bootstrap: replicates of the interval; 0 for none (its ends are nan then).
        seed: of splits and replicates. Equal seeds draw the same words for every model: differences are paired.
        device: where to encode; the model is moved there and stays. None leaves it where it is.

    Raises:
        InputError: as ``encode``, ``effect_size`` and ``p_value``, for a negative n_bootstrap, a tokenizer that knows
            no word of a list, or a device that torch does not have.
    """
    options: dict[str, Any] = {"n_samples": n_samples, "n_bootstrap": n_bootstrap, "seed": seed, "device": device}
    return measure_each(model, tokenizer, [pooling], **options)[pooling]


def measure_each(
    model: Any,
    tokenizer: Any,
    poolings: Iterable[str],
    *,
    n_samples: int = 100_000,
    n_bootstrap: int = 1000,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> dict[str, Measurement]:
    """``measure`` under several poolings, for little more than the cost of one: pooling -> Measurement."""
    names = _check_poolings(poolings)
    if n_bootstrap < 0:
        raise InputError(f"n_bootstrap must be 0 or more, not {n_bootstrap}")
    unknown_words(tokenizer)  # refuses a list of which it knows no word
    if device is not None:
        _move(model, device)
    distinct = list(dict.fromkeys(s for test in TESTS for part in stimuli(test).values() for s in part))
    encoded = encode_each(model, tokenizer, distinct, names)
    weights = resampled_words(n_bootstrap, seed)
    return {
        name: _measure(
            dict(zip(distinct, unit(encoded[name], "the encoder"), strict=True)), name, weights, n_samples, seed
        )
        for name in names
    }


def _measure(
    vectors: dict[str, Floats], pooling: str, weights: dict[str, Floats], n_samples: int, seed: int
) -> Measurement:
    """The six tests from unit vectors by sentence, each ``(hidden,)``."""
    rows, replicates = [], []
    for test in TESTS:
        parts = {role: np.stack([vectors[s] for s in part]) for role, part in stimuli(test).items()}
        scores = associations(*parts.values())
        replicates.append(replicates_of(parts, test, weights))
        low, high = percentile_interval(replicates[-1])
        rows.append(
            {"test": test, "pooling": pooling, "effect_size": effect(*scores)}
            | _p_values(scores, test, n_samples, seed)
            | {"ci_low": low, "ci_high": high}
            | {f"n_{role.lower()}": len(part) for role, part in parts.items()}
        )
    return Measurement(table=pd.DataFrame(rows), replicates=np.stack(replicates, axis=1))


def _p_values(scores: tuple[Floats, Floats], test: str, n_samples: int, seed: int) -> dict[str, float]:
    """Over words, always over all their splits, and the published one, over sentences."""
    members = words(test)
    n = len(set(members["X"]))
    everything = math.comb(2 * n, n)
    over_words = permutation_word_p(
        *scores, words_x=members["X"], words_y=members["Y"], n_samples=everything, seed=seed
    )
    return {
        "p_words": over_words,
        "p_value": permutation_p(*scores, n_samples=n_samples, seed=seed),
    }


def evaluate(model: Any, tokenizer: Any, pooling: str = "mean", **options: Any) -> pd.DataFrame:
    """``measure(…).table``: a row a test. ``options`` are those of ``measure``.

    The model of this example has random weights, so its scores are left out:

    >>> from transformers import BertConfig, BertModel, BertTokenizer
    >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.'"]
    >>> pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    >>> tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    >>> size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    >>> model = BertModel(BertConfig(vocab_size=len(pieces), **size))
    >>> table = evaluate(model, tokenizer, "mean", n_samples=100, n_bootstrap=10)
    >>> table[["test", "pooling", "n_x", "n_y"]].head(2)
      test pooling  n_x  n_y
    0   C6    mean   64   64
    1  C6b    mean   80   80
    """
    return measure(model, tokenizer, pooling=pooling, **options).table


def measure_encoder(
    model: str | Path,
    *,
    tokenizer: str | Path | None = None,
    poolings: str | Iterable[str] = ("mean", "cls"),
    n_samples: int = 100_000,
    n_bootstrap: int = 1000,
    seed: int = 0,
    device: str | None = None,
) -> pd.DataFrame:
    """What ``fairkd seat MODEL`` does: loads an encoder and measures it under each pooling.

    Args:
        model, tokenizer: as for ``load_encoder``.
        poolings: one name or several of ``POOLINGS``; checked before anything is loaded.
        n_samples, n_bootstrap, seed, device: as for ``measure``.

    Returns:
        Columns :data:`fairkd.frames.SEAT_TABLE`; six rows a pooling, in the order given. And ``unknown_words``: the
        test's stimulus words that the tokenizer does not know, a list; and ``unknown_sentences``: how many of the
        test's sentences hold something that it does not know.

    Raises:
        InputError: as ``load_encoder`` and ``measure``, or for no pooling at all.
    """
    names = _check_poolings(poolings)
    encoder, tokens = load_encoder(model, tokenizer=tokenizer)
    options: dict[str, Any] = {"n_samples": n_samples, "n_bootstrap": n_bootstrap, "seed": seed, "device": device}
    measured = measure_each(encoder, tokens, names, **options)
    table = pd.concat([measured[name].table for name in names], ignore_index=True)[SEAT_TABLE]
    lost, sentences = unknown_words(tokens), unknown_sentences(tokens)
    return table.assign(unknown_words=table["test"].map(lost), unknown_sentences=table["test"].map(sentences))


def _check_poolings(poolings: str | Iterable[str]) -> list[str]:
    """The distinct names in the order given, checked."""
    names = dict.fromkeys([poolings] if isinstance(poolings, str) else poolings)
    if not names:
        raise InputError(f"no pooling given; allowed are {', '.join(POOLINGS)}")
    return [check_pooling(name) for name in names]


def _move(model: Any, device: str | torch.device) -> None:
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device it was not built for
        raise InputError(f"cannot use the device {str(device)!r}: {str(error).splitlines()[0]}") from error


def resampled_words(n_bootstrap: int, seed: int) -> dict[str, Floats]:
    """How often each of a list's eight words is drawn, ``(n_bootstrap, 8)`` a list: the unit is the word.

    A word has one draw a replicate, whichever lists, tests and roles it serves and whichever model is measured. Two
    lists may share words (7 of 8 are shared by the arts of C7 and of C8): the second takes over how often these were
    drawn, and its other words share what is left of its eight draws. So each list by itself is drawn as a bootstrap
    draws it, eight times with replacement.
    """
    draws: dict[str, Floats] = {}
    for name, members in LISTS.items():
        generator = numpy_generator(seed, f"seat words {name}")
        earlier = next((other for other in draws if set(LISTS[other]) & set(members)), None)
        shared = [] if earlier is None else [word for word in members if word in LISTS[earlier]]
        counts = np.zeros((n_bootstrap, len(members)))
        for word in shared:
            counts[:, members.index(word)] = draws[str(earlier)][:, LISTS[str(earlier)].index(word)]
        own = [position for position, word in enumerate(members) if word not in shared]
        left = len(members) - counts.sum(axis=1).astype(int)
        counts[:, own] = generator.multinomial(left, [1 / len(own)] * len(own))
        draws[name] = counts
    return draws


def replicates_of(parts: dict[str, Floats], test: str, weights: dict[str, Floats]) -> Floats:
    """d of one test in each replicate, ``(n_bootstrap,)``: each sentence counts as often as its word was drawn.

    ``parts`` holds unit vectors. Weighted sums stand for repeated sentences, so this equals ``effect_size`` on the
    repeated vectors; nan where a draw leaves no spread.
    """
    counts = {role: weights[name][:, words(test)[role]] for role, name in ROLES[test].items()}  # (replicates, n)
    mean = {role: counts[role] @ parts[role] / counts[role].sum(axis=1, keepdims=True) for role in "AB"}
    s_x, s_y = ((mean["A"] - mean["B"]) @ parts[role].T for role in "XY")  # (replicates, n)
    n_x, n_y = (counts[role].sum(axis=1) for role in "XY")
    mean_x = (counts["X"] * s_x).sum(axis=1) / n_x
    mean_y = (counts["Y"] * s_y).sum(axis=1) / n_y
    centre = ((n_x * mean_x + n_y * mean_y) / (n_x + n_y))[:, None]
    squares = (counts["X"] * (s_x - centre) ** 2).sum(axis=1) + (counts["Y"] * (s_y - centre) ** 2).sum(axis=1)
    spread = np.sqrt(squares / (n_x + n_y - 1))
    defined = spread > NO_SPREAD
    return np.where(defined, (mean_x - mean_y) / np.where(defined, spread, 1.0), np.nan)
