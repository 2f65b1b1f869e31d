"""The debiased teacher of Table 2, for any BERT teacher.

Training on the objective of :mod:`fairkd.teachers.debias_objective`.

The MLM head gets no gradient from that objective, only the word embeddings that it is tied to do. So the record says
what became of the predictions that students learn from: held-out MLM loss before and after, and their divergence.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fairkd.batches import MaskedBatch, MaskedBatches, Setting, TextRead
from fairkd.engine.digests import weights_digest
from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.loading import load_weights, quiet
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.progress import Progress
from fairkd.engine.provenance import environment
from fairkd.engine.setup import setup
from fairkd.engine.stopping import Stopped, one_line, ordered_to_stop
from fairkd.engine.store import REVISIONS, Store
from fairkd.engine.training import Learner, precision
from fairkd.errors import DivergedError, InputError
from fairkd.teachers.adapt import heldout_batches, log_unigram
from fairkd.teachers.checkpoints import LateTeacher, Teacher
from fairkd.teachers.debias_objective import PASS_TOKENS, Objective
from fairkd.teachers.debias_recipe import DebiasRecipe
from fairkd.teachers.occurrences import epoch_rows, updates_an_epoch
from fairkd.teachers.wordlists import LIST_NAMES, WordLists
from fairkd.text.corpus import Corpus

__all__ = ["DebiasRecipe", "debias", "debias_key"]


def debias_key(teacher: Teacher, setting: Setting, *, words: WordLists, recipe: DebiasRecipe) -> str:
    """Key of a debiased teacher in the store: all that determines its weights and its record."""
    masks = setting.recipe
    spec: dict[str, Any] = {
        "debiasing": REVISIONS["debiased teacher"],
        "teacher": teacher.digest,
        "tokenizer": teacher.tokenizer_digest,
        "corpus": setting.corpus.digest,
        "words": asdict(words),
        "recipe": asdict(recipe),
        "masks": [masks.mlm_mask_prop, masks.word_mask, masks.word_keep, masks.mlm_smoothing],
        "precision": precision(setting.device),
    }
    if setting.seed:
        spec["seed"] = setting.seed
    longest = recipe.batch_size * int(setting.corpus.train.lengths.max(initial=0))
    if longest > PASS_TOKENS and not recipe.square_of_mean:  # read in parts, whose sums round otherwise
        spec["pass_tokens"] = PASS_TOKENS
    return Store.key("debiased teacher", spec)


def debias(
    teacher: Teacher, setting: Setting, *, words: WordLists, recipe: DebiasRecipe, progress: bool = True
) -> Teacher:
    """The teacher after debiasing, from the store where it was made before; the given teacher is left as it is.

    Its record is the original's and, under "debias", what was found and done: sequences and words of each kind, epochs
    and what was read in them, the held-out objective of each epoch (0 is the original), and held-out MLM figures, in
    nats a predicted token. There are no checkpoints: an interrupted debiasing starts again and ends with the same bits.

    Args:
        teacher: the original.
        setting: corpus, seed, store and device; of its recipe, which is not that of debiasing, the masks of the
            held-out MLM loss.
        words: female, male and stereotype words.
        recipe: how it is debiased.
        progress: show a line of progress.

    Raises:
        InputError: too few sequences of a kind, word lists that do not fit the tokenizer, or a learning rate at which
            the first epoch makes the held-out objective worse.
        DivergedError: a loss became NaN or infinite.
    """
    key = debias_key(teacher, setting, words=words, recipe=recipe)

    def make() -> None:
        objective, model = Objective(teacher, setting, words=words, recipe=recipe), copy.deepcopy(teacher.model).eval()
        _make(key, objective, model.to(setting.device), teacher, setting, words=words, progress=progress)

    folder = setting.store.once(key, make)

    def load() -> Any:
        model = copy.deepcopy(teacher.model).cpu().eval()
        load_weights(model, folder / "model.safetensors")
        return model

    manifest = Store.manifest(folder)
    return LateTeacher(
        {"model": load, "tokenizer": lambda: teacher.tokenizer},
        digest=manifest["weights_digest"],
        tokenizer_digest=teacher.tokenizer_digest,
        record={**teacher.record, "debias": manifest["record"]},
    )


def _make(
    key: str,
    objective: Objective,
    model: Any,
    teacher: Teacher,
    setting: Setting,
    *,
    words: WordLists,
    progress: bool,
) -> None:
    corpus, device = setting.corpus, setting.device
    if device.type == "cpu":
        keep_freed_memory()
    history, metrics = train_debiased(objective, model, progress=progress)
    batches = MaskedBatches(setting, teacher.tokenizer)
    record = _facts(objective, words, history, len(metrics))
    record |= compare_predictions(objective.original, model, corpus, batches)
    model.cpu()
    manifest = {"kind": "debiased teacher", "weights_digest": weights_digest(model), "corpus_digest": corpus.digest}
    with setting.store.write(key, {**manifest, "record": record, **environment(device)}) as folder:
        with quiet():
            model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        metrics.to_parquet(folder / "metrics.parquet")


def train_debiased(
    objective: Objective, model: Any, *, progress: bool = True
) -> tuple[list[dict[str, float]], pd.DataFrame]:
    """Debiases a model in place and leaves it at its best epoch.

    Returns:
        The held-out objective before and after each epoch, and the training's metrics, a row an update.

    Raises:
        InputError: the first epoch made the held-out objective worse.
        DivergedError: a loss or gradient became NaN or infinite.
    """
    setup()
    recipe = objective.recipe
    learner = Learner(
        name="debiasing",
        model=model.eval(),
        losses=objective.loss,
        recipe=recipe.optimisation(),
        folder=Path(),  # no checkpoints
    )
    total = recipe.epochs * updates_an_epoch(objective.chosen, recipe.batch_size)
    directions = objective.directions(model)
    history = [objective.heldout(model, directions)]
    best: dict[str, Tensor] = {}
    with one_line("debiasing"), Progress("debiasing" if progress else "", total) as shown:
        for number in range(recipe.epochs):
            _epoch(objective, learner, directions, number, total=total, shown=shown)
            directions = objective.directions(model)
            history.append(objective.heldout(model, directions))
            if not history[-1]["objective"] < history[-2]["objective"]:
                break
            best = {name: value.clone() for name, value in model.state_dict().items()}
    if not best:
        raise InputError(
            f"debias_learning_rate: {recipe.learning_rate:g} made the held-out objective worse in the first epoch "
            f"({history[0]['objective']:.4g} to {history[1]['objective']:.4g}); lower it"
        )
    model.load_state_dict(best)
    return history, learner.metrics_frame()


def _epoch(
    objective: Objective, learner: Learner, directions: Tensor, number: int, *, total: int, shown: Progress
) -> None:
    started, tokens = time.perf_counter(), 0
    for neutral, attribute in epoch_rows(objective.chosen, objective.lengths, objective.recipe.batch_size, number):
        steps = objective.steps(neutral, attribute, directions)
        for step in steps:
            learner.backward(step, 0, objective.device, batches=1 / len(steps))
        learner.step(total)
        tokens += int(objective.lengths[np.concatenate([neutral, attribute])].sum())
        shown.add()
        if ordered_to_stop():
            raise Stopped("debiasing: stopped")
    learner.read(tokens / (time.perf_counter() - started))
    if learner.divergence:
        raise DivergedError(f"{learner.divergence}: nothing is stored; lower debias_learning_rate")


def _facts(objective: Objective, words: WordLists, history: list[dict[str, float]], updates: int) -> dict[str, Any]:
    """What was found and done, as plain values."""
    chosen, lexicon, listed = objective.chosen, objective.lexicon, {}
    for kind, name in enumerate(LIST_NAMES):
        used = int((objective.counts[lexicon.kind == kind] > 0).sum())
        total, left_out = len(getattr(words, name)), lexicon.left_out[name]
        absent = total - len(left_out) - used
        listed[name] = {
            "listed": total, "used": used, "not_in_training_sequences": absent, "not_in_vocabulary": left_out,
        }  # fmt: skip
    epochs_run = len(history) - 1
    return {
        "words": listed,
        "sequences_scanned": chosen.scanned,
        "sequences_found": chosen.found,
        "sequences_trained": {kind: len(rows) for kind, rows in chosen.train.items()},
        "sequences_heldout": {kind: len(rows) for kind, rows in chosen.heldout.items()},
        "updates": updates,
        "epochs_run": epochs_run,
        **read_in_epochs(objective, epochs_run).record(),
        "epoch_kept": min(range(len(history)), key=lambda epoch: history[epoch]["objective"]),
        "heldout_objective": history,
    }


def read_in_epochs(objective: Objective, epochs: int) -> TextRead:
    """What the updates of so many epochs read; the passes that only look at the model between them are no training."""
    rows = [
        numbers
        for epoch in range(epochs)
        for both in epoch_rows(objective.chosen, objective.lengths, objective.recipe.batch_size, epoch)
        for numbers in both
    ]
    return TextRead(sum(map(len, rows)), sum(int(objective.lengths[numbers].sum()) for numbers in rows))


@torch.no_grad()
def compare_predictions(original: Any, debiased: Any, corpus: Corpus, batches: MaskedBatches) -> dict[str, float]:
    """What debiasing did to the predictions at the labelled positions of the held-out sequences, in nats a position.

    Both models in evaluation mode, on the device of ``batches``; the masks are those of
    :func:`fairkd.teachers.adapt.heldout_mlm_loss`.

    Returns:
        heldout_mlm_loss_before, heldout_mlm_loss_after; heldout_kl, mean KL(original || debiased); and
        heldout_unigram_loss, of guessing by the tokens' frequency. NaN if nothing is held out.
    """
    unigram = log_unigram(corpus.token_counts, original.config.vocab_size).to(batches.device)
    names = ("heldout_mlm_loss_before", "heldout_mlm_loss_after", "heldout_kl", "heldout_unigram_loss")
    sums, positions = torch.zeros(len(names), dtype=torch.float64), 0
    for batch in heldout_batches(corpus, batches):
        labels = batch.labels.flatten()[batch.mlm_rows]
        before, after = (_log_probabilities(model, batch) for model in (original, debiased))
        kl = F.kl_div(after, before, reduction="sum", log_target=True)
        terms = [
            F.nll_loss(before, labels, reduction="sum"),
            F.nll_loss(after, labels, reduction="sum"),
            kl,
            -unigram[labels].sum(),
        ]
        sums += torch.stack(terms).double().cpu()
        positions += len(labels)
    return {name: float(value) / positions if positions else math.nan for name, value in zip(names, sums, strict=True)}


def _log_probabilities(model: Any, batch: MaskedBatch) -> Tensor:
    """(n, vocab) at the labelled positions."""
    hidden = last_hidden(model, batch.corrupted, batch.attention_mask).flatten(0, 1)
    return vocabulary_logits(model, hidden.index_select(0, batch.mlm_rows)).float().log_softmax(-1)
