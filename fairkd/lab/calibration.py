"""How good each ruler of bias is, where the bias is known: the planted strengths of the controlled experiment.

Of every strength there are teachers, each with its own draw of the text, and students of the arm "full". A *dose* is
the strength, or its size for a score that has no sign. Everything is resampled over items and teachers together; the
same draws stand at every strength, so that slopes and differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import numpy as np
import pandas as pd

from fairkd.arms import Arm
from fairkd.bias.effects import Effects
from fairkd.bias.ruler import estimate_models, on_common_items, over_seeds
from fairkd.bias.rulers import RULERS, planted_score
from fairkd.bias.stimuli import TESTS
from fairkd.claims.contrasts import POWER
from fairkd.errors import InputError
from fairkd.frames import CALIBRATION, CALIBRATION_SCORES, COVERAGE
from fairkd.lab.bias import Bias
from fairkd.lab.materials import Materials
from fairkd.lab.measuring import Job, measure_seat
from fairkd.lab.rulers import Rulers, measure_rulers
from fairkd.names import TEACHER, TEST_TITLES
from fairkd.profile import Profile
from fairkd.stats.estimates import Estimate

STUDENT = "full"
"""The arm that is compared with the teacher."""


def ruler_title(name: str) -> str:
    """Of a ruler, short, or of SEAT, with a pooling or without."""
    if name.startswith("seat-"):
        return f"SEAT, {name.removeprefix('seat-')} pooling"
    if name in ("pair-preference", "pair-preference-aul"):
        return name.replace("-aul", ", unmasked").replace("-", " ")
    return RULERS[name].title if name in RULERS else name


def score_title(ruler: str, name: str) -> str:
    """Of a score of a ruler, or of SEAT with a pooling.

    >>> score_title("counterfactual", "in-d"), score_title("seat-mean", "signed")
    ('mean divergence, words of D', 'mean d of six tests')
    """
    if ruler.startswith("seat-"):
        return _SEAT_SCORES.get(name) or f"d of {TEST_TITLES[name]}"
    scores = RULERS[ruler].scores if ruler in RULERS else ()
    return next((score.title for score in scores if score.name == name), name)


_SEAT_SCORES = {
    "signed": "mean d of six tests",
    "average": "mean |d| of six tests",
    "words of D": "mean |d| of tests with words of D",
    "names": "mean |d| of tests with names",
}


@dataclass(frozen=True)
class Response:
    """What one score shows of one kind of model at every planted strength.

    Attributes:
        ruler, score: names; SEAT stands beside the rulers, once a pooling.
        model: "teacher" or the arm.
        neutral: the score where there is no bias.
        size: whether it grows with the size of an association, whatever its sign.
        at: by strength.
        alone: of each seed by itself, where nothing is planted.
    """

    ruler: str
    score: str
    model: str
    neutral: float
    size: bool
    at: Mapping[float, Estimate]
    alone: tuple[Estimate, ...]

    @property
    def name(self) -> dict[str, str]:
        """As the columns ruler, score, model."""
        return {"ruler": self.ruler, "score": self.score, "model": self.model}

    def slope(self) -> Estimate:
        """Least squares of the score on the dose: what a strength of 1 adds to it."""
        doses = np.array([abs(rho) if self.size else rho for rho in self.at])
        weights = (doses - doses.mean()) / ((doses - doses.mean()) ** 2).sum()
        return weighted_sum(list(self.at.values()), weights)

    def zero(self) -> Estimate:
        """The score where nothing is planted, less the neutral value."""
        return self._beside_neutral(0.0)

    def _beside_neutral(self, rho: float) -> Estimate:
        found = self.at[rho]
        return Estimate(found.value - self.neutral, found.replicates - self.neutral, found.by_seed - self.neutral)

    def noise(self) -> float:
        """Standard deviation of one seed's score at a strength, the mean variance over strengths."""
        return float(np.sqrt(np.mean([found.by_seed.var(ddof=1) for found in self.at.values()])))

    def power(self, size: float) -> float:
        """How often a run like this tells a planted strength of this size from none, by a 95 % interval.

        By what the score is there and how it varies there, not by the line through all strengths: scores may rise
        slowly at first, and vary most where most is planted. Of both signs the lower.
        """
        return min(found.power(0.95, side=side) for found, side in self._beside_none(size))

    def power_interval(self, size: float) -> tuple[float, float]:
        """Of :meth:`power`, with 95 %; of the sign that has the lower."""
        found, side = min(self._beside_none(size), key=lambda one: one[0].power(0.95, side=one[1]))
        return found.power_interval(0.95, side=side)

    def _beside_none(self, size: float) -> list[tuple[Estimate, int]]:
        """Of each sign: how far the score lies from where nothing is planted, and on which side it should."""
        return [
            (self.at[rho] - self.at[0.0] if self.size else self._beside_neutral(rho), 1 if self.size or rho > 0 else -1)
            for rho in self.at
            if abs(rho) == size
        ]

    def smallest(self) -> float:
        """The smallest planted size that is told from none with 80 % power, as all larger ones are; inf for none."""
        found = math.inf
        for size in sorted({abs(rho) for rho in self.at if rho}, reverse=True):
            if not self.power(size) >= POWER:
                break
            found = size
        return found


def weighted_sum(estimates: list[Estimate], weights: np.ndarray) -> Estimate:
    """Of paired estimates: value, replicates and seeds alike."""
    return Estimate(
        float(weights @ [one.value for one in estimates]),
        weights @ np.stack([one.replicates for one in estimates]),
        weights @ np.stack([one.by_seed for one in estimates]),
    )


class Calibration:
    """All rulers on teachers and students of every planted strength: what a notebook has as ``exp.calibration``.

    Everything must have been trained; what the store lacks is measured when asked for.
    """

    def __init__(self, profile: Profile, *, progress: bool = True) -> None:
        self.profile, self.progress = profile, progress

    @cached_property
    def worlds(self) -> dict[float, Materials]:
        """Materials by strength.

        Raises:
            InputError: the profile has no planted strengths, or none of them is zero.
        """
        strengths = self.profile.planted_strengths
        if not strengths or 0.0 not in strengths or len({abs(rho) for rho in strengths}) < 2:
            raise InputError(
                f"planted_strengths: {strengths and list(strengths)} must be 0 and others, as in the profile 'planted'"
            )
        return {rho: Materials(world, progress=self.progress) for rho, world in self.profile.worlds().items()}

    @property
    def arm(self) -> Arm:
        """The students' arm, :data:`STUDENT`; raises InputError if the profile does not have it."""
        found = [arm for arm in self.profile.all_arms() if arm.name == STUDENT]
        if not found:
            raise InputError(f"arms: the calibration needs the arm {STUDENT!r}")
        return found[0]

    @cached_property
    def responses(self) -> list[Response]:
        """Of every score, of teacher and student."""
        jobs: list[Job] = [(world, [None, self.arm]) for world in self.worlds.values()]
        measure_seat(jobs)
        measure_rulers(jobs)
        return [*self._of_seat(), *self._of_rulers()]

    def scores(self) -> pd.DataFrame:
        """Every score at every strength: the columns :data:`fairkd.frames.CALIBRATION_SCORES`."""
        rows = []
        for response in self.responses:
            for rho, found in response.at.items():
                low, high = found.interval()
                row = response.name | {"strength": rho, "seeds": len(found.by_seed), "value": found.value}
                rows.append(row | {"low": low, "high": high})
        return pd.DataFrame(rows, columns=CALIBRATION_SCORES)

    def table(self) -> pd.DataFrame:
        """Slope, noise, power and zero of every score: the columns :data:`fairkd.frames.CALIBRATION`."""
        rows = []
        for response in self.responses:
            slope, zero = response.slope(), response.zero()
            row = response.name | {"size": response.size, "seeds": len(zero.by_seed), "slope": slope.value}
            row |= dict(zip(("slope_low", "slope_high"), slope.interval(), strict=True))
            noise = response.noise()
            row |= {"noise": noise, "noise_in_strength": noise / abs(slope.value) if slope.value else math.inf}
            strongest = max(map(abs, response.at))
            row |= {"p": slope.p(), "strongest": strongest, "power": response.power(strongest)}
            row |= dict(zip(("power_low", "power_high"), response.power_interval(strongest), strict=True))
            row |= {"smallest": response.smallest()}
            row |= {"zero": zero.value} | dict(zip(("zero_low", "zero_high"), zero.interval(), strict=True))
            rows.append(row)
        return pd.DataFrame(rows, columns=CALIBRATION)

    def coverage(self) -> pd.DataFrame:
        """Whether intervals hold the truth where nothing is planted: the columns :data:`fairkd.frames.COVERAGE`.

        Scores with a sign only: of the others the truth is not known. A row a seed has an interval over items alone,
        and one with seed -1 an interval over items and all seeds.
        """
        rows = []
        for response in (response for response in self.responses if not response.size):
            of_teachers = response.model == TEACHER or len(self.profile.teacher_seeds) > 1
            names = self.profile.teacher_seeds if of_teachers else self.profile.student_seeds
            for seed, found in zip((-1, *names), (response.at[0.0], *response.alone), strict=True):
                low, high = (end - response.neutral for end in found.interval())
                rows.append(response.name | {"seed": seed, "low": low, "high": high, "covers": low <= 0 <= high})
        return pd.DataFrame(rows, columns=COVERAGE)

    def agreement(self, *, model: str = STUDENT, within: bool = False) -> pd.DataFrame:
        """Pearson's r of each two rulers' scores of what is planted, over seeds and strengths.

        ``within``: of the deviations from the mean of a strength, whether rulers see the same chance in the models.
        """
        columns = {}
        for response in self.responses:
            if response.model == model and planted_score(response.ruler) == response.score:
                values = np.stack([found.by_seed for found in response.at.values()])
                columns[response.ruler] = (values - values.mean(axis=1, keepdims=True) if within else values).ravel()
        return pd.DataFrame(columns).corr()

    def _of_seat(self) -> Iterator[Response]:
        """SEAT as published, once a pooling: mean d, mean |d|, and d of each test."""
        for pooling in self.profile.seat.poolings:
            worlds = {rho: Bias(world).effects([self.arm], pooling) for rho, world in self.worlds.items()}
            scores: dict[str, Callable[[Effects], Estimate]] = {"signed": Effects.signed, "average": Effects.average}
            scores |= {test: partial(Effects.signed, tests=(test,)) for test in TESTS}
            for score, of in scores.items():
                for model in (TEACHER, STUDENT):
                    at = {rho: of(effects[model]) for rho, effects in worlds.items()}
                    alone = tuple(of(own) for own in worlds[0.0][model].each_seed())
                    yield Response(f"seat-{pooling}", score, model, 0.0, score == "average", at, alone)

    def _of_rulers(self) -> Iterator[Response]:
        """The other rulers, on the items of which every model at every strength has a value."""
        by_strength = {rho: Rulers(world) for rho, world in self.worlds.items()}
        for ruler in RULERS.values():
            measured = {rho: own.measured(ruler, [self.arm]) for rho, own in by_strength.items()}
            items = on_common_items({(rho, arm): own[arm] for rho, own in measured.items() for arm in own})
            for score, model in product(ruler.scores if items else (), (TEACHER, STUDENT)):
                found = partial(estimate_models, ruler, score, n_bootstrap=self.profile.seat.bootstrap)
                each = {rho: found(items[rho, model]) for rho in self.worlds}
                at = {rho: over_seeds(models) for rho, models in each.items()}
                alone = tuple(over_seeds([group]) for group in each[0.0])
                if all(np.isfinite(one.value) for one in at.values()):
                    yield Response(ruler.name, score.name, model, score.neutral, score.size, at, alone)
