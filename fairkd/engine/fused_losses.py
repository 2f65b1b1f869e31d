"""L_ce and L_mlm straight from hidden states: the vocabulary matrix, both losses and their gradients, rows at a time.

The logits of all positions are the largest tensor of a training step, and autograd would hold several of that size.
Here a chunk of rows is multiplied with the vocabulary matrix, turned into losses and, in place, into the gradient of
its logits, and multiplied back at once; no other logits exist at the time. The gradients so formed in the forward pass
wait for the backward pass, which only hands them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from fairkd.engine.chunks import CHUNK, ROWS, WORDS
from fairkd.engine.heads import vocabulary_features


@dataclass(frozen=True)
class SoftTargets:
    """A teacher's softened distribution at n rows: ``probs`` (n, vocab) and their ``entropy`` (n,) in nats."""

    probs: Tensor
    entropy: Tensor

    def replaced(self, at: Tensor, other: SoftTargets) -> SoftTargets:
        """A copy with other rows at the positions ``at`` (m,)."""
        return SoftTargets(self.probs.index_copy(0, at, other.probs), self.entropy.index_copy(0, at, other.entropy))


@dataclass(frozen=True)
class Targets:
    """What the logits of n rows learn: the first rows from a teacher, the last rows from hard labels.

    Attributes:
        soft: of the first rows, for L_ce; None for no L_ce.
        labels: (b,) ids for the last b rows, which may be some of the first; None for no L_mlm.
        temperature: T, softens the logits in L_ce.
        ce_weight, mlm_weight: of the two losses in the sum.
        soft_shares, label_shares: (a,) and (b,) how much each row counts in its loss, 1 in all; None for alike, so that
            the losses are means.
    """

    soft: SoftTargets | None
    labels: Tensor | None
    temperature: float = 1.0
    ce_weight: float = 1.0
    mlm_weight: float = 1.0
    soft_shares: Tensor | None = None
    label_shares: Tensor | None = None


@torch.no_grad()
def soft_targets(teacher: Any, hidden: Tensor, temperature: float) -> SoftTargets:
    """What a teacher's last hidden states (n, hidden) say about the vocabulary."""
    return soften_(wide_logits(teacher, hidden), temperature)


@torch.no_grad()
def wide_logits(teacher: Any, hidden: Tensor) -> Tensor:
    """Logits (n, vocab) of hidden states (n, hidden), products in autocast's type and kept in that of the weights."""
    features, weight, bias = vocabulary_features(teacher, hidden)
    dtype = _product_dtype(weight)
    features, matrix, found = features.to(dtype), weight.to(dtype), bias.new_empty(len(hidden), len(bias))
    for part in _parts(len(hidden), CHUNK[hidden.device.type]):
        _logits(features[part], matrix, bias, out=found[part])
    return found


def soften_(logits: Tensor, temperature: float) -> SoftTargets:
    """softmax(logits / temperature) of logits (n, vocab), in place, and its entropies."""
    entropy, block = logits.new_empty(len(logits)), ROWS[logits.device.type]
    with torch.autocast(logits.device.type, enabled=False):  # which would take vecdot in bf16
        for z, h in zip(logits.split(block), entropy.split(block), strict=True):
            log_probs = F.log_softmax(z.div_(temperature), dim=-1)
            torch.exp(log_probs, out=z)
            torch.neg(torch.linalg.vecdot(z, log_probs), out=h)
    return SoftTargets(logits, entropy)


def _parts(n: int, size: int) -> list[slice]:
    """n rows in even parts of about ``size``: a short last part would cost as much as a whole one."""
    parts = round(n / size) or min(n, 1)
    return [slice(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


def _product_dtype(weight: Tensor) -> torch.dtype:
    """What matrix products are in: autocast's type inside such a block, else the weights' own."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def _logits(rows: Tensor, matrix: Tensor, bias: Tensor, *, out: Tensor) -> None:
    """Writes rows (n, hidden) @ matrix (vocab, hidden)ᵀ + bias to ``out`` (n, vocab), whose type may be a wider one."""
    panel = WORDS[rows.device.type]
    with torch.autocast(rows.device.type, enabled=False):
        for start in range(0, len(matrix), panel):
            part = slice(start, start + panel)
            if rows.dtype == out.dtype:
                out[:, part] = torch.addmm(bias[part], rows, matrix[part].t())
            else:
                out[:, part] = _wide_product(rows, matrix[part].t()) + bias[part]


def _wide_product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b of bf16 matrices as fp32, in which it is summed: rounded to bf16, logits would be off by a 256th part."""
    if a.device.type == "cuda":
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


def vocabulary_losses(
    model: Any, hidden: Tensor, targets: Targets, *, chunk: int | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of L_ce and L_mlm of a BERT or DistilBERT with an MLM head, and both terms.

    The sum has gradients, the terms have none. Equal to the reference form, :func:`fairkd.losses.distillation_losses`.

    Args:
        model: the student, or a teacher that is adapted.
        hidden: (n, hidden) its last hidden states at the rows of ``targets``.
        targets: what these rows learn.
        chunk: rows whose logits exist at a time; :data:`CHUNK` of the device if not given.

    Returns:
        Scalars: the sum; {"ce", "mlm"} where there is such a target.
    """
    features, weight, bias = vocabulary_features(model, hidden)
    chunk = chunk or CHUNK[hidden.device.type]
    total, ce, mlm = _VocabularyLoss.apply(features, weight, bias, targets, chunk)
    terms = {} if targets.soft is None else {"ce": ce}
    return total, terms if targets.labels is None else terms | {"mlm": mlm}


class _VocabularyLoss(torch.autograd.Function):
    """(features (n, hidden), weight (vocab, hidden), bias (vocab,)) -> weighted sum, L_ce, L_mlm.

    Matrix products in the autocast type, sums in the weights' own.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, targets: Targets, chunk: int) -> Any:
        dtype = _product_dtype(weight)
        rows, matrix = features.to(dtype), weight.to(dtype)
        d_rows, d_weight, d_bias = torch.empty_like(rows), torch.zeros_like(weight), torch.zeros_like(bias)
        sums, parts = bias.new_zeros(2), _parts(len(rows), chunk)
        buffer = bias.new_empty(max((part.stop - part.start for part in parts), default=0), len(bias))
        with torch.autocast(features.device.type, enabled=False):
            for part in parts:
                logits = buffer[: part.stop - part.start]
                _logits(rows[part], matrix, bias, out=logits)
                sums += _to_gradient(logits, part.start, len(rows), targets)
                d_bias += logits.sum(0)
                d_logits = logits.to(dtype)
                d_rows[part] = d_logits @ matrix
                if dtype == weight.dtype:
                    d_weight.addmm_(d_logits.t(), rows[part], beta=float(part.start > 0))
                else:
                    d_weight += d_logits.t() @ rows[part]
        ctx.gradients = (d_rows.to(features.dtype), d_weight, d_bias)
        ce, mlm = sums.unbind()
        ctx.mark_non_differentiable(ce, mlm)
        return targets.ce_weight * ce + targets.mlm_weight * mlm, ce, mlm

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> Any:
        gradients, ctx.gradients = ctx.gradients, None  # scaled in place, so they serve once
        return *(gradient.mul_(grad) for gradient in gradients), None, None


def _to_gradient(logits: Tensor, start: int, n: int, targets: Targets) -> Tensor:
    """Turns logits (chunk, vocab) of the rows from ``start`` of n into their gradients, in place.

    Returns:
        (2,): what these rows add to L_ce and L_mlm.
    """
    taught = 0 if targets.soft is None else len(targets.soft.probs)
    labelled_from = n - (0 if targets.labels is None else len(targets.labels))
    sums = logits.new_zeros(2)
    block = ROWS[logits.device.type]
    for first in range(start, start + len(logits), block):
        z = logits[first - start : first - start + block]
        soft, hard = z[: max(0, taught - first)], z[max(0, labelled_from - first) :]
        d_hard, rest = None, z[len(soft) :]
        if len(hard):
            d_hard, loss = _mlm(hard, targets, first + len(z) - len(hard) - labelled_from)
            sums[1] += loss
        if len(soft):
            sums[0] += _ce_(soft, targets, first)
        rest.zero_()
        if d_hard is not None:
            hard += d_hard
    return sums


def _mlm(logits: Tensor, targets: Targets, first: int) -> tuple[Tensor, Tensor]:
    """Weighted gradient of L_mlm for logits (k, vocab) of the labels from ``first``, and their share of L_mlm."""
    assert targets.labels is not None
    part = slice(first, first + len(logits))
    labels, shares = targets.labels[part, None], targets.label_shares
    log_probs = F.log_softmax(logits, dim=-1)
    loss = -_summed(log_probs.gather(1, labels).squeeze(1), shares, part, len(targets.labels))
    gradient = log_probs.exp_()
    gradient.scatter_add_(1, labels, gradient.new_full(labels.shape, -1.0))
    return _scaled_(gradient, targets.mlm_weight, shares, part, len(targets.labels)), loss


def _ce_(logits: Tensor, targets: Targets, first: int) -> Tensor:
    """Turns logits (k, vocab) of the teacher's rows from ``first`` into the weighted gradient of L_ce.

    The gradient of T² KL(p || softmax(z / T)) is T (softmax(z / T) - p). Returns these rows' share of L_ce.
    """
    assert targets.soft is not None
    part, temperature, shares = slice(first, first + len(logits)), targets.temperature, targets.soft_shares
    probs, n = targets.soft.probs[part], len(targets.soft.probs)
    log_probs = F.log_softmax(logits / temperature, dim=-1)
    divergence = -torch.linalg.vecdot(probs, log_probs) - targets.soft.entropy[part]
    torch.sub(log_probs.exp_(), probs, out=logits)
    _scaled_(logits, targets.ce_weight * temperature, shares, part, n)
    return temperature**2 * _summed(divergence, shares, part, n)


def _summed(values: Tensor, shares: Tensor | None, part: slice, n: int) -> Tensor:
    """What the rows ``part`` of n, with these values (k,), add to a loss."""
    return 1 / n * values.sum() if shares is None else values @ shares[part].to(values.dtype)


def _scaled_(gradient: Tensor, weight: float, shares: Tensor | None, part: slice, n: int) -> Tensor:
    """The gradient (k, vocab) of these rows' values, in place that of their share of a weighted loss."""
    return gradient.mul_(weight * (1 / n) if shares is None else weight * shares[part, None])
