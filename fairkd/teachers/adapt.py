"""Preparing a teacher: held-out MLM loss, and MLM adaptation to the corpus where it is needed.

Adaptation continues the masked-language-model training of the whole teacher on the corpus: for a checkpoint without
a trained MLM head (a sentence encoder, a network with random weights) or on request. The result lies in the store.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairkd.batches import MaskedBatch, MaskedBatches, Setting, text_read
from fairkd.engine.digests import weights_digest
from fairkd.engine.dropout import use_cheap_dropout
from fairkd.engine.fused_losses import Targets, vocabulary_losses
from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.loading import load_weights, quiet
from fairkd.engine.provenance import environment
from fairkd.engine.recipe import Adapt, Recipe, check_steps
from fairkd.engine.setup import setup
from fairkd.engine.store import REVISIONS, Store
from fairkd.engine.training import Learner, fit, precision
from fairkd.errors import DivergedError, InputError
from fairkd.losses import mlm_rows
from fairkd.micro_batches import read, shares_of
from fairkd.teachers.checkpoints import Checkpoint, LateTeacher, Teacher, initialise_head
from fairkd.text.corpus import Corpus, collate

EVALUATED = 64
"""Held-out positions whose logits exist at a time: large tensors of many sizes leave holes in the heap."""


def teacher_key(checkpoint: Checkpoint, setting: Setting, *, adapted: bool) -> str:
    """Key of a prepared teacher in the store: all that determines its weights and its record."""
    recipe = setting.recipe
    spec: dict[str, Any] = {
        "adaptation": REVISIONS["teacher"],
        "weights": checkpoint.weights_digest,
        "tokenizer": checkpoint.tokenizer_digest,
        "corpus": setting.corpus.digest,
        "masks": [recipe.mlm_mask_prop, recipe.word_mask, recipe.word_keep],
        "recipe": {**recipe.content(), "precision": precision(setting.device)} if adapted else None,
    }
    if setting.seed:
        spec["seed"] = setting.seed
    return Store.key("teacher", spec)


def needs_adaptation(checkpoint: Checkpoint, adapt: Adapt, recipe: Recipe) -> bool:
    """Whether the teacher is to be trained on first, with the adaptation's ``recipe`` (:func:`adaptation_recipe`).

    Raises:
        InputError: the checkpoint has no trained MLM head and ``adapt`` is "never", or the recipe has so few updates
            that none changes a weight.
    """
    if adapt == "never" and not checkpoint.has_mlm_head:
        raise InputError(
            f"teacher {checkpoint.source!r} has no trained MLM head, so its logits are noise: "
            "adapt must be 'auto' or 'always'"
        )
    needed = adapt == "always" or not checkpoint.has_mlm_head
    if needed:
        check_steps("adapt_steps", recipe.max_steps, recipe)
    return needed


def prepare(checkpoint: Checkpoint, setting: Setting, *, adapt: Adapt, progress: bool = True) -> Teacher:
    """The teacher for distillation: the checkpoint, adapted if it must be, with its record; cached in the store.

    The record has the held-out MLM loss (nats a token, fixed masks) before and after; equal where nothing was
    adapted.

    Args:
        checkpoint: left as it is.
        setting: its recipe is the adaptation's (:func:`adaptation_recipe`), its seed the teacher's.
        adapt: whether to train, see :func:`needs_adaptation`.
        progress: show a line of progress.

    Raises:
        InputError: see :func:`needs_adaptation`.
        DivergedError: the adaptation's loss became NaN or infinite.
    """
    setup()
    adapted = needs_adaptation(checkpoint, adapt, setting.recipe)
    key = teacher_key(checkpoint, setting, adapted=adapted)

    def make() -> None:
        model = copy.deepcopy(checkpoint.model)  # an interrupted adaptation must not change the checkpoint
        _make(key, checkpoint, model, setting, adapted=adapted, progress=progress)

    folder = setting.store.once(key, make)

    def load() -> Any:
        model = copy.deepcopy(checkpoint.model)
        if adapted:
            load_weights(model, folder / "model.safetensors")
        return model.eval()

    manifest = Store.manifest(folder)
    return LateTeacher(
        {"model": load, "tokenizer": lambda: checkpoint.tokenizer},
        digest=manifest["weights_digest"],
        tokenizer_digest=checkpoint.tokenizer_digest,
        record=manifest["record"],
    )


def _make(key: str, checkpoint: Checkpoint, model: Any, setting: Setting, *, adapted: bool, progress: bool) -> None:
    recipe, corpus, store, device = setting.recipe, setting.corpus, setting.store, setting.device
    if not checkpoint.has_mlm_head:
        initialise_head(
            model,
            seed=setting.seed,
            std=recipe.initializer_range,
            decoder_bias=log_unigram(corpus.token_counts, model.config.vocab_size),
        )
    model.to(device)
    batches = MaskedBatches(setting, checkpoint.tokenizer)
    before = heldout_mlm_loss(model, corpus, batches)
    learner = _adapt(model, batches, setting, store.unfinished(key), progress) if adapted else None
    after = heldout_mlm_loss(model, corpus, batches) if adapted else before
    model.cpu()
    record = {
        "source": checkpoint.source,
        "adapted": adapted,
        "had_mlm_head": checkpoint.has_mlm_head,
        "layers": model.config.num_hidden_layers,
        "hidden": model.config.hidden_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "heldout_mlm_loss_before": before,
        "heldout_mlm_loss_after": after,
        "adaptation_steps": recipe.max_steps if adapted else 0,
        **(text_read(setting).record() if adapted else {}),
    }
    manifest = {"kind": "teacher", "weights_digest": weights_digest(model), "corpus_digest": corpus.digest}
    speed = {} if learner is None else learner.speed()
    with store.write(key, {**manifest, "record": record, **speed, **environment(device)}) as folder:
        if learner is not None:
            with quiet():
                model.save_pretrained(folder)
            checkpoint.tokenizer.save_pretrained(folder)
            learner.metrics_frame().to_parquet(folder / "metrics.parquet")
    store.clear_unfinished(key)


def _adapt(model: Any, batches: MaskedBatches, setting: Setting, folder: Path, progress: bool) -> Learner:
    recipe = setting.recipe
    use_cheap_dropout(model)
    learner = Learner(name="teacher", model=model.train(), losses=mlm_loss, recipe=recipe, folder=folder)

    def shared(batch: MaskedBatch, active: list[Learner]) -> tuple[MaskedBatch, int]:
        return batch, batch.tokens

    fit(
        [learner],
        shared,
        schedule=setting.schedule(),
        recipe=recipe,
        seed=setting.seed,
        device=setting.device,
        progress="teacher" if progress else "",
        groups=lambda numbers: shares_of(batches, numbers),
        prepare=lambda numbers: read(batches, numbers),
    )
    if learner.divergence:
        raise DivergedError(f"adaptation of the {learner.divergence}. The last good checkpoint is kept.")
    return learner


def mlm_loss(model: Any, batch: MaskedBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """L_mlm of any BERT or DistilBERT, as a learner takes it: with gradients, and by name without."""
    hidden, labels = _labelled(model, batch)
    return vocabulary_losses(model, hidden, Targets(soft=None, labels=labels, label_shares=batch.mlm_shares))


def _labelled(model: Any, batch: MaskedBatch) -> tuple[Tensor, Tensor]:
    """Last hidden states (n, hidden) and labels (n,) of the labelled positions."""
    hidden = last_hidden(model, batch.corrupted, batch.visible(batch.attention_mask)).flatten(0, 1)
    return hidden.index_select(0, batch.mlm_rows), batch.labels.flatten().index_select(0, batch.mlm_rows)


@torch.no_grad()
def heldout_mlm_loss(model: Any, corpus: Corpus, batches: MaskedBatches) -> float:
    """MLM loss (nats a predicted token) on the held-out sequences, with masks that depend on the recipe only.

    NaN if nothing is held out.
    """
    total, count = 0.0, 0
    with _evaluating(model):
        for batch in heldout_batches(corpus, batches):
            hidden, labels = _labelled(model, batch)
            parts = zip(hidden.split(EVALUATED), labels.split(EVALUATED), strict=True)
            total += float(
                sum(mlm_rows(vocabulary_logits(model, part), wanted) * len(wanted) for part, wanted in parts)
            )
            count += len(labels)
    return total / count if count else math.nan


def heldout_batches(corpus: Corpus, batches: MaskedBatches) -> Iterator[MaskedBatch]:
    """The held-out sequences by length, 32 a batch, with masks that depend on the recipe only.

    In tokens they go in steps of 8, as each other size of a tensor costs memory (docs/LOG.md).
    """
    lengths = corpus.heldout.lengths
    order = np.argsort(lengths, kind="stable")
    for number, start in enumerate(range(0, len(order), 32)):
        rows = order[start : start + 32]
        longest, most = int(lengths[rows[-1]]), int(lengths[order[-1]])
        padded = collate(corpus.heldout[rows], batches.pad_id, length=min(-(-longest // 8) * 8, most))
        yield batches.mask(*padded, number, purpose="held-out mask")


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def log_unigram(token_counts: np.ndarray, size: int) -> Tensor:
    """Log probability (size,) of each token under add-one smoothed counts: the best output bias to start from.

    ``size`` is the model's vocabulary, which may be padded beyond the tokenizer's counts (vocab,).
    """
    counts = torch.as_tensor(np.pad(token_counts, (0, size - len(token_counts)))).double() + 1
    return (counts / counts.sum()).log().float()


def adaptation_recipe(recipe: Recipe, *, steps: int, batch_size: int, learning_rate: float) -> Recipe:
    """The students' recipe with the adaptation's own length, batches and learning rate.

    Its masks are uniform, as BERT's were: smoothing belongs to the students' training. Dropout is the teacher's own.
    """
    return dataclasses.replace(
        recipe,
        max_steps=steps,
        n_epoch=10**6,  # the number of steps decides
        batch_size=batch_size,
        learning_rate=learning_rate,
        gradient_accumulation_steps=1,
        mlm_smoothing=0.0,
        # What only distillation reads takes fixed values, so that it is no part of the teacher's key.
        temperature=1.0,
        loss_weights={"mlm": 1.0},
        ce_token_fraction=1.0,
        dropout=0.0,
        freeze_positions=False,
    )
