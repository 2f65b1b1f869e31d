"""The losses of a student (Section 2): L_ce, L_mlm and L_cos, and the table of all that there are.

Which form trains? :func:`distillation_losses` is the reference, on full logits: no training calls it, tests and the
notebook 00_method do. L_ce and L_mlm are trained in their fused form (:mod:`fairkd.engine.fused_losses`), which never
holds all logits; a loss of hidden states is trained in the row form that stands in :data:`LOSSES`.

Functions import torch themselves, as it takes seconds: who only asks which losses there are does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fairkd.errors import InputError, one_of
from fairkd.frames import TRAINING_METRICS

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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

    A student that says of each of its three tokens what its teacher says has only the words to learn:

    >>> import torch
    >>> logits, hidden, mask = torch.zeros(1, 3, 8), torch.ones(1, 3, 4), torch.ones(1, 3)
    >>> labels = torch.tensor([[-100, 5, -100]])
    >>> losses = distillation_losses(logits, logits, hidden, hidden, labels, mask)
    >>> {name: round(loss.item(), 3) for name, loss in losses.items()}  # ln 8 = 2.079
    {'ce': 0.0, 'mlm': 2.079, 'cos': 0.0}
    """
    import torch.nn.functional as F

    from fairkd.masking import IGNORED

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
    import torch.nn.functional as F

    log_student = soften(student_logits, temperature)
    return temperature**2 * F.kl_div(log_student, teacher_log_probs, reduction="batchmean", log_target=True)


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Log probabilities (n, vocab) of logits divided by the temperature."""
    return (_precise(logits) / temperature).log_softmax(dim=-1)


def mlm_rows(student_logits: Tensor, labels: Tensor) -> Tensor:
    """L_mlm over rows: logits (n, vocab) of the labelled positions, labels (n,)."""
    import torch.nn.functional as F

    return F.cross_entropy(_precise(student_logits), labels)


def cosine_rows(student_hidden: Tensor, teacher_hidden: Tensor, shares: Tensor | None = None) -> Tensor:
    """L_cos over rows (n, hidden): mean of one minus the cosine, with ``shares`` (n,) of 1 in all a weighted one."""
    import torch.nn.functional as F

    cosines = F.cosine_similarity(_precise(student_hidden), _precise(teacher_hidden), dim=-1)
    return 1 - (cosines.mean() if shares is None else cosines @ shares.to(cosines.dtype))


@dataclass(frozen=True)
class LossTerm:
    """One loss that a student can be trained with.

    Attributes:
        target: what the student is compared with: the teacher's "logits", its last "hidden" states, or the "labels"
            of masked words, for which no teacher is needed.
        rows: its row form, a scalar from n rows of the student and of the target; trains where the target is
            "hidden": (student (n, hidden), teacher (n, hidden)).
        weight: in the sum, where neither recipe nor profile gives one.
    """

    target: Literal["logits", "labels", "hidden"]
    rows: Callable[..., Tensor]
    weight: float = 1.0

    def __post_init__(self) -> None:
        one_of(self.target, ("logits", "labels", "hidden"), "a loss's target")


LOSSES = {
    "ce": LossTerm("logits", kl_rows),
    "mlm": LossTerm("labels", mlm_rows),
    "cos": LossTerm("hidden", cosine_rows),
}
"""What exists, in the order in which terms are summed; what the paper used is :data:`fairkd.arms.DISTILBERT`. A new
loss of hidden states is a function and a line here: arms may then name it, and weights, keys of the store (with the
function's source), training curves and their titles have it, while "full" stays what it was."""

FUSED = {"ce": kl_rows, "mlm": mlm_rows}
"""Those that :mod:`fairkd.engine.fused_losses` trains, and what it computes. Any other must compare hidden states."""
NAMED_WEIGHTS = {
    "distilbert": {"ce": 5.0, "mlm": 2.0, "cos": 1.0},  # the released DistilBERT's
    "paper-sum": {"ce": 1.0, "mlm": 1.0, "cos": 1.0},  # the plain sum that Section 2 prints
}
RESERVED = ("arm", "layers", "seed", *TRAINING_METRICS)
"""Columns of the training curves: no loss may have such a name."""


def check_loss(name: str) -> None:
    """Raises InputError for a loss that no training could take or write down.

    >>> check_loss("cos")
    """
    term = LOSSES[name]
    if name in FUSED and term.rows is not FUSED[name]:
        raise InputError(
            f"loss {name!r} is trained in its fused form (fairkd.engine.fused_losses), which an entry does not change; "
            "give yours a name of its own"
        )
    if name not in FUSED and term.target != "hidden":
        raise InputError(
            f"loss {name!r} compares {term.target}, which only {' and '.join(FUSED)} are trained with; a loss of your "
            "own compares 'hidden' states"
        )
    if not re.fullmatch("[a-z][a-z0-9]*", name) or name in RESERVED:
        raise InputError(
            f"loss {name!r}: a name has small letters and digits only, and is none of {', '.join(RESERVED)}"
        )


def targets_of(losses: Iterable[str]) -> set[str]:
    """What a student with these losses is compared with; without "logits" and "hidden" it needs no teacher.

    >>> sorted(targets_of(["mlm", "cos"]))
    ['hidden', 'labels']
    """
    return {LOSSES[name].target for name in losses}


def _precise(values: Tensor) -> Tensor:
    """fp32 at least: the sums of a loss lose too much in bf16."""
    import torch

    return values if values.dtype == torch.float64 else values.float()


def token_rows(attention_mask: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Flat positions (n,) that L_ce looks at: all non-pad tokens, or a random share of them, in order.

    The mean over a uniform random subset is an unbiased estimate of the mean over all tokens.
    """
    import torch

    rows = attention_mask.flatten().nonzero().squeeze(1)
    if fraction < 1:
        count = max(1, round(fraction * len(rows)))
        rows = rows[torch.randperm(len(rows), generator=generator)[:count]].sort().values
    return rows
