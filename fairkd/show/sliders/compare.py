"""Two encoders side by side: their six effect sizes, and where their sentences lie on the gender direction.

The gender direction of an encoder in a test is the mean of its unit vectors of the male sentences minus that of the
female ones, at length 1. The projection of a sentence is its cosine with that direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairkd import seat
from fairkd.bias.association import NO_SPREAD, unit
from fairkd.bias.encoding import added_poolings
from fairkd.bias.stimuli import LISTS, ROLES, stimuli, words
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.show.sliders.choices import Loaded, Models

LIST_TITLES = {
    "MaleNames": "male names",
    "FemaleNames": "female names",
    "MaleTerms": "male terms",
    "FemaleTerms": "female terms",
    "MaleTerms8": "male terms",
    "FemaleTerms8": "female terms",
    "Career": "career",
    "Family": "family",
    "Math": "math",
    "Arts7": "arts",
    "Science": "science",
    "Arts8": "arts",
}


def effects(models: Models, names: Sequence[str], *, pooling: str) -> pd.DataFrame:
    """The six tests on each of these models.

    Returns:
        Columns model, test, effect_size, ci_low, ci_high (95 % over stimulus words), p_words, p_value; a row a model
        and test.

    Raises:
        InputError: no such model, or a pooling that the profile does not measure.
    """
    columns = ["model", "test", "effect_size", "ci_low", "ci_high", "p_words", "p_value"]
    poolings = models.materials.profile.seat.poolings
    if pooling not in poolings:
        raise InputError(f"pooling {pooling!r}: the profile measures {list(poolings)}")
    frames = []
    for name in dict.fromkeys(names):
        table = models.effects(name)
        frames.append(table[table.pooling == pooling].assign(model=name)[columns])
    return pd.concat(frames, ignore_index=True)


def stored_projections(store: Store, loaded: Loaded, test: str, *, pooling: str = "mean") -> pd.DataFrame:
    """:func:`projections`, from the store, or computed once and kept there.

    Raises:
        InputError: as there.
    """
    sentences = [sentence for part in stimuli(test).values() for sentence in part]
    spec: dict[str, Any] = {"weights": loaded.digest, "tokenizer": loaded.tokenizer_digest, "sentences": sentences}
    spec |= {"test": test, "pooling": pooling}
    if added := added_poolings([pooling]):
        spec["functions"] = added
    found = store.kept(
        "projections",
        spec,
        lambda: projections(loaded, test, pooling=pooling),
        write=lambda made, folder: made.to_parquet(folder / "projections.parquet"),
        read=lambda folder: pd.read_parquet(folder / "projections.parquet"),
        about={"weights": loaded.digest, "test": test},
    )
    return found.assign(model=loaded.name)  # which the same weights may have another of


def projections(loaded: Loaded, test: str, *, pooling: str = "mean") -> pd.DataFrame:
    """Projections of all sentences of a test on the encoder's gender direction.

    Returns:
        Columns model, role (X, Y, A, B), group (such as "male terms"), gendered (whether the set makes the direction),
        word, sentence, projection; a row a sentence.

    Raises:
        InputError: as :func:`fairkd.seat.encode`; an unknown test; or the encoder gives male and female sentences the
            same mean, so that there is no direction.
    """
    parts, of_word = stimuli(test), words(test)
    everything = [sentence for part in parts.values() for sentence in part]
    vectors = unit(seat.encode(loaded.model, loaded.tokenizer, everything, pooling), loaded.name)
    role_of = np.repeat(list(parts), [len(part) for part in parts.values()])
    names = [ROLES[test][role] for role in role_of]
    male, female = (vectors[[name.startswith(side) for name in names]].mean(axis=0) for side in ("Male", "Female"))
    length = np.linalg.norm(male - female)
    if length <= NO_SPREAD:
        raise InputError(f"{loaded.name!r}, test {test}: male and female sentences have the same mean vector")
    return pd.DataFrame(
        {
            "model": loaded.name,
            "role": role_of,
            "group": [LIST_TITLES[name] for name in names],
            "gendered": [name.startswith(("Male", "Female")) for name in names],
            "word": [LISTS[ROLES[test][role]][i] for role in parts for i in of_word[role]],
            "sentence": everything,
            "projection": vectors @ ((male - female) / length),
        }
    )
