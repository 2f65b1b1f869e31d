"""Masked batches by number: what every model of a run reads in one step, the same for the same (seed, number).

So what a training reads in all is known from its setting: :func:`text_read` counts sequences and tokens from lengths
alone, :func:`words_met` the gender words, from the batches themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairkd.engine.recipe import Recipe, Schedule
from fairkd.engine.store import Store
from fairkd.frames import WORDS_MET
from fairkd.gender import PairTable, by_word
from fairkd.losses import token_rows
from fairkd.masking import IGNORED, mask_tokens, sampling_weights
from fairkd.mixup import Mixing, Mixup, plan_mixing
from fairkd.rng import torch_generator
from fairkd.text.corpus import Corpus, batches, collate

MOST_COUNTED = 5_000_000
"""Tokens of a training whose gender words :func:`words_met` counts at most; it goes through a million a second."""


@dataclass(frozen=True)
class MaskedBatch:
    """One batch, masked once for all models. Row numbers are made on the host, so that no GPU waits for them.

    Attributes:
        input_ids, corrupted, labels, attention_mask: (batch, tokens) on the device.
        token_rows: flat positions (n,) of the non-pad tokens.
        head_rows: of what L_ce or L_mlm looks at: first what only L_ce does, then what both do, last what only L_mlm.
        ce_rows, mlm_rows: the first and the last of these.
        tokens: number of non-pad tokens.
        mixing: where gender words are mixed; None if nothing is.
        counterpart: where the other word's logits come from, one of :data:`fairkd.mixup.COUNTERPARTS`.
        rows_of: non-pad tokens of each batch that was joined (:mod:`fairkd.micro_batches`), () of a batch by itself.
        ce_shares, mlm_shares, token_shares: what each of ``ce_rows``, ``mlm_rows`` and ``token_rows`` counts in a loss,
            1 in all; None for alike.
    """

    input_ids: Tensor
    corrupted: Tensor
    labels: Tensor
    attention_mask: Tensor
    token_rows: Tensor
    head_rows: Tensor
    ce_rows: Tensor
    mlm_rows: Tensor
    tokens: int
    mixing: Mixing | None = None
    counterpart: str = "pass"
    rows_of: tuple[int, ...] = ()
    ce_shares: Tensor | None = None
    mlm_shares: Tensor | None = None
    token_shares: Tensor | None = None

    def visible(self, attention_mask: Tensor) -> Tensor | None:
        """What a model is told of padding: a mask (sequences, tokens) of this batch, or of its ``swapped`` sequences.

        On a GPU it is the attention's own form, (sequences, 1, 1, tokens), or None where nothing is padded: to find
        that out from the two-dimensional form, transformers would make the host wait in every forward pass.
        """
        if attention_mask.device.type == "cpu":
            return attention_mask
        return visible_at_once(attention_mask, padded=self.tokens < self.input_ids.numel())

    def on(self, device: torch.device) -> MaskedBatch:
        """The same batch on a device; nothing waits for the copies."""
        moved: dict[str, Any] = {n: _on(value, device) for n, value in vars(self).items() if isinstance(value, Tensor)}
        mixing = self.mixing and Mixing(**{name: _on(value, device) for name, value in vars(self.mixing).items()})
        return replace(self, **moved, mixing=mixing)


def visible_at_once(attention_mask: Tensor, *, padded: bool) -> Tensor | None:
    """A mask (sequences, tokens) in the attention's own form, see :meth:`MaskedBatch.visible`."""
    return attention_mask[:, None, None, :].bool() if padded else None


def _on(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@dataclass(frozen=True)
class Setting:
    """What all models that are trained side by side share.

    Attributes:
        corpus: what is read, tokenised with the teacher's tokenizer.
        recipe: how every model is trained.
        seed: of every draw: batch order, masks, dropout, λ.
        store: where finished models and checkpoints lie.
        device: CPU or CUDA.
        at_once: tokens, padding included, that one forward pass reads at most (:mod:`fairkd.micro_batches`); None for
            each batch by itself.
    """

    corpus: Corpus
    recipe: Recipe
    seed: int
    store: Store
    device: torch.device
    at_once: int | None = None

    def schedule(self) -> Schedule:
        """The updates of each model; raises InputError as :meth:`fairkd.engine.recipe.Recipe.schedule`."""
        return self.recipe.schedule(len(self.corpus.train.lengths))


class MaskedBatches:
    """The batches of a run by their number; the same number always gives the same batch.

    Args:
        setting: corpus, batch size and masking, seed of the run, and where the batches go.
        tokenizer: gives the ids of the special tokens.
        mixup: how gender words are mixed, if any arm mixes.
    """

    def __init__(self, setting: Setting, tokenizer: Any, mixup: Mixup | None = None) -> None:
        corpus, recipe = setting.corpus, setting.recipe
        self.corpus, self.recipe, self.seed, self.device = corpus, recipe, setting.seed, setting.device
        self.mixup, self.at_once = mixup, setting.at_once
        self.pad_id, self.mask_id = tokenizer.pad_token_id, tokenizer.mask_token_id
        self.weights = sampling_weights(corpus.token_counts, tokenizer.all_special_ids, recipe.mlm_smoothing)
        self._orders: dict[int, list[np.ndarray]] = {}

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(len(self.corpus.train) / self.recipe.batch_size)

    def __getitem__(self, number: int) -> MaskedBatch:
        return self.on_host(number).on(self.device)

    def on_host(self, number: int) -> MaskedBatch:
        """A batch before it is moved to the device."""
        input_ids, attention_mask = collate(self.corpus.train[self._rows(number)], self.pad_id)
        return self._masked(input_ids, attention_mask, number, "mask")

    def size(self, number: int) -> tuple[int, int]:
        """Sequences of a batch, and tokens of its longest one; reads no text."""
        rows = self._rows(number)
        return len(rows), int(self.corpus.train.lengths[rows].max())

    def _rows(self, number: int) -> np.ndarray:
        epoch, index = divmod(number, len(self))
        order = self._orders.get(epoch)
        if order is None:
            order = batches(self.corpus.train.lengths, self.recipe.batch_size, seed=self.seed, epoch=epoch)
            # An update may begin in one epoch and end in the next; a new table, as another thread may read the old one.
            self._orders = {known: own for known, own in self._orders.items() if known == epoch - 1} | {epoch: order}
        return order[index]

    def mask(self, input_ids: Tensor, attention_mask: Tensor, number: int, *, purpose: str) -> MaskedBatch:
        """Masks a batch (batch, tokens) and moves it to the device."""
        return self._masked(input_ids, attention_mask, number, purpose).on(self.device)

    def _masked(self, input_ids: Tensor, attention_mask: Tensor, number: int, purpose: str) -> MaskedBatch:
        recipe = self.recipe
        corrupted, labels = mask_tokens(
            input_ids,
            attention_mask,
            self.weights,
            mask_id=self.mask_id,
            mask_prop=recipe.mlm_mask_prop,
            word_mask=recipe.word_mask,
            word_keep=recipe.word_keep,
            generator=torch_generator(self.seed, purpose, number),
        )
        generator = torch_generator(self.seed, f"{purpose} ce tokens", number)
        labelled = labels.flatten() != IGNORED
        taught = torch.zeros_like(labelled)
        taught[token_rows(attention_mask, recipe.ce_token_fraction, generator)] = True
        parts = [part.nonzero().squeeze(1) for part in (taught & ~labelled, taught & labelled, ~taught & labelled)]
        ce_rows, mlm_rows = torch.cat(parts[:2]), torch.cat(parts[1:])
        all_rows, mixing = attention_mask.flatten().nonzero().squeeze(1), None
        if self.mixup is not None:
            generator = torch_generator(self.seed, "lambda", number)
            mixing = plan_mixing(input_ids, corrupted, attention_mask, ce_rows, self.mixup, generator)
        return MaskedBatch(
            input_ids=input_ids,
            corrupted=corrupted,
            labels=labels,
            attention_mask=attention_mask,
            token_rows=all_rows,
            head_rows=torch.cat(parts),
            ce_rows=ce_rows,
            mlm_rows=mlm_rows,
            tokens=len(all_rows),
            mixing=mixing,
            counterpart="pass" if self.mixup is None else self.mixup.counterpart,
        )


@dataclass(frozen=True)
class TextRead:
    """What a model has read in a training.

    Attributes:
        sequences: each as often as it was read.
        tokens: of these sequences before masking, [CLS] and [SEP] included.
    """

    sequences: int
    tokens: int

    def record(self) -> dict[str, int]:
        """As manifests have it."""
        return {"sequences_read": self.sequences, "tokens_read": self.tokens}


def batches_taken(setting: Setting) -> int:
    """Batches that a training takes, those of a second epoch counted again."""
    return setting.schedule().batches_read


def text_read(setting: Setting) -> TextRead:
    """What each model of a training reads, however often it is stopped and resumed.

    No text is read for it: whole epochs are sums of lengths, and only a part of an epoch asks for its order.

    >>> from types import SimpleNamespace
    >>> corpus = SimpleNamespace(train=SimpleNamespace(lengths=np.array([20, 30, 40])))
    >>> recipe = Recipe(batch_size=2, n_epoch=3)
    >>> text_read(Setting(corpus, recipe, seed=0, store=None, device=None))
    TextRead(sequences=9, tokens=270)
    """
    lengths = setting.corpus.train.lengths
    epochs, rest = divmod(batches_taken(setting), setting.schedule().epoch)
    found = TextRead(epochs * len(lengths), epochs * int(lengths.sum()))
    if not rest:
        return found
    part = np.concatenate(batches(lengths, setting.recipe.batch_size, seed=setting.seed, epoch=epochs)[:rest])
    return TextRead(found.sequences + len(part), found.tokens + int(lengths[part].sum()))


def words_met(setting: Setting, tokenizer: Any, table: PairTable, *, most: int = MOST_COUNTED) -> pd.DataFrame:
    """How often the students of a seed meet the gender words: a row a pair.

    The columns :data:`fairkd.frames.WORDS_MET`. Makes the batches of the training again, without a model, so it is the
    same for students that were trained, resumed or are still to be trained. It ends with the batch in which ``most``
    tokens are reached.
    """
    read = MaskedBatches(replace(setting, device=torch.device("cpu")), tokenizer)
    taken = batches_taken(setting)
    counts, tokens, number = np.zeros((len(table.pairs), 5), dtype=np.int64), 0, 0
    while number < taken and tokens < most:
        batch = read[number]
        visible = table.find(batch.input_ids, batch.corrupted)
        taught = torch.zeros(batch.input_ids.numel(), dtype=torch.bool)
        taught[batch.ce_rows] = True
        counts[:, :2] += by_word(table.find(batch.input_ids), len(counts))
        counts[:, 2:4] += by_word(visible, len(counts))
        counts[:, 4] += by_word(visible.only(taught[visible.at]), len(counts)).sum(1)
        tokens, number = tokens + batch.tokens, number + 1
    words = {"female": [pair.female for pair in table.pairs], "male": [pair.male for pair in table.pairs]}
    frame = pd.DataFrame(words).join(pd.DataFrame(counts, columns=WORDS_MET[3:8]))
    return frame.assign(seed=setting.seed, batches_counted=number, batches_read=taken)[WORDS_MET]
