"""Saved results of notebooks: tidy tables, pieces that were shown, and a manifest that is written last and lists them.

Whether results are those of a profile follows from what determines them: its values, the code of the package, and the
files that the values name. Who wrote them, the runner, JupyterLab or papermill, does not matter.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from inspect import signature
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

import fairkd
from fairkd.engine.store import digest_once, file_digest, read_json, write_json
from fairkd.errors import InputError, nearest
from fairkd.lab.variants import base_dir, changed_values, difference, keep, output_dir, reference, shown_path, variants
from fairkd.profile import Profile
from fairkd.text.sources import fingerprint

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = Path(fairkd.__file__).parent
REPORT = "05_report"
"""The notebook that reads the results of the others."""
CONTROLLED = "planted"
"""The profile of the controlled experiment, whose verdicts the reports of other profiles show beside their own."""
PIECE = ".piece.json"
"""How the files of pieces end: what a notebook showed, to be shown again."""
SELF = "digest"
"""What a file of :func:`write_state` calls the digest of all that it says beside it."""
_NAMES = ("embedded", "scratch", "appendix-c", "built-in", "mini")
"""Values that are no paths."""
T = TypeVar("T")


def controlled(profile: Profile) -> Profile:
    """The controlled experiment whose products lie beside those of ``profile``: the shipped profile, same folders."""
    return Profile.load(CONTROLLED).changed(
        runs_dir=profile.runs_dir, store_dir=profile.store_dir, device=profile.device
    )


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise ValueError(f"{name!r} is no file below the folder")
    return name


Digests = dict[Annotated[str, AfterValidator(_inside)], str]
"""SHA-256 of files, by their names below a folder."""
STATE_FILE = ConfigDict(strict=True)
"""Of the classes that :func:`read_state` makes: a value of another type is an error."""


@dataclass(frozen=True, kw_only=True, config=STATE_FILE)
class Manifest:
    """What a notebook's last cell writes.

    Attributes:
        parameters: the profile's values, by flat name.
        code: :func:`code_digest` of the package that ran.
        inputs: :func:`inputs` when it began.
        saved: its tables.
        entries: what it used of the store, as :meth:`fairkd.engine.store.Store.used` has it.
        read: of other notebooks whose results it shows, by label, the digest of the tables that they had saved.
        failures: parts that could not be done.
        token: of the runner that ran it; None in JupyterLab and with papermill.
    """

    parameters: dict[str, Any]
    saved: Digests
    code: str = ""
    inputs: dict[str, str] | None = None
    entries: dict[str, str] = Field(default_factory=dict)
    read: dict[str, str] = Field(default_factory=dict)
    failures: list[str]
    token: str | None


def write_state(path: Path, value: dict[str, Any]) -> None:
    """Writes names and values as JSON, with a digest of them among them."""
    plain = json.loads(json.dumps({name: own for name, own in value.items() if name != SELF}, default=str))
    write_json(path, plain | {SELF: content_digest(plain)})


def read_state(path: Path, kind: Callable[..., T]) -> T:
    """What :func:`write_state` wrote, as a value of a class with a field for each name that counts.

    Raises:
        InputError: the file cannot be read, is not JSON, has another shape or was changed; names the file and says why.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold names and values, not {type(value).__name__}")
    if value.pop(SELF, None) != content_digest(value):
        raise InputError(f"{path} was changed after it was written, or an earlier version wrote it")
    try:
        return kind(**{name: value[name] for name in signature(kind).parameters if name in value})
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(map(_problem, error.errors()[:3]))}") from error


def _problem(one: Any) -> str:
    """One line for what pydantic found, without the value, which may be a whole notebook."""
    name = " ".join(".".join(str(part) for part in one["loc"] if part != "[key]").split())
    message = one["msg"].removeprefix("Value error, ").replace("Field required", "missing")
    return f"{name}: {message.replace('Input should be', 'must be')}"


def code_digest() -> str:
    """SHA-256 over every module and template of the package, whatever room it lies in."""
    found: dict[str, str] = {}
    root = str(PACKAGE)
    for folder, _, names in os.walk(root):  # a page asks a hundred times: pathlib would take longer than the rest
        template = "templates" in folder[len(root) :].split(os.sep)
        own = [os.path.join(folder, name) for name in names if template or name.endswith(".py")]
        found |= {path[len(root) + 1 :]: digest_once(Path(path)) for path in own}
    return content_digest(found)


@cache
def _loaded_code() -> str:
    """:func:`code_digest` when this process first asked, which is what it imported, whatever was edited since."""
    return code_digest()


def inputs(profile: Profile) -> dict[str, str]:
    """Digests of what lies behind the values of a profile, by parameter: names and content of files.

    As the store tells corpora apart. A hub id stands for itself.

    Raises:
        InputError: a source of the corpus cannot be used.
    """
    sources = [*profile.rows_a_line]
    prints = [{name: value for name, value in fingerprint(one).items() if name != "source"} for one in sources]
    found = {"corpus": content_digest(prints)}
    named = {"teacher": profile.teacher.source, "gender_pairs": profile.mixup.pairs}
    named |= {"debias_words": profile.debias_words, "glue_source": profile.glue.source or "mini"}
    for name, value in named.items():
        if value not in _NAMES and (files := _files(profile.path(value))):
            found[name] = content_digest(files)
    return found


def _files(path: Path) -> list[Any]:
    inside = sorted(path.rglob("*")) if path.is_dir() else []
    files = [file for file in [path, *inside] if file.is_file() and not file.name.startswith(".")]
    return [[file.relative_to(path.parent).as_posix(), digest_once(file)] for file in files]


def content_digest(value: Any) -> str:
    """SHA-256 of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Results:
    """The tables and pieces of one notebook of a profile, in the folder ``results`` of its products."""

    def __init__(self, notebook: str, profile: Profile) -> None:
        self.notebook, self.profile = notebook, profile
        self._saved: dict[str, str] = {}
        self._inputs = inputs(profile)

    @cached_property
    def folder(self) -> Path:
        """``results`` of the profile, or of the variant that its values are."""
        return output_dir(self.profile) / "results"

    @property
    def path(self) -> Path:
        """The manifest."""
        return self.folder / f"{self.notebook}.json"

    @property
    def label(self) -> str:
        """Profile and notebook, as in "quick/01_capacity"."""
        return f"{self.profile.name}/{self.notebook}"

    def place(self) -> str:
        """Where the results of a variant lie, and in what it differs, in two lines; "" for the profile itself."""
        known = reference(self.profile)
        differs = difference(self.profile.values(), known.values()) if known else ""
        if not known or not differs:
            return ""
        return (
            f"A variant of the profile {known.name!r}: {differs}.\n"
            f"Its results lie in {shown_path(self.folder.parent)}; those of the profile stay as they are."
        )

    def save(self, name: str, frame: pd.DataFrame) -> None:
        """Saves a tidy table as ``<name>.parquet``; :meth:`finish` makes it part of the results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.parquet"
        temporary = path.with_name(f".{name}-{os.getpid()}-{secrets.token_hex(4)}.writing")  # two may save at once
        try:
            frame.to_parquet(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        self._saved[path.name] = file_digest(path)

    def save_piece(self, name: str, bundle: dict[str, Any]) -> None:
        """Saves what a notebook showed under a name, for :meth:`piece`; :meth:`finish` makes it part of the results.

        Args:
            name: letters, digits, "-" and "_".
            bundle: "data" (by MIME type) and "metadata", as Jupyter displays them.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._piece_path(name)
        write_json(path, bundle)
        self._saved[path.name] = file_digest(path)

    def piece(self, name: str) -> dict[str, Any]:
        """What the notebook showed under this name: "data" and "metadata".

        Raises:
            InputError: as for :meth:`manifest`; or the notebook showed nothing under this name; or the file is missing
                or not as it was saved.
        """
        saved, path = self.manifest().saved, self._piece_path(name)
        if path.name not in saved:
            known = [file.split(".")[1] for file in saved if file.endswith(PIECE)]
            raise InputError(f"{self.notebook} showed nothing called {name!r}.{nearest(name, known)}")
        self._check(path.name, saved[path.name])
        return dict(read_json(path))

    def _piece_path(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InputError(f"a piece called {name!r}: allowed are letters, digits, - and _")
        return self.folder / f"{self.notebook}.{name}{PIECE}"

    def finish(
        self, facts: dict[str, Any], *, failures: Sequence[str] = (), read: Iterable[Results] = ()
    ) -> dict[str, Any]:
        """Writes the notebook's manifest and returns it.

        Args:
            facts: what the numbers rest on.
            failures: parts that could not be done. The results of the others can be read, but the notebook does not
                count as done.
            read: results of other notebooks that this one shows.
        """
        manifest: dict[str, Any] = {
            "notebook": self.notebook,
            "parameters": self.profile.values(),
            "variant": changed_values(self.profile),
            "facts": facts,
            "code": _loaded_code(),
            "inputs": self._inputs,
            "saved": self._saved,
            "entries": self.profile.store().used(),
            "read": dict(_digests(read)),
            "failures": list(failures),
            "token": os.environ.get("FAIRKD_RUN_TOKEN"),
        }
        keep(self.profile)
        write_state(self.path, manifest)
        return manifest

    def manifest(self) -> Manifest:
        """The manifest, if what determines the results is as it is now.

        Raises:
            InputError: the notebook has not finished, or with other parameters, code or files; says which.
        """
        if not self.path.is_file():
            raise InputError(f"{self.notebook} {self._elsewhere() or 'has not finished'}")
        found = read_state(self.path, Manifest)
        if differs := difference(found.parameters, self.profile.values()):
            raise InputError(f"{self.notebook} finished with other parameters: {differs}")
        if found.code != code_digest():
            raise InputError(f"{self.notebook} finished with other code of fairkd than there is now")
        if changed := other_names(found.inputs, self._inputs):
            raise InputError(f"{self.notebook} finished before {changed} changed")
        return found

    def _elsewhere(self) -> str:
        """With which other parameters the notebook has finished, where it has not with these; "" if with none."""
        known = reference(self.profile) or self.profile
        folders = {base_dir(self.profile): known.values(), **variants(self.profile)}
        found = [
            f"{differs} (in {shown_path(folder)})"
            for folder, values in folders.items()
            if (differs := difference(values, self.profile.values()))
            and (folder / "results" / self.path.name).is_file()
        ]
        return f"finished with other parameters: {'; '.join(found)}" if found else ""

    def intact(self) -> Manifest:
        """As :meth:`manifest`, if every table is as it was saved.

        Raises:
            InputError: also where a table or a piece is missing or has been changed.
        """
        manifest = self.manifest()
        for name, digest in manifest.saved.items():
            self._check(name, digest)
        return manifest

    def _check(self, name: str, digest: str) -> None:
        path = self.folder / name
        if not os.path.isfile(path) or file_digest(path) != digest:
            raise InputError(f"{name}, which {self.notebook} saved, is missing or has been changed since")

    def load(self) -> dict[str, pd.DataFrame]:
        """The tables by name.

        Raises:
            InputError: as for :meth:`intact`; or a table cannot be read.
        """
        saved = self.intact().saved
        import pandas as pd  # here, as it takes half a second: the command line asks why there are no tables

        tables = {}
        for name in saved:
            path = self.folder / name
            if name.endswith(PIECE):
                continue
            try:
                tables[path.stem] = pd.read_parquet(path)
            except Exception as error:  # of a file that is no Parquet the library raises many kinds
                raise InputError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error
        return tables

    def read(self) -> dict[str, pd.DataFrame] | None:
        """The tables by name; None where :meth:`load` says why there are none."""
        try:
            return self.load()
        except InputError:
            return None

    def why_missing(self) -> str:
        """Why there are no tables; "" if there are."""
        try:
            self.load()
        except InputError as error:
            return str(error)
        return ""


def _digests(read: Iterable[Results]) -> Iterator[tuple[str, str]]:
    for other in read:
        with suppress(InputError):  # it has none, as the page says
            yield other.label, content_digest(other.manifest().saved)


def other_names(then: Any, now: dict[str, Any]) -> str:
    """The names whose digests are not those of ``then``, in words; "" if all are."""
    then = then if isinstance(then, dict) else {}
    return ", ".join(name for name in sorted({*then, *now}) if then.get(name) != now.get(name))
