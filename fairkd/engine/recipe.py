"""How a model is trained, as data: Appendix D's values under their own names, and the learning-rate schedule."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from fairkd.engine.yaml_text import load_yaml
from fairkd.errors import InputError, one_of, shown
from fairkd.losses import LOSSES, NAMED_WEIGHTS

SETTINGS = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)
"""Of every group of a profile's parameters: what is not known or of another type is an error."""


def parameter(description: str, *, name: str | None = None, default: Any = ..., **limits: Any) -> Any:
    """A parameter of a profile: a field of a frozen class of settings.

    Args:
        description: what it is and its unit, for the parameters cell of a notebook.
        name: what files and notebooks call it, where that is not the field's own name.
        default: of the class; a profile's file must name every parameter all the same.
        limits: as for :func:`pydantic.Field`, such as ``gt=0``.
    """
    return Field(default, validation_alias=name, serialization_alias=name, description=description, **limits)


def read_list(value: Any) -> Any:
    """Lists become tuples; text such as "[0, 1]" (papermill's -p passes it so) is read as the list it shows."""
    value = _read(value, "[")
    return tuple(value) if isinstance(value, list) else value


def read_names(value: Any) -> Any:
    """As :func:`read_list`, for a list of texts: a text alone is refused with the list that was meant."""
    value = read_list(value)
    if isinstance(value, str):
        meant = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=math.inf).strip()
        raise ValueError(f"{shown(value)} must be a list such as {meant}")
    if not isinstance(value, tuple):
        raise ValueError(f"{shown(value)} must be a list of names")
    return value


def read_mapping(value: Any) -> Any:
    """Text such as "{ce: 1.0}" is read as the mapping it shows."""
    return _read(value, "{")


def _read(value: Any, bracket: str) -> Any:
    if not isinstance(value, str) or not value.strip().startswith(bracket):
        return value
    try:
        return load_yaml(value)
    except InputError as error:
        raise ValueError(f"{shown(value)} is not a complete list or mapping: {error}") from None


_NONE = ("None", "null", "Null", "NULL", "~")
_TRUTH = {name: truth for truth in (True, False) for name in (str(truth), str(truth).lower(), str(truth).upper())}


def read_word(value: Any, kind: Any) -> Any:
    """Text that spells None or a truth value becomes that, where a parameter takes one.

    Profile files and ``fairkd -p`` are YAML, which knows null and true; papermill's ``-p`` knows None and True. Each
    hands on the other's words as text.

    Args:
        value: of a parameter, as it came.
        kind: the parameter's type, such as ``int | None``.

    >>> read_word("null", int | None), read_word("True", bool), read_word("null", str)
    (None, True, 'null')
    """
    if not isinstance(value, str):
        return value
    if value in _NONE and type(None) in get_args(kind):
        return None
    return _TRUTH.get(value, value) if kind is bool else value


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=1e-9)]
"""A learning rate; a smaller one changes no weight in fp32."""
Count = Annotated[int, Field(ge=1, lt=2**63)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Betas = Annotated[tuple[float, float], BeforeValidator(read_list)]
Weights = Annotated[str | dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(read_mapping)]
Adapt = Literal["auto", "always", "never"]
"""Whether a teacher's MLM training is continued on the corpus; auto: if it has no MLM head."""


@dataclass(frozen=True)
class Schedule:
    """Which batches each update of a run reads, counted as the published program of DistilBERT counts them.

    Its counter of batches starts anew in each epoch. Where the window does not divide an epoch, the epoch's last
    batches are left over: they make no update of their own, and their gradients go into the next epoch's first, which
    divides by the window all the same. What the last epoch leaves over is never used, and not read here.

    Attributes:
        epoch: batches an epoch.
        window: batches an update.
        updates: of the run.
        planned: updates that the learning rate falls over; the program plans them as if nothing were left over.

    Ten batches, three an update, three epochs; the fourth update is the second epoch's first:

    >>> schedule = Recipe(batch_size=1, n_epoch=3, gradient_accumulation_steps=3).schedule(10)
    >>> schedule.updates, schedule.planned, list(schedule.batches(2)), list(schedule.batches(3))
    (9, 10, [6, 7, 8], [9, 10, 11, 12])
    """

    epoch: int
    window: int
    updates: int
    planned: int

    def batches(self, update: int) -> range:
        """The numbers, over all epochs, of the batches whose gradients an update (from 0) takes."""
        return range(self._end(update - 1) if update else 0, self._end(update))

    @property
    def batches_read(self) -> int:
        """By all updates together."""
        return self._end(self.updates - 1)

    def _end(self, update: int) -> int:
        epoch, place = divmod(update, self.epoch // self.window)
        return epoch * self.epoch + (place + 1) * self.window


EXECUTION = ("micro_batch_tokens", "checkpoint_every")
"""What is no part of a recipe's :meth:`Recipe.content`."""


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Recipe:
    """How a model is trained. Names and defaults are those of Appendix D; what the paper leaves out follows it.

    ``gradient_accumulation_steps`` batches make an update, counted anew in each epoch (:class:`Schedule`);
    ``max_steps`` (updates) stops before ``n_epoch`` does. ``micro_batch_tokens`` and ``checkpoint_every`` are
    matters of execution, which the result does not know (but see :mod:`fairkd.micro_batches` on dropout).
    """

    loss_weights: Weights = parameter(
        "distilbert (5, 2, 1), paper-sum (1, 1, 1) or {ce, mlm, cos}", default="distilbert"
    )
    temperature: Positive = parameter("softens both distributions in L_ce", default=2.0)
    mlm_mask_prop: Annotated[float, Field(gt=0, lt=1)] = parameter("share of tokens to predict", default=0.15)
    word_mask: Share = parameter("share of those shown as [MASK]", default=0.8)
    word_keep: Share = parameter("share of those left as they are", default=0.1)
    word_rand: Share = parameter("share of those replaced by a random token", default=0.1)
    mlm_smoothing: float = parameter("exponent: rare tokens are predicted more often", default=0.7, ge=0)
    n_epoch: Count = parameter("passes over the corpus", default=3)
    max_steps: Count | None = parameter("updates at most; None: n_epoch decides", default=None)
    batch_size: Count = parameter("sequences a batch", default=8)
    gradient_accumulation_steps: Count = parameter("batches an update", default=1)
    warmup_prop: Share = parameter("share of updates with rising learning rate", default=0.05)
    weight_decay: float = parameter("AdamW, not on biases and LayerNorm", default=0.0, ge=0)
    learning_rate: Rate = parameter("peak learning rate of the students", default=5e-4)
    max_grad_norm: Positive = parameter("global norm to which gradients are clipped", default=5.0)
    adam_epsilon: Positive = parameter("AdamW epsilon", default=1e-6)
    adam_betas: Betas = parameter("AdamW betas", default=(0.9, 0.98))
    initializer_range: Positive = parameter("standard deviation of weights that start random", default=0.02)
    dropout: float = parameter("dropout of students, and of a scratch teacher", default=0.1, ge=0, lt=1)
    freeze_positions: bool = parameter("keep the teacher's position embeddings fixed", default=True)
    ce_token_fraction: float = parameter("random share of tokens in L_ce; 1 is all", default=1.0, gt=0, le=1)
    micro_batch_tokens: Count | None = parameter(
        "tokens, padding included, of a forward pass at most; None: a batch on a CPU, what fits on a GPU", default=None
    )
    checkpoint_every: Count = parameter("updates between checkpoints", default=500)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss by name; a loss that a named weighting does not have gets its own default.

        Raises:
            InputError: no such named weighting.

        >>> Recipe(loss_weights="paper-sum").weights["ce"]
        1.0
        """
        if not isinstance(self.loss_weights, str):
            return dict(self.loss_weights)
        one_of(self.loss_weights, NAMED_WEIGHTS, "loss_weights")
        return {name: term.weight for name, term in LOSSES.items()} | NAMED_WEIGHTS[self.loss_weights]

    def content(self) -> dict[str, Any]:
        """The values that determine the result of a training without mixup."""
        return {name: value for name, value in asdict(self).items() if name not in EXECUTION}

    def schedule(self, sequences: int) -> Schedule:
        """The updates of a run over a corpus of so many sequences.

        Raises:
            InputError: no update would change a weight: there is none, or only one, at learning rate 0.
        """
        epoch, window = math.ceil(sequences / self.batch_size), self.gradient_accumulation_steps
        updates, planned = epoch // window * self.n_epoch, int(epoch / window * self.n_epoch)
        if self.max_steps is not None:
            updates, planned = min(updates, self.max_steps), min(planned, self.max_steps)
        if not updates or not learning_rate(updates - 1, planned, self):
            raise InputError(self._too_few(sequences, epoch, updates))
        return Schedule(epoch, window, updates, planned)

    def _too_few(self, sequences: int, epoch: int, updates: int) -> str:
        window, least = self.gradient_accumulation_steps, 2 if learning_rate(0, 1, self) == 0 else 1
        made = "one update, the one at learning rate 0 with which a warm-up begins" if updates else "no update"
        ways = []
        if epoch // window * self.n_epoch < least:
            most = epoch // (least if self.n_epoch < least else 1)
            ways.append(f"gradient_accumulation_steps of at most {most}" if most else "n_epoch of 2 or more")
            ways.append("more text")
        if self.max_steps is not None and self.max_steps < least:
            ways.append(f"max_steps of {least} or more, or null")
        if updates:
            ways.append("warmup_prop 0")
        return (
            f"no weight would change: an epoch of {sequences:,} sequences has {epoch:,} batches (batch_size "
            f"{self.batch_size}); with gradient_accumulation_steps {window}, n_epoch {self.n_epoch} and max_steps "
            f"{self.max_steps} they make {made}; allowed: {', '.join(ways)}"
        )


def check_steps(name: str, steps: int | None, recipe: Recipe) -> None:
    """Checks a number of updates before a corpus is known; the rule is that of :meth:`Recipe.schedule`.

    Args:
        name: of the parameter, for the message.
        steps: updates at most; None is no limit.
        recipe: of these updates.

    Raises:
        InputError: they change no weight.
    """
    if steps is not None and learning_rate(steps - 1, steps, recipe) == 0:
        raise InputError(
            f"{name}: {steps} is one update, the one at learning rate 0 with which a warm-up begins (warmup_prop "
            f"{recipe.warmup_prop:g}), so that no weight would change; allowed: 2 or more, or warmup_prop 0"
        )


def learning_rate(update: int, planned: int, recipe: Recipe) -> float:
    """Linear warm-up from 0, then linear decay, which ends one update after the last planned one (as DistilBERT's)."""
    horizon = planned + 1
    warmup = math.ceil(recipe.warmup_prop * horizon)
    factor = update / warmup if update < warmup else (horizon - update) / max(1, horizon - warmup)
    return recipe.learning_rate * factor
