"""GLUE scores of a profile's students as tidy tables, over examples and seeds (Table 3, GLUE row of Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fairkd.arms import Arm
from fairkd.claims.claims import judge_glue
from fairkd.frames import GLUE_EXAMPLES, GLUE_METRICS, GLUE_TRAINING
from fairkd.glue import quality
from fairkd.glue.data import MINI, suite
from fairkd.lab.glue_runs import UNTRAINED, GlueRuns
from fairkd.lab.materials import Materials


class Quality:
    """GLUE scores of students: fine-tuned when asked for, cached in the store. What a notebook has as ``exp.quality``.

    A score is a task's headline in percent: accuracy (MNLI matched, QNLI, SST-2, RTE), Matthews (CoLA), or the mean of
    the task's two metrics (QQP, MRPC, STS-B).
    """

    def __init__(self, materials: Materials) -> None:
        self.materials, self.profile = materials, materials.profile
        self._runs: GlueRuns | None = None

    @property
    def runs(self) -> GlueRuns:
        """The fine-tuning runs behind the scores; raises :class:`InputError` for a profile without GLUE."""
        if self._runs is None:
            self._runs = GlueRuns(self.materials)
        return self._runs

    @property
    def suite(self) -> str:
        """What the tasks are called: "GLUE" or "mini-GLUE (synthetic)"."""
        return self.runs.suite

    @property
    def is_real(self) -> bool:
        """Whether the tasks are GLUE, so that the paper's numbers may stand beside ours."""
        return self.runs.source != MINI

    @property
    def scale(self) -> str:
        """What the numbers are: the profile's sentence, and for synthetic tasks that they are no GLUE."""
        synthetic = f" The tasks are {self.suite}, made by rule: its scores are not GLUE scores."
        return self.profile.scale + ("" if self.is_real else synthetic)

    def arms(self) -> list[Arm]:
        """The arms that the profile fine-tunes: those of ``glue_arms`` that it has, in that order."""
        arms = {arm.name: arm for arm in self.profile.all_arms()}
        if "all" in self.profile.glue.arms:
            return list(arms.values())
        return [arms[name] for name in self.profile.glue.arms if name in arms]

    def row(self, arms: Sequence[Arm]) -> pd.DataFrame | None:
        """:meth:`averages` of those of the arms that the profile fine-tunes; None without GLUE."""
        if self.profile.glue.source is None:
            return None
        return self.averages([arm for arm in self.arms() if arm in arms])

    def scores(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Every raw metric, in the columns :data:`fairkd.frames.GLUE_METRICS`."""
        runs, rows = self.runs, []
        runs.run(arms)
        for arm in arms:
            for task in runs.tasks:
                for seed, own in zip(self.profile.finetuned_seeds, runs.metrics(arm.name, task.name), strict=False):
                    for run, splits in zip(self.profile.glue.seeds, own, strict=True):
                        row = {"arm": arm.name, "layers": arm.layers, "seed": seed, "run": run, "task": task.name}
                        for split in task.dev:
                            of = row | {"split": split}
                            rows += [of | {"metric": name, "value": splits[split][name]} for name in task.metrics]
        return pd.DataFrame(rows, columns=GLUE_METRICS)

    def tasks(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Headline scores: :data:`fairkd.frames.GLUE_SCORES` and ``error``, why there is none, or ""."""
        return self._with_errors(quality.tasks(self._quality(arms), self._task_names()))

    def averages(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Average scores: :data:`fairkd.frames.GLUE_AVERAGES`, ``suite``, ``tasks``; nan where one failed."""
        averages = quality.score_averages(self._quality(arms), self._task_names())
        return averages.assign(suite=self.runs.suite, tasks=len(self.runs.tasks))

    def differences(self, arms: Sequence[Arm], *, baseline: str) -> pd.DataFrame:
        """Paired differences from an arm, a row an arm and task ("Avg." too).

        See :func:`fairkd.glue.quality.score_differences`.
        """
        return quality.score_differences(self._quality(arms), self._task_names(), baseline=baseline)

    def baselines(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """As :meth:`tasks`, of "majority", "bag-of-words" and "untrained" (the first arm's shape).

        Fine-tunes the arms too, beside the untrained model and in the same processes.
        """
        runs = self.runs
        runs.run(arms, untrained=arms[0])
        found = runs.baselines() | runs.quality([UNTRAINED])
        return self._with_errors(quality.tasks(found, self._task_names()))

    def claims(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Verdicts on the paper's claims about GLUE; they know no pooling, so that column is ""."""
        return judge_glue(self._quality(arms), suite=self.runs.suite).assign(pooling="")

    def learning(self, arms: Sequence[Arm]) -> pd.DataFrame | None:
        """Headline scores against ``glue_learning_curve``, as :meth:`tasks` with train_examples; None without."""
        frames = []
        for size in self.profile.glue.learning_curve or ():
            runs = GlueRuns(self.materials, train_examples=size)
            runs.run(arms)
            named = {(f"{arm}, {size:,} examples", task): why for (arm, task), why in runs.failures.items() if arm}
            self.runs.failures |= named
            found = quality.tasks(runs.quality([arm.name for arm in arms]), self._task_names())
            frames.append(found.assign(train_examples=size))
        return pd.concat(frames, ignore_index=True) if frames else None

    def sample(self, rows: int = 1) -> pd.DataFrame:
        """The first training examples of each task: the columns :data:`fairkd.frames.GLUE_EXAMPLES`."""
        found = []
        for task, data in self.runs.data.items():
            for row in data.first(rows):
                text = " / ".join(row[column] for column in data.task.columns)
                label = data.task.labels[row["label"]] if data.task.labels else f"{row['label']:.1f}"
                found.append({"task": task, "split": "train", "text": text, "label": label})
        return pd.DataFrame(found, columns=GLUE_EXAMPLES)

    def training(self) -> pd.DataFrame:
        """What each student is fine-tuned on: a row a task that can be used, :data:`fairkd.frames.GLUE_TRAINING`."""
        recipe = self.runs.recipe
        sizes = {task: data.splits["train"].num_rows for task, data in self.runs.data.items()}
        rows = [(task, min(n, recipe.train_examples or n), recipe.epochs) for task, n in sizes.items()]
        return pd.DataFrame(rows, columns=GLUE_TRAINING)

    def facts(self) -> dict[str, Any]:
        """Suite and source of the tasks, and the digests of those that have been read; nothing without GLUE."""
        source = self.profile.glue.source
        if source is None:
            return {}
        about: dict[str, Any] = {"suite": suite(source), "source": source}
        if self._runs is not None:
            about["data"] = {task: data.digest for task, data in self._runs.data.items()}
        return {"glue": about}

    def failures(self) -> list[str]:
        """What failed, a line each; empty where nothing was fine-tuned."""
        found = {} if self._runs is None else self._runs.failures
        return [f"{task}{f', {arm}' if arm else ''}: {why}" for (arm, task), why in found.items()]

    def _quality(self, arms: Sequence[Arm]) -> dict[str, quality.TaskScores]:
        self.runs.run(arms)
        return self.runs.quality([arm.name for arm in arms])

    def _task_names(self) -> list[str]:
        return [task.name for task in self.runs.tasks]

    def _with_errors(self, frame: pd.DataFrame) -> pd.DataFrame:
        reasons = [self.runs.failure(str(arm), str(task)) for arm, task in zip(frame.arm, frame.task, strict=True)]
        return frame.assign(error=reasons)
