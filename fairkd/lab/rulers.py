"""All rulers on a profile's students and teacher, as tidy tables over items and seeds."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairkd.arms import Arm, capacity_arms
from fairkd.bias.masked import load_masked_lm
from fairkd.bias.ruler import Ruler, Score, common, estimate
from fairkd.bias.rulers import RULERS
from fairkd.claims.claims import judge_by_score
from fairkd.engine.store import REVISIONS, Store, file_digest
from fairkd.errors import InputError, nearest
from fairkd.frames import RULER_COMPONENTS, RULER_DIFFERENCES, RULER_SCORES, RULER_UNREAD, RULER_VERDICTS
from fairkd.lab.materials import Materials
from fairkd.names import TEACHER
from fairkd.stats.estimates import Estimate
from fairkd.teachers.checkpoints import Teacher

Items = dict[str, list[pd.DataFrame]]
"""By arm: what a ruler found in the student of each seed (one frame for the teacher), on common items."""


class Rulers:
    """Bias of students that have been trained, by every ruler beside SEAT: what a notebook has as ``exp.rulers``.

    Measured when asked for, cached in the store. A score of an arm is the mean over its seeds; its interval is over
    items, and over seeds where there are several. All models are measured on the same items, so that differences are
    paired.
    """

    def __init__(self, materials: Materials) -> None:
        self.materials, self.profile = materials, materials.profile

    def scores(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Every score of the teacher and of each arm: the columns :data:`fairkd.frames.RULER_SCORES`."""
        rows = []
        for ruler, score, items in self._scored(arms):
            for arm, estimated in self._estimates(ruler, score, items).items():
                low, high = estimated.interval()
                row = {"arm": arm, "seeds": len(items[arm]), "ruler": ruler.name, "score": score.name}
                rows.append(row | {"value": estimated.value, "low": low, "high": high, "items": len(items[arm][0])})
        return pd.DataFrame(rows, columns=RULER_SCORES)

    def differences(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """Every score of each arm minus the baseline's: the columns :data:`fairkd.frames.RULER_DIFFERENCES`.

        Raises:
            InputError: ``baseline`` is neither one of the arms nor the teacher.
        """
        rows = []
        for ruler, score, arm, difference, seeds in self._compared(arms, baseline):
            low, high = difference.interval()
            row = {"arm": arm, "baseline": baseline, "seeds": seeds, "ruler": ruler.name, "score": score.name}
            rows.append(row | {"difference": difference.value, "low": low, "high": high, "p": difference.p()})
        return pd.DataFrame(rows, columns=RULER_DIFFERENCES)

    def components(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """How much of a difference's chance is in the items and how much in the seeds, by score.

        Columns :data:`fairkd.frames.RULER_COMPONENTS`: of each arm's difference from the baseline the standard error
        over items, the seeds given, and the standard deviation over seeds, the items given (nan with one seed).

        Raises:
            InputError: as :meth:`differences`.
        """
        rows = []
        for ruler, score, items in self._scored(arms):
            self._check(baseline, items)
            for arm in (arm for arm in items if arm not in (baseline, TEACHER)):
                pairs = list(zip(items[arm], self._beside(items[baseline], len(items[arm])), strict=True))
                by_seed = [self._one(ruler, score, own) - self._one(ruler, score, other) for own, other in pairs]
                values = np.array([difference.value for difference in by_seed])
                over_items = np.mean([difference.replicates for difference in by_seed], axis=0)
                row = {"arm": arm, "baseline": baseline, "seeds": len(values), "ruler": ruler.name, "score": score.name}
                row |= {"difference": values.mean(), "item_se": over_items.std(ddof=1)}
                rows.append(row | {"seed_sd": values.std(ddof=1) if len(values) > 1 else np.nan})
        return pd.DataFrame(rows, columns=RULER_COMPONENTS)

    def claims(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The paper's claims on bias, judged by the headline score of each ruler; a row a ruler and claim.

        Columns: :data:`fairkd.frames.RULER_VERDICTS`, see :func:`fairkd.claims.claims.judge_by_score`.
        """
        depths = {arm.name: arm.layers for arm in capacity_arms(self.profile.depths) if arm in arms}
        tables = [
            judge_by_score(ruler, score, self._estimates(ruler, score, items), layers=depths)
            for ruler, score, items in self._scored(arms)
            if score == ruler.scores[0]
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=RULER_VERDICTS)

    def unread(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The items that a model has no value of, which count for no model: :data:`fairkd.frames.RULER_UNREAD`."""
        lost = [
            frame[frame["problem"] != ""].assign(ruler=ruler.name, arm=arm)[RULER_UNREAD]
            for ruler in RULERS.values()
            for arm, frames in self._measured(ruler, arms).items()
            for frame in frames
        ]
        return pd.concat(lost, ignore_index=True).drop_duplicates(ignore_index=True)

    def items(self, model: Path | Teacher, ruler: Ruler) -> pd.DataFrame:
        """What a ruler finds in a student's folder or in a teacher, :data:`fairkd.bias.ruler.ITEMS`; cached."""
        weights = Store.manifest(model)["weights_digest"] if isinstance(model, Path) else model.digest
        spec: dict[str, Any] = {"version": REVISIONS["rulers"], "ruler": ruler.name, "weights": weights}
        spec["tokenizer"] = self.materials.teacher.tokenizer_digest
        spec["code"] = _code(ruler)
        key, store = Store.key("rulers", spec), self.materials.store

        def make() -> None:
            loaded = load_masked_lm(model) if isinstance(model, Path) else (model.model, model.tokenizer)
            found = ruler.measure(loaded[0].to(self.materials.device), loaded[1])
            with store.write(key, {"kind": "rulers", **spec}) as new:
                found.to_parquet(new / "items.parquet")

        return pd.read_parquet(store.once(key, make) / "items.parquet")

    def _measured(self, ruler: Ruler, arms: Sequence[Arm]) -> Items:
        materials = self.materials
        models: dict[str, list[Path | Teacher]] = {TEACHER: [materials.teacher]}
        models |= {arm.name: [materials.student(arm, seed) for seed in self.profile.seeds] for arm in arms}
        return {arm: [self.items(model, ruler) for model in own] for arm, own in models.items()}

    def _scored(self, arms: Sequence[Arm]) -> Iterator[tuple[Ruler, Score, Items]]:
        """Each score with what its ruler found, on the items of which every model has a value.

        A ruler without such an item is left out; :meth:`unread` says why.
        """
        for ruler in RULERS.values():
            measured = self._measured(ruler, arms)
            frames = [frame for own in measured.values() for frame in own]
            if not np.isfinite([frame["value"] for frame in frames]).all(axis=0).any():
                continue
            kept = iter(common(frames))
            items = {arm: [next(kept) for _ in own] for arm, own in measured.items()}
            yield from ((ruler, score, items) for score in ruler.scores)

    def _compared(self, arms: Sequence[Arm], baseline: str) -> Iterator[tuple[Ruler, Score, str, Estimate, int]]:
        for ruler, score, items in self._scored(arms):
            self._check(baseline, items)
            estimates = self._estimates(ruler, score, items)
            for arm in (arm for arm in items if arm not in (baseline, TEACHER)):
                yield ruler, score, arm, estimates[arm] - estimates[baseline], len(items[arm])

    def _estimates(self, ruler: Ruler, score: Score, items: Items) -> dict[str, Estimate]:
        draws = self.profile.seat.bootstrap
        return {arm: estimate(ruler, score, own, n_bootstrap=draws) for arm, own in items.items()}

    def _one(self, ruler: Ruler, score: Score, frame: pd.DataFrame) -> Estimate:
        return estimate(ruler, score, [frame], n_bootstrap=self.profile.seat.bootstrap)

    @staticmethod
    def _beside(baseline: list[pd.DataFrame], seeds: int) -> list[pd.DataFrame]:
        """The baseline's frames, one a seed; the teacher's stands beside each."""
        return baseline * seeds if len(baseline) == 1 else baseline

    @staticmethod
    def _check(baseline: str, items: Items) -> None:
        if baseline not in items:
            raise InputError(f"baseline {baseline!r} is not among {list(items)}.{nearest(baseline, items)}")


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
