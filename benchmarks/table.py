"""A row of the table: a goal and what was measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One goal.

    Attributes:
        letter, what: name and words of the goal.
        goal: the least that is asked for; the most, if ``at_most``.
        values: of the repeats, in ``unit``.
        details: shapes, seconds, bytes: what the values are made of.
    """

    letter: str
    what: str
    goal: float
    values: list[float]
    unit: str
    details: dict[str, Any] = field(default_factory=dict)
    at_most: bool = False

    @property
    def median(self) -> float:
        """Of the repeats."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        """Whether the median reaches the goal."""
        return self.median <= self.goal if self.at_most else self.median >= self.goal
