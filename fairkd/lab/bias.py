"""SEAT of a profile's students and teachers as tidy tables, over seeds and resampled words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fairkd.arms import Arm, capacity_arms
from fairkd.bias import comparisons
from fairkd.bias.effects import Effects
from fairkd.claims.claims import judge
from fairkd.frames import SEAT_SCORES
from fairkd.lab.materials import Materials
from fairkd.names import TEACHER
from fairkd.teachers.checkpoints import Teacher

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
        """Effect sizes: a row an arm, seed, pooling and test; the teacher's rows have arm "teacher", seed 0.

        Columns: :data:`fairkd.frames.SEAT_SCORES`.
        """
        original = self.materials.teacher
        models: list[tuple[str, int, int, Path | Teacher]] = [(TEACHER, int(original.record["layers"]), 0, original)]
        models += [
            (arm.name, arm.layers, seed, self.materials.student(arm, seed))
            for arm in arms
            for seed in self.profile.seeds
        ]
        frames = [
            self.materials.measure(model)[0].assign(arm=name, layers=layers, seed=seed)
            for name, layers, seed, model in models
        ]
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

    def claims(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The paper's claims that these arms and their teacher can speak to, judged; a row a claim and pooling."""
        depths = {arm.name: arm.layers for arm in capacity_arms(self.profile.depths) if arm in arms}

        def judged(effects: dict[str, Effects], _: dict[str, int]) -> pd.DataFrame:
            verdicts = judge(effects, layers=depths)
            return verdicts[verdicts.verdict != "not run"]

        return self._by_pooling(arms, judged)

    def teachers(self) -> pd.DataFrame:
        """Average SEAT of the teacher and of the debiased ones (:meth:`debiased`); a row a teacher and pooling."""
        materials = self.materials
        found = {"original": materials.teacher, **self.debiased()}
        layers = dict.fromkeys(found, int(materials.teacher.record["layers"]))
        frames = [
            comparisons.seat_averages({name: self._effects([t], pooling) for name, t in found.items()}, layers)
            for pooling in self.profile.seat.poolings
        ]
        poolings = self.profile.seat.poolings
        return pd.concat([f.assign(pooling=p) for f, p in zip(frames, poolings, strict=True)], ignore_index=True)

    def debiased(self) -> dict[str, Teacher]:
        """The debiased teacher if an arm has it, and the one :data:`WITHOUT_SEAT_WORDS` if the profile compares it."""
        if not any(arm.teacher == "debiased" for arm in self.profile.all_arms()):
            return {}
        found = {"debiased": self.materials.debiased}
        if self.profile.debias_without_seat_words:
            found[WITHOUT_SEAT_WORDS] = self.materials.debiased_without_seat
        return found

    def effects(self, arms: Sequence[Arm], pooling: str, *, teacher: bool = True) -> dict[str, Effects]:
        """Effect sizes and replicates by arm, the teacher first."""
        models = {arm.name: [self.materials.student(arm, seed) for seed in self.profile.seeds] for arm in arms}
        found = {name: self._effects(folders, pooling) for name, folders in models.items()}
        return {TEACHER: self._effects([self.materials.teacher], pooling)} | found if teacher else found

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

    def _effects(self, models: Sequence[Path | Teacher], pooling: str) -> Effects:
        measured = [self.materials.measure(model) for model in models]
        d = np.stack([table.loc[table["pooling"] == pooling, "effect_size"].to_numpy() for table, _ in measured])
        return Effects(d, np.stack([replicates[pooling] for _, replicates in measured]))
