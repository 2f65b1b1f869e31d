"""Every notebook is struck while it runs; ``test_trust.py`` strikes what they are made from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from commands import Warm, World
from damage import assert_noticed, kinds_of_files, problems
from long_form import LONG
from phases import CONTROLLED, CONTROLLED_NOTEBOOK, EACH_NOTEBOOK, VALUES, Phase, Study, notebook
from strikes import assert_same_bytes_after_strikes

from fairkd.run.parameters_cells import sources

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    one = Warm()
    yield one
    one.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Study:
    """Its students are there: a notebook measures them."""
    world = World(tmp_path_factory.mktemp("struck"), warm, **VALUES)
    world.run("train", "FILE")
    return Study(world)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Study:
    """Teachers for each of two strengths, with their students."""
    world = World(tmp_path_factory.mktemp("controlled"), warm, **CONTROLLED)
    world.run("train", "FILE")
    return Study(world)


def test_no_notebook_is_forgotten():
    assert {path.stem for path in sources()} == {phase.name for phase in EACH_NOTEBOOK} | {CONTROLLED_NOTEBOOK}


@pytest.mark.parametrize("phase", EACH_NOTEBOOK, ids=lambda phase: phase.name)
def test_a_notebook_that_is_struck_and_run_again_has_the_same_bytes(study, phase, told):
    assert_same_bytes_after_strikes(study, phase, told)


def test_the_controlled_experiment_that_is_struck_and_run_again_has_the_same_bytes(controlled, told):
    phase = Phase(CONTROLLED_NOTEBOOK, notebook(CONTROLLED_NOTEBOOK))
    assert_same_bytes_after_strikes(controlled, phase, told)


OWN = ("projections", "reading of a sentence", "seat of mixed stimuli")
"""Kinds of entries that only sliders make."""


def test_damage_to_what_only_sliders_or_a_controlled_experiment_leave_is_noticed(study, controlled, told):
    """Kinds of files that ``test_trust.py`` does not know: it runs neither."""
    known: set[str] = set()
    for world, name in ((study.world, "00_explore"), (controlled.world, CONTROLLED_NOTEBOOK)):
        world.run(*notebook(name))  # which the strikes before have done, if they were chosen
        usual, examples = problems(world), kinds_of_files(world)
        assert not [line for line in usual if not line.endswith(": not run")]
        for number, (kind, path) in enumerate(examples.items()):
            if kind not in known:
                assert_noticed(world, kind, path, usual, told, only=None if LONG else number)
        known |= examples.keys()
    assert all(f"store/<{kind}>/manifest.json" in known for kind in OWN)
