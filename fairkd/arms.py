"""Arms: the students of the paper's grid, as data. Every number of the paper belongs to one of them.

An arm says how many layers a student has, which losses train it, where gender words are mixed, and which teacher
supervises it. Arms with equal content are the same student, whatever their names: a store trains them once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fairkd.engine.recipe import read_word
from fairkd.errors import InputError, nearest, shown
from fairkd.losses import LOSSES, check_loss, targets_of
from fairkd.mixup import LEVELS, mixes

DISTILBERT = ("ce", "mlm", "cos")
"""The losses of the arm "full" and of Figure 1: what the paper used (:data:`fairkd.losses.LOSSES` is what exists)."""

NAMED: dict[str, dict[str, Any]] = {
    "full": {},
    "no-cos": {"losses": ("ce", "mlm")},
    "no-ce": {"losses": ("mlm", "cos")},
    "mlm-only": {"losses": ("mlm",)},
    "debiased-teacher": {"teacher": "debiased"},
    "mixup-h": {"mix": ("h",)},
    "mixup-x": {"mix": ("x",)},
    "mixup-yh": {"mix": ("y", "h")},
    "mixup-xyh": {"mix": ("x", "y", "h")},
    "mixup-xy": {"mix": ("x", "y")},
    "mixup-y": {"mix": ("y",)},
    "mixup-xh": {"mix": ("x", "h")},
}
"""Arms of the profile's ``student_layers`` by name: in what they differ from "full", which has all three losses, no
mixup and the original teacher. Tables 1 and 2; mlm-only, mixup-y and mixup-xh are ours."""

GROUPS: dict[str, tuple[str, ...]] = {
    "table-1": ("full", "no-cos", "no-ce"),
    "table-2": ("full", "debiased-teacher", "mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy"),
    "ours": ("mlm-only", "mixup-y", "mixup-xh"),
}
"""Arms that a profile can name together: the paper's tables, and the three that it leaves out."""


class Arm(BaseModel):
    """One student of the grid.

    Attributes:
        name: unique within a profile; a label only, it does not determine the student.
        layers: transformer layers of the student.
        losses: the loss terms that train it, names of :data:`fairkd.losses.LOSSES`; one at least.
        mix: where gender words are mixed, names of :data:`fairkd.mixup.LEVELS`; None for no mixup.
        teacher: whom it learns from, "original" or "debiased".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    layers: int = Field(ge=1)
    losses: tuple[str, ...] = DISTILBERT
    mix: tuple[str, ...] | None = None
    teacher: Literal["original", "debiased"] = "original"

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: object) -> object:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                near = nearest(key, cls.model_fields) if isinstance(key, str) else ""
                raise ValueError(f"an arm has no {shown(key)}; it has {', '.join(cls.model_fields)}.{near}")
        return values

    @field_validator("losses", mode="before")
    @classmethod
    def _known_losses(cls, value: object) -> tuple[str, ...]:
        names = _subset(value, tuple(LOSSES), "loss")
        for name in names:
            check_loss(name)
        return names

    @field_validator("mix", mode="before")
    @classmethod
    def _known_levels(cls, value: object) -> tuple[str, ...] | None:
        value = read_word(value, None | str)
        return None if value is None else _subset(value, tuple(LEVELS), "mixup level")

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        for level in self.levels:
            what = LEVELS[level].mixes
            if mixes(self.levels, what) != level:
                raise ValueError(f"arm {self.name!r}: of the mixup levels {list(self.levels)} two mix the {what}")
            if what != "input" and what not in targets_of(self.losses):
                losses = " or ".join(repr(name) for name, term in LOSSES.items() if term.target == what)
                raise ValueError(f"arm {self.name!r}: mixup level {level!r} changes nothing without the loss {losses}")
        if self.teacher == "debiased" and not self.needs_teacher:
            raise ValueError(f"arm {self.name!r} has the debiased teacher, but no loss that a teacher takes part in")
        return self

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels at which it mixes; empty for no mixup."""
        return self.mix or ()

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher takes part in its losses."""
        return bool(targets_of(self.losses) - {"labels"})

    def content(self) -> dict[str, object]:
        """What determines the student, without the name: equal content is the same student.

        Fields at their defaults are left out, so that a new kind of arm does not change the others' keys.
        """
        return {"layers": self.layers, "losses": list(self.losses)} | self.model_dump(
            exclude={"name", "layers", "losses"}, exclude_defaults=True, mode="json"
        )


def _subset(value: object, allowed: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The names of ``value`` in the order of ``allowed``, checked."""
    names = tuple(value) if isinstance(value, list | tuple) else (value,)
    for name in names:
        if name not in allowed:
            near = nearest(name, allowed) if isinstance(name, str) else ""
            raise ValueError(f"{what} {shown(name)} is unknown; allowed are {list(allowed)}.{near}")
    if not names:
        raise ValueError(f"no {what} given: name at least one of {list(allowed)}, or leave the key out")
    return tuple(name for name in allowed if name in names)


def named_arm(name: str, *, student_layers: int) -> Arm:
    """The arm that the paper's tables call ``name``, at the depth of the arm "full".

    Raises:
        InputError: no such arm; names those, and the groups, there are.
    """
    if name not in NAMED:
        allowed = [*GROUPS, *NAMED]
        raise InputError(f"arm {shown(name)} is unknown; allowed are {allowed}.{nearest(name, allowed)}")
    return Arm(name=name, layers=student_layers, **NAMED[name])


def capacity_arms(depths: Iterable[int]) -> list[Arm]:
    """The arms of Figure 1: all three losses at each depth."""
    return [Arm(name=f"capacity-{depth}", layers=depth) for depth in depths]
