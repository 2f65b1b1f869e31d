"""A process of its own for goal g: trains on a corpus that is in the store and prints its peak memory (Linux).

python -m benchmarks.training CORPUS STORE STEPS
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.machine import HELD_OUT
from fairkd.arms import named_arm
from fairkd.batches import Setting
from fairkd.distill import distill
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.teachers import checkpoints as teachers
from fairkd.teachers.adapt import adaptation_recipe, prepare
from fairkd.text import corpus as corpora

LENGTH = 64
"""Tokens of a sequence at most."""


def main(path: str, folder: str, steps: int) -> None:
    """One student of two layers, after two updates of the teacher's adaptation."""
    store, cpu = Store(Path(folder)), torch.device("cpu")
    checkpoint = teachers.load_checkpoint("embedded")
    corpus = corpora.find(
        [path], checkpoint.tokenizer_digest, store=store, heldout_fraction=HELD_OUT, max_length=LENGTH
    )
    assert corpus is not None
    recipe = Recipe(batch_size=16, max_steps=steps, ce_token_fraction=0.15)
    adaptation = adaptation_recipe(recipe, steps=2, batch_size=16, learning_rate=1e-4)
    setting = Setting(corpus, recipe, 0, store, cpu)
    teacher = prepare(checkpoint, replace(setting, recipe=adaptation), adapt="auto", progress=False)
    distill([named_arm("full", student_layers=2)], setting, teacher=teacher, progress=False)
    facts = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"peak": int(facts["VmHWM"].split()[0]), "sequences": len(corpus.train)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
