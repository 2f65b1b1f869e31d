"""Arms: the students of the paper's grid, as data. Every number of the paper belongs to one of them.

An arm says how many layers a student has, which losses train it, and which teacher supervises it. Arms with
equal content are the same student, whatever their names: a store trains them once.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, field_validator

from fairkd.errors import InputError, nearest

LOSSES = ("ce", "mlm", "cos")
"""Section 2: L_ce (the teacher's logits), L_mlm (masked words), L_cos (the teacher's last hidden states)."""

NAMED: dict[str, tuple[str, ...]] = {
    "full": ("ce", "mlm", "cos"),
    "no-cos": ("ce", "mlm"),
    "no-ce": ("mlm", "cos"),
    "mlm-only": ("mlm",),
}
"""Arms of the profile's ``student_layers`` by name: their losses (Table 1; mlm-only is ours)."""


class Arm(BaseModel):
    """One student of the grid.

    Attributes:
        name: unique within a profile; a label only, it does not determine the student.
        layers: transformer layers of the student.
        losses: the loss terms that train it, a non-empty subset of ("ce", "mlm", "cos").
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    layers: int = Field(ge=1)
    losses: tuple[str, ...] = LOSSES

    @field_validator("losses", mode="before")
    @classmethod
    def _known_losses(cls, value: object) -> tuple[str, ...]:
        names = tuple(value) if isinstance(value, list | tuple) else (str(value),)
        for name in names:
            if name not in LOSSES:
                raise ValueError(f"loss {name!r} is unknown; allowed are {list(LOSSES)}.{nearest(name, LOSSES)}")
        if not names:
            raise ValueError(f"an arm needs at least one loss of {list(LOSSES)}")
        return tuple(name for name in LOSSES if name in names)

    def content(self) -> dict[str, object]:
        """What determines the student, without the name: equal content is the same student.

        Fields at their defaults are left out, so that a new kind of arm does not change the others' keys.
        """
        return {"layers": self.layers, "losses": list(self.losses)} | self.model_dump(
            exclude={"name", "layers", "losses"}, exclude_defaults=True, mode="json"
        )


def named_arm(name: str, *, student_layers: int) -> Arm:
    """The arm that the paper's tables call ``name``, at the depth of the arm "full".

    Raises:
        InputError: no such arm; names those there are.
    """
    if name not in NAMED:
        raise InputError(f"arm {name!r} is unknown; allowed are {list(NAMED)}.{nearest(name, NAMED)}")
    return Arm(name=name, layers=student_layers, losses=NAMED[name])


def capacity_arms(depths: Iterable[int]) -> list[Arm]:
    """The arms of Figure 1: all three losses at each depth."""
    return [Arm(name=f"capacity-{depth}", layers=depth) for depth in depths]
