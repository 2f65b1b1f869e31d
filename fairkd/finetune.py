"""Fine-tuning on one task of GLUE (Section 5.3, Table 3), with transformers' ``Trainer``.

The recipe is the usual one of GLUE: a new head on the encoder, all weights trained, linear decay of the learning rate
without warm-up, no weight decay, gradients clipped to norm 1. Order of the examples, the head's first weights and
dropout are derived from (seed, task), so that two students see the same draws and their differences are paired.

What is kept of a run is its predictions on the development set: every score is made from them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairkd.classifiers import Encoder, classifier
from fairkd.corpus import tokenizer_digest
from fairkd.errors import DivergedError, InputError
from fairkd.glue import score
from fairkd.glue_data import TaskData
from fairkd.hub import quiet
from fairkd.provenance import environment
from fairkd.rng import derive, global_randomness_kept, numpy_generator
from fairkd.store import Store
from fairkd.training import keep_freed_memory, precision

ENGINE = 1
"""Part of every run's key; raised when a change of the code changes its predictions."""


@dataclass(frozen=True)
class GlueRecipe:
    """How a task is learned; the defaults are the paper's (Section 5.3) and those of transformers' GLUE example.

    Attributes:
        max_length: longest sequence in tokens, pairs cut from the longer text.
        batch_size: examples a batch.
        learning_rate: at the first update; it falls to zero in a line.
        epochs: passes over the training examples.
        train_examples: so many of them, chosen by a seeded permutation (a prefix of it, so that sizes are nested);
            None for all.
        freeze_embeddings: keep the embeddings as they are. Words that occur in no training example then stay where
            the encoder learned to read them, and a step of a small model is much cheaper.
    """

    max_length: int = 128
    batch_size: int = 32
    learning_rate: float = 2e-5
    epochs: int = 3
    train_examples: int | None = None
    freeze_embeddings: bool = False


def finetune(
    encoder: Encoder,
    data: TaskData,
    recipe: GlueRecipe,
    *,
    seed: int,
    store: Store,
    device: torch.device,
    keep_weights: bool = False,
) -> Path:
    """Fine-tunes a checkpoint on a task, unless the store has it, and returns the run's folder.

    It holds ``predictions-<split>.parquet`` (label, prediction; a row a development example, in order) and a manifest
    with "scores" by split; the fine-tuned model too if ``keep_weights``.

    Args:
        encoder: see :func:`open_encoder`.
        data: of the task.
        recipe: how it is learned.
        seed: of the head, dropout and the order of examples.
        store: where finished runs lie.
        device: CPU or the first CUDA device.
        keep_weights: whether the fine-tuned weights are kept too.

    Raises:
        InputError: a device that ``Trainer`` cannot be told to use.
        DivergedError: the fine-tuned model gives outputs that are not finite.
    """
    check_device(device)
    spec = _spec(encoder, data, recipe, seed, device, keep_weights)
    key = Store.key("glue", spec)
    return store.once(key, lambda: _run(key, spec, encoder, data, recipe, seed, store, device))


def find_run(
    encoder: Encoder,
    data: TaskData,
    recipe: GlueRecipe,
    *,
    seed: int,
    store: Store,
    device: torch.device,
    keep_weights: bool = False,
) -> Path | None:
    """The folder of a run that :func:`finetune` made with these arguments; None if the store has none."""
    return store.find(Store.key("glue", _spec(encoder, data, recipe, seed, device, keep_weights)))


def _spec(
    encoder: Encoder, data: TaskData, recipe: GlueRecipe, seed: int, device: torch.device, keep_weights: bool
) -> dict[str, Any]:
    """All that determines a run's predictions."""
    return {
        "engine": ENGINE,
        "encoder": encoder.digest,
        "pretrained": encoder.pretrained,
        "tokenizer": tokenizer_digest(encoder.tokenizer),
        "task": data.task.config,
        "data": data.digest,
        "recipe": asdict(recipe),
        "seed": seed,
        "precision": precision(device),
        "weights": keep_weights,
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread for the block: how many there are changes the last bits, and small models gain little by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_device(device: torch.device) -> None:
    """Raises InputError for a GPU other than the first: ``Trainer`` takes that one, whatever it is told."""
    if device.type == "cuda" and (device.index or 0) > 0:
        raise InputError(
            f"device: fine-tuning on GLUE uses the first visible GPU, not 'cuda:{device.index}'; set "
            f"CUDA_VISIBLE_DEVICES={device.index} and device: auto"
        )


def _run(
    key: str,
    spec: dict[str, Any],
    encoder: Encoder,
    data: TaskData,
    recipe: GlueRecipe,
    seed: int,
    store: Store,
    device: torch.device,
) -> None:
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer

    start, purpose = time.time(), f"fine-tune {data.task.config}"
    train = _subset(data, recipe, seed)
    if device.type == "cpu":
        keep_freed_memory()
    with one_thread(), global_randomness_kept(), quiet(), tempfile.TemporaryDirectory(prefix="fairkd-glue-") as scratch:
        torch.manual_seed(derive(seed, purpose, 0))  # of the head, which transformers initialises
        model = classifier(encoder, data.task)
        model.base_model.embeddings.requires_grad_(not recipe.freeze_embeddings)
        trainer = Trainer(
            model=model,
            args=_arguments(recipe, derive(seed, purpose, 1) % 2**32, device, scratch),
            train_dataset=_tokenised(train, data, encoder.tokenizer, recipe),
            data_collator=DataCollatorWithPadding(encoder.tokenizer),
        )
        trainer.remove_callback(PrinterCallback)  # it prints the loss on standard output
        trainer.train()
        predictions = {split: _predict(trainer, split, data, encoder, recipe) for split in data.dev}
    scores = {split: score(data.task, frame.label, frame.prediction) for split, frame in predictions.items()}
    record = {"kind": "glue", **spec, "scores": scores, "train_examples": len(train)}
    about = {"data_source": data.source, "seconds": round(time.time() - start, 2), **environment(device)}
    with store.write(key, record | about) as new:
        for split, frame in predictions.items():
            frame.to_parquet(new / f"predictions-{split}.parquet")
        if spec["weights"]:
            model.save_pretrained(new)
            encoder.tokenizer.save_pretrained(new)


def _arguments(recipe: GlueRecipe, seed: int, device: torch.device, scratch: str) -> Any:
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=max(128, recipe.batch_size),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        seed=seed,
        use_cpu=device.type == "cpu",
        bf16=precision(device) == "bf16",
        dataloader_pin_memory=device.type == "cuda",
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    if device.type == "cuda":
        arguments._n_gpu = 1  # several visible GPUs would multiply the batch (DataParallel)
    return arguments


def _subset(data: TaskData, recipe: GlueRecipe, seed: int) -> Any:
    wanted, there = recipe.train_examples, len(data.train)
    if wanted is None or wanted >= there:
        return data.train
    order = numpy_generator(seed, f"examples of {data.task.config}").permutation(there)
    return data.train.select(order[:wanted])


def _tokenised(examples: Any, data: TaskData, tokenizer: Any, recipe: GlueRecipe) -> Any:
    from datasets import Dataset

    texts = [list(examples[column]) for column in data.task.columns]
    encoded = tokenizer(*texts, truncation=True, max_length=recipe.max_length)
    return Dataset.from_dict({**encoded, "labels": list(examples["label"])})


def _predict(trainer: Any, split: str, data: TaskData, encoder: Encoder, recipe: GlueRecipe) -> pd.DataFrame:
    """Labels and predictions of a development split: class ids, or numbers for a regression."""
    examples = data.dev[split]
    outputs = trainer.predict(_tokenised(examples, data, encoder.tokenizer, recipe)).predictions
    if not np.isfinite(outputs).all():
        raise DivergedError(f"{data.task.name}: the fine-tuned model's outputs are not finite")
    found = outputs.argmax(axis=1) if data.task.labels else outputs[:, 0].astype(np.float64)
    return pd.DataFrame({"label": np.asarray(examples["label"]), "prediction": found})
