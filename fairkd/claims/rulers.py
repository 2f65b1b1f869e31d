"""The score of any ruler of :mod:`fairkd.bias` as a ruler of claims, beside average SEAT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fairkd.bias.ruler import Ruler, Score
from fairkd.claims.bias import BiasOfArms
from fairkd.errors import InputError
from fairkd.stats.estimates import Estimate


@dataclass(frozen=True)
class AverageScore(BiasOfArms):
    """A score of each arm, the mean over its seeds.

    Attributes:
        ruler: that measured.
        score: of it; one of which a higher value is more bias.
        estimates: of each arm by name, over the same resampled items.

    Raises:
        InputError: a higher value of the score is not more bias.
    """

    ruler: Ruler
    score: Score
    estimates: Mapping[str, Estimate]
    by_pooling: ClassVar[bool] = False
    over: ClassVar[str] = "items"

    def __post_init__(self) -> None:
        if not self.score.higher_is_more:
            raise InputError(
                f"the score {self.score.name!r} of the ruler {self.ruler.name!r} cannot judge claims: "
                f"a higher value of it is not more bias"
            )

    @property
    def measured(self) -> Iterable[str]:
        return self.estimates

    @property
    def called(self) -> str:
        unit = f", {self.score.unit}" if self.score.unit else ""
        return f"{self.ruler.title} ({self.score.title}{unit})"

    def estimate(self, arm: str) -> Estimate:
        return self.estimates[arm]
