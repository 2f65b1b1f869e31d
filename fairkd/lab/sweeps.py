"""What a parameter does to bias by every ruler: an arm at several values, each minus one arm of the profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fairkd.arms import Arm
from fairkd.bias.ruler import estimate_groups, on_common_items
from fairkd.bias.rulers import RULERS
from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.frames import SWEEP_DIFFERENCES
from fairkd.lab.bias import Bias
from fairkd.lab.materials import Materials
from fairkd.lab.measuring import Job, measure_seat
from fairkd.lab.rulers import Rulers, measure_rulers
from fairkd.stats.estimates import Estimate

ArmUnder = tuple[Materials, Arm]
"""An arm under the parameters of a profile."""
Estimates = Mapping[Any, Estimate]
REFERENCE = object()
"""Beside the values, none of which it equals."""


def sweep_differences(parameter: str, reference: ArmUnder, others: Mapping[Any, ArmUnder]) -> pd.DataFrame:
    """Every score of the arm at each value minus that of the reference: the columns ``SWEEP_DIFFERENCES``.

    Args:
        parameter: flat name.
        reference: what is subtracted.
        others: by value.
    """
    jobs: list[Job] = [(materials, [arm]) for materials, arm in (reference, *others.values())]
    measure_seat(jobs)
    measure_rulers(jobs)
    rows = []
    places = {REFERENCE: reference, **others}
    for ruler, score, found in (*_of_seat(places), *_of_rulers(places)):
        for value, (_, arm) in others.items():
            difference = found[value] - found[REFERENCE]
            low, high = difference.interval()
            row = {"parameter": parameter, "value": value, "arm": arm.name, "baseline": reference[1].name}
            row |= {"seeds": len(difference.by_seed), "ruler": ruler, "score": score}
            rows.append(row | {"difference": difference.value, "low": low, "high": high, "p": difference.p()})
    return pd.DataFrame(rows, columns=SWEEP_DIFFERENCES)


def _of_seat(places: Mapping[Any, ArmUnder]) -> Iterator[tuple[str, str, Estimates]]:
    """SEAT as published, by the headline pooling: mean |d| and mean d, and mean |d| with and without words of D."""
    effects = {}
    for value, (materials, arm) in places.items():
        pooling = materials.profile.seat.poolings[0]
        effects[value] = Bias(materials).effects([arm], pooling, teacher=False)[arm.name]
    ruler = f"seat-{pooling}"
    yield ruler, "average", {value: own.average() for value, own in effects.items()}
    yield ruler, "signed", {value: own.signed() for value, own in effects.items()}
    of_d = tuple(test for test in TESTS if test not in NAME_TESTS)
    yield ruler, "words of D", {value: own.average(of_d) for value, own in effects.items()}
    yield ruler, "names", {value: own.average(NAME_TESTS) for value, own in effects.items()}


def _of_rulers(places: Mapping[Any, ArmUnder]) -> Iterator[tuple[str, str, Estimates]]:
    """The other rulers, on the items of which every student has a value."""
    by_value = {value: (Rulers(own), arm) for value, (own, arm) in places.items()}
    for ruler in RULERS.values():
        found = {value: own.measured(ruler, [arm])[arm.name] for value, (own, arm) in by_value.items()}
        items = on_common_items(found)
        draws = next(iter(places.values()))[0].profile.seat.bootstrap
        for score in ruler.scores if items else ():
            estimates = {
                value: estimate_groups(ruler, score, groups, n_bootstrap=draws) for value, groups in items.items()
            }
            if all(np.isfinite(one.value) for one in estimates.values()):
                yield ruler.name, score.name, estimates
