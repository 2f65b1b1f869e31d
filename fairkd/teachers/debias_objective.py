"""The objective of context-debias (Kaneko & Bollegala, EACL 2021), by which the teacher of Table 2 is debiased.

The hidden vectors of stereotype words are to become orthogonal to those of gender words, while all vectors of sentences
about gender stay where they were. Let E_i(w, x) be the vector of word w, the mean of its pieces, at layer i in sequence
x, and v_i(a) the mean of E_i(a, x) over the occurrences of the attribute word a in the training sequences. Then

    L_debias = mean over stereotype occurrences (t, x), attribute words a and layers i of (v_i(a) · E_i(t, x))²
    L_reg    = mean over tokens and layers of |E_i(w, x) - E_i(w, x; original teacher)|², in attribute sequences

and alpha L_debias + beta L_reg is minimised. It is the article's objective with means for its sums, so that the
learning rate does not depend on the length of lists and corpora. (The public program takes the mean over units in L_reg
too: beside inner products, which are sums over units, that leaves beta next to no weight.)
Unlike that program we pass the attention mask, take pieces where they stand, use every occurrence of a word, and keep a
vector for each attribute word, however rare; ``square_of_mean`` is that program's form, for comparison. There is no
dropout: the objective compares hidden states, and noise would be a floor under L_reg.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairkd.batches import Setting
from fairkd.engine.training import autocast
from fairkd.teachers.checkpoints import Teacher
from fairkd.teachers.debias_recipe import LAYERS, TARGETS, DebiasRecipe
from fairkd.teachers.occurrences import Batch, BatchReader, Lexicon, Spans, choose, count_kinds
from fairkd.teachers.wordlists import LIST_NAMES, WordLists

EVALUATION_BATCH = 32
"""Sequences read at once where nothing is learned."""
PASS_TOKENS = 4096
"""Padding included, of one kind, at most read at once where something is: 32 sequences of 512 would hold 17 GB."""


def layer_states(model: Any, batch: Batch, layers: str = "all") -> Sequence[Tensor]:
    """Hidden states (batch, tokens, hidden) of the chosen layers; the first of all is the embedding output."""
    states: Sequence[Tensor] = model.base_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True
    ).hidden_states
    return states[LAYERS[layers]]


def word_vectors(states: Sequence[Tensor], spans: Spans) -> Tensor:
    """E: means over the pieces of each place, (n, layers, hidden), of states (batch, tokens, hidden)."""
    pieces = torch.stack([state.flatten(0, 1).index_select(0, spans.at).float() for state in states], dim=1)
    sums = pieces.new_zeros(len(spans.pieces), *pieces.shape[1:]).index_add(0, spans.span, pieces)
    return sums / spans.pieces[:, None, None]


def debias_loss(vectors: Tensor, directions: Tensor, *, square_of_mean: bool) -> Tensor:
    """L_debias of vectors E (n, layers, hidden) and directions v (a, layers, hidden).

    ``square_of_mean``: for each v the mean over places and layers is squared, then summed over v.
    """
    products = torch.einsum("nlh,alh->nal", vectors, directions)
    return products.mean((0, 2)).square().sum() if square_of_mean else products.square().mean()


def reg_loss(
    states: Sequence[Tensor], original: Sequence[Tensor], attention_mask: Tensor, *, mean_over_units: bool
) -> Tensor:
    """L_reg: mean squared distance over non-pad tokens and layers of states (batch, tokens, hidden).

    ``mean_over_units``: that divided by the number of units, as the public program has it.
    """
    pairs = zip(states, original, strict=True)
    squares = torch.stack([((a.float() - b.float()).square().mean(-1) * attention_mask).sum() for a, b in pairs])
    units = 1 if mean_over_units else states[0].shape[-1]
    return units * squares.mean() / attention_mask.sum()


@dataclass(frozen=True)
class Step:
    """What an update, or one of its parts, learns from.

    Attributes:
        neutral, attribute: the sequences.
        directions: v (a, layers, hidden).
        parts: of the update.
        debias_share, reg_share: of the update's places and of its tokens, those that are in this part.
    """

    neutral: Batch
    attribute: Batch
    directions: Tensor
    parts: int = 1
    debias_share: float = 1.0
    reg_share: float = 1.0


class Objective:
    """The objective for one teacher, corpus and choice of words.

    Args:
        teacher: the original; its model is copied and frozen.
        setting: its corpus, seed and device.

    Attributes:
        lexicon, chosen, reader: the words, the sequences and how they are read.
        counts: (words,) occurrences in the training sequences.
        original: the frozen model.

    Raises:
        InputError: too few sequences of a kind, or lists that do not fit the tokenizer.
    """

    def __init__(self, teacher: Teacher, setting: Setting, *, words: WordLists, recipe: DebiasRecipe) -> None:
        self.recipe, self.device = recipe, setting.device
        sequences = setting.corpus.train
        self.lexicon = Lexicon(words, teacher.tokenizer)
        self.chosen = choose(sequences, self.lexicon, most=recipe.sequences, seed=setting.seed)
        self.reader = BatchReader(sequences, self.lexicon, pad_id=teacher.tokenizer.pad_token_id, device=self.device)
        self.counts = count_kinds(self.reader, self.chosen)
        self.original = copy.deepcopy(teacher.model).to(self.device).eval().requires_grad_(False)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) tokens of each sequence."""
        return self.reader.sequences.lengths

    def read_neutral(self, rows: np.ndarray) -> Batch:
        """Neutral sequences by number, with the places that are to become orthogonal to the directions."""
        return self.reader(rows, **self._neutral)

    def read_attribute(self, rows: np.ndarray) -> Batch:
        """Attribute sequences by number, with the places of their gender words."""
        return self.reader(rows, stereotype=False)

    @property
    def _neutral(self) -> dict[str, bool]:
        return {"stereotype": True, "whole": TARGETS[self.recipe.target]}

    def steps(self, neutral: np.ndarray, attribute: np.ndarray, directions: Tensor) -> list[Step]:
        """An update's sequences, by number, in as many parts as fit in a pass; the mean of their losses is its loss.

        ``square_of_mean`` has one part: the square of a mean is no sum over sequences.
        """
        tokens = max(len(rows) * int(self.lengths[rows].max()) for rows in (neutral, attribute))
        most = 1 if self.recipe.square_of_mean else min(len(neutral), len(attribute))
        parts = min(-(-tokens // PASS_TOKENS), most)
        if parts == 1:
            return [Step(self.read_neutral(neutral), self.read_attribute(attribute), directions)]
        n_parts = [self.read_neutral(rows) for rows in np.array_split(neutral, parts)]
        a_rows = np.array_split(attribute, parts)
        places, read = sum(len(part.spans.pieces) for part in n_parts), self.lengths[attribute].sum()
        return [
            Step(part, self.read_attribute(rows), directions, parts,
                 len(part.spans.pieces) / places, float(self.lengths[rows].sum() / read))
            for part, rows in zip(n_parts, a_rows, strict=True)
        ]  # fmt: skip

    def loss(self, model: Any, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum that is minimised, and both terms without gradients."""
        terms = self.terms(model, step)
        total = self.recipe.alpha * terms["debias"] + self.recipe.beta * terms["reg"]
        return total, {name: term.detach() for name, term in terms.items()}

    def terms(self, model: Any, step: Step) -> dict[str, Tensor]:
        """L_debias and L_reg of one update; of its parts, those whose means are the update's."""
        terms = {
            "debias": self.debias_term(model, step.neutral, step.directions),
            "reg": self.reg_term(model, step.attribute),
        }
        if step.parts == 1:
            return terms
        shares = {"debias": step.debias_share, "reg": step.reg_share}
        return {name: term * (step.parts * shares[name]) for name, term in terms.items()}

    def debias_term(self, model: Any, neutral: Batch, directions: Tensor) -> Tensor:
        """L_debias of a batch of neutral sequences, in fp32."""
        states = layer_states(model, neutral, self.recipe.layers)
        with torch.autocast(self.device.type, enabled=False):
            vectors = word_vectors(states, neutral.spans)
            return debias_loss(vectors, directions, square_of_mean=self.recipe.square_of_mean)

    def reg_term(self, model: Any, attribute: Batch) -> Tensor:
        """L_reg of a batch of attribute sequences, in fp32."""
        with torch.no_grad():
            original = layer_states(self.original, attribute)
        now, as_published = layer_states(model, attribute), self.recipe.square_of_mean
        return reg_loss(now, original, attribute.attention_mask, mean_over_units=as_published)

    @torch.no_grad()
    def directions(self, model: Any) -> Tensor:
        """v (a, layers, hidden) of a model: a row an attribute word that occurs, or a gender (square_of_mean)."""
        gendered = (self.lexicon.kind < LIST_NAMES.index("stereotype")) & (self.counts > 0)
        row = self.lexicon.kind if self.recipe.square_of_mean else gendered.long().cumsum(0) - 1
        rows, row = int(row[gendered].max()) + 1, row.to(self.device)
        sums, numbers = torch.zeros(0), torch.zeros(rows, device=self.device)
        attribute = np.concatenate([self.chosen.train["female"], self.chosen.train["male"]])
        for batch in self.reader.in_order(attribute, EVALUATION_BATCH, stereotype=False):
            with autocast(self.device):
                states = layer_states(model, batch, self.recipe.layers)
            vectors = word_vectors(states, batch.spans)
            if not len(sums):
                sums = vectors.new_zeros(rows, *vectors.shape[1:])
            sums.index_add_(0, row[batch.spans.word], vectors)
            numbers += torch.bincount(row[batch.spans.word], minlength=rows)
        return sums / numbers[:, None, None]

    @torch.no_grad()
    def heldout(self, model: Any, directions: Tensor) -> dict[str, float]:
        """Both terms and their weighted sum over the held-out sequences, with the directions of the same model."""
        rows = self.chosen.heldout
        attribute = np.concatenate([rows["female"], rows["male"]])
        with autocast(self.device):
            debias = [
                (float(self.debias_term(model, batch, directions)), len(batch.spans.pieces))
                for batch in self.reader.in_order(rows["neutral"], EVALUATION_BATCH, **self._neutral)
            ]
            reg = [
                (float(self.reg_term(model, batch)), int(batch.attention_mask.sum()))
                for batch in self.reader.in_order(attribute, EVALUATION_BATCH, stereotype=False)
            ]
        terms = {"debias": _weighted_mean(debias), "reg": _weighted_mean(reg)}
        return {**terms, "objective": self.recipe.alpha * terms["debias"] + self.recipe.beta * terms["reg"]}


def _weighted_mean(values: list[tuple[float, int]]) -> float:
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)
