"""transformers' ``Trainer`` for one fine-tuning run, without what it does for longer trainings than ours.

- A batch holds examples of similar length, so that little of it is padding; the batches come in random order.
- Of a DistilBERT's last layer only the first token is computed (:mod:`fairkd.glue.first_token`).
- Examples are predicted in the order of their lengths, for the same reason.
- No logs, no checkpoints, and no walk through the model in each step to count its operations.

Imports transformers; import it where a model is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

from fairkd.engine.limits import Limits
from fairkd.engine.loading import refused
from fairkd.engine.training import precision
from fairkd.glue.first_token import read_first_token_only
from fairkd.glue.tasks import Task

WINDOW = 16
"""Batches whose examples are sorted by length together."""
Rows = list[dict[str, Any]]
"""Examples as token ids: what the tokenizer gives for each, and "labels"."""


def tokenised(examples: Any, task: Task, tokenizer: Any, max_length: int, limits: Limits) -> Rows:
    """The examples of a split for a model, pairs cut from the longer text, to what the encoder reads at most.

    Raises:
        InputError: the encoder cannot read a token, for its tokenizer is of another vocabulary.
    """
    texts = [list(examples[column]) for column in task.columns]
    with refused(f"{type(tokenizer).__name__} cannot read the examples"):
        found = tokenizer(*texts, truncation=True, max_length=limits.cut(max_length))
    columns = dict(found) | {"labels": list(examples["label"])}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for text, row in zip(texts[0], rows, strict=True):
        limits.check(text, row["input_ids"], row.get("token_type_ids", ()))
    return rows


class GlueTrainer(Trainer):
    """See the module docstring.

    Args:
        model: a classifier; trained in place by ``train()``.
        rows: its training examples.
        tokenizer: which pads them.
        arguments: see :func:`arguments`.
    """

    def __init__(self, model: Any, rows: Rows, tokenizer: Any, arguments: TrainingArguments) -> None:
        read_first_token_only(model)
        self._train_lengths = _lengths(rows)
        super().__init__(
            model, arguments, train_dataset=cast(Any, rows), data_collator=DataCollatorWithPadding(tokenizer)
        )
        self.remove_callback(PrinterCallback)  # it prints the loss on standard output

    def outputs(self, rows: Rows) -> np.ndarray:
        """What the model gives for examples (examples, labels), in their order."""
        order = _lengths(rows).argsort(stable=True)
        ordered: Any = [rows[i] for i in order]
        found: Any = self.predict(ordered).predictions
        result: np.ndarray = found[order.argsort().numpy()]
        return result

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return SimilarLengths(self._train_lengths, self.args.train_batch_size, self.args.seed)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Nobody asks for them, and counting takes as long as a layer."""
        return 0


class SimilarLengths(Sampler[int]):
    """A random order of examples in which those of a batch have similar lengths; another in each epoch.

    Args:
        lengths: of the examples in tokens.
        batch_size: how many of them a batch has.
        seed: of all epochs' orders.
    """

    def __init__(self, lengths: Tensor, batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size = lengths, batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        windows = torch.randperm(len(self), generator=self._generator).split(WINDOW * self._batch_size)
        batches = [batch for w in windows for batch in w[self._lengths[w].argsort(stable=True)].split(self._batch_size)]
        # Only the last window can end in a batch that is not full; it stays last, or it would shift those after it.
        whole = len(self) // self._batch_size
        order = [*torch.randperm(whole, generator=self._generator).tolist(), *range(whole, len(batches))]
        return iter([i for place in order for i in batches[place].tolist()])


def arguments(recipe: Any, seed: int, device: torch.device, scratch: str) -> TrainingArguments:
    """The settings of one run, the usual ones of GLUE.

    Args:
        recipe: a :class:`fairkd.glue.recipe.GlueRecipe`.
        seed: of the order of examples and of dropout.
        device: CPU or the first CUDA device.
        scratch: a folder for what ``Trainer`` may want to write.
    """
    result = TrainingArguments(
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
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    if device.type == "cuda":
        result._n_gpu = 1  # several visible GPUs would multiply the batch (DataParallel)
    return result


def _lengths(rows: Sequence[dict[str, Any]]) -> Tensor:
    return torch.tensor([len(row["input_ids"]) for row in rows])
