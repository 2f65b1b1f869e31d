"""Small tidy frames of the kind that experiments save."""

from __future__ import annotations

import pandas as pd

from fairkd.stimuli import TESTS

CAPACITY = (("teacher", 6), ("capacity-1", 1), ("capacity-2", 2), ("capacity-4", 4))
ABLATION = (("teacher", 6), ("full", 3), ("no-cos", 3), ("no-ce", 3))


def scores(arms, *, poolings=("mean", "cls")) -> pd.DataFrame:
    """d = arm's position + test's position / 10 (+ 1 for cls); intervals of 0.3 below, 0.4 above."""
    rows = []
    for position, (arm, layers) in enumerate(arms):
        for pooling in poolings:
            for n, test in enumerate(TESTS):
                d = position + n / 10 + (pooling == "cls")
                row = {"arm": arm, "layers": layers, "seeds": 1, "pooling": pooling, "test": test}
                rows.append(row | {"effect_size": d, "low": d - 0.3, "high": d + 0.4})
    return pd.DataFrame(rows)


def averages(arms, *, poolings=("mean", "cls")) -> pd.DataFrame:
    """average = 1 + arm's position / 10, from 0.2 below to 0.3 above; signed is 0.5 less."""
    rows = []
    for position, (arm, layers) in enumerate(arms):
        for pooling in poolings:
            a = 1 + position / 10
            row = {"arm": arm, "layers": layers, "seeds": 1, "pooling": pooling}
            row |= {"average": a, "low": a - 0.2, "high": a + 0.3}
            rows.append(row | {"signed": a - 0.5, "signed_low": a - 0.7, "signed_high": a - 0.3})
    return pd.DataFrame(rows)


def correlation(r=-0.5, low=-0.9, high=0.2, *, poolings=("mean", "cls")) -> pd.DataFrame:
    """The same correlation under each pooling."""
    row = {"r": r, "low": low, "high": high, "seeds": 1, "covers": "stimulus words"}
    return pd.DataFrame([{"pooling": pooling, **row} for pooling in poolings])
