"""The published recipe taken literally, as the yardstick of the speed figures: DistilBERT's step, one arm at a time.

From the formulas of Section 2 and of DistilBERT's recipe, without any of fairkd's shortcuts: teacher and student form
all logits of a padded batch, positions are selected with boolean masks, the losses are PyTorch's own modules, the
teacher reads each batch again for every arm, and L_ce is computed whether or not an arm has it. An arm with mixup
reads every sequence of the batch once more with gender words exchanged, and mixes where they stand.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairkd.arms import Arm
from fairkd.batches import MaskedBatch
from fairkd.engine.recipe import Recipe
from fairkd.engine.training import autocast
from fairkd.gender import PairTable, swap


class Baseline:
    """One arm in training, literally.

    Args:
        teacher: a BERT with its MLM head, in evaluation mode.
        student: a DistilBERT with its MLM head, in training mode.
        arm: which losses it has and what it mixes.
        recipe: temperature, loss weights, learning rate.
        pairs: gender words of an arm that mixes.
    """

    def __init__(self, teacher: Any, student: Any, arm: Arm, recipe: Recipe, pairs: PairTable) -> None:
        self.teacher, self.student, self.arm, self.recipe, self.pairs = teacher, student, arm, recipe, pairs
        parameters = [p for p in student.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, eps=recipe.adam_epsilon, betas=recipe.adam_betas, weight_decay=0.0
        )
        self.kl = nn.KLDivLoss(reduction="batchmean")
        self.mlm = nn.CrossEntropyLoss(ignore_index=-100)
        self.cosine = nn.CosineEmbeddingLoss(reduction="mean")

    def step(self, batch: MaskedBatch) -> float:
        """One update; returns the loss, which the published program logs at every step."""
        with autocast(batch.corrupted.device):
            loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def loss(self, batch: MaskedBatch) -> Tensor:
        """The weighted sum of the arm's losses on one batch."""
        mask = batch.attention_mask
        mixed = self._mixed(batch)
        teacher_logits, teacher_hidden = self._teach(batch, mixed)
        text = {"input_ids": batch.corrupted}
        if mixed is not None and "x" in self.arm.levels:
            text = {"inputs_embeds": self._embed(batch, mixed)}
        out = self.student(**text, attention_mask=mask, output_hidden_states=True)
        loss = self.vocabulary_loss(out.logits, teacher_logits, batch)
        if "cos" in self.arm.losses:
            loss = loss + self.recipe.weights["cos"] * self._cosine(out.hidden_states[-1], teacher_hidden, mask)
        return loss

    def vocabulary_loss(self, student_logits: Tensor, teacher_logits: Tensor, batch: MaskedBatch) -> Tensor:
        """Weighted L_ce + L_mlm from all logits (batch, tokens, vocab)."""
        weights, temperature, vocab = self.recipe.weights, self.recipe.temperature, student_logits.size(-1)
        selected = batch.attention_mask.bool().unsqueeze(-1).expand_as(student_logits)
        student_rows = torch.masked_select(student_logits, selected).view(-1, vocab)
        teacher_rows = torch.masked_select(teacher_logits, selected).view(-1, vocab)
        kl = self.kl(F.log_softmax(student_rows / temperature, dim=-1), F.softmax(teacher_rows / temperature, dim=-1))
        loss = (weights["ce"] if "ce" in self.arm.losses else 0.0) * temperature**2 * kl
        if "mlm" in self.arm.losses:
            loss = loss + weights["mlm"] * self.mlm(student_logits.view(-1, vocab), batch.labels.view(-1))
        return loss

    def _cosine(self, student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
        selected = mask.bool().unsqueeze(-1).expand_as(student)
        rows = [torch.masked_select(hidden, selected).view(-1, hidden.size(-1)) for hidden in (student, teacher)]
        return self.cosine(rows[0], rows[1], rows[0].new_ones(len(rows[0])))

    @torch.no_grad()
    def _teach(self, batch: MaskedBatch, mixed: tuple[Tensor, ...] | None) -> tuple[Tensor, Tensor]:
        """The teacher's logits (batch, tokens, vocab) and last hidden states, mixed where the arm mixes them."""
        out = self.teacher(input_ids=batch.corrupted, attention_mask=batch.attention_mask, output_hidden_states=True)
        logits, hidden = out.logits, out.hidden_states[-1]
        if mixed is None or not {"y", "h"} & set(self.arm.levels):
            return logits, hidden
        where, weight, other_ids = mixed
        other = self.teacher(input_ids=other_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
        if "y" in self.arm.levels:
            logits = torch.where(where, weight * logits + (1 - weight) * other.logits, logits)
        if "h" in self.arm.levels:
            hidden = torch.where(where, weight * hidden + (1 - weight) * other.hidden_states[-1], hidden)
        return logits, hidden

    def _embed(self, batch: MaskedBatch, mixed: tuple[Tensor, ...]) -> Tensor:
        where, weight, other_ids = mixed
        embed = self.student.get_input_embeddings()
        own = embed(batch.corrupted)
        return torch.where(where, weight * own + (1 - weight) * embed(other_ids), own)

    def _mixed(self, batch: MaskedBatch) -> tuple[Tensor, ...] | None:
        """Where gender words stand (batch, tokens, 1), the weight of the word that stands there, and the other ids."""
        if not self.arm.levels or batch.mixing is None:
            return None
        mixing = batch.mixing
        words = self.pairs.find(batch.input_ids.cpu(), batch.corrupted.cpu())
        other_ids = swap(batch.corrupted.cpu(), words).to(batch.corrupted.device)
        own = torch.where(mixing.male, mixing.lam, 1 - mixing.lam)
        weight = torch.ones(batch.corrupted.numel(), device=own.device).index_copy(0, mixing.at, own)
        where = torch.zeros(batch.corrupted.numel(), dtype=torch.bool, device=own.device)
        where[mixing.at] = True
        shape = (*batch.corrupted.shape, 1)
        return where.view(shape), weight.view(shape), other_ids
