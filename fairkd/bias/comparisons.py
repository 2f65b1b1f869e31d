"""Tidy tables from the effect sizes of several arms: tests, averages, differences, correlation with depth.

Every function takes :class:`fairkd.bias.effects.Effects` by the arm's name, all under one pooling and the same
resampled words, and returns a row an arm (or an arm and test). Intervals are 95 %, over stimulus words, and over seeds
where an arm has several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import TESTS
from fairkd.errors import InputError, nearest
from fairkd.frames import SEAT_AVERAGES, SEAT_CORRELATION, SEAT_DIFFERENCES, SEAT_GAPS, SEAT_TESTS
from fairkd.stats.resampling import holm, simultaneous_intervals, widened


def tests(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """The six tests: the columns :data:`fairkd.frames.SEAT_TESTS`."""
    rows = []
    for arm, own in effects.items():
        for test, d, low, high in zip(TESTS, *own.tests(), strict=True):
            row = {"arm": arm, "layers": layers[arm], "seeds": own.seeds, "test": test}
            rows.append(row | {"effect_size": d, "low": low, "high": high})
    return pd.DataFrame(rows, columns=SEAT_TESTS)


def seat_averages(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Average SEAT: the columns :data:`fairkd.frames.SEAT_AVERAGES`."""
    rows = []
    for arm, own in effects.items():
        average, signed = own.average(), own.signed()
        low, high = average.interval()
        signed_low, signed_high = signed.interval()
        row: dict[str, Any] = {"arm": arm, "layers": layers[arm], "seeds": own.seeds}
        row |= {"average": average.value, "low": max(0.0, low), "high": high}
        rows.append(row | {"signed": signed.value, "signed_low": signed_low, "signed_high": signed_high})
    return pd.DataFrame(rows, columns=SEAT_AVERAGES)


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
    averages = {arm: own.average() for arm, own in effects.items()}
    lowest = min(averages, key=lambda arm: averages[arm].value)
    gaps = {arm: average - averages[lowest] for arm, average in averages.items() if arm != lowest}
    if not gaps:
        return pd.DataFrame(columns=SEAT_GAPS)
    values = [gap.value for gap in gaps.values()]
    replicates = np.stack([widened(gap.replicates, gap.by_seed) for gap in gaps.values()], axis=1)
    low, high = simultaneous_intervals(values, replicates)
    found = {"arm": list(gaps), "lowest": lowest, "difference": values, "low": low, "high": high}
    return pd.DataFrame(found, columns=SEAT_GAPS)


def with_depth(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Pearson's r of layers and average SEAT (Figure 1): the columns :data:`fairkd.frames.SEAT_CORRELATION`."""
    r, low, high = correlation([layers[arm] for arm in effects], [own.average() for own in effects.values()])
    seeds = min(own.seeds for own in effects.values())
    covers = "stimulus words and seeds" if seeds > 1 else "stimulus words"
    row = {"r": r.value, "low": low, "high": high, "seeds": seeds, "covers": covers}
    return pd.DataFrame([row], columns=SEAT_CORRELATION)
