"""How far the same profile goes apart: not a byte in two folders, and by a bound for other threads and libraries."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Warm, World
from long_form import long_form
from safetensors.numpy import load_file

from fairkd.engine.store import Store
from fairkd.profile import project_root

pytestmark = long_form
VALUES = {"seeds": [0], "arms": ["full", "mixup-xy"], "depths": [1, 2], "glue_source": None}
NOTEBOOKS = ["01_capacity", "02_ablation", "03_mixup", "07_rulers", "05_report"]
WEIGHTS, EFFECT = 2e-5, 2e-4
"""By so much may a weight, and a SEAT effect size, differ after the updates of tiny."""
OF_THE_MACHINE = [
    r'"digest": "[0-9a-f]{64}"',  # of the notebook's manifest, which has the time
    r"SHA-256 of all before: [0-9a-f]{64}",
    r"[0-9a-f]{40}(?: with changes)?",  # the commit
    r"\d\d\d\d-\d\d-\d\d[T ][\d:.+]+Z?",
]
"""What of a page says when and by which commit it was made."""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The same profile, run in two folders."""
    warm, worlds = Warm(), []
    for name in ("one", "other folder"):
        world = World(tmp_path_factory.mktemp("same") / name, warm, **VALUES)
        world.run("train", "FILE")
        for notebook in NOTEBOOKS:
            world.run("run", notebook, "--profile", "FILE")
        worlds.append(world)
    yield worlds
    warm.close()


def test_two_folders_have_the_same_bytes_in_every_table_and_weight(two, told):
    one, other = two
    assert one.entries() == other.entries()
    assert one.tables() == other.tables()
    told("made twice", f"{len(one.entries())} entries, {len(one.tables())} tables", "", "same bytes")


def test_two_folders_have_the_same_pages_but_for_what_is_the_machines(two, told):
    for name in NOTEBOOKS:
        pages = [page(world, name) for world in two]
        assert pages[0] == pages[1], [
            pair for pair in zip(*map(str.splitlines, pages), strict=False) if len(set(pair)) > 1
        ]
    told("made twice", f"pages of {', '.join(NOTEBOOKS)}", "", "same bytes but for what is the machine's")


def page(world: World, name: str) -> str:
    text = (world.runs / "mine" / f"{name}.html").read_text()
    for pattern in OF_THE_MACHINE:
        text = re.sub(pattern, "·", text)
    return text.replace(str(world.folder), "·")


TRAIN = """
import sys, torch
torch.set_num_threads({threads})
from fairkd.engine import products
if {onednn}:
    products.use_onednn()
else:
    products.pays = lambda: False
from fairkd.lab.materials import Materials
from fairkd.lab.training import train_profile
from fairkd.profile import Profile
profile = Profile.load(sys.argv[1])
train_profile(profile)
materials = Materials(profile, progress=False)
for arm in profile.all_arms():
    materials.measure(materials.student(arm, 0))
assert torch.get_num_threads() == {threads}
"""


def trained(folder: Path, **how: object) -> tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]:
    """The weights of every student by arm, and SEAT."""
    world = World(folder, None, **VALUES)
    subprocess.run([sys.executable, "-c", TRAIN.format(**how), str(world.file)], cwd=project_root(), check=True)
    weights, tables = {}, []
    for entry in Store(world.store).entries():
        manifest = Store.manifest(entry)
        if manifest["kind"] == "student":
            weights[str(manifest["arm"])] = load_file(entry / "model.safetensors")
        if manifest["kind"] == "seat":
            tables.append(pd.read_parquet(entry / "table.parquet"))
    return weights, pd.concat(tables).sort_values(["pooling", "test", "effect_size"], ignore_index=True)


@pytest.mark.parametrize(
    ("name", "how"), [("two threads", {"threads": 2, "onednn": False}), ("oneDNN", {"threads": 1, "onednn": True})]
)
def test_threads_and_libraries_differ_by_a_bound(tmp_path, told, name, how):
    weights, seat = trained(tmp_path / "a", threads=1, onednn=False)
    others, other_seat = trained(tmp_path / "b", **how)
    far = max(
        float(np.abs(own - others[arm][part]).max()) for arm, parts in weights.items() for part, own in parts.items()
    )
    effect = float(np.abs(seat.effect_size - other_seat.effect_size).max())
    assert far < WEIGHTS
    assert effect < EFFECT
    told(
        f"{name} instead of one thread of PyTorch's own library",
        "train",
        "",
        f"weights within {WEIGHTS:g}, SEAT within {EFFECT:g}",
    )
