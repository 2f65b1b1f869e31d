"""The fine-tuning runs of a profile's students: from the store, or made when asked for.

A task that fails (its data cannot be used, or a run diverges) does not stop the others: it is remembered with its
reason, its scores are nan, and the notebook's last cell says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairkd.arms import Arm
from fairkd.engine.loading import first_line, load_tokenizer
from fairkd.engine.progress import Progress
from fairkd.engine.stopping import one_line
from fairkd.engine.store import KNOWN, REVISIONS, Store, read_json, write_json
from fairkd.errors import InputError
from fairkd.glue.baselines import bag_of_words, majority
from fairkd.glue.classifiers import Encoder, LateEncoder, open_encoder
from fairkd.glue.data import TaskData, load_task, suite
from fairkd.glue.finetune import Run, check_device
from fairkd.glue.quality import TaskScores, over_runs, resample
from fairkd.glue.tasks import Task, find_tasks
from fairkd.glue.workers import Workers
from fairkd.lab.materials import Materials
from fairkd.rng import numpy_generator
from fairkd.stats.resampling import mean_by_seed

UNTRAINED = "untrained"
"""The baseline of random weights, in the shape of the first student."""
BASELINES: dict[str, Callable[[TaskData], dict[str, pd.DataFrame]]] = {
    "majority": majority,
    "bag-of-words": bag_of_words,
}
"""Predictions without an encoder, by name."""
Runs = list[dict[str, pd.DataFrame]]
"""Of one model on one task: a run a fine-tuning seed, each with the predictions on every development split."""


class GlueRuns:
    """Predictions of fine-tuned students, by arm and task.

    Args:
        materials: of the profile.
        train_examples: instead of the profile's (a point of a learning curve).
        seeds: of the profile's fine-tuned students, only these.
        tasks: of the profile's tasks, only these, by their names.

    Raises:
        InputError: the profile has no ``glue_source`` or no such task, or a device that fine-tuning cannot use.
    """

    def __init__(
        self,
        materials: Materials,
        *,
        train_examples: int | None = None,
        seeds: Sequence[int] | None = None,
        tasks: Sequence[str] | None = None,
    ) -> None:
        profile = materials.profile
        if profile.glue.source is None:
            raise InputError(f"glue_source: profile {profile.name!r} has none; allowed: mini, hub:REPO or a folder")
        check_device(materials.device)
        self.materials, self.profile, self.source = materials, profile, profile.glue.source
        self.recipe = profile.glue_recipe
        if train_examples is not None:
            self.recipe = replace(self.recipe, train_examples=train_examples)
        self.seeds = [seed for seed in profile.finetuned_seeds if seeds is None or seed in seeds]
        wanted = None if tasks is None else find_tasks(tasks)
        own = find_tasks(profile.glue.tasks)
        if wanted and (others := [task.name for task in wanted if task not in own and "all" not in (tasks or ())]):
            raise InputError(f"task {others[0]!r}: profile {profile.name!r} has {[task.name for task in own]}")
        self.tasks = [task for task in own if wanted is None or task in wanted]
        """In the order of Table 3."""
        self.failures: dict[tuple[str, str], str] = {}
        self._models: dict[str, list[Encoder]] = {}  # by arm, one a distillation seed
        self._quality: dict[str, TaskScores] = {}
        self._tokenizers: dict[frozenset[tuple[str, str]], Any] = {}  # by the digests of their files

    @property
    def suite(self) -> str:
        """What the tasks are called: "GLUE" or "mini-GLUE (synthetic)"."""
        return suite(self.source)

    @cached_property
    def data(self) -> dict[str, TaskData]:
        """Data of each task, checked; without those that cannot be used, which :attr:`failures` names."""
        found = {}
        for task in self.tasks:
            try:
                found[task.name] = load_task(task, self.source, folder=self.profile.path(self.source))
            except Exception as error:  # whatever is wrong with this task's files, the others may be in order
                self.failures["", task.name] = first_line(error)
        if not found:
            raise InputError("; ".join(self.failures.values()))
        return found

    def run(self, arms: Sequence[Arm], *, untrained: Arm | None = None) -> None:
        """Fine-tunes what the store lacks of these arms, each once in the life of this object.

        Args:
            arms: whose students are fine-tuned.
            untrained: so is a model (:data:`UNTRAINED`) that has this arm's shape and random weights.

        Raises:
            InputError: a student is not in the store, or no task can be used.
        """
        new = self._new(arms, untrained, known=True)
        if self._lacks(new):
            new = self._new(arms, untrained)
        self._run(new)

    def lacks(self, arms: Sequence[Arm]) -> bool:
        """Whether the store lacks a run of these arms.

        Raises:
            InputError: as :meth:`run`.
        """
        return self._lacks(self._new(arms, None, known=True))

    def _lacks(self, models: dict[str, list[Encoder]]) -> bool:
        runs = chain(*(chain(*self._runs(own, task)) for own in models.values() for task in self.data))
        return None in self.materials.store.find_all(run.key for run in runs).values()

    def _new(self, arms: Sequence[Arm], untrained: Arm | None, *, known: bool = False) -> dict[str, list[Encoder]]:
        """The models of these that have not been run; ``known``: to be looked for only, see :meth:`_known`."""
        new = [arm for arm in arms if arm.name not in self._models]
        encoder = self._known if known else self._encoder
        models = {arm.name: [encoder(arm, seed) for seed in self.seeds] for arm in new}
        if untrained is not None and UNTRAINED not in self._models:
            models[UNTRAINED] = [encoder(untrained, self.profile.student_seeds[0], pretrained=False)]
        return models

    def _run(self, models: dict[str, list[Encoder]]) -> None:
        waiting: dict[tuple[str, str], list[Callable[[], Path]]] = {}
        label = f"fine-tuning on {self.suite}" if self.materials.progress else ""
        runs = {(arm, task): self._runs(models[arm], task) for task in self.data for arm in models}
        count = sum(len(own) for of in runs.values() for own in of)
        with (
            one_line(label or "fine-tuning"),
            Progress(label, count, unit="runs") as shown,
            Workers(self.materials.store) as workers,
        ):
            for place, of in runs.items():
                waiting[place] = [workers.start(run) for own in of for run in own]
            for place, results in waiting.items():
                for number, result in enumerate(results):
                    try:
                        result()
                    except Exception as error:  # this task is lost for this arm, and nothing else is
                        self.failures[place] = first_line(error)
                        shown.add(len(results) - number)
                        break
                    shown.add()
        self._models |= models

    def _runs(self, encoders: Sequence[Encoder], task: str) -> list[list[Run]]:
        """By encoder, then by fine-tuning seed."""
        data, device, keep = self.data[task], self.materials.device, self.profile.glue.keep_weights
        return [
            [Run(encoder, data, self.recipe, seed, device, keep) for seed in self.profile.glue.seeds]
            for encoder in encoders
        ]

    def failure(self, arm: str, task: str) -> str:
        """Why a task has no score; "" if it has."""
        return self.failures.get((arm, task), self.failures.get(("", task), ""))

    def predictions(self, arm: str, task: str) -> list[Runs]:
        """Of a model that has been run: by distillation seed, fine-tuning seed and split; none where it failed."""
        if self.failure(arm, task):
            return []
        store, data = self.materials.store, self.data[task]
        return [
            [_predictions(store.root / run.key, data) for run in own] for own in self._runs(self._models[arm], task)
        ]

    def metrics(self, arm: str, task: str) -> list[list[dict[str, dict[str, float]]]]:
        """What :func:`fairkd.glue.tasks.score` found in each of :meth:`predictions`, as the runs' manifests have it."""
        if self.failure(arm, task):
            return []
        store = self.materials.store
        return [
            [Store.manifest(store.root / run.key)["scores"] for run in own]
            for own in self._runs(self._models[arm], task)
        ]

    def quality(self, arms: Sequence[str]) -> dict[str, TaskScores]:
        """Scores with replicates over examples, by arm, of models that have been run."""
        for arm in arms:
            if arm not in self._quality:
                self._quality[arm] = self._scored({task.name: self.predictions(arm, task.name) for task in self.tasks})
        return {arm: self._quality[arm] for arm in arms}

    def baselines(self) -> dict[str, TaskScores]:
        """Majority class and bag of words."""
        found = {}
        for name, make in BASELINES.items():
            runs = {task: [[self._cached(name, make, data)]] for task, data in self.data.items()}
            found[name] = self._scored({task.name: runs.get(task.name, []) for task in self.tasks})
        return found

    def _known(self, arm: Arm, seed: int, *, pretrained: bool = True) -> Encoder:
        """A student as the store knows it: enough to look for its runs. It has its teacher's tokenizer."""
        folder = self.materials.student(arm, seed)
        manifest, shape = Store.manifest(folder), None
        if not pretrained:
            shape = self.materials.store.find(shape_key(manifest))
            if shape is None:
                return self._remember_shape(self._encoder(arm, seed, pretrained=False))
        late = {"tokenizer": lambda: load_tokenizer(str(folder))}
        known = self.materials.of(self.profile.teacher_of(seed)).checkpoint.tokenizer_digest
        digest = read_json(shape / KNOWN)["digest"] if shape else manifest["weights_digest"]
        return LateEncoder(late, source=str(folder), digest=digest, tokenizer_digest=known, pretrained=pretrained)

    def _encoder(self, arm: Arm, seed: int, *, pretrained: bool = True) -> Encoder:
        folder = self.materials.student(arm, seed)
        manifest = Store.manifest(folder)
        files = frozenset(place for place in manifest["files"].items() if "token" in place[0])
        if files not in self._tokenizers:  # students of one teacher have the same
            self._tokenizers[files] = load_tokenizer(str(folder))
        digest = manifest["weights_digest"] if pretrained else None
        return open_encoder(folder, tokenizer=self._tokenizers[files], digest=digest, pretrained=pretrained)

    def _remember_shape(self, encoder: Encoder) -> Encoder:
        """Returns it; for the next :meth:`_known`: who reads a model's configuration imports transformers."""
        store, key = self.materials.store, shape_key(Store.manifest(Path(encoder.source)))

        def make() -> None:
            with store.write(key, {"kind": "shape", "version": REVISIONS["shape"]}) as new:
                write_json(new / KNOWN, {"digest": encoder.digest})

        with suppress(OSError):  # a disk that cannot be written
            store.once(key, make)
        return encoder

    def _cached(self, name: str, make: Callable[[TaskData], dict[str, pd.DataFrame]], data: TaskData) -> Any:
        key, store = baseline_key(name, data.digest), self.materials.store

        def fill() -> None:
            with store.write(key, {"kind": "glue baseline", "name": name, "task": data.task.config}) as new:
                for split, frame in make(data).items():
                    frame.to_parquet(new / f"predictions-{split}.parquet")

        return _predictions(store.once(key, fill), data)

    def _scored(self, runs: dict[str, list[Runs]]) -> TaskScores:
        """Of one arm: headline scores by seed and task, the mean over students and runs; nan where one failed."""
        seeds = max([len(own) for own in runs.values() if own], default=1)  # 1 for a baseline, and where all failed
        scores = np.full((seeds, len(runs)), np.nan)
        replicates = np.full((seeds, self.profile.seat.bootstrap, len(runs)), np.nan)
        for column, task in enumerate(self.tasks):
            if not runs[task.name]:
                continue
            frames = [[run[task.dev[0]] for run in own] for own in runs[task.name]]
            labels = frames[0][0].label.to_numpy()
            weights = self._weights(task, len(labels))
            for seed, own in enumerate(frames):
                found = np.stack([frame.prediction.to_numpy() for frame in own])
                scores[seed, column], replicates[seed, :, column] = over_runs(task, labels, found, weights)
        students = len(self.profile.seed_groups[0]) if seeds > 1 else 1
        return TaskScores(mean_by_seed(scores, students), mean_by_seed(replicates, students))

    def _weights(self, task: Task, examples: int) -> np.ndarray:
        """How often each example counts in each replicate: the same for all models."""
        return _resampled(task.config, examples, self.profile.seat.bootstrap)


def baseline_key(name: str, data: str) -> str:
    """Key in the store of a baseline's predictions, of :data:`BASELINES`; ``data`` is the digest of the task's."""
    return Store.key("glue baseline", {"version": REVISIONS["glue baseline"], "name": name, "data": data})


def shape_key(student: dict[str, Any]) -> str:
    """Key in the store of what is known of a student's configuration, from the student's manifest."""
    return Store.key("shape", {"version": REVISIONS["shape"], "file": student["files"]["config.json"]})


@lru_cache(maxsize=16)  # of every task, 0.4 MB each of mini-GLUE's
def _resampled(config: str, examples: int, replicates: int) -> np.ndarray:
    weights = resample(examples, replicates, numpy_generator(0, f"glue examples {config}"))
    weights.flags.writeable = False
    return weights


def _predictions(folder: Path, data: TaskData) -> dict[str, pd.DataFrame]:
    return {split: pd.read_parquet(folder / f"predictions-{split}.parquet") for split in data.task.dev}
