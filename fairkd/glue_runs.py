"""The fine-tuning runs of a profile's students: from the store, or made when asked for.

A task that fails (its data cannot be used, or a run diverges) does not stop the others: it is remembered with its
reason, its scores are nan, and the notebook's last cell says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from fairkd.arms import Arm
from fairkd.classifiers import Encoder, open_encoder
from fairkd.errors import InputError
from fairkd.finetune import GlueRecipe, check_device
from fairkd.glue import Task, find_tasks
from fairkd.glue_baselines import bag_of_words, majority
from fairkd.glue_data import TaskData, load, suite
from fairkd.hub import first_line
from fairkd.materials import Materials
from fairkd.profile import Profile
from fairkd.quality import Quality, over_runs, resample
from fairkd.rng import numpy_generator
from fairkd.store import Store
from fairkd.workers import Job, Workers

UNTRAINED = "untrained"
"""The baseline of random weights, in the shape of the first student."""
Runs = list[dict[str, pd.DataFrame]]
"""Of one model on one task: a run a fine-tuning seed, each with the predictions on every development split."""


def glue_recipe(profile: Profile) -> GlueRecipe:
    """The fine-tuning recipe of a profile."""
    return GlueRecipe(**{name: getattr(profile, f"glue_{name}") for name in GlueRecipe.__dataclass_fields__})


class GlueRuns:
    """Predictions of fine-tuned students, by arm and task.

    Args:
        materials: of the profile.
        train_examples: instead of the profile's ``glue_train_examples`` (a point of a learning curve).

    Raises:
        InputError: the profile has no ``glue_source``, or a device that fine-tuning cannot use.
    """

    def __init__(self, materials: Materials, *, train_examples: int | None = None) -> None:
        profile = materials.profile
        if profile.glue_source is None:
            raise InputError(f"glue_source: profile {profile.profile!r} has none; allowed: mini, hub:REPO or a folder")
        check_device(materials.device)
        self.materials, self.profile, self.source = materials, profile, profile.glue_source
        self.recipe = glue_recipe(profile)
        if train_examples is not None:
            self.recipe = replace(self.recipe, train_examples=train_examples)
        self.failures: dict[tuple[str, str], str] = {}
        self._runs: dict[tuple[str, str], list[Runs]] = {}
        self._draws: dict[str, np.ndarray] = {}

    @property
    def suite(self) -> str:
        """What the tasks are called: "GLUE" or "mini-GLUE (synthetic)"."""
        return suite(self.source)

    @cached_property
    def tasks(self) -> list[Task]:
        """The profile's tasks, in the order of Table 3."""
        return find_tasks(self.profile.glue_tasks)

    @cached_property
    def data(self) -> dict[str, TaskData]:
        """Data of each task, checked; without those that cannot be used, which :attr:`failures` names."""
        found = {}
        for task in self.tasks:
            try:
                found[task.name] = load(task, self.source, folder=self.profile.path(self.source))
            except Exception as error:  # whatever is wrong with this task's files, the others may be in order
                self.failures["", task.name] = first_line(error)
        if not found:
            raise InputError("; ".join(self.failures.values()))
        return found

    def run(self, arms: Sequence[Arm]) -> None:
        """Fine-tunes what the store lacks of these arms.

        Raises:
            InputError: a student is not in the store, or no task can be used.
        """
        self._run({arm.name: [self._encoder(arm, seed) for seed in self.profile.seeds] for arm in arms})

    def run_untrained(self, arm: Arm) -> None:
        """As :meth:`run`, of one model that has this arm's shape and random weights."""
        self._run({UNTRAINED: [self._encoder(arm, self.profile.seeds[0], pretrained=False)]})

    def _run(self, encoders: dict[str, list[Encoder]]) -> None:
        known = self._runs.keys() | self.failures.keys()
        todo = [(arm, task) for task in self.data for arm in encoders if (arm, task) not in known]
        seeds = self.profile.glue_seeds
        jobs = {
            (arm, task): [self._job(encoder, self.data[task], seed) for encoder in encoders[arm] for seed in seeds]
            for arm, task in todo
        }
        shown = self.materials.progress and bool(todo)
        with Workers(self.materials.device) as workers:
            waiting = {place: [workers.start(job) for job in own] for place, own in jobs.items()}
            for (arm, task), own in tqdm(waiting.items(), desc=f"fine-tuning on {self.suite}", disable=not shown):
                try:
                    found = [_predictions(result(), self.data[task]) for result in own]
                except Exception as error:  # this task is lost for this arm, and nothing else is
                    self.failures[arm, task] = first_line(error)
                else:
                    self._runs[arm, task] = [found[i : i + len(seeds)] for i in range(0, len(found), len(seeds))]

    def _job(self, encoder: Encoder, data: TaskData, seed: int) -> Job:
        materials, keep = self.materials, self.profile.glue_keep_weights
        return Job(encoder, data, self.recipe, seed, materials.store, materials.device, keep)

    def failure(self, arm: str, task: str) -> str:
        """Why a task has no score; "" if it has."""
        return self.failures.get((arm, task), self.failures.get(("", task), ""))

    def predictions(self, arm: str, task: str) -> list[Runs]:
        """By distillation seed, then by fine-tuning seed, then by split; none where the task failed."""
        return self._runs.get((arm, task), [])

    def quality(self, arms: Iterable[str]) -> dict[str, Quality]:
        """Scores with replicates over examples, by arm, of models that have been run."""
        return {
            arm: self._quality({task.name: self._runs.get((arm, task.name)) for task in self.tasks}) for arm in arms
        }

    def baselines(self) -> dict[str, Quality]:
        """Majority class and bag of words."""
        found = {}
        for name, make in (("majority", majority), ("bag-of-words", bag_of_words)):
            runs = {task: [[self._cached(name, make, data)]] for task, data in self.data.items()}
            found[name] = self._quality({task.name: runs.get(task.name) for task in self.tasks})
        return found

    def _encoder(self, arm: Arm, seed: int, *, pretrained: bool = True) -> Encoder:
        folder = self.materials.student(arm, seed)
        digest = Store.manifest(folder)["weights_digest"] if pretrained else None
        return open_encoder(folder, digest=digest, pretrained=pretrained)

    def _cached(self, name: str, make: Callable[[TaskData], dict[str, pd.DataFrame]], data: TaskData) -> Any:
        key = Store.key("glue baseline", {"version": 1, "name": name, "data": data.digest})
        store = self.materials.store

        def fill() -> None:
            with store.write(key, {"kind": "glue baseline", "name": name, "task": data.task.config}) as new:
                for split, frame in make(data).items():
                    frame.to_parquet(new / f"predictions-{split}.parquet")

        return _predictions(store.once(key, fill), data)

    def _quality(self, runs: dict[str, list[Runs] | None]) -> Quality:
        """Of one arm: headline scores by seed and task, the mean over fine-tuning runs; nan where a task failed."""
        seeds = max([len(own) for own in runs.values() if own], default=1)  # 1 for a baseline, and where all failed
        scores = np.full((seeds, len(runs)), np.nan)
        replicates = np.full((seeds, self.profile.seat_bootstrap, len(runs)), np.nan)
        for column, task in enumerate(self.tasks):
            for seed, own in enumerate(runs[task.name] or []):
                frames = [run[task.dev[0]] for run in own]
                found, labels = np.stack([f.prediction.to_numpy() for f in frames]), frames[0].label.to_numpy()
                weights = self._weights(task, len(labels))
                scores[seed, column], replicates[seed, :, column] = over_runs(task, labels, found, weights)
        return Quality(scores, replicates)

    def _weights(self, task: Task, examples: int) -> np.ndarray:
        if task.name not in self._draws:
            generator = numpy_generator(0, f"glue examples {task.config}")
            self._draws[task.name] = resample(examples, self.profile.seat_bootstrap, generator)
        return self._draws[task.name]


def _predictions(folder: Path, data: TaskData) -> dict[str, pd.DataFrame]:
    return {split: pd.read_parquet(folder / f"predictions-{split}.parquet") for split in data.dev}
