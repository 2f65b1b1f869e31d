"""Small tidy frames of the kind that experiments save."""

from __future__ import annotations

import math

import pandas as pd

from fairkd.bias.stimuli import TESTS
from fairkd.frames import TESTED_WORDS, WORDS_MET

CAPACITY = (("teacher", 6), ("capacity-1", 1), ("capacity-2", 2), ("capacity-4", 4))
ABLATION = (("teacher", 6), ("full", 3), ("no-cos", 3), ("no-ce", 3))
MIXUP = (("teacher", 6), ("full", 3), ("mixup-x", 3), ("mixup-xy", 3), ("mixup-y", 3), ("mine", 3))


def scores(arms, *, poolings=("mean", "cls")) -> pd.DataFrame:
    """d = position + test / 10 (+ 1 for cls); intervals of 0.3 below, 0.4 above; position 1 is lowest."""
    rows = []
    for position, (arm, layers) in enumerate(arms):
        for pooling in poolings:
            for n, test in enumerate(TESTS):
                d = position + n / 10 + (pooling == "cls")
                row = {"arm": arm, "layers": layers, "seeds": 1, "pooling": pooling, "test": test}
                rows.append(row | {"effect_size": d, "low": d - 0.3, "high": d + 0.4, "lowest": position == 1})
    return pd.DataFrame(rows)


def averages(arms, *, poolings=("mean", "cls")) -> pd.DataFrame:
    """average = 1 + position / 10, 0.2 below, 0.3 above; signed 0.5 less, names 0.25 less; position 1 is lowest."""
    rows = []
    for position, (arm, layers) in enumerate(arms):
        for pooling in poolings:
            a = 1 + position / 10
            row = {"arm": arm, "layers": layers, "seeds": 1, "pooling": pooling}
            row |= {"average": a, "low": a - 0.2, "high": a + 0.3}
            row |= {"signed": a - 0.5, "signed_low": a - 0.7, "signed_high": a - 0.3}
            row |= {"names": a - 0.25, "names_low": a - 0.65, "names_high": a + 0.05}
            rows.append(row | {"lowest": position == 1})
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


def behind(arms, *, poolings=("mean", "cls"), seeds=1) -> pd.DataFrame:
    """The first student is the lowest, each other 0.1 above the one before it; 0.15 to each side."""
    students = [arm for arm, _ in arms if arm != "teacher"]
    rows = [
        {"arm": arm, "lowest": students[0], "difference": n / 10, "low": n / 10 - 0.15, "high": n / 10 + 0.15}
        for n, arm in enumerate(students[1:], start=1)
    ]
    return pd.concat([pd.DataFrame(rows).assign(seeds=seeds, pooling=pooling) for pooling in poolings])


def verdicts(*rows, parts=()) -> pd.DataFrame:
    """Claims as (number, pooling, verdict, estimate); the interval is 0.04 to each side; plain words elsewhere.

    ``parts`` are those of the last rows, one of each.
    """
    made, titles = [], ["" for _ in rows[: len(rows) - len(parts)]] + list(parts)
    for (claim, pooling, verdict, estimate), part in zip(rows, titles, strict=True):
        row = {"claim": claim, "title": f"Title {claim}", "statement": f"Statement {claim} on L_ce."}
        row |= {"source": f"Table {claim}", "printed": f"printed {claim}", "verdict": verdict}
        row |= {"sentence": f"Sentence {claim}, {pooling}.", "what": f"difference {claim}", "pooling": pooling}
        row |= {"estimate": estimate, "low": estimate - 0.04, "high": estimate + 0.04, "seeds": 10}
        row |= {"part": part, "level": 1 - 0.05 / 15}
        row["detectable"] = 0.0567 if verdict == "supported" else math.nan
        made.append(row | {"p": 0.0004 if verdict == "supported" else math.nan, "p_adjusted": 0.0123})
    return pd.DataFrame(made)


def counts() -> pd.DataFrame:
    """Pair words of a corpus of 400 sequences in 20 documents; "gal" does not occur."""
    rows = [("woman", "man", 1200, 3000, 4200, 300, 20), ("gal", "guy", 0, 7, 7, 5, 2)]
    return pd.DataFrame(rows, columns=["female", "male", "n_female", "n_male", "positions", "sequences", "documents"])


def met() -> pd.DataFrame:
    """The words of :func:`counts` in what a student of seed 3 reads in 36 batches."""
    rows = [(3, "woman", "man", 10, 30, 8, 25, 5, 36, 36), (3, "gal", "guy", 0, 7, 0, 6, 1, 36, 36)]
    return pd.DataFrame(rows, columns=WORDS_MET)


def shared_with_seat() -> pd.DataFrame:
    """Two lists of SEAT and what pairs and lists of debiasing share with them."""
    rows = [
        ("MaleNames", ["C6", "C7b"], ["John", "Paul"], ["John"], []),
        ("Math", ["C7"], ["math", "algebra", "geometry"], [], ["math", "algebra"]),
    ]
    return pd.DataFrame(rows, columns=TESTED_WORDS)


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


GLUE_TASKS = ("MNLI", "QQP", "QNLI", "SST-2", "CoLA", "STS-B", "MRPC", "RTE")


def glue_scores(arms, *, failed=None, names=GLUE_TASKS) -> pd.DataFrame:
    """score = 66 + task's position + arm's position, from 3 below to 4 above; ``failed``: (arm, task) -> reason."""
    rows = []
    for position, arm in enumerate(arms):
        for n, task in enumerate(names):
            error = (failed or {}).get((arm, task), "")
            score = math.nan if error else 66.0 + n + position
            row = {"arm": arm, "seeds": 1, "task": task, "score": score, "low": score - 3, "high": score + 4}
            rows.append(row | {"error": error, "highest": position == len(arms) - 1 and not error})
    return pd.DataFrame(rows)


def glue_averages(arms, *, failed=()) -> pd.DataFrame:
    """average = 70 + arm's position, from 1 below to 1.5 above; nan for arms in ``failed``."""
    values = [math.nan if arm in failed else 70.0 + n for n, arm in enumerate(arms)]
    frame = pd.DataFrame({"arm": list(arms), "seeds": 1, "average": values})
    frame["highest"] = [n == len(values) - 1 and math.isfinite(value) for n, value in enumerate(values)]
    return frame.assign(low=frame.average - 1, high=frame.average + 1.5)


def glue_baselines() -> pd.DataFrame:
    """45, 54 and 53 in every task, from 2 below to 1, 2 and 2 above."""
    rows = [
        {"arm": arm, "seeds": 1, "task": task, "score": score, "low": score - 2, "high": score + up}
        for arm, score, up in (("majority", 45.0, 1.0), ("bag-of-words", 54.0, 2.0), ("untrained", 53.0, 2.0))
        for task in GLUE_TASKS
    ]
    return pd.DataFrame(rows)


def glue_differences(arms, *, baseline="full") -> pd.DataFrame:
    """difference = arm's position, 1.5 to each side; p = position / 100, p_holm twice that."""
    rows = []
    for position, arm in enumerate(arms):
        if arm != baseline:
            for task in (*GLUE_TASKS, "Avg."):
                row = {"arm": arm, "baseline": baseline, "task": task, "difference": float(position)}
                row |= {"low": position - 1.5, "high": position + 1.5, "p": position / 100, "p_holm": position / 50}
                rows.append(row)
    return pd.DataFrame(rows)
