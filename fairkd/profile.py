"""Profiles: every parameter of an experiment, validated, from a file (``papermill_params/*.yaml``) or a notebook.

A file is complete: it names each parameter once, in the groups of :mod:`fairkd.settings` or each by its flat name. A
parameters cell is not: it names a profile and what it changes of it (:meth:`Profile.based`). What it leaves out, and
what it gives as ``...``, is as in the profile; None is a value of its own, as in ``max_steps``. A value by its own name
goes before the same one in a group, so that papermill's ``-p`` goes before its ``-f``. Code reads the values in their
groups: ``profile.recipe.batch_size``, ``profile.seat.poolings``, ``profile.glue.source``. The values of the paper's
Appendix D stand under the names that they have there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from fairkd.arms import GROUPS, NAMED, Arm, capacity_arms, named_arm
from fairkd.engine.messages import expanded, explanations, similar_path
from fairkd.engine.recipe import EXECUTION, SETTINGS, Recipe, check_steps, read_word
from fairkd.engine.store import Store
from fairkd.engine.yaml_text import load_yaml, utf8_text
from fairkd.errors import InputError, check_slip, nearest, one_of, shown
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import find_tasks
from fairkd.losses import LOSSES
from fairkd.mixup import COUNTERPARTS, SCOPES
from fairkd.pairs import APPENDIX_C
from fairkd.settings import (
    GROUPED,
    SECTIONS,
    CorpusSettings,
    GlueSettings,
    MixupSettings,
    RunSettings,
    SeatSettings,
    TeacherSettings,
    all_fields,
    fields_of,
    flat_values,
    grouped_values,
)
from fairkd.teachers.debias_recipe import DebiasRecipe
from fairkd.text.planted import PREFIX, draw_number, strength
from fairkd.text.sources import check_name, hub_parts, is_path

PARAMETERS = "papermill_params"
LONGEST_NAME = 200
"""Bytes of a folder's name; file systems allow 255, and files in it get longer names."""
STUDENTS_A_TEACHER = 1000
"""Seeds that the students of one teacher can have, where there are several teachers."""
TAKEN = {"rulers": "'fairkd data rulers'", "benchmarks": "'make bench'"}
"""Folders beside those of profiles, and who writes there."""
PLACES = ("runs_dir", "store_dir", *EXECUTION, "prepare_only")
"""Parameters without an effect on results: where things lie, how they are computed and how often saved."""


def project_root() -> Path:
    """The folder that holds ``papermill_params/``: this one or the nearest above, else beside the package."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / PARAMETERS).is_dir():
            return folder
    return here


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, say
        return False


def _is_file(path: Path) -> bool:
    return _exists(path) and path.is_file()


def _problem(key: str, check: Callable[..., object], *values: Any) -> Iterator[str]:
    """What a check says of a value, as a problem of its parameter."""
    try:
        check(*values)
    except ValueError as error:
        yield str(error) if str(error).startswith((f"{key} ", f"{key}:")) else f"{key}: {error}"
    except OSError as error:  # a name that no file can have
        yield f"{key}: {error.strerror}"


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class Profile(RunSettings):
    """All parameters of an experiment. A file that lacks one is an error.

    A relative path is relative to the project's root (see :func:`project_root`).

    >>> Profile.load("quick").changed(seeds=[0, 1]).seeds
    (0, 1)
    """

    teacher: TeacherSettings
    corpus: CorpusSettings
    recipe: Recipe
    mixup: MixupSettings
    debias: DebiasRecipe
    seat: SeatSettings
    glue: GlueSettings
    glue_recipe: GlueRecipe

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """What is wrong with values that are each allowed by themselves."""
        yield from self._name_problems()
        recipe, teacher = self.recipe, self.teacher
        total = recipe.word_mask + recipe.word_keep + recipe.word_rand
        if abs(total - 1) > 1e-9:
            yield f"word_mask + word_keep + word_rand must be 1, not {total:g}"
        for key, values in self._lists().items():
            if len(set(values)) != len(values):
                yield f"{key}: {shown(list(values))} names a value twice"
        if not all(0 <= beta < 1 for beta in recipe.adam_betas):
            yield f"adam_betas: {list(recipe.adam_betas)} must lie in [0, 1)"
        if min(self.teacher_seeds) < 0:
            yield f"teacher_seeds: {list(self.teacher_seeds)} must be 0 or more"
        if self.teacher_seeds != (0,) and not 0 <= min(self.seeds) <= max(self.seeds) < STUDENTS_A_TEACHER:
            yield f"seeds: {list(self.seeds)} must lie in 0 to {STUDENTS_A_TEACHER - 1} where there are teacher_seeds"
        if any(depth < 1 for depth in self.depths):
            yield f"depths: {list(self.depths)} must be 1 or more"
        if teacher.source == "scratch" and (teacher.layers is None or teacher.hidden is None):
            yield "teacher 'scratch' needs teacher_layers and teacher_hidden"
        if teacher.source in ("embedded", "scratch") and teacher.adapt == "never":
            yield f"adapt: teacher {teacher.source!r} has no trained MLM head, so 'never' is not possible"
        check_steps("max_steps", recipe.max_steps, recipe)
        if teacher.source in ("embedded", "scratch") or teacher.adapt == "always":
            check_steps("adapt_steps", teacher.adapt_steps, recipe)
        yield from self._path_problems()
        sources = list(self.corpus.sources)
        if self.planted_strengths and not (len(sources) == 1 and sources[0].startswith(PREFIX)):
            yield f"planted_strengths: needs the corpus 'planted:STRENGTH' alone, not {sources}; or write null"
        drawn = [source for source in sources if source.startswith(PREFIX) and draw_number(source)]
        if drawn and (self.teacher_seeds != (0,) or self.planted_strengths):
            yield f"corpus: {drawn} names a draw, but teacher_seeds and planted_strengths choose the draws themselves"
        yield from self._arm_problems()

    def _name_problems(self) -> Iterator[str]:
        """Names that no folder can have, or that another folder has."""
        places = {"profile": self.name, "runs_dir": self.runs_dir, "store_dir": self.store_dir}
        for key, value in places.items():
            parts = Path(value).parts
            if not value.isprintable() or any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
                yield f"{key}: {shown(value)} is no name of a folder: printable, {LONGEST_NAME} bytes at most"
                return
        for key in ("runs_dir", "store_dir"):
            path = self.path(places[key])
            if file := next((part for part in (path, *path.parents) if _is_file(part)), None):
                yield f"{key}: {shown(places[key])} is no folder: {file} is a file"
        names = [path.stem for path in (project_root() / PARAMETERS).glob("*.yaml")]
        other = next((name for name in names if name != self.name and name.lower() == self.name.lower()), None)
        if other:
            yield f"profile: {self.name!r} differs from {other!r} in case only; choose another name, or write {other!r}"
        if self.name.lower() in TAKEN:
            yield f"profile: {self.name!r} is where {TAKEN[self.name.lower()]} writes; choose another name"
        if (self.path(self.runs_dir) / self.name).resolve() == self.path(self.store_dir).resolve():
            yield f"profile: {self.name!r} is the folder of finished students (store_dir); choose another name"

    def _arm_problems(self) -> Iterator[str]:
        one_of(self.mixup.scope, SCOPES, "lambda_scope")
        one_of(self.mixup.counterpart, COUNTERPARTS, "counterpart")
        yield from _problem("glue_tasks", find_tasks, self.glue.tasks)
        if problems := [*_problem("arms", self.all_arms)]:
            yield from problems
            return
        arms, weights = self.all_arms(), self.recipe.weights
        for name in weights:
            if name not in LOSSES:
                yield f"loss_weights: there is no loss {name!r}; allowed are {list(LOSSES)}.{nearest(name, LOSSES)}"
        known = list(dict.fromkeys(["all", *NAMED, *(arm.name for arm in arms)]))
        for name in self.glue.arms:
            if name not in known:
                yield f"glue_arms: {name!r} is no arm; allowed are {known}.{nearest(name, known)}"
        for arm in arms:
            missing = [name for name in arm.losses if name not in weights]
            if missing:
                yield f"loss_weights: {missing} missing, which arm {arm.name!r} learns from; give each a weight"
            elif not any(weights[name] > 0 for name in arm.losses):
                yield f"loss_weights: arm {arm.name!r} learns from {list(arm.losses)}, all of weight 0"

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        """The lists in which a value that stands twice would count twice, or be no list of different things."""
        return {
            "seeds": self.seeds,
            "teacher_seeds": self.teacher_seeds,
            "depths": self.depths,
            "seat_poolings": self.seat.poolings,
            "arms": self.arms,
            "corpus": tuple(map(self._source_identity, self.corpus.sources)),
            "planted_strengths": self.planted_strengths or (),
            "glue_tasks": self.glue.tasks,
            "glue_arms": self.glue.arms,
            "glue_seeds": self.glue.seeds,
            "glue_learning_curve": self.glue.learning_curve or (),
        }

    def _source_identity(self, source: str) -> str:
        """A source in one spelling: ./a.txt is a.txt, planted:.5 is planted:0.5, and a hub's split is train by itself.

        What cannot be read so is told as a problem of its own.
        """
        with suppress(ValueError, OSError):
            if source.startswith(PREFIX):
                return f"{PREFIX}{strength(source)}:{draw_number(source)}"
            if source.startswith("hub:"):
                return "hub:{}:{}:{}:{}".format(*hub_parts(source))
            if is_path(source):
                return str(self.path(source).resolve())
        return source

    def _path_problems(self) -> Iterator[str]:
        from fairkd.glue.data import check_source
        from fairkd.teachers.wordlists import BUILT_IN

        teacher, source = self.teacher.source, self.glue.source
        if not _exists(self.path(teacher)):
            if teacher.startswith((".", "/", "~")):
                yield self._no_path("teacher", teacher)
            yield from _problem("teacher", check_slip, teacher, ("embedded", "scratch"), "teacher")
        for name in self.corpus.sources:
            yield from _problem("corpus", check_name, name, self.path(name))
        for name in self.corpus.join.keys() - set(self.corpus.sources):  # of sources that are not read: no effect
            if near := nearest(name, self.corpus.sources):
                yield f"corpus_join: {shown(name)} is no source of corpus.{near}"
        if source is not None:
            yield from _problem("glue_source", lambda: check_source(source, (), folder=self.path(source)))
        for key, name, built_in in (
            ("gender_pairs", self.mixup.pairs, APPENDIX_C),
            ("debias_words", self.debias_words, BUILT_IN),
        ):
            if name != built_in and not _exists(self.path(name)):
                yield self._no_path(key, name, built_in)

    def _no_path(self, key: str, value: str, *names: str) -> str:
        path = self.path(value)
        return f"{key}: {shown(value)} does not exist (looked for {path}).{similar_path(path, names)}"

    @classmethod
    def parameters(cls) -> dict[str, FieldInfo]:
        """Every parameter by its flat name, in the order of the parameters cell: its type, limits and description."""
        return all_fields()

    @classmethod
    def load(cls, name_or_path: str | Path) -> Self:
        """Reads and checks a profile.

        Args:
            name_or_path: a file's name in ``papermill_params/`` without its suffix, or a path to a YAML file, from the
                working directory or the project's root.

        Raises:
            InputError: the file does not exist, is not YAML, or holds a wrong key or value (all are named).

        >>> profile = Profile.load("quick")
        >>> profile.name, profile.recipe.temperature, profile.seat.poolings
        ('quick', 2.0, ('mean', 'cls'))
        """
        folder = project_root() / PARAMETERS
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = folder / f"{name_or_path}.yaml"
        elif not path.is_file():
            path = project_root() / path
        if not path.is_file():
            names = sorted(p.stem for p in folder.glob("*.yaml"))
            raise InputError(f"no profile {str(name_or_path)!r}: {names} exist.{nearest(str(name_or_path), names)}")
        try:
            values = load_yaml(utf8_text(path))
        except InputError as error:
            raise InputError(f"{path} is not a YAML file: {error}") from error
        if not isinstance(values, dict):
            found = "nothing" if values is None else type(values).__name__
            raise InputError(f"{path} must hold 'key: value' lines, not {found}")
        groups = {name: value for name, value in values.items() if name in GROUPED}
        if twice := values.keys() & flat_values(groups, where=str(path)):
            raise InputError(f"{path}: {', '.join(sorted(twice))}: given twice, alone and in a group")
        return cls.check(values, where=str(path))

    @classmethod
    def based(cls, values: Mapping[str, Any]) -> Self:
        """The profile that ``profile`` names, with what these values change: what a parameters cell says.

        Args:
            values: plain values by flat name or in groups. ``profile`` is a name or file as for :meth:`load`; where
                there is none of that name, the values must be complete.

        Raises:
            InputError: there is no such profile, or a name or value is wrong.

        >>> Profile.based({"profile": "quick", "seeds": [5], "mixup_settings": {"alpha": 1.0}, "depths": ...}).seeds
        (5,)
        """
        given = flat_values(values)
        missing = [name for name in cls.parameters() if name not in given]
        if not missing:
            return cls.check(given)
        if not isinstance(given.get("profile"), str):
            raise InputError(f"profile: {shown(given.get('profile'))} must be the name of a profile, or its file")
        try:
            base = cls.load(given["profile"]).values()
        except InputError as error:
            if len(missing) > len(given):
                raise
            raise InputError(f"{error} Without it these have no value: {', '.join(missing)}") from None
        return cls.check(base | given | {"profile": base["profile"]})

    @classmethod
    def check(cls, values: Mapping[str, Any], *, where: str = "parameters") -> Self:
        """A profile from all its plain values, by flat name or in groups.

        Raises:
            InputError: lists every problem.
        """
        known, values = cls.parameters(), flat_values(values, where=where)
        problems = [
            f"{shown(key) if not isinstance(key, str) else key}: no such parameter (value {shown(value)})."
            f"{nearest(key, [*known, *GROUPED]) if isinstance(key, str) else ''}"
            for key, value in values.items()
            if key not in known
        ]
        values = {key: read_word(value, known[key].annotation) for key, value in values.items() if key in known}
        if missing := [key for key in known if key not in values]:
            problems.append(f"{', '.join(missing)}: missing; a profile names every parameter")
        sections = {}
        for name, section in [("", RunSettings), *SECTIONS.items()]:
            given = {key: values[key] for key in fields_of(section) if key in values}
            try:
                sections[name] = section(**given)
            except ValidationError as error:
                problems += explanations(error.errors())
        if not problems:
            try:
                return cls(**vars(sections.pop("")), **sections)
            except ValidationError as error:
                problems = explanations(error.errors())
        raise InputError(f"{where}: " + "; ".join(problems))

    def values(self) -> dict[str, Any]:
        """Plain values by flat name."""
        plain: dict[str, Any] = TypeAdapter(Profile).dump_python(self, mode="json", by_alias=True)
        flat = {name: value for name, value in plain.items() if name not in SECTIONS}
        for section in SECTIONS:
            flat |= plain[section]
        return {name: flat[name] for name in self.parameters()}

    def grouped(self) -> dict[str, Any]:
        """Plain values in their groups, as in the YAML file."""
        return grouped_values(self.values())

    @staticmethod
    def effective(values: dict[str, Any]) -> dict[str, Any]:
        """The values that have an effect on results: not where things lie or how often they are saved."""
        return {name: value for name, value in values.items() if name not in PLACES}

    @cached_property
    def is_demonstration(self) -> bool:
        """Whether anything but seeds and device differs from the shipped profile ``paper``."""
        paper = self.effective(type(self).load("paper").values())
        free = ("seeds", "device")
        return any(value != paper[k] for k, value in self.effective(self.values()).items() if k not in free)

    @property
    def scale(self) -> str:
        """What the numbers of this profile are, in a sentence that stands wherever they are shown."""
        if not self.is_demonstration:
            return f"Profile '{self.name}': the paper's setting."
        return (
            f"Demonstration: the profile '{self.name}' is not the paper's setting (teacher, corpus, training). "
            "Its numbers show how the experiment works; they neither confirm nor refute the paper."
        )

    def changed(self, **values: Any) -> Self:
        """A copy with some values replaced, by flat name or in groups, checked like a file."""
        return type(self).check(self.values() | flat_values(values))

    @property
    def seed_groups(self) -> tuple[tuple[int, ...], ...]:
        """Seeds of the students, by what is resampled as one whole: a student, or a teacher with its students.

        Students of one teacher are no independent draws of what several teachers would have given. So where there are
        several, the seed of a student is 1000 · (that of its teacher) + its own, and a group is the students of a
        teacher, of which the mean counts.

        >>> quick = Profile.load("quick").changed(seeds=[0, 1], teacher_seeds=[0])
        >>> quick.seed_groups, quick.changed(teacher_seeds=[0, 1, 2]).seed_groups
        (((0,), (1,)), ((0, 1), (1000, 1001), (2000, 2001)))
        """
        groups = [tuple(STUDENTS_A_TEACHER * of + seed for seed in self.seeds) for of in self.teacher_seeds]
        return tuple(groups) if len(groups) > 1 else tuple((seed,) for seed in groups[0])

    @property
    def student_seeds(self) -> tuple[int, ...]:
        """Of every student of an arm: :attr:`seed_groups` in one row."""
        return tuple(seed for group in self.seed_groups for seed in group)

    def chosen_seeds(self, seeds: Sequence[int] | None) -> tuple[int, ...]:
        """These of :attr:`student_seeds`, in their order; all of them without.

        Raises:
            InputError: one is none of them, or named twice.
        """
        chosen = self.student_seeds if seeds is None else tuple(seeds)
        for seed in chosen:
            if seed not in self.student_seeds:
                raise InputError(f"seed {seed}: profile {self.name!r} has {list(self.student_seeds)}")
            if chosen.count(seed) > 1:
                raise InputError(f"seed {seed} is named twice; give each once")
        return tuple(seed for seed in self.student_seeds if seed in chosen)

    @property
    def finetuned_seeds(self) -> tuple[int, ...]:
        """Of the students that are fine-tuned: those of the first ``glue_students`` groups of :attr:`seed_groups`."""
        return tuple(seed for group in self.seed_groups[: self.glue.students] for seed in group)

    def worlds(self) -> dict[float, Self]:
        """This profile with each of its planted strengths in the text, by strength; none if it has no strengths."""
        return {rho: self.changed(corpus=[f"{PREFIX}{rho}"]) for rho in self.planted_strengths or ()}

    def teacher_of(self, seed: int) -> int:
        """The seed of the teacher of a student with this seed, one of :attr:`student_seeds`."""
        return 0 if self.teacher_seeds == (0,) else seed // STUDENTS_A_TEACHER

    def table_arms(self) -> list[Arm]:
        """The arms that ``arms`` names, one by one or by group, at their depths; each once."""
        found: list[Arm] = []
        for entry in self.arms:
            if isinstance(entry, Arm):
                arms = [entry]
            else:
                names = GROUPS.get(entry, (entry,))
                arms = [named_arm(name, student_layers=self.student_layers) for name in names]
            found += [arm for arm in arms if arm not in found]
        return found

    def all_arms(self) -> list[Arm]:
        """All arms of the profile: Figure 1's, then the tables'. Raises if a name stands for two arms."""
        found: dict[str, Arm] = {}
        for arm in (*capacity_arms(self.depths), *self.table_arms()):
            if arm.name in found:
                raise ValueError(f"arms: the name {arm.name!r} is used twice")
            found[arm.name] = arm
        return list(found.values())

    def path(self, value: str) -> Path:
        """``value`` as a path, relative to the project's root."""
        return project_root() / expanded(value)

    @property
    def rows_a_line(self) -> dict[str, int]:
        """The corpus' sources as they are read, with absolute paths, and of each how many rows make a line."""
        corpus = self.corpus
        return {str(self.path(one)) if is_path(one) else one: corpus.join.get(one, 1) for one in corpus.sources}

    def store(self) -> Store:
        """The store of finished work that this profile uses."""
        return Store(self.path(self.store_dir))
