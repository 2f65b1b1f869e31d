"""Fine-tuning on one task of GLUE (Section 5.3, Table 3), with transformers' ``Trainer``.

The recipe is the usual one of GLUE: a new head on the encoder, all weights trained, linear decay of the learning rate,
without warm-up, no weight decay, gradients clipped to norm 1. Order of the examples, the head's first weights and
dropout are derived from (seed, task), so that two students see the same draws and their differences are paired.

What is kept of a run is its predictions on the development set: every score is made from them.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from fairkd.engine.limits import Limits, limits_of
from fairkd.engine.loading import quiet
from fairkd.engine.processes import garbage_of_its_own, keep_freed_memory, look_for_garbage_as_usual
from fairkd.engine.provenance import environment
from fairkd.engine.scratch import scratch
from fairkd.engine.setup import setup
from fairkd.engine.side_by_side import one_thread
from fairkd.engine.store import REVISIONS, Store
from fairkd.engine.training import precision
from fairkd.errors import DivergedError, InputError
from fairkd.glue.classifiers import Encoder, classifier
from fairkd.glue.data import TaskData
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import Task, score
from fairkd.rng import derive, global_randomness_kept, numpy_generator

MANY_EXAMPLES = 20_000
"""Examples of a split from which on their token ids are kept: MNLI's take most of a minute each time."""


@dataclass(frozen=True)
class Run:
    """One fine-tuning run: all that determines its predictions, and what is kept of it.

    Attributes:
        encoder: see :func:`fairkd.glue.classifiers.open_encoder`.
        data: of the task.
        recipe: how it is learned.
        seed: of the head, dropout and the order of examples.
        device: CPU or the first CUDA device.
        keep_weights: whether the fine-tuned weights are kept too.
    """

    encoder: Encoder
    data: TaskData
    recipe: GlueRecipe
    seed: int
    device: torch.device
    keep_weights: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """All that determines the entry of the store, and is part of its manifest."""
        return {
            "engine": REVISIONS["glue"],
            "encoder": self.encoder.digest,
            "pretrained": self.encoder.pretrained,
            "tokenizer": self.encoder.tokenizer_digest,
            "task": self.data.task.config,
            "data": self.data.digest,
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "precision": precision(self.device),
            "weights": self.keep_weights,
        }

    @property
    def key(self) -> str:
        """Under which the store has it."""
        return Store.key("glue", self.spec)


def finetune(run: Run, store: Store) -> Path:
    """Fine-tunes a checkpoint on a task, unless the store has it, and returns the run's folder.

    It holds ``predictions-<split>.parquet`` (label, prediction; a row a development example, in order) and a manifest
    with "scores" by split; the fine-tuned model too if the run keeps its weights.

    Raises:
        InputError: a device that ``Trainer`` cannot be told to use, or an example that the encoder cannot read, for its
            tokenizer is of another vocabulary.
        DivergedError: the fine-tuned model gives outputs that are not finite.
    """
    check_device(run.device)
    setup()
    return store.once(run.key, lambda: _make(run, store))


def check_device(device: torch.device) -> None:
    """Raises InputError for a GPU other than the first: ``Trainer`` takes that one, whatever it is told."""
    if device.type == "cuda" and (device.index or 0) > 0:
        raise InputError(
            f"device: fine-tuning on GLUE uses the first visible GPU, not 'cuda:{device.index}'; set "
            f"CUDA_VISIBLE_DEVICES={device.index} and device: auto"
        )


@garbage_of_its_own()
def _make(run: Run, store: Store) -> None:
    start, data = time.time(), run.data
    train = _subset(data, run.recipe, run.seed)
    look_for_garbage_as_usual()
    if run.device.type == "cpu":
        keep_freed_memory()
    with one_thread(), global_randomness_kept(), quiet(), scratch(store.root, "fine-tuning") as folder:
        model, predictions = _trained(run, train, store, str(folder))
    scores = {split: score(data.task, frame.label, frame.prediction) for split, frame in predictions.items()}
    record = {
        "kind": "glue",
        **run.spec,
        "scores": scores,
        "train_examples": len(data.train) if train is None else len(train),
    }
    about = {"data_source": data.source, "seconds": round(time.time() - start, 2), **environment(run.device)}
    with store.write(run.key, record | about) as new:
        for split, frame in predictions.items():
            frame.to_parquet(new / f"predictions-{split}.parquet")
        if run.keep_weights:
            model.save_pretrained(new)
            run.encoder.tokenizer.save_pretrained(new)


def _trained(run: Run, chosen: np.ndarray | None, store: Store, folder: str) -> tuple[Any, dict[str, pd.DataFrame]]:
    """The fine-tuned model, and its predictions by development split."""
    from fairkd.glue.trainer import GlueTrainer, arguments

    task, tokenizer, purpose = run.data.task, run.encoder.tokenizer, f"fine-tune {run.data.task.config}"
    torch.manual_seed(derive(run.seed, purpose, 0))  # of the head, which transformers initialises
    model = classifier(run.encoder, task)
    limits = limits_of(model)
    embeddings = getattr(model.base_model, "embeddings", None) or model.get_input_embeddings()
    embeddings.requires_grad_(not run.recipe.freeze_embeddings)
    if run.recipe.dropout is not None:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = run.recipe.dropout
    settings = arguments(run.recipe, derive(run.seed, purpose, 1) % 2**32, run.device, folder)
    rows = partial(tokenised_once, run, limits=limits, store=store)
    trainer = GlueTrainer(model, rows("train", chosen=chosen), tokenizer, settings)
    trainer.train()
    outputs = {split: trainer.outputs(rows(split)) for split in run.data.dev}
    return model, {split: _predictions(task, found, run.data.dev[split]["label"]) for split, found in outputs.items()}


def tokenised_once(
    run: Run, split: str, *, limits: Limits, store: Store, chosen: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """A split as token ids, see :func:`fairkd.glue.trainer.tokenised`; of a large one the store keeps them.

    Args:
        run: whose data, tokenizer and longest example count.
        split: "train", or one of the task's development splits.
        limits: what the encoder reads.
        store: keeps splits of :data:`MANY_EXAMPLES` or more, for all students and seeds.
        chosen: numbers of the examples that are wanted; all without it.
    """
    from fairkd.glue.trainer import tokenised

    examples = run.data.train if split == "train" else run.data.dev[split]
    longest = limits.cut(run.recipe.max_length)
    make = partial(tokenised, task=run.data.task, tokenizer=run.encoder.tokenizer, max_length=longest, limits=limits)
    if len(examples) < MANY_EXAMPLES:
        return make(examples if chosen is None else examples.select(chosen))
    spec = {"version": REVISIONS["glue tokens"], "data": run.data.digest, "split": split, "max_length": longest}
    spec["tokenizer"] = run.encoder.tokenizer_digest
    key = Store.key("glue tokens", spec)

    def keep() -> None:
        with store.write(key, {"kind": "glue tokens", "task": run.data.task.config, **spec}) as new:
            pq.write_table(pa.Table.from_pylist(make(examples)), new / "rows.parquet")

    table = pq.read_table(store.once(key, keep) / "rows.parquet")
    rows: list[dict[str, Any]] = (table if chosen is None else table.take(chosen)).to_pylist()
    for row in rows:  # of another encoder, with the same tokenizer, than the one for which they were made
        limits.check("", row["input_ids"], row.get("token_type_ids", ()))
    return rows


def _subset(data: TaskData, recipe: GlueRecipe, seed: int) -> np.ndarray | None:
    """Numbers of the training examples that count; None for all."""
    wanted, there = recipe.train_examples, len(data.train)
    if wanted is None or wanted >= there:
        return None
    return numpy_generator(seed, f"examples of {data.task.config}").permutation(there)[:wanted]


def _predictions(task: Task, outputs: np.ndarray, labels: Any) -> pd.DataFrame:
    """Labels and predictions of a development split: class ids, or numbers for a regression."""
    if not np.isfinite(outputs).all():
        raise DivergedError("the fine-tuned model's outputs are not finite")
    found = outputs.argmax(axis=1) if task.labels else outputs[:, 0].astype(np.float64)
    return pd.DataFrame({"label": np.asarray(labels), "prediction": found})
