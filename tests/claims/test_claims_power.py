"""False verdicts and power in simulated experiments, in short; ``benchmarks.claims_power`` is the long form."""

import math

import numpy as np
import pytest

from benchmarks.claims_power import NOTHING, World, decided, made_true, many


@pytest.mark.parametrize(("seeds", "items"), [(3, 0.0), (3, 0.9), (10, 0.5)])
def test_where_nothing_differs_hardly_any_experiment_has_a_verdict(seeds, items):
    """Seeded, so that it is the same each time: of 40 experiments two may have one; a judge at 95 % a row has 10."""
    tables = many(World(seeds, items, 600), NOTHING, 40, seed=1)
    assert decided(tables).any(axis=1).sum() <= 2
    assert all(len(table) == 15 for table in tables)


def test_where_d_folds_students_are_not_told_apart_and_training_alone_lifts_them_above_their_teacher():
    """|d| of a student that differs from its teacher by chance alone is higher where d lies beside zero."""
    tables = many(World(10, 0.0, 3000, d=0.0), NOTHING, 20, seed=1)
    first = np.array([claim == 0 for claim, _ in tables[0].index])
    assert decided(tables)[:, ~first].any(axis=1).sum() <= 2
    gaps = [table.estimate[0, ""] for table in tables]
    assert np.mean(gaps) > 2 * np.std(gaps, ddof=1) / math.sqrt(len(gaps))
    assert "contradicted" not in [table.verdict[0, ""] for table in tables]


def test_what_rows_call_detectable_is_found():
    world = World(5, 0.5, 600)
    detectable = np.mean([table.detectable for table in many(world, NOTHING, 40, seed=1)], axis=0)
    table = many(world, NOTHING, 1, seed=1)[0]
    shifts, rows = made_true(table.assign(detectable=detectable).detectable)[0]
    found = [table.verdict[row] == "supported" for table in many(world, shifts, 40, seed=2) for row in rows]
    assert len(found) == 40 * len(rows)
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)
    assert not math.isnan(detectable[0])
