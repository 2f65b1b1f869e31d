"""Mixup in distillation (Section 5.1): where a gender word stands, two readings of it are mixed.

    x̄ = λ x_male + (1 - λ) x_female        the student's word embeddings (before position and LayerNorm)
    ȳ = λ y_male + (1 - λ) y_female        the teacher's logits, before temperature
    h̄ = λ h_male + (1 - λ) h_female        the teacher's last hidden states ("output embeddings" of Table 2)

with λ ~ Beta(α, α). The teacher reads discrete text only: once as it is, and once with all visible pair words of the
sequence exchanged. At a position the original word's gender decides which of the two readings is the male one. All
other positions keep (x, y, h), and L_mlm keeps its hard labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fairkd.errors import InputError, one_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fairkd.gender import Occurrences, PairTable

SCOPES: dict[str, Callable[[Occurrences, int, int], tuple[int, Tensor]]] = {
    "sequence": lambda words, batch, tokens: (batch, words.at // tokens),
    "batch": lambda words, batch, tokens: (1, words.at.new_zeros(words.at.shape)),
    "occurrence": lambda words, batch, tokens: (int(words.occurrence.max()) + 1, words.occurrence),
}
"""What shares one λ: (pair words, sequences, tokens of a sequence) -> how many λ to draw, and which each piece has."""


@dataclass(frozen=True)
class Mixup:
    """How a run mixes; which levels an arm mixes is the arm's own.

    Attributes:
        pairs: the set D.
        alpha: λ ~ Beta(alpha, alpha).
        scope: what shares one λ, one of :data:`SCOPES`.
        counterpart: where the other word's logits come from, one of :data:`COUNTERPARTS`.

    Raises:
        InputError: no such scope or counterpart.
    """

    pairs: PairTable
    alpha: float = 0.4
    scope: str = "sequence"
    counterpart: str = "pass"

    def __post_init__(self) -> None:
        one_of(self.scope, SCOPES, "lambda_scope")
        one_of(self.counterpart, COUNTERPARTS, "counterpart")


@dataclass(frozen=True)
class Mixing:
    """Where the n visible pieces of gender words stand in one masked batch, and how they are mixed.

    Attributes:
        at: (n,) flat positions in the batch.
        own, counterpart: (n,) ids of what stands there and of the other word's piece.
        male: (n,) whether the male word stands there.
        lam: (n,) λ, the weight of the male reading.
        swapped: (r, tokens) corrupted ids of the r sequences with a gender word, these words exchanged.
        swapped_mask: (r, tokens) their attention mask.
        swapped_at: (n,) flat positions in ``swapped``.
        ce_at, ce_of: (m,) those of the n positions that L_ce looks at: where they stand among ``ce_rows``, and which
            of the n they are.
    """

    at: Tensor
    own: Tensor
    counterpart: Tensor
    male: Tensor
    lam: Tensor
    swapped: Tensor
    swapped_mask: Tensor
    swapped_at: Tensor
    ce_at: Tensor
    ce_of: Tensor


def plan_mixing(
    input_ids: Tensor,
    corrupted: Tensor,
    attention_mask: Tensor,
    ce_rows: Tensor,
    mixup: Mixup,
    generator: torch.Generator,
) -> Mixing | None:
    """What is mixed in a batch; None if no gender word is visible.

    Args:
        input_ids, corrupted, attention_mask: (batch, tokens) on the CPU, before and after masking.
        ce_rows: (k,) flat positions that L_ce looks at.
        mixup: pairs, α and scope.
        generator: of λ.
    """
    import torch

    from fairkd.gender import swap

    words = mixup.pairs.find(input_ids, corrupted)
    if not len(words.at):
        return None
    tokens = input_ids.shape[1]
    rows, row_of = torch.unique_consecutive(words.at // tokens, return_inverse=True)
    number, which = SCOPES[mixup.scope](words, len(input_ids), tokens)
    place = torch.full((input_ids.numel(),), -1).index_copy(0, ce_rows, torch.arange(len(ce_rows)))[words.at]
    ce_of = (place >= 0).nonzero().squeeze(1)
    return Mixing(
        at=words.at,
        own=corrupted.flatten()[words.at],
        counterpart=words.counterpart,
        male=words.male,
        lam=draw_lambda(mixup.alpha, number, generator)[which].float(),
        swapped=swap(corrupted, words)[rows],
        swapped_mask=attention_mask[rows],
        swapped_at=row_of * tokens + words.at % tokens,
        ce_at=place[ce_of],
        ce_of=ce_of,
    )


def draw_lambda(alpha: float, size: int, generator: torch.Generator) -> Tensor:
    """λ (size,) ~ Beta(alpha, alpha), float64, from uniform draws through the quantile function.

    Equal generators thus give comparable λ for different α: the same draw, stretched.

    Raises:
        InputError: alpha is not above 0.
    """
    if not alpha > 0:
        raise InputError(f"alpha: {alpha!r} must be above 0; λ is drawn from Beta(alpha, alpha)")
    import torch
    from scipy.special import betaincinv

    uniform = torch.rand(size, generator=generator, dtype=torch.float64)
    return torch.from_numpy(betaincinv(alpha, alpha, uniform.numpy()))


def mix(own: Tensor, other: Tensor, *, male: Tensor, lam: Tensor) -> Tensor:
    """λ · male + (1 - λ) · female, for values (n, …) of the word that stands there and of its counterpart.

    Args:
        own, other: (n, …).
        male: (n,) whether the word that stands there is the male one.
        lam: (n,) λ.
    """
    shape = (-1, *[1] * (own.dim() - 1))
    male, lam = male.view(shape), lam.view(shape)
    return lam * own.where(male, other) + (1 - lam) * other.where(male, own)


def mixed_embeddings(student: Any, ids: Tensor, mixing: Mixing) -> Tensor:
    """x̄: the student's word embeddings (batch, tokens, hidden) of the ids, mixed where gender words stand."""
    embed = student.get_input_embeddings()
    plain = embed(ids)
    flat = plain.flatten(0, 1)
    mixed = mix(flat.index_select(0, mixing.at), embed(mixing.counterpart), male=mixing.male, lam=mixing.lam)
    return flat.index_copy(0, mixing.at, mixed.to(flat.dtype)).view_as(plain)


def mixed_hidden(hidden: Tensor, swapped_hidden: Tensor, mixing: Mixing) -> Tensor:
    """h̄: the teacher's hidden states (batch, tokens, hidden), mixed with those of ``swapped`` (r, tokens, …)."""
    flat = hidden.flatten(0, 1)
    other = swapped_hidden.flatten(0, 1).index_select(0, mixing.swapped_at)
    mixed = mix(flat.index_select(0, mixing.at), other, male=mixing.male, lam=mixing.lam)
    return flat.index_copy(0, mixing.at, mixed.to(flat.dtype)).view_as(hidden)


def mixed_logits(own: Tensor, other: Tensor, mixing: Mixing) -> Tensor:
    """ȳ: logits (m, vocab) at those gender words that L_ce looks at, from the two readings, before temperature."""
    return mix(own, other, male=mixing.male[mixing.ce_of], lam=mixing.lam[mixing.ce_of])


def exchanged_logits(own: Tensor, mixing: Mixing) -> Tensor:
    """The other reading without a second pass: logits (m, vocab) with those of the pair's two words exchanged."""
    here, there = (ids[mixing.ce_of][:, None] for ids in (mixing.own, mixing.counterpart))
    return own.scatter(1, here, own.gather(1, there)).scatter(1, there, own.gather(1, here))


COUNTERPARTS: dict[str, Callable[[Tensor, Mixing], Tensor] | None] = {"pass": None, "vocabulary": exchanged_logits}
"""Where the other word's logits come from: a second pass of the teacher (None), or the vocabulary of the one pass."""


@dataclass(frozen=True)
class Level:
    """A place where an arm can mix.

    Attributes:
        mixes: the "input" of the student, or the "logits" or last "hidden" states of the teacher.
        mix: how; :func:`mixed_embeddings`, :func:`mixed_logits` or :func:`mixed_hidden`, or another of that kind.
    """

    mixes: Literal["input", "logits", "hidden"]
    mix: Callable[..., Tensor]

    def __post_init__(self) -> None:
        one_of(self.mixes, ("input", "logits", "hidden"), "what a mixup level mixes")


LEVELS = {
    "x": Level("input", mixed_embeddings),
    "y": Level("logits", mixed_logits),
    "h": Level("hidden", mixed_hidden),
}
"""Section 5: x̄, ȳ and h̄ ("output embeddings" of Table 2). An arm names those that it mixes, at most one of a kind."""
PAPER_LEVELS = ("x", "y", "h")
"""What the paper mixes; :data:`LEVELS` is what there is."""


def mixes(levels: Iterable[str], what: str) -> str | None:
    """The level among these that mixes the "input", "logits" or "hidden" states; None if none does.

    >>> mixes(("x", "y"), "logits"), mixes(("x", "y"), "hidden")
    ('y', None)
    """
    return next((name for name in levels if LEVELS[name].mixes == what), None)
