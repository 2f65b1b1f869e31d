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
from fairkd.stats.resampling import holm, simultaneous_intervals, widened


def tests(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """The six tests: arm, layers, seeds (how many), test, effect_size (signed, mean over seeds), low, high."""
    rows = []
    for arm, own in effects.items():
        for test, d, low, high in zip(TESTS, *own.tests(), strict=True):
            row = {"arm": arm, "layers": layers[arm], "seeds": own.seeds, "test": test}
            rows.append(row | {"effect_size": d, "low": low, "high": high})
    return pd.DataFrame(rows)


def seat_averages(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Average SEAT: arm, layers, seeds, average (mean |d|), low, high, signed (mean d), signed_low, signed_high."""
    rows = []
    for arm, own in effects.items():
        average, signed = own.average(), own.signed()
        low, high = average.interval()
        signed_low, signed_high = signed.interval()
        row: dict[str, Any] = {"arm": arm, "layers": layers[arm], "seeds": own.seeds}
        row |= {"average": average.value, "low": max(0.0, low), "high": high}
        rows.append(row | {"signed": signed.value, "signed_low": signed_low, "signed_high": signed_high})
    return pd.DataFrame(rows)


def seat_differences(effects: Mapping[str, Effects], *, baseline: str) -> pd.DataFrame:
    """Average SEAT of each arm minus the baseline's: arm, baseline, difference, low, high, p, p_holm.

    Differences are paired: both arms see the same resampled words and seeds. p is two-sided, for "no difference";
    p_holm allows for the number of arms in the table.

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
    table = pd.DataFrame(rows, columns=["arm", "baseline", "difference", "low", "high", "p"])
    defined = table.p.notna()
    table["p_holm"] = np.nan
    table.loc[defined, "p_holm"] = holm(table.p[defined].to_numpy())
    return table


def behind_the_lowest(effects: Mapping[str, Effects]) -> pd.DataFrame:
    """How far each arm lies above the lowest average: arm, lowest, difference, low, high.

    Whoever picks the best row of a table compares it with all others at once, so these intervals hold together with
    95 %: an arm whose interval holds zero may as well be the lowest.
    """
    seat_averages = {arm: own.average() for arm, own in effects.items()}
    lowest = min(seat_averages, key=lambda arm: seat_averages[arm].value)
    gaps = {arm: average - seat_averages[lowest] for arm, average in seat_averages.items() if arm != lowest}
    if not gaps:
        return pd.DataFrame(columns=["arm", "lowest", "difference", "low", "high"])
    values = [gap.value for gap in gaps.values()]
    replicates = np.stack([widened(gap.replicates, gap.by_seed) for gap in gaps.values()], axis=1)
    low, high = simultaneous_intervals(values, replicates)
    return pd.DataFrame({"arm": list(gaps), "lowest": lowest, "difference": values, "low": low, "high": high})


def with_depth(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> pd.DataFrame:
    """Pearson's r of layers and average SEAT (Figure 1), in one row: r, low, high, seeds, covers."""
    r, low, high = correlation([layers[arm] for arm in effects], [own.average() for own in effects.values()])
    seeds = min(own.seeds for own in effects.values())
    covers = "stimulus words and seeds" if seeds > 1 else "stimulus words"
    return pd.DataFrame([{"r": r.value, "low": low, "high": high, "seeds": seeds, "covers": covers}])
