"""What the command line's arguments mean, and the examples of its help."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from fairkd.engine.yaml_text import load_yaml
from fairkd.errors import InputError, shown
from fairkd.profile import Profile

ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help="Name of a file in papermill_params/, or a path to one.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead (docs/json.md), and nothing else.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write that JSON document to a file, whole or not at all."),
]

Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", metavar="NAME VALUE", help="Change one parameter, as in -p seeds '[0, 1]'; repeatable."),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="A trial: at most N updates in adapting, debiasing, training and fine-tuning. Its results lie apart.",
    ),
]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="Only students of this seed; repeatable.")]

EXAMPLES = {
    "": ("fairkd reproduce quick", "fairkd open quick", "fairkd seat embedded"),
    "reproduce": (
        "fairkd reproduce",
        "fairkd reproduce planted -p seeds '[0]'",
        "fairkd reproduce my-profile.yaml",
        "fairkd reproduce paper --max-steps 2",
    ),
    "prepare": (
        "fairkd prepare paper",
        "fairkd prepare paper --fetch",
        "fairkd prepare small -p teacher my/checkpoint",
    ),
    "train": ("fairkd train small", "fairkd train paper --max-steps 2", "fairkd train paper --processes 4"),
    "measure": ("fairkd measure quick", "fairkd measure paper --seed 0"),
    "finetune": ("fairkd finetune quick", "fairkd finetune paper --seed 0 --task RTE --task MRPC"),
    "submit": (
        "fairkd submit paper --gpus-per-job 4 -- slurm_partition=gpu timeout_min=1440 cpus_per_task=8",
        "fairkd submit small --executor local --at-once 2",
    ),
    "run": (
        "fairkd run 01_capacity",
        "fairkd run 02_ablation --profile small -p seeds '[0, 1, 2]' -p temperature 4.0",
    ),
    "export": (
        "fairkd export quick",
        "fairkd export 03_mixup --profile planted --to mixup.html",
        "fairkd export runs/quick/03_mixup.ipynb",
    ),
    "open": ("fairkd open", "fairkd open planted --print"),
    "clean": ("fairkd clean --dry-run", "fairkd clean quick"),
    "verify": ("fairkd verify quick", "fairkd verify report.html"),
    "seat": (
        "fairkd seat embedded",
        "fairkd seat bert-base-uncased --pooling mean --pooling cls",
        "fairkd seat my/checkpoint --tokenizer my/tokenizer --json",
        "fairkd seat embedded --random-lists",
    ),
    "bias": (
        "fairkd bias bert-base-uncased distilbert-base-uncased",
        "fairkd bias my/student my/teacher --baseline my/teacher --ruler log-probability --output bias.json",
        "fairkd bias my/student my/teacher --ruler own-text --text runs/held-out.txt",
    ),
    "glue": (
        "fairkd glue embedded --task RTE",
        "fairkd glue my/student --source hub:nyu-mll/glue --task RTE --seed 0 --seed 1 --json",
    ),
    "plan": (
        "fairkd plan paper --device h100 --gpus 4",
        "fairkd plan quick -p seeds '[0]'",
        "fairkd plan small --json",
    ),
    "status": ("fairkd status", "fairkd status planted --all", "fairkd status quick --output status.json"),
    "data held-out": ("fairkd data held-out quick", "fairkd data held-out quick --to mine.txt"),
    "data rulers": ("fairkd data rulers", "fairkd data rulers --to data/rulers"),
}
"""Command lines by command; "" is fairkd itself. Tests parse each."""


def help_examples(command: str) -> str:
    """What stands at the end of a command's help, its lines kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[command])


def with_parameters(profile: Profile, settings: list[str]) -> Profile:
    """A profile with single values changed.

    Args:
        profile: the values to begin with.
        settings: "name=value". Numbers are read as Python and papermill's ``-p`` read them, lists, mappings and text in
            quotes as YAML; null, None and the truth values are what they spell. All else is text as it stands.

    Raises:
        InputError: a setting is not of that form, or names no parameter or one a second time, or its value is not
            allowed.
    """
    changes = named_values(settings, option="-p ", example="-p seeds '[0, 1]'")
    return profile.changed(**changes) if changes else profile


def named_values(settings: list[str], *, option: str = "", example: str = "slurm_partition=gpu") -> dict[str, Any]:
    """Values by name, from "name=value", read as :func:`with_parameters` reads them.

    Args:
        settings: of a command line.
        option: what stands before each there, for messages.
        example: of one, for messages.

    Raises:
        InputError: a setting is not of that form, or names one a second time.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"{option}{setting}: give a name and a value, as in {example}")
        if name in found:
            raise InputError(f"{option}{shown(setting)}: {name} has a value already; give it once")
        found[name] = _value_of(setting, text.strip())
    return found


def _value_of(setting: str, text: str) -> Any:
    """A value of the command line. YAML alone would read 012 as ten, 1:30 as ninety, 5e-4 as text and "" as nothing."""
    for number in (int, float):
        with suppress(ValueError):
            if "_" not in text:
                return number(text)
    if not text.startswith(("[", "{", '"', "'")):
        return text
    try:
        return load_yaml(text)
    except InputError as error:
        raise InputError(f"-p {shown(setting)}: the value is not YAML: {error}") from error


def join_pairs(arguments: list[str]) -> list[str]:
    """Makes "-p NAME VALUE", as papermill has it, into "-p NAME=VALUE".

    typer has no repeatable option of two values.
    """
    joined, rest = [], list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] == "-p" and len(rest) >= 2 and "=" not in rest[0]:
            joined.append(f"{rest.pop(0)}={rest.pop(0)}")
    return joined
