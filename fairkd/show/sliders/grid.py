"""The explorers as pictures on a grid: what a slider shows at each of its values.

Each function gives the arguments of :func:`fairkd.show.sliders.explorer.explorer`, plain numbers and text:
``explorer(**grid)`` is the figure of an exported page, and ``fairkd.show.sliders.widgets`` draws the same frames in
JupyterLab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairkd.show.sliders import beta
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.reading import KnownReading, LambdaStep, SentenceReading
from fairkd.show.sliders.seat_lambda import WEIGHED, Weighs, check_weighs
from fairkd.show.tables.plain import records
from fairkd.wording import interval, number

ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
TOP = 4.0
"""Where the axis of densities ends; below α = 1 they go to infinity at the ends of [0, 1]."""
BINS = 20
ALPHA_AXES: dict[str, Any] = {
    "x": "λ, weight of the male word",
    "y": "density",
    "x_range": (0.0, 1.0),
    "y_range": (0.0, TOP),
}


def alpha_frame(alpha: float, *, draws: int, seed: int, points: int = 100) -> dict[str, Any]:
    """The density of λ at one α, a histogram of draws as a line of steps, and the share near the ends."""
    law = beta.density(alpha, points=points)
    drawn = beta.samples(alpha, size=draws, seed=seed)
    heights, edges = np.histogram(drawn, bins=BINS, range=(0, 1), density=True)
    near = np.mean((drawn <= beta.NEAR) | (drawn >= 1 - beta.NEAR))
    return {
        "lines": [
            {"name": "density of Beta(α, α)", "x": law.lam.tolist(), "y": law.density.tolist()},
            {
                "name": f"{draws:,} draws of λ",
                "x": np.repeat(edges, 2)[1:-1].tolist(),
                "y": np.repeat(heights, 2).tolist(),
            },
        ],
        "sentence": (
            f"α = {alpha:g}: {100 * beta.share_near_ends(alpha):.1f} % of λ lie within {beta.NEAR} of an end, "
            f"and {100 * near:.1f} % of these {draws:,} draws."
        ),
    }


def alpha_grid(
    *, start: float = 0.4, draws: int = 1000, seed: int = 0, alphas: Sequence[float] = ALPHAS
) -> dict[str, Any]:
    """The explorer of α: density, draws and share of λ near the ends; it begins at the value nearest to ``start``."""
    return {
        "title": "The law of mixup's weight, λ ~ Beta(α, α)",
        "label": "α",
        "values": list(alphas),
        "start": int(np.argmin(np.abs(np.asarray(alphas) - start))),
        **ALPHA_AXES,
        "frames": [alpha_frame(alpha, draws=draws, seed=seed) for alpha in alphas],
    }


def word_grid(reading: SentenceReading | KnownReading, *, start: float = 0.5) -> dict[str, Any]:
    """The explorer of x̄: its cosine with the pair's two words, and the nearest words of the vocabulary, at each λ."""
    steps = [reading.at(lam) for lam in LAMBDAS]
    ends = ((f"cosine with {reading.male}", "to_male"), (f"cosine with {reading.female}", "to_female"))
    lines = [{"name": name, "x": list(LAMBDAS), "y": [getattr(step, end) for step in steps]} for name, end in ends]
    return {
        "title": f"The mixed word x̄ on the line from {reading.female} to {reading.male}",
        **_lam(start),
        "y": "cosine of word embeddings",
        "frames": [
            {
                "lines": lines,
                "marks": [{"name": "x̄ at this λ", "x": [step.lam] * 2, "y": [step.to_male, step.to_female]}],
                "bars": [{"name": "nearest words to x̄, by cosine", **_bars(step.nearest, "cosine")}],
                "sentence": _word_sentence(reading, step),
            }
            for step in steps
        ],
    }


def reading_grid(reading: SentenceReading | KnownReading, *, start: float = 0.5) -> dict[str, Any]:
    """The explorer of ȳ: KL against λ, and word by word the teacher's two readings, ȳ and the student's of x̄."""
    steps = [reading.at(lam) for lam in LAMBDAS]
    names = {
        "male": f"teacher: {reading.male}",
        "female": f"teacher: {reading.female}",
        "mixture": "mixture ȳ",
        "student": "student: x̄",
    }
    line: dict[str, Any] = {"name": "KL(ȳ ‖ student)", "x": list(LAMBDAS), "y": [step.kl for step in steps]}
    return {
        "title": f"What stands in the place of {'/'.join((reading.female, reading.male))}: “{reading.sentence}”",
        **_lam(start),
        "y": "KL, nats",
        "y_range": (0.0, max(1.1 * max(line["y"]), 1e-6)),
        "frames": [
            {
                "lines": [line],
                "marks": [{"name": "at this λ", "x": step.lam, "y": step.kl}],
                "bars": [
                    {"name": title, **_bars(step.probabilities[step.probabilities.reading == name], "probability")}
                    for name, title in names.items()
                ],
                "sentence": _reading_sentence(step, temperature=reading.temperature),
            }
            for step in steps
        ],
    }


def seat_grid(curve: pd.DataFrame, *, test: str, model: str, weighs: Weighs, start: float = 1.0) -> dict[str, Any]:
    """The explorer of SEAT under mixing, from :func:`fairkd.show.sliders.seat_lambda.curve` on the grid."""
    lam = curve.lam.tolist()
    line = {"name": "effect size d", "x": lam, "y": curve.effect_size.tolist()}
    band = {"name": "95 % interval", "x": lam, "low": curve.ci_low.tolist(), "high": curve.ci_high.tolist()}
    return {
        "title": f"Test {test} on {model}, with its gender words mixed",
        **_lam(start, lam),
        "x": f"λ, weight of {WEIGHED[check_weighs(weighs)]}",
        "y": "effect size d",
        "frames": [
            {
                "lines": [line],
                "bands": [band],
                "marks": [{"name": "at this λ", "x": row.lam, "y": row.effect_size}],
                "sentence": _seat_sentence(row),
            }
            for row in records(curve)
        ],
    }


def _lam(start: float, values: Sequence[float] = LAMBDAS) -> dict[str, Any]:
    """What the explorers of λ share."""
    position = int(np.argmin(np.abs(np.asarray(values) - start)))
    level = {"x": "λ, weight of the male word", "x_range": (-0.02, 1.02)}  # a mark at an end is seen whole
    return {"label": "λ", "values": list(values), "start": position, **level}


def _bars(frame: pd.DataFrame, column: str) -> dict[str, list[Any]]:
    return {"labels": frame.word.tolist(), "values": [round(value, 4) for value in frame[column].tolist()]}


def _word_sentence(reading: SentenceReading | KnownReading, step: LambdaStep) -> str:
    words = ", ".join(step.nearest.word)
    return (
        f"λ = {step.lam:g}: cosine {number(step.to_male, 2)} with {reading.male} and {number(step.to_female, 2)} with "
        f"{reading.female}. Nearest words: {words}."
    )


def _reading_sentence(step: LambdaStep, *, temperature: float) -> str:
    wide = step.probabilities.pivot(index="word", columns="reading", values="probability")
    first = " and ".join(
        f"{name}: {wide[name].idxmax()} {100 * wide[name].max():.1f} %" for name in ("mixture", "student")
    )
    return f"λ = {step.lam:g}, temperature {temperature:g}: KL {step.kl:.3g} nats. Likeliest word, {first}."


def _seat_sentence(row: Any) -> str:
    if not np.isfinite(row.effect_size):
        return f"λ = {row.lam:g}: all targets have the same association, so d is undefined."
    return f"λ = {row.lam:g}: d = {number(row.effect_size, 2)} {interval(row.ci_low, row.ci_high)}."
