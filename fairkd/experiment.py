"""An experiment, as the notebooks see it: students, scores and tables of a profile, made when asked for.

Pipeline: 1 parameters are checked; 2 corpus, teacher and students are loaded from the store or made; 3 SEAT is
measured and cached; 4 tidy tables are saved; 5 the last cell writes the notebook's manifest. Results without that
manifest were never finished and are not read.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairkd import corpus as corpora
from fairkd.arms import Arm, capacity_arms
from fairkd.errors import InputError, nearest
from fairkd.materials import Materials, plan
from fairkd.profile import Profile
from fairkd.provenance import environment
from fairkd.rng import numpy_generator
from fairkd.shell import check_names, skip_the_rest, stop_skipping
from fairkd.stats import centred_interval, multibootstrap, pearson_r, percentile_interval, resample_seeds
from fairkd.stimuli import TESTS
from fairkd.store import file_digest, write_json

TEACHER = "teacher"
"""What the column "arm" says in the teacher's rows."""


class Experiment:
    """What a notebook works with; see the module docstring. Made by :meth:`begin`."""

    def __init__(self, notebook: str, profile: Profile) -> None:
        self.notebook, self.profile = notebook, profile
        self.materials = Materials(profile)
        self.results_dir = profile.output_dir / "results"
        self._saved: dict[str, str] = {}

    @classmethod
    def begin(cls, notebook: str, parameters: dict[str, Any]) -> Experiment:
        """Checks a notebook's parameters and prints what is about to run.

        With ``prepare_only`` it prints the plan, and the cells below do nothing until this one runs again.

        Args:
            notebook: its name, such as "01_capacity".
            parameters: the notebook's ``globals()``.

        Raises:
            InputError: a parameter is unknown, missing or wrong, or something that it names cannot be used.
        """
        stop_skipping()
        if not parameters.get("_fairkd_begun"):  # later runs see the notebook's own variables too
            check_names(parameters)
            parameters["_fairkd_begun"] = True
        profile = Profile.check({name: parameters[name] for name in Profile.model_fields if name in parameters})
        corpora.check_sources(Materials(profile).sources, column=profile.corpus_column)
        experiment = cls(notebook, profile)
        print(experiment.identity())
        if profile.prepare_only:
            print("\nPlan (prepare_only: nothing is trained, the cells below do nothing):\n")
            print(plan(profile).to_string(index=False))
            skip_the_rest()
        return experiment

    def identity(self) -> str:
        """Profile, seeds, device and versions in a few lines of text."""
        profile, about = self.profile, environment(self.materials.device)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        return "\n".join(
            [
                f"{self.notebook} · profile {profile.profile!r} · seeds {list(profile.seeds)}",
                f"teacher {profile.teacher!r} · corpus {list(profile.corpus)} · device {self.materials.device}",
                f"{versions} · commit {about['git_commit']}",
            ]
        )

    def arms(self, group: str) -> list[Arm]:
        """The arms of "capacity" (Figure 1), "ablation" (Table 1, and what else the profile names) or "all"."""
        profile = self.profile
        groups = {
            "capacity": capacity_arms(profile.depths),
            "ablation": profile.table_arms(),
            "all": profile.all_arms(),
        }
        if group not in groups:
            raise InputError(f"arms {group!r}: allowed are {list(groups)}.{nearest(group, groups)}")
        return groups[group]

    def train(self, arms: Sequence[Arm]) -> None:
        """Trains what the store lacks of these arms, for all seeds, each seed in one pass.

        Raises:
            InputError: an arm is deeper than the teacher; or training has failed just before this notebook
                (``FAIRKD_NO_TRAINING``) and a student is missing.
            DivergedError: a loss became NaN or infinite.
        """
        if os.environ.get("FAIRKD_NO_TRAINING"):
            for arm, seed in itertools.product(arms, self.profile.seeds):
                self.materials.student(arm, seed)
            return
        self.materials.train(arms)

    def seat(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Effect sizes: a row an arm, seed, pooling and test; the teacher's rows have arm "teacher", seed 0.

        Columns: arm, layers, seed, pooling, test, effect_size, p_value, ci_low, ci_high (95 % over stimulus words).
        """
        columns = ["arm", "layers", "seed", "pooling", "test", "effect_size", "p_value", "ci_low", "ci_high"]
        frames = [
            self.materials.measure(folder)[0].assign(arm=name, layers=layers, seed=seed)
            for name, layers, seed, folder in self._measured(arms)
        ]
        return pd.concat(frames, ignore_index=True)[columns]

    def tests(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """The six tests over all seeds: a row an arm, pooling and test; the teacher's rows have arm "teacher".

        Columns: arm, layers, seeds (how many), pooling, test, effect_size (mean over seeds), low, high (95 % over
        stimulus words, and over seeds where there are several).
        """
        rows = []
        for (name, layers), folders in self._by_arm(arms).items():
            for pooling in self.profile.seat_poolings:
                d, replicates = self._effects(folders, pooling)
                low, high = percentile_interval(self._over_seeds(replicates))
                for number, test in enumerate(TESTS):
                    row = {"arm": name, "layers": layers, "seeds": len(folders), "pooling": pooling, "test": test}
                    effect_size = float(d[:, number].mean())
                    rows.append(row | {"effect_size": effect_size, "low": low[number], "high": high[number]})
        return pd.DataFrame(rows)

    def averages(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Average SEAT with 95 % intervals: a row an arm and pooling; the teacher's rows have arm "teacher".

        Columns: arm, layers, seeds (how many), pooling, average (mean of |d| over the six tests, then over seeds),
        low, high, signed (mean d), signed_low, signed_high. Intervals cover stimulus words, and seeds too where there
        are several.
        """
        rows = []
        for (name, layers), folders in self._by_arm(arms).items():
            for pooling in self.profile.seat_poolings:
                d, replicates = self._effects(folders, pooling)
                row: dict[str, Any] = {"arm": name, "layers": layers, "seeds": len(folders), "pooling": pooling}
                average = float(np.abs(d).mean())
                low, high = centred_interval(average, self._over_seeds(np.abs(replicates).mean(axis=2)))
                row |= {"average": average, "low": max(0.0, low), "high": high, "signed": float(d.mean())}
                ends = percentile_interval(self._over_seeds(replicates.mean(axis=2)))
                rows.append(row | {"signed_low": float(ends[0]), "signed_high": float(ends[1])})
        return pd.DataFrame(rows)

    def correlation(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Pearson's r of layers and average SEAT (Figure 1): a row a pooling, with a 95 % interval.

        Columns: pooling, r, low, high, seeds, covers ("stimulus words" or "stimulus words and seeds").
        """
        layers = [arm.layers for arm in arms]
        rows = []
        for pooling in self.profile.seat_poolings:
            averages, draws = zip(*(self._average(arm, pooling) for arm in arms), strict=True)
            low, high = percentile_interval(pearson_r(layers, np.stack(draws, axis=1)))
            several = len(self.profile.seeds) > 1
            rows.append(
                {"pooling": pooling, "r": float(pearson_r(layers, averages)), "low": low, "high": high}
                | {"seeds": len(self.profile.seeds)}
                | {"covers": "stimulus words and seeds" if several else "stimulus words"}
            )
        return pd.DataFrame(rows)

    def differences(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """Average SEAT of each arm minus that of ``baseline``: a row an arm and pooling, with paired 95 % intervals.

        Columns: arm, baseline, pooling, difference, low, high. Both arms see the same resampled words and seeds.

        Raises:
            InputError: ``baseline`` is none of the arms.
        """
        by_name = {arm.name: arm for arm in arms}
        if baseline not in by_name:
            raise InputError(
                f"baseline {baseline!r} is not among the arms {list(by_name)}.{nearest(baseline, by_name)}"
            )
        rows = []
        for pooling in self.profile.seat_poolings:
            averages = {arm.name: self._average(arm, pooling) for arm in arms}
            for arm in arms:
                if arm.name != baseline:
                    value, draws = (
                        ours - theirs for ours, theirs in zip(averages[arm.name], averages[baseline], strict=True)
                    )
                    low, high = centred_interval(float(value), draws)
                    row = {"arm": arm.name, "baseline": baseline, "pooling": pooling, "difference": float(value)}
                    rows.append(row | {"low": low, "high": high})
        return pd.DataFrame(rows)

    def _average(self, arm: Arm, pooling: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean |d| over tests and seeds, and its replicates (B,) over words and seeds."""
        d, replicates = self._effects([f for _, _, _, f in self._measured([arm], teacher=False)], pooling)
        return np.abs(d).mean(), self._over_seeds(np.abs(replicates).mean(axis=2))

    def _measured(self, arms: Sequence[Arm], *, teacher: bool = True) -> list[tuple[str, int, int, Path | None]]:
        """(arm, layers, seed, folder) of everything that is measured; the teacher has no folder."""
        depth = self.materials.teacher.record["layers"]
        first: list[tuple[str, int, int, Path | None]] = [(TEACHER, depth, 0, None)] if teacher else []
        return first + [
            (arm.name, arm.layers, seed, self.materials.student(arm, seed))
            for arm in arms
            for seed in self.profile.seeds
        ]

    def _by_arm(self, arms: Sequence[Arm]) -> dict[tuple[str, int], list[Path | None]]:
        """(arm, layers) -> folders, one a seed."""
        groups: dict[tuple[str, int], list[Path | None]] = {}
        for name, layers, _, folder in self._measured(arms):
            groups.setdefault((name, layers), []).append(folder)
        return groups

    def _effects(self, folders: Sequence[Path | None], pooling: str) -> tuple[np.ndarray, np.ndarray]:
        """d (seeds, 6) and its replicates (seeds, B, 6) under one pooling."""
        measured = [self.materials.measure(folder) for folder in folders]
        d = np.stack([table.loc[table["pooling"] == pooling, "effect_size"].to_numpy() for table, _ in measured])
        return d, np.stack([replicates[pooling] for _, replicates in measured])

    def _over_seeds(self, values: np.ndarray) -> np.ndarray:
        """Mean over resampled seeds (B,) of values (seeds, B); every arm draws the same seeds."""
        draws = resample_seeds(len(values), values.shape[1], numpy_generator(0, "resampled seeds", len(values)))
        return multibootstrap(values, draws)

    def metrics(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Training metrics: a row an arm, seed and step.

        Columns: arm, layers, seed, step, learning_rate, grad_norm, loss, its terms, tokens_per_second.
        """
        frames = [
            pd.read_parquet(folder / "metrics.parquet").assign(arm=name, layers=layers, seed=seed)
            for name, layers, seed, folder in self._measured(arms, teacher=False)
            if folder is not None
        ]
        return pd.concat(frames, ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """What the numbers rest on: corpus, teacher, recipe and environment, as plain values; makes nothing.

        "corpus" and "teacher" are missing where the store does not have them.
        """
        materials = self.materials
        about: dict[str, Any] = {"profile": self.profile.profile, "seeds": list(self.profile.seeds)}
        if not materials.look_up():
            manifest = materials.corpus.manifest
            names = ("documents", "sequences", "tokens", "longest", "mean_length", "digest")
            about["corpus"] = {"sources": list(self.profile.corpus), **{name: manifest[name] for name in names}}
            about["teacher"] = {**materials.teacher.record, "digest": materials.teacher.digest}
            batches = -(-len(materials.corpus.train) // self.profile.batch_size)
            about["updates"] = materials.recipe.updates(batches)
        return about | environment(materials.device)

    def save(self, name: str, frame: pd.DataFrame) -> None:
        """Saves a tidy table as ``results/<name>.parquet``; :meth:`finish` makes it part of the results."""
        self.results_dir.mkdir(parents=True, exist_ok=True)
        path = self.results_dir / f"{name}.parquet"
        temporary = path.with_suffix(".writing")
        frame.to_parquet(temporary)
        os.replace(temporary, path)
        self._saved[path.name] = file_digest(path)

    def finish(self) -> dict[str, Any]:
        """Writes the notebook's manifest, the last thing it does, and returns it."""
        manifest = {
            "notebook": self.notebook,
            "parameters": self.profile.values(),
            "facts": self.facts(),
            "saved": self._saved,
            "token": os.environ.get("FAIRKD_RUN_TOKEN"),
        }
        write_json(self.results_dir / f"{self.notebook}.json", manifest)
        return manifest

    def results(self, notebook: str) -> dict[str, pd.DataFrame] | None:
        """Tables by name of another notebook of this profile.

        None unless it finished with the parameters that this profile has now, and its files are intact.
        """
        path = self.results_dir / f"{notebook}.json"
        if not path.is_file():
            return None
        manifest = json.loads(path.read_text())
        if Profile.effective(manifest["parameters"]) != Profile.effective(self.profile.values()):
            return None
        saved = manifest["saved"]
        files = {name: self.results_dir / name for name in saved}
        if not all(file.is_file() and file_digest(file) == saved[name] for name, file in files.items()):
            return None
        return {file.stem: pd.read_parquet(file) for file in files.values()}
