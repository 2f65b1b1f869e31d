"""All rulers on a profile's students and teacher, as tidy tables over items and seeds."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow.parquet import ParquetFile

from fairkd.arms import Arm, capacity_arms
from fairkd.bias.masked import load_masked_lm
from fairkd.bias.ruler import Ruler, Score, estimate_each, on_common_items, over_seeds
from fairkd.bias.rulers import RULERS, SHIPPED, measure_with, planted_score
from fairkd.claims.claims import judge_by_score
from fairkd.engine.side_by_side import one_thread
from fairkd.engine.store import REVISIONS, Store, file_digest
from fairkd.errors import InputError, nearest
from fairkd.frames import (
    RULER_COMPONENTS,
    RULER_DIFFERENCES,
    RULER_MEDIANS,
    RULER_SCORES,
    RULER_UNREAD,
    RULER_VERDICTS,
)
from fairkd.lab.materials import Materials, ModelGroups
from fairkd.lab.measuring import Job, for_each_model, models_of
from fairkd.names import TEACHER
from fairkd.stats.estimates import Estimate
from fairkd.teachers.checkpoints import Teacher
from fairkd.text.planted import PREFIX, strength

Items = dict[str, list[list[pd.DataFrame]]]
"""By arm: what a ruler found in its students by seed, see :meth:`fairkd.lab.materials.Materials.groups`."""


@dataclass(frozen=True)
class Scored:
    """A score of every model, on the items of which each has a value.

    Attributes:
        ruler: that measured.
        score: one of its scores.
        models: by arm, the score of each student by seed, as in ``Items``.
        items: how many there are.
    """

    ruler: Ruler
    score: Score
    models: dict[str, list[list[Estimate]]]
    items: int

    @cached_property
    def arms(self) -> dict[str, Estimate]:
        """The score of each arm, over its seeds and over items."""
        return {arm: over_seeds(groups) for arm, groups in self.models.items()}


class Rulers:
    """Bias of students that have been trained, by every ruler beside SEAT: what a notebook has as ``exp.rulers``.

    Measured when asked for, cached in the store. A score of an arm is the mean over its seeds; its interval is over
    items, and over seeds where there are several. All models are measured on the same items, so that differences are
    paired.
    """

    def __init__(self, materials: Materials) -> None:
        self.materials, self.profile = materials, materials.profile
        self._items: dict[str, pd.DataFrame] = {}
        self._kept: dict[tuple[str, tuple[Any, ...]], list[Scored]] = {}
        self._keys: dict[tuple[Path | str, str, str], tuple[str, dict[str, Any]]] = {}
        self._measured: set[tuple[Arm, ...]] = set()
        self._others: dict[tuple[str, int], Rulers] = {}  # by profile and the seed of the teacher

    def scores(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Every score of the teacher and of each arm: the columns :data:`fairkd.frames.RULER_SCORES`."""
        rows = []
        for own in self._scored(arms):
            for arm, estimated in own.arms.items():
                low, high = estimated.interval()
                row = {"arm": arm, "seeds": len(own.models[arm]), "ruler": own.ruler.name, "score": own.score.name}
                rows.append(row | {"value": estimated.value, "low": low, "high": high, "items": own.items})
        return pd.DataFrame(rows, columns=RULER_SCORES)

    def differences(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """Every score of each arm minus the baseline's: the columns :data:`fairkd.frames.RULER_DIFFERENCES`.

        Raises:
            InputError: ``baseline`` is neither one of the arms nor the teacher.
        """
        rows = []
        for own, arm in self._compared(arms, baseline):
            difference = own.arms[arm] - own.arms[baseline]
            low, high = difference.interval()
            row = {"arm": arm, "baseline": baseline, "seeds": len(own.models[arm])}
            row |= {"ruler": own.ruler.name, "score": own.score.name}
            rows.append(row | {"difference": difference.value, "low": low, "high": high, "p": difference.p()})
        return pd.DataFrame(rows, columns=RULER_DIFFERENCES)

    def components(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """How much of a difference's chance is in the items, how much in the students and how much in the teachers.

        Columns :data:`fairkd.frames.RULER_COMPONENTS`, see :func:`components_of`.

        Raises:
            InputError: as :meth:`differences`.
        """
        rows = []
        for own, arm in self._compared(arms, baseline):
            pairs = self._paired(own.models[arm], own.models[baseline])
            row = {"arm": arm, "baseline": baseline, "seeds": len(own.models[arm])}
            row |= {"ruler": own.ruler.name, "score": own.score.name}
            differences = [[ours - theirs for ours, theirs in of_seed] for of_seed in pairs]
            rows.append(row | components_of(differences, teachers=len(self.profile.teacher_seeds)))
        return pd.DataFrame(rows, columns=RULER_COMPONENTS)

    def claims(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The paper's claims on bias, judged by one score of each ruler (:meth:`judging`); a row a ruler and claim.

        Columns: :data:`fairkd.frames.RULER_VERDICTS`, see :func:`fairkd.claims.claims.judge_by_score`.
        """
        depths = {arm.name: arm.layers for arm in capacity_arms(self.profile.depths) if arm in arms}
        tables = [
            judge_by_score(own.ruler, own.score, own.arms, layers=depths)
            for own in self._scored(arms)
            if own.score.name == self.judging(own.ruler)
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=RULER_VERDICTS)

    def judging(self, ruler: Ruler) -> str:
        """The score that claims are judged by: the first, or where a stereotype is planted the one about that."""
        source = self.profile.corpus.sources[0]
        stereotype = source.startswith(PREFIX) and strength(source) > 0  # else a higher value would not be more bias
        return planted_score(ruler.name) if stereotype else ruler.scores[0].name

    def unread(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The items that a model has no value of, which count for no model: :data:`fairkd.frames.RULER_UNREAD`."""
        measured = [
            (ruler.name, arm, frames) for ruler in RULERS.values() for arm, frames in self.measured(ruler, arms).items()
        ]
        lost = [
            frame[problems].assign(ruler=ruler, arm=arm)[RULER_UNREAD]
            for ruler, arm, frames in measured
            for frame in chain(*frames)
            if (problems := frame["problem"].to_numpy() != "").any()  # seldom
        ]
        found = pd.concat(lost, ignore_index=True) if lost else pd.DataFrame(columns=RULER_UNREAD)
        return found.drop_duplicates(ignore_index=True)

    def items(self, model: Path | Teacher, ruler: Ruler) -> pd.DataFrame:
        """What a ruler finds in a student's folder or in a teacher, :data:`fairkd.bias.ruler.ITEMS`; cached.

        A model that a ruler has not measured yet is measured with all that have not: it is loaded once.
        """
        store, (key, spec) = self.materials.store, self._entry(model, ruler)
        if key not in self._items:
            if store.find(key) is None:
                with store.lock(f"rulers of {spec['weights'][:20]}"):
                    self._measure(model, {**RULERS, ruler.name: ruler}.values())
            # Without what pandas looks up for files of any kind: hundreds are read.
            with ParquetFile(store.root / key / "items.parquet") as file:
                self._items[key] = file.read(use_threads=False).replace_schema_metadata().to_pandas()
        return self._items[key]

    def _entry(self, model: Path | Teacher, ruler: Ruler) -> tuple[str, dict[str, Any]]:
        """Key of what a ruler finds in a model, and all that determines it."""
        asked = (model if isinstance(model, Path) else model.digest), ruler.name, _code(ruler)
        if asked not in self._keys:  # every table asks for every model
            weights = Store.manifest(model)["weights_digest"] if isinstance(model, Path) else model.digest
            spec: dict[str, Any] = {"version": REVISIONS["rulers"], "ruler": ruler.name, "weights": weights}
            spec["tokenizer"] = self.materials.teacher.tokenizer_digest
            spec["code"] = asked[-1]
            self._keys[asked] = Store.key("rulers", spec), spec
        return self._keys[asked]

    def _measure(self, model: Path | Teacher, rulers: Iterable[Ruler]) -> None:
        """Writes what those rulers find of which nothing is in the store."""
        store = self.materials.store
        entries = {ruler.name: self._entry(model, ruler) for ruler in rulers}
        new = [ruler for ruler in rulers if store.find(entries[ruler.name][0]) is None]
        loaded = load_masked_lm(model) if isinstance(model, Path) else (model.model, model.tokenizer)
        with one_thread():
            measured = measure_with(new, loaded[0].to(self.materials.device), loaded[1])
        for name, found in measured.items():
            key, spec = entries[name]
            with store.write(key, {"kind": "rulers", **spec}) as folder:
                found.to_parquet(folder / "items.parquet")

    def has(self, model: Path | Teacher, ruler: Ruler) -> bool:
        """Whether the store has what :meth:`items` gives."""
        return self.materials.store.find(self._entry(model, ruler)[0]) is not None

    def of(self, materials: Materials) -> Rulers:
        """The same of another teacher."""
        if materials is self.materials:
            return self
        return self._others.setdefault((repr(materials.profile), materials.teacher_seed), Rulers(materials))

    def measured(self, ruler: Ruler, arms: Sequence[Arm]) -> Items:
        """What a ruler finds in the teachers and in the students of each arm, on all items."""
        models = {TEACHER: self.materials.groups(None)} | {arm.name: self.materials.groups(arm) for arm in arms}
        self._measure_together(arms)
        return {arm: self.found(ruler, groups) for arm, groups in models.items()}

    def _measure_together(self, arms: Sequence[Arm]) -> None:
        """Several models at once; what is lost from the store afterwards :meth:`items` measures by itself."""
        if tuple(arms) not in self._measured:
            measure_rulers([(self.materials, [None, *arms])])
            self._measured.add(tuple(arms))

    def found(self, ruler: Ruler, groups: ModelGroups) -> list[list[pd.DataFrame]]:
        """What a ruler finds in these models, :data:`fairkd.bias.ruler.ITEMS` of each."""
        return [[self.of(own).items(model, ruler) for own, model in group] for group in groups]

    def _scored(self, arms: Sequence[Arm]) -> Iterator[Scored]:
        """Each score of each model; a ruler without an item of which every model has a value is left out.

        :meth:`unread` says why. Every table of a notebook asks for the same models, whose scores are kept.
        """
        self._measure_together(arms)
        models = {TEACHER: self.materials.groups(None)} | {arm.name: self.materials.groups(arm) for arm in arms}
        for ruler in RULERS.values():
            items = {arm: self.found(ruler, groups) for arm, groups in models.items()}
            # by the frames, which self._items keeps: a model trained anew has others
            asked = ruler.name, tuple((arm, tuple(map(id, chain(*frames)))) for arm, frames in items.items())
            if asked not in self._kept:
                self._kept[asked] = list(self._estimated(ruler, items))
            yield from self._kept[asked]

    def _estimated(self, ruler: Ruler, measured: Items) -> Iterator[Scored]:
        draws = self.profile.seat.bootstrap
        for score in ruler.scores if (items := on_common_items(measured)) else ():
            frames = [frame for groups in items.values() for frame in chain(*groups)]
            each = iter(estimate_each(ruler, score, frames, n_bootstrap=draws))
            models = {arm: [[next(each) for _ in group] for group in groups] for arm, groups in items.items()}
            yield Scored(ruler, score, models, len(items[TEACHER][0][0]))

    def _compared(self, arms: Sequence[Arm], baseline: str) -> Iterator[tuple[Scored, str]]:
        """Each score with each arm but the baseline and the teacher."""
        for own in self._scored(arms):
            self._check(baseline, own.models)
            yield from ((own, arm) for arm in own.models if arm not in (baseline, TEACHER))

    @staticmethod
    def _paired(
        ours: list[list[Estimate]], baseline: list[list[Estimate]]
    ) -> Iterator[list[tuple[Estimate, Estimate]]]:
        """By seed, pairs of an arm's estimate and the baseline's; a teacher's stands beside each of its students."""
        for own, other in zip(ours, baseline * len(ours) if len(baseline) == 1 else baseline, strict=True):
            yield list(zip(own, other * len(own) if len(other) == 1 else other, strict=True))

    @staticmethod
    def _check(baseline: str, models: Iterable[str]) -> None:
        if baseline not in models:
            raise InputError(f"baseline {baseline!r} is not among {list(models)}.{nearest(baseline, models)}")


def measure_rulers(jobs: Iterable[Job]) -> None:
    """Measures the models of these jobs with every ruler, where the store lacks it, several models at once."""
    models = models_of(jobs)
    lacking = [(own, model) for own, model in models if not all(Rulers(own).has(model, r) for r in RULERS.values())]
    foreign = any(ruler not in SHIPPED for ruler in RULERS.values())
    for_each_model(_measure_all, lacking, here=foreign)


def _measure_all(materials: Materials, model: Path | Teacher) -> None:
    for ruler in RULERS.values():
        Rulers(materials).items(model, ruler)


def components_of(differences: Sequence[Sequence[Estimate]], *, teachers: int) -> dict[str, float]:
    """Variance components of a difference: its mean, item_se, student_sd and teacher_sd.

    Args:
        differences: of each seed (a teacher, or a student where there is one teacher), those of its students.
        teachers: how many there are.

    Returns:
        item_se is the standard deviation of the replicates of the mean over all models, the models given. Of several
        teachers student_sd is that within teachers, and teacher_sd what is left of the variance between their means (0
        where nothing is), or with one student each the deviation of both together; of one teacher student_sd is that of
        its students. nan where there is nothing to compare.
    """
    values = np.array([[difference.value for difference in own] for own in differences])
    over_items = np.mean([difference.replicates for own in differences for difference in own], axis=0)
    seeds, students = values.shape
    between = values.mean(axis=1).var(ddof=1) if seeds > 1 else np.nan
    found = {"difference": values.mean(), "item_se": over_items.std(ddof=1)}
    if students == 1:
        spread, none = ("teacher_sd", "student_sd") if teachers > 1 else ("student_sd", "teacher_sd")
        return found | {spread: np.sqrt(between), none: np.nan}
    within = values.var(axis=1, ddof=1).mean()
    return found | {"student_sd": np.sqrt(within), "teacher_sd": np.sqrt(max(0.0, between - within / students))}


def component_medians(components: pd.DataFrame) -> pd.DataFrame:
    """Over the arms, of each score: the columns ``RULER_MEDIANS``, from :data:`fairkd.frames.RULER_COMPONENTS`."""
    sizes = components.assign(difference=components.difference.abs())
    return sizes.groupby(["ruler", "score"], sort=False)[RULER_MEDIANS[2:]].median().reset_index()[RULER_MEDIANS]


def _code(ruler: Ruler) -> str:
    """Digest of the file that defines how a ruler measures, so that a changed ruler is another one."""
    function = getattr(ruler.measure, "func", ruler.measure)  # of a partial
    return file_digest(Path(inspect.getfile(function)))


def headlines(data: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first score of each ruler."""
    first = {name: ruler.scores[0].name for name, ruler in RULERS.items()}
    return data[data.score == data.ruler.map(first)]


def agreement(differences: pd.DataFrame, seat: pd.DataFrame) -> pd.DataFrame:
    """Pearson's r over students of the differences that each two rulers see; SEAT as published is one of them.

    Args:
        differences: the columns :data:`fairkd.frames.RULER_DIFFERENCES`.
        seat: the columns :data:`fairkd.frames.SEAT_DIFFERENCES`, of one pooling.
    """
    columns = {"SEAT": seat.set_index("arm").difference}
    for name, own in headlines(differences).groupby("ruler", sort=False):
        columns[str(name)] = own.set_index("arm").difference
    return pd.DataFrame(columns).corr(min_periods=3)
