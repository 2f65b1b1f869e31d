"""GLUE scores of any checkpoint, without a profile: what the command ``fairkd glue`` does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import torch

from fairkd.engine.loading import first_line
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.classifiers import Encoder, open_encoder
from fairkd.glue.data import TaskData, check_source, load_task
from fairkd.glue.finetune import Run, check_device
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import TASKS, find_tasks, headline
from fairkd.glue.workers import Workers

UNKNOWN = 0.05
"""Share of unknown tokens from which on it is said: more of a text is lost than names and signs."""


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
        InputError: before anything is trained, for a model, task or source that cannot be used, or a tokenizer of
            another vocabulary.
    """
    chosen, folder = find_tasks(tasks), Path(source).expanduser()
    check_source(source, chosen, folder=folder)
    check_device(device)
    encoder, rows, failures = open_encoder(model), [], {}
    found: dict[str, TaskData] = {}
    for task in chosen:
        try:
            found[task.name] = load_task(task, source, folder=folder)
        except InputError as error:  # the other tasks may be in order
            failures[task.name] = first_line(error)
    _check_reading(encoder, recipe, found.values())
    with Workers(store) as workers:
        runs: dict[tuple[str, int], Callable[[], Path]] = {
            (name, seed): workers.start(Run(encoder, data, recipe, seed, device))
            for name, data in found.items()
            for seed in seeds
        }
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


def _check_reading(encoder: Encoder, recipe: GlueRecipe, found: Iterable[TaskData]) -> None:
    """Raises InputError where the encoder cannot read the development examples; says on standard error what is cut."""
    from fairkd.glue.trainer import tokenised

    assert encoder.limits is not None  # open_encoder has read the weights
    tokenizer, longest = encoder.tokenizer, encoder.limits.cut(recipe.max_length)
    if longest < recipe.max_length:
        say = f"examples are cut at {longest} tokens, all that the encoder reads, and not at {recipe.max_length}"
        print(f"fairkd: {say}", file=sys.stderr)
    for data in found:
        splits = [tokenised(split, data.task, tokenizer, longest, encoder.limits) for split in data.dev.values()]
        tokens = [token for rows in splits for row in rows for token in row["input_ids"]]
        unknown = tokens.count(tokenizer.unk_token_id) / len(tokens)
        if unknown > UNKNOWN:
            say = f"{data.task.name}: {unknown:.0%} of the development examples' tokens are unknown to the tokenizer"
            print(f"fairkd: {say}", file=sys.stderr)
