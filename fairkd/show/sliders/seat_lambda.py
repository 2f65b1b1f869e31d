"""SEAT of mixed stimuli: a test's sentences with their gender words on the line between the pair's two embeddings.

Mixed are the input embeddings of whole words that belong to a pair, as in Section 5.1; words without a pair
("sister", "brother" under Appendix C) and all other words stay. Two ways to read λ:

* ``own``: λ weighs the word that stands there. λ = 1 is the test as published, λ = 0 the test with its pair words
  exchanged, and half way both words of a pair are one.
* ``male``: λ weighs the male word everywhere, as in training. λ = 1 is the test with male words only, λ = 0 with
  female words only; what tells the two sides apart are then the words without a pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairkd import seat
from fairkd.bias.association import associations, effect, unit
from fairkd.bias.encoding import added_poolings
from fairkd.bias.poolings import POOLINGS
from fairkd.bias.stimuli import stimuli
from fairkd.engine.store import Store
from fairkd.errors import InputError, nearest
from fairkd.gender import Occurrences, PairTable
from fairkd.mixup import mix
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import Loaded
from fairkd.stats.resampling import Floats, percentile_interval

Weighs = Literal["own", "male"]
WEIGHED = {"own": "the word that stands there", "male": "the male word everywhere"}


def curve(
    loaded: Loaded,
    pairs: PairTable,
    test: str,
    *,
    pooling: str = "mean",
    weighs: Weighs = "own",
    grid: Sequence[float] = LAMBDAS,
    n_bootstrap: int = 1000,
) -> pd.DataFrame:
    """Effect size of a test at each λ.

    Args:
        loaded: the encoder.
        pairs: in its vocabulary.
        test: one of ``seat.TESTS``.
        pooling: of sentence vectors.
        weighs: what λ weighs, see the module docstring.
        grid: the values of λ.
        n_bootstrap: replicates of the intervals over stimulus words, the same words at every λ; with as many as
            :func:`fairkd.seat.measure` had, the interval at λ = 1 is its.

    Returns:
        Columns lam, effect_size, ci_low, ci_high; nan where all targets have the same association.

    Raises:
        InputError: as :func:`fairkd.seat.encode`; an unknown test or ``weighs``; a λ outside [0, 1]; or no gender
            word of the pairs in the test.
    """
    check_weighs(weighs)
    if not all(0 <= lam <= 1 for lam in grid):
        raise InputError(f"λ: {list(grid)} must lie between 0 and 1")
    parts = stimuli(test)
    distinct = list(dict.fromkeys(sentence for part in parts.values() for sentence in part))
    plain = seat.encode(loaded.model, loaded.tokenizer, distinct, pooling)
    mixed = _encode_mixed(loaded, pairs, distinct, pooling, weighs, grid)
    if not mixed:
        words = ", ".join(f"{pair.female}/{pair.male}" for pair in pairs.pairs)
        raise InputError(f"test {test}: no sentence has a word of the pairs ({words}), so there is nothing to mix")
    rows = []
    weights = seat.resampled_words(n_bootstrap, 0)
    for step, lam in enumerate(grid):
        by_sentence = dict(zip(distinct, plain, strict=True))
        by_sentence |= {sentence: vectors[step] for sentence, vectors in mixed.items()}
        sets = {role: np.stack([by_sentence[s] for s in part]) for role, part in parts.items()}
        rows.append({"lam": lam, **_effect(sets, test, weights)})
    return pd.DataFrame(rows)


def _effect(sets: dict[str, Any], test: str, weights: dict[str, Floats]) -> dict[str, float]:
    """d and its interval over words; nan where all targets have the same association."""
    try:
        d = effect(*associations(*sets.values()))
    except InputError:  # half way every gender word is its counterpart: with a list that pairs all, no spread is left
        return {"effect_size": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    units = {role: unit(vectors, role) for role, vectors in sets.items()}
    low, high = percentile_interval(seat.replicates_of(units, test, weights))
    return {"effect_size": d, "ci_low": float(low), "ci_high": float(high)}


def mixed_words(tokenizer: Any, pairs: PairTable, test: str) -> pd.DataFrame:
    """What is mixed: a row a role of the test, with columns role, sentences, mixed (those with a pair word)."""
    rows = []
    for role, part in stimuli(test).items():
        hits = sum(bool(len(pairs.find(torch.tensor([tokenizer(s)["input_ids"]])).at)) for s in part)
        rows.append({"role": role, "sentences": len(part), "mixed": hits})
    return pd.DataFrame(rows)


def stored_curve(
    store: Store,
    loaded: Loaded,
    pairs: PairTable,
    test: str,
    *,
    pooling: str = "mean",
    weighs: Weighs = "own",
    n_bootstrap: int = 1000,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """:func:`curve` on the grid and :func:`mixed_words`, from the store, or computed once and kept there."""
    spec: dict[str, Any] = {
        "weights": loaded.digest,
        "tokenizer": loaded.tokenizer_digest,
        "pairs": pairs.content,
        "grid": list(LAMBDAS),
        "sentences": [sentence for part in stimuli(test).values() for sentence in part],
    }
    spec |= {"test": test, "pooling": pooling, "weighs": check_weighs(weighs), "n_bootstrap": n_bootstrap}
    if added := added_poolings([pooling]):
        spec["functions"] = added
    files = ("curve.parquet", "words.parquet")

    def make() -> tuple[pd.DataFrame, pd.DataFrame]:
        found = curve(loaded, pairs, test, pooling=pooling, weighs=weighs, n_bootstrap=n_bootstrap)
        return found, mixed_words(loaded.tokenizer, pairs, test)

    return store.kept(
        "seat of mixed stimuli",
        spec,
        make,
        write=lambda made, folder: [one.to_parquet(folder / file) for one, file in zip(made, files, strict=True)],
        read=lambda folder: (pd.read_parquet(folder / files[0]), pd.read_parquet(folder / files[1])),
        about={"weights": loaded.digest, "test": test},
    )


def check_weighs(weighs: str) -> Weighs:
    """Returns what λ weighs if it is known, else raises InputError."""
    allowed: tuple[Weighs, ...] = get_args(Weighs)
    for name in allowed:
        if weighs == name:
            return name
    raise InputError(f"weighs: {weighs!r} is unknown; allowed are {', '.join(allowed)}.{nearest(weighs, allowed)}")


@torch.inference_mode()
def _encode_mixed(
    loaded: Loaded, pairs: PairTable, sentences: list[str], pooling: str, weighs: Weighs, grid: Sequence[float]
) -> dict[str, Floats]:
    """Vectors (grid, hidden) of the sentences that have a pair word; sentences of equal length share a batch."""
    by_length: dict[int, list[tuple[str, Tensor, Occurrences]]] = defaultdict(list)
    special_tokens = POOLINGS[pooling].special_tokens
    for sentence in sentences:
        ids = torch.tensor([loaded.tokenizer(sentence, add_special_tokens=special_tokens)["input_ids"]])
        words = pairs.find(ids)
        if len(words.at):
            by_length[ids.shape[1]].append((sentence, ids, words))
    vectors: dict[str, Floats] = {}
    for same in by_length.values():
        batch = torch.cat([mixed_ids(loaded.model, ids, words, weighs, grid) for _, ids, words in same])
        pooled = _pooled(loaded.model, batch, pooling)
        vectors |= dict(zip([sentence for sentence, _, _ in same], np.split(pooled, len(same)), strict=True))
    return vectors


def mixed_ids(model: Any, ids: Tensor, words: Occurrences, weighs: Weighs, grid: Sequence[float]) -> Tensor:
    """Word embeddings (grid, tokens, hidden) of one sentence (1, tokens), its pair words mixed at each λ."""
    embed = model.get_input_embeddings()
    plain = embed(ids)[0]
    rows = []
    for lam in grid:
        weight = torch.full((len(words.at),), float(lam))
        if weighs == "own":
            weight = torch.where(words.male, weight, 1 - weight)
        mixed = mix(plain[words.at], embed(words.counterpart), male=words.male, lam=weight)
        rows.append(plain.index_copy(0, words.at, mixed))
    return torch.stack(rows)


def _pooled(model: Any, embeddings: Tensor, pooling: str, *, batch_size: int = 256) -> Floats:
    """Sentence vectors (n, hidden) of word embeddings (n, tokens, hidden), without dropout."""
    encoder, training = getattr(model, "base_model", model), model.training
    model.eval()
    found = []
    for part in embeddings.split(batch_size):
        mask = torch.ones(part.shape[:2], dtype=torch.long, device=part.device)
        hidden = encoder(inputs_embeds=part, attention_mask=mask).last_hidden_state
        found.append(POOLINGS[pooling].pool(hidden))
    model.train(training)
    result: Floats = torch.cat(found).double().cpu().numpy()
    return result
