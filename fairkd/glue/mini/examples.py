"""mini-GLUE (synthetic): eight tasks with the schema of GLUE, made by rule, for machines without the data.

The tasks have the columns, label ids and split names of ``nyu-mll/glue``. They ask for what the tasks of GLUE ask for,
in sentences of our own: acceptability by agreement and argument structure, the sign of words of liking under negation
and contrast, paraphrases against sentences of the same words, graded similarity, inference about places, traits, kinds
and moods, questions and their answers. They are not GLUE, and a score on them says nothing about GLUE.

What a model needs for them it must have learned before. Every template emits every label equally often, so that no
template says anything about the label. Training and development sets have no noun, verb, adjective or name in common
(:mod:`fairkd.glue.mini.lexicon`), so that no word of the training set does either. Rows come in twins, one with
women's and one with men's names and pronouns, of the same template, label and form, with other words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from fairkd.errors import InputError, nearest
from fairkd.glue.mini import acceptability, inference, paraphrase, questions, sentiment, similarity
from fairkd.glue.mini.grammar import Draw
from fairkd.glue.mini.lexicon import DEV, TRAIN
from fairkd.rng import numpy_generator

ATTEMPTS = 1000
"""For a text that was not seen before; a template that needs more has too few words."""

Template = Callable[[Draw, Any], tuple[str, ...]]


@dataclass(frozen=True)
class _Task:
    columns: tuple[str, ...]
    labels: tuple[Any, ...]
    templates: Mapping[str, tuple[Template, ...]]
    rows: Mapping[str, int]


def _task(columns: str, n_labels: int, templates: tuple[Template, ...], train: int, dev: int) -> _Task:
    splits = {"train": train, "validation": dev}
    return _Task(tuple(columns.split()), tuple(range(n_labels)), dict.fromkeys(splits, templates), splits)


_PAIR = "sentence1 sentence2"
_TASKS = {
    "mnli": _Task(
        ("premise", "hypothesis"),
        (0, 1, 2),
        {
            "train": inference.RELATIONS,
            "validation_matched": inference.RELATIONS,
            "validation_mismatched": inference.SPOKEN,
        },
        {"train": 1008, "validation_matched": 384, "validation_mismatched": 192},
    ),
    "qqp": _task("question1 question2", 2, questions.QQP, 1024, 384),
    "qnli": _task("question sentence", 2, questions.QNLI, 1024, 384),
    "sst2": _task("sentence", 2, sentiment.SST2, 1024, 384),
    "cola": _task("sentence", 2, acceptability.COLA, 1032, 384),
    "stsb": _Task(
        tuple(_PAIR.split()),
        similarity.GRADES,
        dict.fromkeys(("train", "validation"), similarity.STSB),
        {"train": 1008, "validation": 384},
    ),
    "mrpc": _task(_PAIR, 2, paraphrase.MRPC, 1024, 384),
    "rte": _task(_PAIR, 2, inference.RELATIONS, 1024, 384),
}


def examples(config: str, split: str) -> list[dict[str, Any]]:
    """All rows of one split, in a seeded order: the text columns, "label" and "idx".

    Args:
        config: as on the hub: "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2" or "stsb".
        split: "train" or a development split, as on the hub; there is no test split.

    Raises:
        InputError: no such task or split.
    """
    rows = [row for _, row in described(config, split)]
    order = numpy_generator(0, f"mini-glue order {config} {split}").permutation(len(rows))
    return [{**rows[int(place)], "idx": index} for index, place in enumerate(order)]


def described(config: str, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name of the template, row without "idx") in the order of the grammar: twins side by side.

    Raises:
        InputError: no such task or split.
    """
    if config not in _TASKS:
        raise InputError(f"mini-GLUE has no task {config!r}: allowed are {', '.join(_TASKS)}.{nearest(config, _TASKS)}")
    task = _TASKS[config]
    if split not in task.rows:
        hint = nearest(split, task.rows)
        raise InputError(f"mini-GLUE's {config} has no split {split!r}: allowed are {', '.join(task.rows)}.{hint}")
    seen: set[tuple[str, ...]] = set()
    cells = list(product(range(len(task.templates[split])), range(len(task.labels))))
    for number in range(task.rows[split] // 2):
        template, label = cells[number % len(cells)]
        write = task.templates[split][template]
        for gender in (0, 1):
            texts = _text(
                write, _meaning(config, task.labels[label], number // len(cells)), gender, (config, split, number), seen
            )
            value = similarity.similarity(task.labels[label]) if config == "stsb" else label
            yield write.__name__, {**dict(zip(task.columns, texts, strict=True)), "label": value}


def _meaning(config: str, label: Any, turn: int) -> Any:
    """What the template is asked for: RTE's "not entailed" is neutral and contradiction in turn."""
    return label + turn % 2 if config == "rte" and label else label


def _text(
    write: Template, label: Any, gender: int, cell: tuple[str, str, int], seen: set[tuple[str, ...]]
) -> tuple[str, ...]:
    """A text that was not seen before: the same forms with other words until it is new."""
    config, split, number = cell
    purpose = f"mini-glue {config} {split}"
    for attempt in range(ATTEMPTS):
        draw = Draw(
            TRAIN if split == "train" else DEV,
            gender,
            forms=numpy_generator(0, f"{purpose} forms", number),
            lexical=numpy_generator(0, f"{purpose} words", number, gender, attempt),
        )
        texts = write(draw, label)
        if texts not in seen:
            seen.add(texts)
            return texts
    raise RuntimeError(f"mini-GLUE's {write.__name__} has too few words for the rows of {config} {split}")
