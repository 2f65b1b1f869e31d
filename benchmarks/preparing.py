"""Goals f to h: corpus preparation against the tokenizer, memory against the size of the corpus, the quick report."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from benchmarks.machine import HELD_OUT, seconds
from benchmarks.table import Row
from benchmarks.training import LENGTH
from fairkd.engine.store import Store
from fairkd.profile import Profile
from fairkd.teachers.checkpoints import load_checkpoint
from fairkd.text import corpus as corpora
from fairkd.text.sources import documents

FEW = 60
"""Texts that ``--quick`` takes, short ones that are made by rule."""
COPIES = 4
"""Times the embedded text in goal f: 10 MB, so that what a corpus costs once weighs little."""


def run(quick: bool, device: torch.device, repeats: int = 3) -> list[Row]:
    """Rows f and g."""
    return [preparation(quick, repeats), growth(quick, repeats)]


def report(quick: bool, device: torch.device, repeats: int = 3) -> list[Row]:
    """Row h: from an empty store to the report, once; with ``quick`` only a few updates of the profile tiny."""
    profile, command = ("tiny", "train") if quick else ("quick", "reproduce")
    few = {"adapt_steps": 2, "max_steps": 2} if quick else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.yaml"
        folders = {"runs_dir": f"{folder}/runs", "store_dir": f"{folder}/store", "device": device.type}
        path.write_text(yaml.safe_dump(Profile.load(profile).values() | folders | few))
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fairkd", command, str(path)], check=True, capture_output=True)
        minutes = (time.perf_counter() - started) / 60
    return [Row("h", f"fairkd {command} {profile}, from nothing", 10, [minutes], "minutes", at_most=True)]


def preparation(quick: bool, repeats: int) -> Row:
    """Row f: reading, tokenising, cutting, filtering and writing a corpus, over tokenising its lines.

    Both in turn, on the same text (the embedded one, :data:`COPIES` times) with the same threads; the tokenizer takes
    all lines in one call.
    """
    cpu, tokenizer = torch.device("cpu"), load_checkpoint("embedded").tokenizer
    texts = [f"{n}. {text}" for n in range(COPIES) for text in _texts(quick)]
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
                    lambda s=store: corpora.build(
                        [str(path)], tokenizer, store=s, heldout_fraction=HELD_OUT, max_length=128, progress=False
                    ),
                    cpu,
                )
            )
    shares = [a / b for a, b in zip(raw[1:], whole[1:], strict=True)]
    details = {"seconds": whole[1:], "tokenizer_seconds": raw[1:], "characters": sum(map(len, lines))}
    return Row("f", "corpus preparation, share of the tokenizer's speed", 0.8, shares, "", details)


def growth(quick: bool, repeats: int) -> Row:
    """Row g: peak memory of a process that trains on a corpus, and on one ten times as large (Linux).

    Sixty updates, so that both have met batches of every length.
    """
    texts, steps = _texts(quick), 2 if quick else 60
    tokenizer = load_checkpoint("embedded").tokenizer
    found: dict[int, list[dict[str, int]]] = {1: [], 10: []}
    with tempfile.TemporaryDirectory() as folder:
        for times, runs in found.items():
            path = Path(folder) / f"{times}.jsonl"
            path.write_text(
                "".join(json.dumps({"text": f"{n}. {text}"}) + "\n" for n in range(times) for text in texts)
            )
            for repeat in range(repeats):
                store = Store(f"{folder}/store-{times}-{repeat}")  # empty, or there is nothing to train
                corpora.build(
                    [str(path)], tokenizer, store=store, heldout_fraction=HELD_OUT, max_length=LENGTH, progress=False
                )
                arguments = [sys.executable, "-m", "benchmarks.training", str(path), str(store.root), str(steps)]
                done = subprocess.run(arguments, check=True, capture_output=True, text=True)
                runs.append(json.loads(done.stdout.splitlines()[-1]))
    more = [large["peak"] / small["peak"] - 1 for small, large in zip(*found.values(), strict=True)]
    return Row("g", "peak memory when the corpus grows tenfold", 0.05, more, "more", {"runs": found}, at_most=True)


def _texts(quick: bool) -> list[str]:
    return list(documents("generated", column="text"))[:FEW] if quick else list(documents("embedded", column="text"))
