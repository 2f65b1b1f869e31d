"""The three losses of DistilBERT (Section 2): L_ce, L_mlm and L_cos.

:func:`distillation_losses` is the reference form, on full logits. The training loop uses the row forms below it,
which compute the same numbers from the positions that matter, so that no logits are formed for the others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fairkd.masking import IGNORED


def distillation_losses(
    student_logits: Tensor,
    teacher_logits: Tensor,
    student_hidden: Tensor,
    teacher_hidden: Tensor,
    labels: Tensor,
    attention_mask: Tensor,
    temperature: float = 2.0,
) -> dict[str, Tensor]:
    """The unweighted losses of one batch.

    - ``ce``: T² · mean over non-pad tokens of KL(softmax(z_teacher/T) ‖ softmax(z_student/T)). The paper calls it
      cross-entropy; both have the same gradient.
    - ``mlm``: mean cross-entropy over the labelled positions.
    - ``cos``: mean over non-pad tokens of 1 - cos(h_student, h_teacher), on the last hidden states.

    Args:
        student_logits, teacher_logits: (batch, tokens, vocab), before temperature.
        student_hidden, teacher_hidden: (batch, tokens, hidden).
        labels: (batch, tokens), -100 where nothing is predicted.
        attention_mask: (batch, tokens), 0 at padding.
        temperature: T of Appendix D.

    Returns:
        {"ce", "mlm", "cos"}: scalars. ``mlm`` is NaN if no position is labelled.
    """
    tokens = attention_mask.bool()
    return {
        "ce": kl_rows(student_logits[tokens], soften(teacher_logits[tokens], temperature), temperature),
        "mlm": F.cross_entropy(student_logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED),
        "cos": cosine_rows(student_hidden[tokens], teacher_hidden[tokens]),
    }


def kl_rows(student_logits: Tensor, teacher_log_probs: Tensor, temperature: float) -> Tensor:
    """L_ce over rows: T² times the mean KL divergence from the teacher's distribution.

    Args:
        student_logits: (n, vocab), before temperature.
        teacher_log_probs: (n, vocab), of :func:`soften`; made once for all students.
        temperature: T.
    """
    log_student = soften(student_logits, temperature)
    return temperature**2 * F.kl_div(log_student, teacher_log_probs, reduction="batchmean", log_target=True)


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Log probabilities (n, vocab) of logits divided by the temperature."""
    return F.log_softmax(_precise(logits) / temperature, dim=-1)


def mlm_rows(student_logits: Tensor, labels: Tensor) -> Tensor:
    """L_mlm over rows: logits (n, vocab) of the labelled positions, labels (n,)."""
    return F.cross_entropy(_precise(student_logits), labels)


def cosine_rows(student_hidden: Tensor, teacher_hidden: Tensor) -> Tensor:
    """L_cos over rows (n, hidden): mean of one minus the cosine."""
    return 1 - F.cosine_similarity(_precise(student_hidden), _precise(teacher_hidden), dim=-1).mean()


def _precise(values: Tensor) -> Tensor:
    """fp32 at least: the sums of a loss lose too much in bf16."""
    return values if values.dtype == torch.float64 else values.float()


def token_rows(attention_mask: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Flat positions (n,) that L_ce looks at: all non-pad tokens, or a random share of them, in order.

    The mean over a uniform random subset is an unbiased estimate of the mean over all tokens.
    """
    rows = attention_mask.flatten().nonzero().squeeze(1)
    if fraction < 1:
        count = max(1, round(fraction * len(rows)))
        rows = rows[torch.randperm(len(rows), generator=generator)[:count]].sort().values
    return rows
