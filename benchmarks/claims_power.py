"""False verdicts and power of the claims' judges, in simulated experiments of which the truth is known.

    python -m benchmarks.claims_power [--runs 1000] [--seeds 3 --seeds 10] [--resamples 4000] [--true-d 0] [--uneven 8]

*False verdicts*: every arm has the same true bias and the same true score on GLUE (for "mixup keeps GLUE" a difference
of just the margin), so that whatever is decided is false. The share of experiments with one false verdict or more
should be at most 5 %. *Power*: the mean of what a row calls detectable in those experiments is then made true, and the
share of experiments that find it should be 80 %. Chance lies in the items, in the training or in both.

With ``--uneven`` one of the students that others must be lower than is so many times noisier: a lead over all others
is found only if it is told from that one, too.

Where the true d lie near zero (``--true-d``) |d| folds: training's chance alone raises the mean |d| of a student, and
not that of the teacher, which was trained once. There claim 0, that students have the higher average, is true of
students that differ from their teacher by chance alone; it is counted by itself, and the other rows are as false as
before.

Only the numbers are simulated, as d of six tests and scores of eight tasks; resampling and judging are fairkd's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from fairkd.bias.effects import Effects
from fairkd.claims import paper
from fairkd.claims.claims import SIX_TESTS, judge, judge_glue
from fairkd.claims.quality import MARGIN
from fairkd.glue.quality import TaskScores
from fairkd.names import TEACHER

LAYERS = {f"capacity-{depth}": depth for depth in range(1, 7)}
ON_BIAS = (*dict.fromkeys([*paper.TABLE1, *paper.TABLE2]), *LAYERS, TEACHER)
ON_GLUE = (*paper.TABLE1, "mixup-xy")
FAR = 10.0
"""Mean of the true d of the six tests: so far from zero that no |d| changes its sign, whatever is shifted."""
APART = np.linspace(-0.5, 0.5, 6)
"""True d of the tests, less their mean."""
NOISE = 0.1
"""Standard deviation of an arm's average in one experiment with one seed, from items and training together."""
NOISIER = ("no-cos", "debiased-teacher", "GLUE no-cos")
"""Of those that a lowest (on GLUE a highest) one is compared with, one each: what ``--uneven`` makes noisier."""
SHARED = 0.5
"""How much of a training's variance moves all tests together."""


@dataclass(frozen=True)
class World:
    """What chance is made of.

    Attributes:
        seeds: of each arm but the teacher.
        items: share of the variance of one seed's average that lies in the items; the rest lies in the training.
        resamples: B.
        d: mean of the true d of the six tests.
        uneven: how many times noisier the students ``NOISIER`` are.
    """

    seeds: int
    items: float
    resamples: int
    d: float = FAR
    uneven: float = 1.0


def chance(
    world: World, columns: int, rng: np.random.Generator, *, teacher: bool = False, size: float = NOISE
) -> tuple[np.ndarray, np.ndarray]:
    """Chance in an arm's tests or tasks, (seeds, columns), and the same resampled, (seeds, B, columns).

    The mean over columns has the standard deviation ``size`` in one seed. The teacher is a single copy: its words
    vary, its training does not.
    """
    seeds, training = (1, 0.0) if teacher else (world.seeds, size * math.sqrt(1 - world.items))
    item = size * math.sqrt(world.items * columns)
    together = training * math.sqrt(SHARED) * rng.normal(size=(seeds, 1))
    apart = training * math.sqrt((1 - SHARED) * columns) * rng.normal(size=(seeds, columns))
    found = item * rng.normal(size=columns) + together + apart
    return found, found[:, None, :] + item * rng.normal(size=(world.resamples, columns))


def experiment(world: World, shifts: Mapping[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Every verdict where the true averages of some arms are so much higher than the others', in units of ``NOISE``.

    Shifts are by arm, those on GLUE by "GLUE" and the arm. A point of GLUE's average is a unit of ``NOISE``.
    """
    effects, quality = {}, {}
    for arm in ON_BIAS:
        size = NOISE * (world.uneven if arm in NOISIER else 1.0)
        d, resampled = chance(world, 6, rng, teacher=arm == TEACHER, size=size)
        true = world.d + APART + NOISE * shifts.get(arm, 0.0)
        effects[arm] = Effects(true + d, true + resampled)
    for arm in ON_GLUE:
        size = NOISE * (world.uneven if f"GLUE {arm}" in NOISIER else 1.0)
        scores, resampled = chance(world, 8, rng, size=size)
        true = 70 + shifts.get(f"GLUE {arm}", 0.0)
        quality[arm] = TaskScores(true + scores / NOISE, true + resampled / NOISE)
    on_bias, on_glue = judge(effects, layers=LAYERS), judge_glue(quality, suite="GLUE")
    return pd.concat([on_bias[on_bias.verdict != "not run"], on_glue]).set_index(["claim", "part"])


NOTHING = {"GLUE mixup-xy": -MARGIN}
"""Where no claim is true, and none is false but for that: all alike, and mixup a whole margin worse on GLUE."""


def many(world: World, shifts: Mapping[str, float], runs: int, seed: int) -> list[pd.DataFrame]:
    """Independent experiments."""
    return [experiment(world, shifts, np.random.default_rng([seed, run])) for run in range(runs)]


def decided(tables: Sequence[pd.DataFrame]) -> np.ndarray:
    """(runs, rows): whether a verdict is any but inconclusive."""
    return np.stack([(table.verdict != "inconclusive").to_numpy() for table in tables])


def made_true(detectable: pd.Series) -> list[tuple[dict[str, float], list[tuple[int, str]]]]:
    """Worlds in which some claims are true by just what their rows call detectable, and these claims.

    Args:
        detectable: by claim and part, in the unit of the row.
    """
    bias = {claim: detectable[claim, part] / NOISE for claim, part in TRUE_BY if claim not in (3, 9)}
    apart = {TEACHER: -bias[0], "no-ce": -bias[2], "mixup-xy": -bias[4], "mixup-h": bias[7]}
    lowest, highest = detectable[3, ""], detectable[9, ""]
    return [
        (apart | {"GLUE no-ce": -lowest}, [(0, ""), (2, ""), (4, SIX_TESTS), (7, SIX_TESTS), (3, "")]),
        ({"mixup-xy": -bias[5], "GLUE full": highest}, [(5, SIX_TESTS), (9, "")]),
    ]


TRUE_BY = [(0, ""), (2, ""), (3, ""), (4, SIX_TESTS), (5, SIX_TESTS), (7, SIX_TESTS), (9, "")]
"""Claims on a difference from zero, of which a row says what is detectable."""


def summary(world: World, runs: int, powered: int) -> dict[str, float]:
    """Of one world: false verdicts, and the simulated power of what rows call detectable with 80 %."""
    tables = many(world, NOTHING, runs, seed=1)
    verdicts, folds = decided(tables), world.d != FAR
    first = np.array([claim == 0 for claim, _ in tables[0].index])
    false = verdicts[:, ~first] if folds else verdicts
    found = {"any false": false.any(axis=1).mean(), "most in a row": false.mean(axis=0).max()}
    if folds:
        return found | {"claim 0 decided": verdicts[:, first].any(axis=1).mean()}
    if powered:
        detectable = pd.concat([table.detectable for table in tables], axis=1).mean(axis=1)
        for number, (shifts, rows) in enumerate(made_true(detectable)):
            made = many(world, shifts, powered, seed=2 + number)
            for row in rows:
                found[f"claim {row[0]}"] = np.mean([table.verdict[row] == "supported" for table in made])
    return found


def main(
    runs: Annotated[int, typer.Option(min=1, help="Experiments without an effect, of each kind.")] = 1000,
    powered: Annotated[int, typer.Option(min=0, help="Experiments with an effect, of each kind.")] = 300,
    seeds: Annotated[list[int] | None, typer.Option(help="Repeatable.")] = None,
    items: Annotated[list[float] | None, typer.Option(help="Share of the variance in the items; repeatable.")] = None,
    resamples: Annotated[int, typer.Option(min=100)] = 4000,
    uneven: Annotated[float, typer.Option(min=1, help="How many times noisier one student of each comparison is.")] = 1,
    true_d: Annotated[float, typer.Option(help="Mean of the true d; near zero |d| folds, and no power is told.")] = FAR,
) -> None:
    """Prints a row a kind of world, in percent."""
    table = Table(title=f"{runs} experiments without and {powered} with an effect, {resamples} resamples; in %")
    for n_seeds in seeds or (3, 5, 10):
        for share in items or (0.9, 0.5, 0.1, 0.0):
            found = summary(World(n_seeds, share, resamples, true_d, uneven), runs, powered)
            if not table.columns:
                for name in ("seeds", "items", *found):
                    table.add_column(name)
            shown = [
                f"{100 * value:.1f} ± {100 * _error(value, powered if name[-1].isdigit() else runs):.1f}"
                for name, value in found.items()
            ]
            table.add_row(str(n_seeds), f"{share:g}", *shown)
            print(n_seeds, share, *shown, flush=True)
    Console(width=200).print(table)


def _error(share: float, runs: int) -> float:
    """Monte Carlo standard error of a share."""
    return math.sqrt(share * (1 - share) / runs)


if __name__ == "__main__":
    typer.run(main)
