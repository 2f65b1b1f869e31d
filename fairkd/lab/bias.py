"""SEAT of a profile's students and teachers as tidy tables, over seeds and resampled words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, product

import numpy as np
import pandas as pd

from fairkd.arms import Arm, capacity_arms
from fairkd.bias import comparisons
from fairkd.bias.effects import Effects
from fairkd.claims.claims import judge
from fairkd.errors import one_of
from fairkd.frames import RULER_COMPONENTS, SEAT_SCORES
from fairkd.lab.materials import Materials, ModelGroups
from fairkd.lab.measuring import measure_seat
from fairkd.lab.rulers import components_of
from fairkd.names import TEACHER
from fairkd.teachers.checkpoints import Teacher

_COMPONENT_SCORES = {"average": Effects.average, "signed": Effects.signed}
WITHOUT_SEAT_WORDS = "debiased without SEAT's words"
"""What the teacher is called that was debiased without the words that SEAT tests."""


class Bias:
    """SEAT of students that have been trained: measured when asked for, cached in the store.

    What a notebook has as ``exp.bias``. Every frame has a row a pooling, the headline first; its columns are those of
    the function of :mod:`fairkd.bias.comparisons` that it names, and ``pooling``.
    """

    def __init__(self, materials: Materials) -> None:
        self.materials, self.profile = materials, materials.profile

    def scores(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Effect sizes: a row an arm, seed, pooling and test; a teacher's rows have arm "teacher" and its seed.

        Columns: :data:`fairkd.frames.SEAT_SCORES`.
        """
        materials, frames = self.materials, []
        measure_seat([(materials, [None, *arms])])
        for own in materials.family:
            about = {"arm": TEACHER, "layers": own.teacher.record["layers"], "seed": own.teacher_seed}
            frames.append(own.measure(own.teacher)[0].assign(**about))
        for arm in arms:
            for seed, (own, student) in zip(self.profile.student_seeds, chain(*materials.groups(arm)), strict=True):
                frames.append(own.measure(student)[0].assign(arm=arm.name, layers=arm.layers, seed=seed))
        return pd.concat(frames, ignore_index=True)[SEAT_SCORES]

    def tests(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The six tests over all seeds, see :func:`fairkd.bias.comparisons.tests`; a row an arm, pooling and test."""
        return self._by_pooling(arms, comparisons.tests)

    def averages(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Average SEAT, see :func:`fairkd.bias.comparisons.seat_averages`; a row an arm and pooling."""
        return self._by_pooling(arms, comparisons.seat_averages)

    def correlation(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Pearson's r of Figure 1, see :func:`fairkd.bias.comparisons.with_depth`; a row a pooling."""
        return self._by_pooling(arms, comparisons.with_depth, teacher=False)

    def differences(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """Average SEAT of each arm minus the baseline's, see :func:`fairkd.bias.comparisons.seat_differences`.

        Raises:
            InputError: ``baseline`` is none of the arms.
        """
        return self._by_pooling(
            arms, lambda effects, _: comparisons.seat_differences(effects, baseline=baseline), teacher=False
        )

    def behind_the_lowest(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """How far each arm is from the lowest, see :func:`fairkd.bias.comparisons.behind_the_lowest`."""
        return self._by_pooling(arms, lambda effects, _: comparisons.behind_the_lowest(effects), teacher=False)

    def components(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """How much of the chance in a difference of SEAT is in its words, in the students and in the teachers.

        Of mean |d| and of mean d, by pooling: the columns :data:`fairkd.frames.RULER_COMPONENTS`, with the rulers
        "seat-mean" and so on; see :func:`fairkd.lab.rulers.components_of`.

        Raises:
            InputError: ``baseline`` is none of the arms.
        """
        one_of(baseline, [arm.name for arm in arms], "baseline")
        measure_seat([(self.materials, [None, *arms])])
        rows = []
        for pooling, (score, value) in product(self.profile.seat.poolings, _COMPONENT_SCORES.items()):
            each = {
                arm.name: [
                    [value(self.of([[pair]], pooling)) for pair in group] for group in self.materials.groups(arm)
                ]
                for arm in arms
            }
            for arm, groups in ((arm, own) for arm, own in each.items() if arm != baseline):
                pairs = [zip(own, other, strict=True) for own, other in zip(groups, each[baseline], strict=True)]
                differences = [[ours - theirs for ours, theirs in group] for group in pairs]
                row = {
                    "arm": arm,
                    "baseline": baseline,
                    "seeds": len(groups),
                    "ruler": f"seat-{pooling}",
                    "score": score,
                }
                rows.append(row | components_of(differences, teachers=len(self.profile.teacher_seeds)))
        return pd.DataFrame(rows, columns=RULER_COMPONENTS)

    def claims(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The paper's claims that these arms and their teacher can speak to, judged; a row a claim and pooling."""
        depths = {arm.name: arm.layers for arm in capacity_arms(self.profile.depths) if arm in arms}

        def judged(effects: dict[str, Effects], _: dict[str, int]) -> pd.DataFrame:
            verdicts = judge(effects, layers=depths)
            return verdicts[verdicts.verdict != "not run"]

        return self._by_pooling(arms, judged)

    def teachers(self) -> pd.DataFrame:
        """Average SEAT of the teacher and of the debiased ones (:meth:`debiased`); a row a teacher and pooling."""
        found: dict[str, ModelGroups] = {}
        for own in self.materials.family:
            for name, teacher in {"original": own.teacher, **self.debiased(own)}.items():
                found.setdefault(name, []).append([(own, teacher)])
        layers = dict.fromkeys(found, int(self.materials.teacher.record["layers"]))
        poolings = self.profile.seat.poolings
        frames = [
            comparisons.seat_averages({name: self.of(own, pooling) for name, own in found.items()}, layers)
            for pooling in poolings
        ]
        return pd.concat([f.assign(pooling=p) for f, p in zip(frames, poolings, strict=True)], ignore_index=True)

    def debiased(self, materials: Materials | None = None) -> dict[str, Teacher]:
        """The debiased teacher if an arm has it, and the one :data:`WITHOUT_SEAT_WORDS` if the profile compares it.

        Of the profile's first teacher, or of that of these materials.
        """
        _, *debiased = (materials or self.materials).every_teacher()
        return dict(zip(("debiased", WITHOUT_SEAT_WORDS), debiased, strict=False))

    def effects(self, arms: Sequence[Arm], pooling: str, *, teacher: bool = True) -> dict[str, Effects]:
        """Effect sizes and replicates by arm, the teacher first."""
        models = {TEACHER: self.materials.groups(None)} if teacher else {}
        models |= {arm.name: self.materials.groups(arm) for arm in arms}
        measure_seat([(self.materials, [*([None] if teacher else []), *arms])])
        return {name: self.of(own, pooling) for name, own in models.items()}

    def _by_pooling(
        self,
        arms: Sequence[Arm],
        make: Callable[[dict[str, Effects], dict[str, int]], pd.DataFrame],
        *,
        teacher: bool = True,
    ) -> pd.DataFrame:
        layers = {TEACHER: int(self.materials.teacher.record["layers"])} | {arm.name: arm.layers for arm in arms}
        frames = [
            make(self.effects(arms, pooling, teacher=teacher), layers).assign(pooling=pooling)
            for pooling in self.profile.seat.poolings
        ]
        return pd.concat(frames, ignore_index=True)

    def of(self, groups: ModelGroups, pooling: str) -> Effects:
        """Effect sizes and replicates of these models."""
        measured = [own.measure(model) for own, model in chain(*groups)]
        d = np.stack([table.loc[table["pooling"] == pooling, "effect_size"].to_numpy() for table, _ in measured])
        replicates = np.stack([replicates[pooling] for _, replicates in measured])
        return Effects(d, replicates, students=len(groups[0]))
