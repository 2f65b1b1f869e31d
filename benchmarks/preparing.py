"""Goals f and g: corpus preparation against the tokenizer's own speed, and memory against the size of the corpus."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.machine import seconds
from benchmarks.table import Row
from fairkd import corpus as corpora
from fairkd.sources import documents
from fairkd.store import Store
from fairkd.teachers import load


def run(quick: bool, device: torch.device, repeats: int = 3) -> list[Row]:
    """Rows f and g."""
    return [preparation(quick, repeats), growth(quick)]


def preparation(quick: bool, repeats: int) -> Row:
    """Row f: reading, tokenising, cutting, filtering and writing the embedded corpus, over tokenising its lines.

    Both in turn, on the same text with the same threads; the tokenizer takes all lines in one call.
    """
    cpu, tokenizer = torch.device("cpu"), load("embedded").tokenizer
    texts = list(documents("embedded", column="text"))[: 100 if quick else None]
    lines = [stripped for text in texts for line in text.splitlines() if (stripped := line.strip())]
    raw, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        for n in range(repeats + 1):
            store = Store(Path(folder) / f"store-{n}")
            backend = tokenizer.backend_tokenizer
            raw.append(seconds(lambda b=backend: b.encode_batch_fast(lines, add_special_tokens=False), cpu))
            whole.append(
                seconds(
                    lambda s=store: corpora.build([str(path)], tokenizer, store=s, max_length=128, progress=False), cpu
                )
            )
    shares = [a / b for a, b in zip(raw[1:], whole[1:], strict=True)]
    details = {"seconds": whole[1:], "tokenizer_seconds": raw[1:], "characters": sum(map(len, lines))}
    return Row("f", "corpus preparation, share of the tokenizer's speed", 0.8, shares, "", details)


TRAINING = """
import json, resource, sys, torch
from pathlib import Path
from fairkd import corpus, teachers
from fairkd.adapt import adaptation_recipe, prepare
from fairkd.arms import named_arm
from fairkd.distill import distill
from fairkd.recipe import Recipe
from fairkd.store import Store

path, folder, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
store, cpu = Store(Path(folder)), torch.device("cpu")
checkpoint = teachers.load("embedded")
corpus = corpus.build([path], checkpoint.tokenizer, store=store, max_length=64, progress=False)
recipe = Recipe(batch_size=16, max_steps=steps, ce_token_fraction=0.15)
if len(sys.argv) > 4:
    teacher = prepare(checkpoint, corpus, adapt="auto", store=store, device=cpu, progress=False,
                      recipe=adaptation_recipe(recipe, steps=1, batch_size=16, learning_rate=1e-4))
    distill([named_arm("full", student_layers=2)], teacher=teacher, corpus=corpus, recipe=recipe, seed=0, store=store,
            device=cpu, progress=False)
facts = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"peak": int(facts["VmHWM"].split()[0]), "anonymous": int(facts["RssAnon"].split()[0]),
                  "sequences": len(corpus.train)}))
"""
"""Runs in a process of its own; the corpus is tokenised by another one, whose memory does not count."""


def growth(quick: bool) -> Row:
    """Row g: peak memory of a process that trains on a corpus, and on one ten times as large (Linux)."""
    texts, steps, found = list(documents("embedded", column="text"))[: 20 if quick else None], 3 if quick else 12, []
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 10):
            path = Path(folder) / f"{times}.jsonl"
            path.write_text(
                "".join(json.dumps({"text": f"{n}. {text}"}) + "\n" for n in range(times) for text in texts)
            )
            arguments = [sys.executable, "-c", TRAINING, str(path), f"{folder}/store-{times}", str(steps)]
            subprocess.run(arguments, check=True, capture_output=True)
            done = subprocess.run([*arguments, "train"], check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    more = found[1]["peak"] / found[0]["peak"] - 1
    return Row("g", "peak memory when the corpus grows tenfold", 0.05, [more], "more", {"runs": found}, at_most=True)
