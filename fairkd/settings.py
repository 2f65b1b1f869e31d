"""The parameters of an experiment in groups: what each is, its type and limits, and its flat name.

Every parameter has one flat name, which is the same in files, in notebooks, with ``-p`` and in messages; code reads it
in its group: ``learning_rate`` is ``profile.recipe.learning_rate``, ``glue_source`` is ``profile.glue.source``. Files
and parameters cells write groups as mappings of flat names (:data:`GROUPED`), or single values by their flat names.
:class:`fairkd.profile.Profile` puts the groups together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from fairkd.arms import Arm
from fairkd.bias.poolings import POOLINGS
from fairkd.engine.recipe import (
    SETTINGS,
    Adapt,
    Count,
    Positive,
    Rate,
    Recipe,
    Whole,
    parameter,
    read_list,
    read_mapping,
    read_names,
)
from fairkd.errors import InputError, nearest, one_of, shown
from fairkd.glue.recipe import GlueRecipe
from fairkd.teachers.debias_recipe import DebiasRecipe

Ints = Annotated[tuple[Whole, ...], BeforeValidator(read_list), Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(read_names), Field(min_length=1)]
Strengths = Annotated[tuple[Annotated[float, Field(ge=-1, le=1)], ...], BeforeValidator(read_list), Field(min_length=1)]
Joins = Annotated[dict[Text, Annotated[Count, Field(le=1000)]], BeforeValidator(read_mapping)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(read_list), Field(min_length=1)]
Arms = Annotated[tuple[str | Arm, ...], BeforeValidator(read_names), Field(min_length=1)]
PoolingName = Annotated[str, AfterValidator(lambda name: one_of(name, POOLINGS, "pooling"))]
Poolings = Annotated[tuple[PoolingName, ...], BeforeValidator(read_names), Field(min_length=1)]
DEVICES = ("auto", "cpu", "cuda")


def _check_device(name: str) -> str:
    if name not in DEVICES and not re.fullmatch(r"cuda:\d{1,4}", name):
        hint = " Did you mean 'cuda'?" if name.lower() == "gpu" else nearest(name, DEVICES)
        raise ValueError(f"{shown(name)} is no device; allowed are {', '.join(DEVICES)} and cuda:N.{hint}")
    return name


Device = Annotated[str, AfterValidator(_check_device)]


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class TeacherSettings:
    """Who teaches, and how it is trained on before that."""

    source: str = parameter("embedded, scratch, a hub id or a folder", name="teacher", min_length=1)
    layers: Count | None = parameter("layers of a scratch teacher, else None", name="teacher_layers")
    hidden: Count | None = parameter("hidden size of a scratch teacher, else None", name="teacher_hidden")
    adapt: Adapt = parameter("continue its MLM training; auto: if it has no MLM head")
    adapt_steps: Count = parameter("updates of that training")
    adapt_batch_size: Count = parameter("its sequences a batch")
    adapt_learning_rate: Rate = parameter("its peak learning rate")


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class CorpusSettings:
    """What is read."""

    sources: Texts = parameter("embedded, generated, paths, hub:repo[:config[:split]]", name="corpus")
    column: str = parameter("text column of jsonl, parquet and hub sources", name="corpus_column", min_length=1)
    join: Joins = parameter("sources with a sentence a row: how many rows make a line, by source", name="corpus_join")
    fraction: float = parameter("share of documents used", name="corpus_fraction", gt=0, le=1)
    seed: Whole = parameter("seed of that sample", name="corpus_seed")
    heldout_fraction: float = parameter("share of documents kept for held-out loss", gt=0, lt=1)
    max_length: int = parameter("longest sequence, in tokens", ge=12, le=512)


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class MixupSettings:
    """How gender words are mixed in the arms that mix (Section 5.1); see :class:`fairkd.mixup.Mixup`."""

    alpha: Positive = parameter("mixup: λ ~ Beta(alpha, alpha)")
    scope: str = parameter("mixup: what shares one λ: sequence, batch or occurrence", name="lambda_scope")
    counterpart: str = parameter("mixup: logits of the other word, from a second pass or from the vocabulary")
    pairs: str = parameter("appendix-c, or a YAML or CSV file of female, male pairs", name="gender_pairs", min_length=1)


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class SeatSettings:
    """How bias is measured."""

    poolings: Poolings = parameter("sentence vectors; the first is the headline", name="seat_poolings")
    permutations: int = parameter("random splits behind a p-value", name="seat_permutations", ge=2, lt=2**63)
    bootstrap: int = parameter("resamples behind an interval, of GLUE too", name="seat_bootstrap", ge=100, lt=2**63)


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class GlueSettings:
    """Which students are fine-tuned on what; how is in :class:`fairkd.glue.recipe.GlueRecipe`."""

    source: Text | None = parameter(
        "mini (synthetic), hub:REPO, a folder with GLUE, or None: no GLUE", name="glue_source"
    )
    tasks: Texts = parameter("all, or names of tasks, as in Table 3", name="glue_tasks")
    arms: Texts = parameter("arms that are fine-tuned, by name; all is every arm", name="glue_arms")
    students: Count | None = parameter(
        "seeds whose students are fine-tuned, the first ones; None: all", name="glue_students"
    )
    seeds: Ints = parameter("fine-tuning runs of each student", name="glue_seeds")
    learning_curve: Counts | None = parameter(
        "numbers of training examples to compare, or None", name="glue_learning_curve"
    )
    keep_weights: bool = parameter("keep the fine-tuned models too", name="glue_keep_weights")


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class RunSettings:
    """Which students, from which seeds, on what device, and where everything lies."""

    name: str = parameter(
        "name; products go to runs_dir/<name>", name="profile", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
    )
    arms: Arms = parameter("table-1, table-2, ours, names, or {name, layers, losses, mix, teacher}")
    depths: Ints = parameter("layers of the students of Figure 1")
    student_layers: Count = parameter("layers of the arm 'full' and its variants")
    seeds: Ints = parameter("one student of each arm a seed")
    teacher_seeds: Ints = parameter("one teacher a seed, and draw of planted text; each has students of all seeds")
    planted_strengths: Strengths | None = parameter("planted associations that 06_planted compares, or None")
    debias_words: str = parameter("built-in, or a YAML file of the lists female, male, stereotype", min_length=1)
    debias_without_seat_words: bool = parameter("for comparison, debias a second teacher without SEAT's words")
    device: Device = parameter("auto, cpu, cuda or cuda:N")
    runs_dir: str = parameter("folder of the products", min_length=1)
    store_dir: str = parameter("folder of finished students, shared by profiles", min_length=1)
    prepare_only: bool = parameter("check everything and print the plan, train nothing")


SECTIONS: dict[str, type] = {
    "teacher": TeacherSettings,
    "corpus": CorpusSettings,
    "recipe": Recipe,
    "mixup": MixupSettings,
    "debias": DebiasRecipe,
    "seat": SeatSettings,
    "glue": GlueSettings,
    "glue_recipe": GlueRecipe,
}
"""A profile's groups of parameters, beside those of :class:`RunSettings`, in the order of the parameters cell."""


def fields_of(section: Any) -> dict[str, FieldInfo]:
    """The fields of a group by their flat names."""
    return {str(field.validation_alias or name): field for name, field in section.__pydantic_fields__.items()}


GROUPED: dict[str, type] = {"run_settings": RunSettings, **{f"{name}_settings": own for name, own in SECTIONS.items()}}
"""What files and parameters cells call the groups; the name of a profile's group and "_settings"."""
AS_IN_PROFILE = ...
"""The value that a parameters cell gives to what stays as the profile says it. None is a value of its own."""


def all_fields() -> dict[str, FieldInfo]:
    """The fields of all groups by their flat names, in order."""
    return {name: field for section in GROUPED.values() for name, field in fields_of(section).items()}


def flat_values(values: Mapping[str, Any], *, where: str = "parameters") -> dict[str, Any]:
    """Values by flat name, from those of a file or a parameters cell; a single value goes before one in its group.

    What is ``...`` is left out, and what is neither a parameter nor a group stays, for whoever checks it.

    Raises:
        InputError: a group is no mapping, or holds a name that is none of its parameters; names all.

    >>> flat_values({"profile": "quick", "seeds": ..., "mixup_settings": {"alpha": 0.4, "lambda_scope": "batch"}})
    {'alpha': 0.4, 'lambda_scope': 'batch', 'profile': 'quick'}
    """
    problems: list[str] = []
    opened: dict[str, Any] = {}
    for group in GROUPED.keys() & values.keys():
        try:
            own = read_mapping(values[group])
        except ValueError as error:
            problems.append(f"{group}: {error}")
            continue
        if not isinstance(own, Mapping):
            problems.append(f"{group}: {shown(own)} must be a mapping of names and values")
            continue
        problems += [_stranger(group, name) for name in own if name not in grouped_names(group)]
        opened |= own
    if problems:
        raise InputError(f"{where}: {'; '.join(sorted(problems))}")
    single = {name: value for name, value in values.items() if name not in GROUPED and value is not AS_IN_PROFILE}
    return {name: value for name, value in opened.items() if value is not AS_IN_PROFILE} | single


def grouped_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by flat name in their groups, as a file has them; ``profile``, the name, stands before them."""
    groups = {group: {name: values[name] for name in grouped_names(group) if name in values} for group in GROUPED}
    return {"profile": values["profile"], **{group: own for group, own in groups.items() if own}}


def grouped_names(group: str) -> list[str]:
    """The flat names of a group's parameters; the name of the profile is in none."""
    return [name for name in fields_of(GROUPED[group]) if name != "profile"]


def _stranger(group: str, name: Any) -> str:
    """What is wrong with a name that is none of a group's parameters."""
    if name == "profile":
        return f"{group}: profile stands alone, not in a group"
    own = next((other for other in GROUPED if name in grouped_names(other)), None)
    if own:
        return f"{group}: {name} is one of {own}"
    names = grouped_names(group)
    hint = nearest(name, names) if isinstance(name, str) else ""
    return f"{group}: no such parameter as {shown(name)}; it has {', '.join(names)}.{hint}"
