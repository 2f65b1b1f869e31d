"""Tidy tables from the effect sizes of several arms: tests, averages, differences, correlation with depth.

Every function takes :class:`fairkd.bias.effects.Effects` by the arm's name, all under one pooling and the same
resampled words, and returns a row an arm (or an arm and test). Intervals are 95 %, over stimulus words, and over seeds
where an arm has several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.errors import InputError, nearest
from fairkd.frames import SEAT_AVERAGES, SEAT_CORRELATION, SEAT_DIFFERENCES, SEAT_GAPS, SEAT_TESTS
from fairkd.names import TEACHER
from fairkd.stats.estimates import Estimate, above_the_lowest, clear_lowest
from fairkd.stats.resampling import holm


def tests(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """The six tests: the columns :data:`fairkd.frames.SEAT_TESTS`."""
    students = {arm: own for arm, own in effects.items() if arm != TEACHER}
    winners = [clear_lowest({arm: own.average([test]) for arm, own in students.items()}) for test in TESTS]
    rows = []
    for arm, own in effects.items():
        for test, winner, d, low, high in zip(TESTS, winners, *own.tests(), strict=True):
            row = {"arm": arm, "layers": layers[arm], "seeds": own.seeds, "test": test}
            rows.append(row | {"effect_size": d, "low": low, "high": high, "lowest": arm == winner})
    return pd.DataFrame(rows, columns=SEAT_TESTS)


def seat_averages(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Average SEAT: the columns :data:`fairkd.frames.SEAT_AVERAGES`."""
    rows = []
    winner = clear_lowest({arm: own.average() for arm, own in effects.items() if arm != TEACHER})
    for arm, own in effects.items():
        row: dict[str, Any] = {"arm": arm, "layers": layers[arm], "seeds": own.seeds}
        row |= _with_ends("average", own.average(), "low", "high", least=0.0)
        row |= _with_ends("signed", own.signed(), "signed_low", "signed_high")
        row |= _with_ends("names", own.average(NAME_TESTS), "names_low", "names_high", least=0.0)
        rows.append(row | {"lowest": arm == winner})
    return pd.DataFrame(rows, columns=SEAT_AVERAGES)


def _with_ends(name: str, estimate: Estimate, low: str, high: str, least: float = -math.inf) -> dict[str, float]:
    """The value and the ends of its interval under these names; a mean of |d| cannot lie below ``least``."""
    ends = estimate.interval()
    return {name: estimate.value, low: max(least, ends[0]), high: ends[1]}


def seat_differences(effects: Mapping[str, Effects], *, baseline: str) -> pd.DataFrame:
    """Average SEAT of each arm minus the baseline's: the columns :data:`fairkd.frames.SEAT_DIFFERENCES`.

    Differences are paired: both arms see the same resampled words and seeds. p_holm allows for the number of arms in
    the table.

    Raises:
        InputError: ``baseline`` is none of the arms.
    """
    if baseline not in effects:
        raise InputError(f"baseline {baseline!r} is not among the arms {list(effects)}.{nearest(baseline, effects)}")
    rows = []
    for arm, own in effects.items():
        if arm != baseline:
            difference = own.average() - effects[baseline].average()
            low, high = difference.interval()
            row = {"arm": arm, "baseline": baseline, "difference": difference.value}
            rows.append(row | {"low": low, "high": high, "p": difference.p()})
    table = pd.DataFrame(rows, columns=SEAT_DIFFERENCES)
    defined = table.p.notna()
    table["p_holm"] = np.nan
    table.loc[defined, "p_holm"] = holm(table.p[defined].to_numpy())
    return table


def behind_the_lowest(effects: Mapping[str, Effects]) -> pd.DataFrame:
    """How far each arm lies above the lowest average: the columns :data:`fairkd.frames.SEAT_GAPS`.

    Whoever picks the best row of a table compares it with all others at once, so these intervals hold together with
    95 %: an arm whose interval holds zero may as well be the lowest.
    """
    lowest, gaps = above_the_lowest({arm: own.average() for arm, own in effects.items()})
    seeds = min((own.seeds for own in effects.values()), default=0)
    rows = [(arm, lowest, gap.value, low, high, seeds) for arm, (gap, low, high) in gaps.items()]
    return pd.DataFrame(rows, columns=SEAT_GAPS)


def with_depth(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Pearson's r of layers and average SEAT (Figure 1): the columns :data:`fairkd.frames.SEAT_CORRELATION`."""
    r = correlation([layers[arm] for arm in effects], [own.average() for own in effects.values()])
    low, high = r.interval()
    seeds = min(own.seeds for own in effects.values())
    covers = "stimulus words and seeds" if seeds > 1 else "stimulus words"
    row = {"r": r.value, "low": low, "high": high, "seeds": seeds, "covers": covers}
    return pd.DataFrame([row], columns=SEAT_CORRELATION)
