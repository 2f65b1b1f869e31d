"""GLUE scores of any checkpoint, without a profile: what the command ``fairkd glue`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from fairkd.engine.loading import first_line
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.classifiers import open_encoder
from fairkd.glue.data import check_source, load_task
from fairkd.glue.finetune import Run, check_device
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import TASKS, find_tasks, headline
from fairkd.glue.workers import Workers


def evaluate_glue(
    model: str | Path,
    source: str,
    tasks: Sequence[str],
    recipe: GlueRecipe,
    *,
    seeds: Sequence[int],
    store: Store,
    device: torch.device,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """What ``fairkd glue MODEL`` does: fine-tunes any checkpoint on tasks, one after the other.

    Args:
        model: as for :func:`open_encoder`.
        source: "mini", "hub:REPO" or a folder.
        tasks: names, or "all".
        recipe, device: as for a :class:`fairkd.glue.finetune.Run`.
        store: where finished runs lie.
        seeds: a run each.

    Returns:
        Raw metrics (task, split, seed, metric, value, as fractions; the "headline" in percent), and of each task that
        failed the reason.

    Raises:
        InputError: before anything is trained, for a model, task or source that cannot be used.
    """
    chosen, folder = find_tasks(tasks), Path(source).expanduser()
    check_source(source, chosen, folder=folder)
    check_device(device)
    encoder, rows, failures = open_encoder(model), [], {}
    with Workers(store) as workers:
        runs: dict[tuple[str, int], Callable[[], Path]] = {}
        for task in chosen:
            try:
                data = load_task(task, source, folder=folder)
            except InputError as error:  # the other tasks may be in order
                failures[task.name] = first_line(error)
                continue
            runs |= {(task.name, seed): workers.start(Run(encoder, data, recipe, seed, device)) for seed in seeds}
        for (name, seed), result in runs.items():
            try:
                scored = Store.manifest(result())["scores"]
            except Exception as error:  # likewise
                failures[name] = first_line(error)
                continue
            for split, scores in scored.items():
                row = {"task": name, "split": split, "seed": seed}
                both = scores | {"headline": headline(TASKS[name], scores)}
                rows += [row | {"metric": metric, "value": value} for metric, value in both.items()]
    return pd.DataFrame(rows, columns=["task", "split", "seed", "metric", "value"]), failures
