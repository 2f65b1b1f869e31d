"""Small tidy frames of the kind that experiments save."""

from __future__ import annotations

import math

import pandas as pd

from fairkd.stimuli import TESTS

CAPACITY = (("teacher", 6), ("capacity-1", 1), ("capacity-2", 2), ("capacity-4", 4))
ABLATION = (("teacher", 6), ("full", 3), ("no-cos", 3), ("no-ce", 3))
MIXUP = (("teacher", 6), ("full", 3), ("mixup-x", 3), ("mixup-xy", 3), ("mixup-y", 3), ("mine", 3))


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


def differences(arms, *, baseline="full", poolings=("mean", "cls")) -> pd.DataFrame:
    """difference = (arm's position - 3) / 100, 0.02 to each side; p = position / 100, p_holm ten times that."""
    rows = []
    for pooling in poolings:
        for position, (arm, _) in enumerate(arms):
            if arm not in ("teacher", baseline):
                d = (position - 3) / 100
                row = {"arm": arm, "baseline": baseline, "pooling": pooling, "difference": d}
                rows.append(row | {"low": d - 0.02, "high": d + 0.02, "p": position / 100, "p_holm": position / 10})
    return pd.DataFrame(rows)


def verdicts(*rows) -> pd.DataFrame:
    """Claims as (number, pooling, verdict, estimate); the interval is 0.04 to each side; plain words elsewhere."""
    made = []
    for claim, pooling, verdict, estimate in rows:
        row = {"claim": claim, "title": f"Title {claim}", "statement": f"Statement {claim} on L_ce."}
        row |= {"source": f"Table {claim}", "printed": f"printed {claim}", "verdict": verdict}
        row |= {"sentence": f"Sentence {claim}, {pooling}.", "what": f"difference {claim}", "pooling": pooling}
        row |= {"estimate": estimate, "low": estimate - 0.04, "high": estimate + 0.04, "seeds": 10}
        made.append(row | {"p": 0.0004 if verdict == "supported" else math.nan, "p_holm": 0.0123})
    return pd.DataFrame(made)


def counts() -> pd.DataFrame:
    """Pair words of a corpus of 400 sequences in 20 documents; "gal" does not occur."""
    rows = [("woman", "man", 1200, 3000, 4200, 300, 20), ("gal", "guy", 0, 7, 7, 5, 2)]
    return pd.DataFrame(rows, columns=["female", "male", "n_female", "n_male", "positions", "sequences", "documents"])


def strengths(*, poolings=("mean", "cls")) -> pd.DataFrame:
    """The teacher's signed d is the strength, the student's half of it; intervals of 0.3 to each side."""
    rows = []
    for strength in (-0.5, 0.0, 0.5):
        for arm, slope in (("teacher", 1.0), ("full", 0.5)):
            for pooling in poolings:
                d = slope * strength
                row = {"strength": strength, "arm": arm, "seeds": 3, "pooling": pooling, "signed": d}
                row |= {"signed_low": d - 0.3, "signed_high": d + 0.3}
                rows.append(row | {"average": abs(d), "low": max(0.0, abs(d) - 0.3), "high": abs(d) + 0.3})
    return pd.DataFrame(rows)
