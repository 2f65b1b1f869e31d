"""The profiles that need a GPU, whole and cut short: ``reproduce --max-steps 2`` on local files in the hub's layouts.

In a narrow width: in the short form four students of ``paper`` and three of ``small``, in the long one all of a seed.
``FAIRKD_REHEARSAL=real`` (``make rehearsal``) takes the real shapes, all seeds and all fine-tuning, and prints time and
memory.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import glue_files
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from long_form import LONG
from transformers import BertConfig, BertForMaskedLM

from fairkd import Profile
from fairkd.engine.loading import embedded_folder, load_tokenizer
from fairkd.engine.store import Store
from fairkd.glue.tasks import TASKS
from fairkd.text.sources import documents

pytestmark = pytest.mark.slow

REAL = os.environ.get("FAIRKD_REHEARSAL") == "real"
SHAPES = {"paper": (12, 768), "small": (8, 512)}
"""Profile -> layers and units of its teacher."""
MOST_MEMORY = 12e9
"""Bytes of all processes together, at the real shapes; in a narrow width much less is expected."""
NARROW = {"seeds": [0], "glue_seeds": [0], "glue_arms": ["full", "mixup-xy"]}
"""What is changed of the profile in a narrow width, beside the width."""
FEW = {
    "paper": {"arms": ["full", "mixup-xy", "debiased-teacher"], "depths": [1, 12]},
    "small": {"arms": ["full", "mixup-xy"], "depths": [1]},
}
"""And in the short form, with :data:`FEWER` of both."""
FEWER = {"glue_arms": ["full"], "seat_bootstrap": 100}
ARTICLES = 60
"""And as many more whose sentences stand for books."""


def teacher(folder: Path, layers: int, hidden: int) -> Path:
    """A folder as the hub has BERT's: its configuration and vocabulary, random weights."""
    tokenizer = load_tokenizer(str(embedded_folder()))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(2, hidden // 64),
        intermediate_size=4 * hidden,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def texts(folder: Path) -> dict[str, Path]:
    """Folders in the layout of Wikipedia's and BookCorpus' repositories: an article, and a sentence, a row."""
    found = list(itertools.islice(documents("embedded"), 2 * ARTICLES))
    articles, lines = found[:ARTICLES], [line for text in found[ARTICLES:] for line in text.splitlines()]
    sentences = [one + " ." for line in lines for one in line.split(". ") if one]
    tables = {
        "wikipedia": ("20231101.en/train-00000-of-00001.parquet", {"title": ["…"] * len(articles), "text": articles}),
        "bookcorpus": ("data/train-00000-of-00001.parquet", {"text": sentences}),
    }
    for name, (file, columns) in tables.items():
        path = folder / name / file
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), path)
    configs = "configs:\n- config_name: 20231101.en\n  data_files:\n  - split: train\n    path: 20231101.en/train-*\n"
    (folder / "wikipedia" / "README.md").write_text(f"---\n{configs}---\n")
    return {name: folder / name for name in tables}


def values(name: str, folder: Path) -> dict[str, object]:
    """The profile's parameters with local files in place of the hub's."""
    layers, hidden = SHAPES[name]
    text = texts(folder)
    corpus = [f"hub:{text['wikipedia']}:20231101.en", f"hub:{text['bookcorpus']}"]
    own = Profile.load(name).corpus
    return {
        "teacher": str(teacher(folder / "teacher", layers, hidden if REAL else 32)),
        "corpus": corpus[: len(own.sources)],
        "corpus_join": {corpus[own.sources.index(source)]: rows for source, rows in own.join.items()},
        "corpus_fraction": 1.0,  # of small files
        "heldout_fraction": 0.1,
        "glue_source": f"hub:{glue_files.write_parquet(folder / 'glue', rows=200 if REAL else 24)}",
        "runs_dir": str(folder / "runs"),
        "store_dir": str(folder / "store"),
        **({} if REAL else NARROW if LONG else NARROW | FEW[name] | FEWER),
    }


def most_memory(process: subprocess.Popen[bytes], *, seconds: float) -> float:
    """Bytes that a process and all that it started held at once, looked at until it ends; what they share counts once.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``seconds``, and was ended.
    """
    root, most, until = psutil.Process(process.pid), 0.0, time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > until:
            process.terminate()
            process.wait()
            raise subprocess.TimeoutExpired(process.args, seconds)
        most = max(most, sum(memory_of(one) for one in [root, *root.children(recursive=True)]))
        time.sleep(2)  # to ask takes the system a tenth of a second
    return most


def memory_of(process: psutil.Process) -> float:
    """Its own bytes and its part of what it shares; where the system does not tell the latter, all that is resident."""
    try:
        found = process.memory_full_info()
    except psutil.Error:  # it has ended, or is about to
        return 0.0
    return float(getattr(found, "pss", found.rss))


@pytest.mark.parametrize(
    "name",
    ["paper", pytest.param("small", marks=pytest.mark.skipif(not (LONG or REAL), reason="takes minutes: make trust"))],
)
def test_every_stage_runs_from_end_to_end(name: str, tmp_path: Path) -> None:
    given = values(name, tmp_path)
    options = [part for key, value in given.items() for part in ("-p", f"{key}={json.dumps(value)}")]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "fairkd", "reproduce", name, "--max-steps", "2", *options]
    begun = time.monotonic()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=offline)
        memory = most_memory(process, seconds=7200 if REAL else 600)
    assert process.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    print(f"\n{name}: {time.monotonic() - begun:.0f} s, at most {memory / 1e9:.1f} GB in all processes together")
    assert memory < (MOST_MEMORY if REAL else MOST_MEMORY / 2)

    profile = Profile.load(name).changed(**given)
    manifests = [Store.manifest(path.parent) for path in (tmp_path / "store").glob("*/manifest.json")]
    (corpus,) = [one for one in manifests if one["kind"] == "corpus"]
    assert [one.get("join") for one in corpus["sources"]] == [None, 8][: len(corpus["sources"])]
    students = [one for one in manifests if one["kind"] == "student"]
    distinct = {(arm.layers, arm.losses, arm.mix, arm.teacher) for arm in profile.all_arms()}  # full has its depth's
    assert len(students) == len(distinct) * len(profile.seeds)
    assert {one["steps"] for one in students} == {2}
    (page,) = (tmp_path / "runs").rglob("report.html")
    table = pd.read_parquet(page.parent / "results" / "glue_scores.parquet")
    assert set(table.task.unique()) >= set(TASKS)
