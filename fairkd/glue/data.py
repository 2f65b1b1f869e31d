"""Where the examples of GLUE come from: the hub, a folder, or the synthetic mini-GLUE.

A source is written as

- ``mini``: :mod:`fairkd.glue.mini.examples`, made by rule; it is not GLUE and is never called so;
- ``hub:REPO``: a data set of the Hugging Face hub in the layout of ``nyu-mll/glue`` (``hub`` alone is that one), or a
  local copy of such a repository; no code of it is run;
- a path to a folder with, for each task, either the hub's Parquet files ``<config>/<split>-*.parquet`` or the classic
  download ``<TASK>/train.tsv`` and ``dev.tsv`` (MNLI: ``dev_matched.tsv``, ``dev_mismatched.tsv``). A task that is
  there in both is an error, for nothing says which one is meant.

All give the same columns and class ids. Classes are matched by name: a file that numbers its named classes in another
order gives the same ids. Numbers without names are ids in the order of :data:`fairkd.glue.tasks.TASKS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairkd.engine.hub import offline_if_unreachable, why_unreachable
from fairkd.engine.loading import first_line, refused
from fairkd.engine.messages import similar_path
from fairkd.errors import InputError, nearest
from fairkd.glue.rows import check_columns, checked, digest
from fairkd.glue.tasks import TASKS, Task
from fairkd.glue.tsv import read_tsv

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

MINI, HUB, REPO = "mini", "hub", "nyu-mll/glue"
ALLOWED = f"allowed: '{MINI}', '{HUB}:REPO' such as '{HUB}:{REPO}', or a folder with GLUE's files"


@dataclass(frozen=True)
class TaskData:
    """The examples of one task, checked.

    Attributes:
        task: whose they are.
        splits: by name, "train" first, then the development splits in the order of the task's ``dev``: the task's text
            columns and "label" (int64 class id, or float32 for STS-B).
        digest: SHA-256 of all texts and labels in their order; the same wherever and in whichever layout they lie.
        source: as it was given.
        left_out: by split, how many lines of a ``.tsv`` file do not count (:mod:`fairkd.glue.tsv`); without zeros.
    """

    task: Task
    splits: Mapping[str, pa.Table | datasets.Dataset]
    digest: str
    source: str
    left_out: dict[str, int] = field(default_factory=dict)

    @cached_property
    def train(self) -> datasets.Dataset:
        """The training examples."""
        return _dataset(self.splits["train"])

    @cached_property
    def dev(self) -> dict[str, datasets.Dataset]:
        """The development splits."""
        return {split: _dataset(rows) for split, rows in self.splits.items() if split != "train"}

    def first(self, n: int) -> list[dict[str, Any]]:
        """The first ``n`` training examples, or all if there are fewer."""
        import pyarrow as pa

        rows = self.splits["train"]
        return (rows if isinstance(rows, pa.Table) else rows.with_format("arrow")[:]).slice(0, n).to_pylist()


def _dataset(rows: pa.Table | datasets.Dataset) -> datasets.Dataset:
    """Who looks at finished work needs no examples; what holds them takes half a second to be imported."""
    from datasets import Dataset

    return rows if isinstance(rows, Dataset) else Dataset(rows)


def load_task(task: Task, source: str, *, folder: Path | None = None) -> TaskData:
    """Reads and checks one task; its examples are held in memory (MNLI: about 70 MB, and 400 MB while it is read).

    Args:
        task: which.
        source: see the module's docstring.
        folder: where the folder of a path source is, if ``source`` is relative to something else than the working
            directory; not looked at for other sources.

    Raises:
        InputError: a source, task, split or column that is not there; a split without examples; a text that is
            missing; a label that is missing, hidden (-1), unknown, or outside 0 to 5 (STS-B).
    """
    left_out: dict[str, int] = {}
    if source == MINI:
        tables = _read_mini(task)
    elif (repo := _repo(source)) is not None:
        tables = _read_hub(task, repo)
    else:
        tables = {}
        for split, paths in _files(task, _folder(source, folder)).items():
            tables[split], dropped = _read_files(task, split, paths)
            left_out |= {split: dropped} if dropped else {}
    for split, table in tables.items():
        if not table.num_rows:
            raise InputError(f"GLUE task {task.name}: split {split!r} of {source!r} is empty")
    return TaskData(task, tables, digest(task, tables), source, left_out)


def suite(source: str) -> str:
    """What the tasks of a source are called: "mini-GLUE (synthetic)" or "GLUE"."""
    return "mini-GLUE (synthetic)" if source == MINI else "GLUE"


def check_source(source: str, tasks: Sequence[Task], folder: Path | None = None) -> None:
    """Checks what can be checked without reading examples: the source's form, and the files of each task in a folder.

    A hub id is checked for its form only, so that this never needs the network.

    Raises:
        InputError: a source that cannot be used; it says what is wrong with every one of the tasks.
    """
    if source == MINI or _repo(source) is not None:
        return
    root, problems = _folder(source, folder), []
    for task in tasks:
        try:
            _files(task, root)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("; ".join(problems))


def is_hub(source: str) -> bool:
    """Whether a source is a repository of the hub, or a local copy of one."""
    return source != MINI and _repo(source) is not None


def _splits(task: Task) -> tuple[str, ...]:
    return ("train", *task.dev)


def _repo(source: str) -> str | None:
    """Repository (or local copy of one) of a hub source; None if the source is none."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    if source == HUB:
        return REPO
    if not source.startswith(f"{HUB}:"):
        return None
    repo = source.removeprefix(f"{HUB}:")
    if repo and (path := Path(repo).expanduser()).is_dir():
        return str(path.absolute())
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"GLUE source {source!r} is neither a hub id nor a folder that exists; {ALLOWED}") from error
    return repo


def _folder(source: str, folder: Path | None) -> Path:
    path = (folder or Path(source)).expanduser().absolute()
    if not source or not path.is_dir():
        hint = nearest(source, (MINI, f"{HUB}:{REPO}")) or (similar_path(path) if source else "")
        raise InputError(f"GLUE source {source!r} is no folder (looked for {path}); {ALLOWED}.{hint}")
    return path


def _files(task: Task, root: Path) -> dict[str, list[Path]]:
    """The files of each split of a task, in the one layout in which the folder has it."""
    found = _layouts(task, root)
    if len(found) == 2:
        raise InputError(
            f"GLUE task {task.name} is twice in {root}: as {task.config}/*.parquet and as {task.name}/*.tsv; keep one"
        )
    if not found:
        there = [other.name for other in TASKS.values() if _layouts(other, root)]
        raise InputError(
            f"GLUE task {task.name} is not in {root}: neither {task.config}/<split>-*.parquet nor {task.name}/*.tsv; "
            f"tasks that are there: {', '.join(there) or 'none'}"
        )
    ((kind, paths),) = found.items()
    if kind == "tsv":
        wanted = {split: f"{split.replace('validation', 'dev')}.tsv" for split in _splits(task)}
        present = {path.name: [path] for path in paths}
    else:
        wanted = {split: split for split in _splits(task)}
        present = {}
        for path in paths:
            present.setdefault(path.stem.partition("-")[0], []).append(path)
    for split, name in wanted.items():
        if name not in present:
            expected = name if kind == "tsv" else f"{name}-*.parquet"
            raise InputError(
                f"GLUE task {task.name}: split {split!r} is missing, for {paths[0].parent} has no {expected}; "
                f"it has {', '.join(present)}.{nearest(name, present)}"
            )
        _check_parts(task, present[name])
    return {split: present[name] for split, name in wanted.items()}


def _layouts(task: Task, root: Path) -> dict[str, list[Path]]:
    folders = {"parquet": root / task.config, "tsv": root / task.name}
    found = {ending: sorted(folder.glob(f"*.{ending}")) for ending, folder in folders.items()}
    return {ending: paths for ending, paths in found.items() if paths}


def _check_parts(task: Task, paths: list[Path]) -> None:
    """Raises InputError if some of the files are missing over which the hub spreads a large split."""
    totals = {int(match[1]) for path in paths if (match := re.search(r"-\d+-of-(\d+)$", path.stem))}
    if totals and totals != {len(paths)}:
        raise InputError(
            f"GLUE task {task.name}: {paths[0].parent} holds {len(paths)} files such as {paths[0].name}, whose names "
            f"speak of {max(totals)}"
        )


def _where(task: Task, split: str, place: object) -> str:
    return f"GLUE task {task.name}, split {split!r} ({place})"


def _read_mini(task: Task) -> dict[str, pa.Table]:
    import pyarrow as pa

    from fairkd.glue.mini.examples import examples

    tables = {split: pa.Table.from_pylist(examples(task.config, split)) for split in _splits(task)}
    return {split: checked(task, _where(task, split, MINI), table) for split, table in tables.items()}


def _read_hub(task: Task, repo: str) -> dict[str, pa.Table]:
    import datasets

    try:
        with offline_if_unreachable(repo):
            data = datasets.load_dataset(repo, task.config)
    except Exception as error:  # the hub client raises errors of many libraries
        why = "" if Path(repo).is_dir() else why_unreachable()
        offline = f" (the hub cannot be reached: {why})" if why else ""
        raise InputError(
            f"GLUE task {task.name}: configuration {task.config!r} of {repo!r} cannot be read{offline}: "
            f"{type(error).__name__}: {first_line(error)}; check name and network, or download the data and name "
            "their folder instead"
        ) from error
    tables = {}
    for split in _splits(task):
        if split not in data:
            raise InputError(
                f"GLUE task {task.name}: split {split!r} is missing in {repo!r}; it has {', '.join(data)}."
                f"{nearest(split, data)}"
            )
        rows, where = data[split], _where(task, split, repo)
        check_columns(where, (*task.columns, "label"), rows.column_names)
        with refused(f"{where} cannot be read"):
            table = rows.select_columns([*task.columns, "label"]).with_format("arrow")[:]
            tables[split] = checked(task, where, table, getattr(rows.features["label"], "names", None))
    return tables


def _read_files(task: Task, split: str, paths: list[Path]) -> tuple[pa.Table, int]:
    """One split, and how many of its lines were left out."""
    import pyarrow as pa

    with refused(f"{_where(task, split, paths[0])} cannot be read"):
        if paths[0].suffix == ".tsv":
            return read_tsv(task, _where(task, split, paths[0]), paths[0])
        return pa.concat_tables(_read_parquet(task, _where(task, split, path), path) for path in paths), 0


def _read_parquet(task: Task, where: str, path: Path) -> pa.Table:
    import pyarrow.parquet as pq
    from datasets import Features

    with pq.ParquetFile(path) as file:
        check_columns(where, (*task.columns, "label"), file.schema_arrow.names)
        label = Features.from_arrow_schema(file.schema_arrow)["label"]
        return checked(task, where, file.read([*task.columns, "label"]), getattr(label, "names", None))
