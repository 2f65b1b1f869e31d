"""Small corpora, teachers and stores that several tests share."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that needs the network is a broken test
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes with two threads each wait for one another

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from browsing import browser, visit  # noqa: F401  fixtures
from faults import pytest_terminal_summary  # noqa: F401  a hook
from hypothesis import HealthCheck, settings

from fairkd.engine.digests import weights_digest
from fairkd.engine.processes import look_for_garbage_seldom
from fairkd.engine.store import Store
from fairkd.teachers.checkpoints import Teacher, from_scratch, small_tokenizer
from fairkd.text import corpus as corpora

torch.set_num_threads(1)


def pytest_configure() -> None:
    """A core for each process of tests: what they start begins as many workers as it sees cores, which take turns.

    Of those beyond, each goes where a core waits: for a browser, a disk or a clock.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores, number = sorted(os.sched_getaffinity(0)), int(worker.removeprefix("gw"))
        if number < len(cores):
            os.sched_setaffinity(0, {cores[number]})


LONGEST = (
    "trust/test_trust.py", "trust/test_struck_notebooks.py", "test_rehearsal.py", "notebooks/test_notebooks.py",
    "lab/test_glue_scores.py",
    "test_benchmarks.py", "test_chain.py", "lab/test_teacher_seeds.py", "notebooks/test_interrupts.py",
    "engine/test_side_by_side.py",
    "browser/test_page.py", "notebooks/test_variant_notebooks.py", "trust/test_safety.py", "engine/test_world.py",
    "browser/test_explorer.py", "test_distill.py", "run/test_runner.py", "test_types.py", "test_errors.py",
)  # fmt: skip
"""Files of tests that are begun first, so that no process is alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files, not what is in them; pytest itself takes no order from arguments that overlap."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


# The suite draws the same examples each time, so that only a change of the code can break it, and no health check looks
# at the clock. `make fuzz` draws others, and more of them.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("suite", max_examples=40, derandomize=True, deadline=None, suppress_health_check=SLOW)
settings.register_profile("fuzz", settings.get_profile("suite"), max_examples=1000, derandomize=False)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The generated corpus, a random 3-layer teacher of hidden size 32, and a store for what is read only."""
    store = Store(tmp_path_factory.mktemp("world"))
    tokenizer = small_tokenizer(list(corpora.documents("generated")))
    corpus = corpora.build(["generated"], tokenizer, store=store, heldout_fraction=0.2, max_length=48, progress=False)
    model = from_scratch(tokenizer, layers=3, hidden=32, max_length=64, initializer_range=0.1, seed=0)
    teacher = Teacher(model, tokenizer, weights_digest(model), corpora.tokenizer_digest(tokenizer), {"layers": 3})
    return SimpleNamespace(store=store, tokenizer=tokenizer, corpus=corpus, teacher=teacher)


@pytest.fixture(autouse=True)
def seldom() -> None:
    """A test before may have trained a model, which looks for garbage as usual from then on."""
    look_for_garbage_seldom()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
