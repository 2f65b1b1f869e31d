"""What is done: the identity of a notebook's result, its status file, and who is working on it.

Finished work is recognised by its identity, all that determines the result, and by the digests of its files. Running a
notebook again in JupyterLab or with papermill changes neither, and so does not make it stale. See
:mod:`fairkd.run.runner` for how the files of ``runs_dir/<profile>/status/`` come about.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import Timeout
from pydantic.dataclasses import dataclass as checked_dataclass

from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.store import file_digest, read_json, write_json
from fairkd.errors import InputError, nearest
from fairkd.lab.results import (
    REPORT,
    STATE_FILE,
    Digests,
    Manifest,
    Results,
    code_digest,
    content_digest,
    controlled,
    inputs,
    other_names,
    read_state,
)
from fairkd.lab.variants import declare, difference, output_dir
from fairkd.profile import Profile, project_root
from fairkd.show.pages.notebook import read_notebook, text_of

State = Literal["done", "running", "failed", "stale", "not run"]


@dataclass(frozen=True)
class Files:
    """The paths that belong to one notebook of one profile."""

    folder: Path
    notebook: str

    def of(self, kind: str) -> Path:
        """``runs/<profile>/<notebook>.<kind>``, as in "ipynb" or "failed.log"."""
        return self.folder / f"{self.notebook}.{kind}"

    def record(self, kind: str) -> Path:
        """``runs/<profile>/status/<notebook>.<kind>``."""
        return self.folder / "status" / f"{self.notebook}.{kind}"

    @property
    def status(self) -> Path:
        """Exists only for a run that finished; written last."""
        return self.record("json")

    @property
    def manifest(self) -> Path:
        """Written by the notebook's own last cell."""
        return self.folder / "results" / f"{self.notebook}.json"


@checked_dataclass(frozen=True, kw_only=True, config=STATE_FILE)
class Finished:
    """The status file of a run that finished.

    Attributes:
        identity: as :func:`identity` was when it began.
        files: its products, the tables among them; not the manifest, which any later run writes anew.
        started: and ``finished``: UTC, ISO 8601.
        seconds: wall time.
    """

    state: Literal["done"]
    identity: dict[str, Any] | str
    files: Digests
    started: str
    finished: str
    seconds: float


def notebooks(profile: Profile) -> tuple[str, ...]:
    """What ``reproduce`` runs, in order; the report is the last and reads the results of the others."""
    planted = ("06_planted",) if profile.planted_strengths else ()
    glue = ("04_glue",) if profile.glue.source else ()
    return ("00_method", "01_capacity", "02_ablation", "03_mixup", *glue, *planted, "07_rulers", REPORT)


def notebook_path(name: str) -> Path:
    """The source of a notebook, given as "01_capacity", with or without folder and suffix.

    Raises:
        InputError: there is no such notebook; names those there are.
    """
    folder = project_root() / "notebooks"
    names = sorted(path.stem for path in folder.glob("*.ipynb"))
    stem = Path(name).name.removesuffix(".ipynb")
    if stem not in names:
        raise InputError(f"no notebook {name!r} in {folder}: {names} exist.{nearest(stem, names)}")
    return folder / f"{stem}.ipynb"


def locate(name: str, *, profile: str = "quick") -> tuple[Path, Path]:
    """The executed notebook that a user means, and the page that belongs to it.

    Args:
        name: an ``.ipynb`` file; or a profile (its name or YAML file), for its report; or the name of a notebook, as
            in "01_capacity", for what ``profile`` made of it.
        profile: as for :meth:`fairkd.profile.Profile.load`.

    Raises:
        InputError: it is none of these, or that notebook has not been run; says what there is.
    """
    path = Path(name)
    if path.suffix == ".ipynb" and (path.is_file() or path.parent != Path(".")):
        if not path.is_file():
            near = nearest(path.name, [p.name for p in path.parent.glob("*.ipynb")])
            raise InputError(f"no notebook {name!r}.{near}")
        return path, path.with_suffix(".html")
    root = project_root()
    notebooks = sorted(p.stem for p in (root / "notebooks").glob("*.ipynb"))
    profiles = sorted(p.stem for p in (root / "papermill_params").glob("*.yaml"))
    stem = path.name.removesuffix(".ipynb")
    if stem in notebooks:
        return _executed(notebook_path(stem).stem, profile)
    if name in profiles or path.suffix in (".yaml", ".yml"):
        return _executed(REPORT, name)
    near = nearest(stem, [*profiles, *notebooks])
    known = f"no profile ({', '.join(profiles)}) and no notebook ({', '.join(notebooks)})"
    raise InputError(f"{name!r} is no .ipynb file, {known}.{near}")


def _executed(notebook: str, profile: str) -> tuple[Path, Path]:
    values = Profile.load(profile)
    declare(values)
    files = Files(output_dir(values), notebook)
    if not files.of("ipynb").is_file():
        raise InputError(
            f"{notebook} has not finished for profile {profile!r}: there is no {files.of('ipynb')}. "
            f"Make it with: fairkd run {notebook} --profile {profile}"
        )
    return files.of("ipynb"), files.folder / "report.html" if notebook == REPORT else files.of("html")


def changed_since_its_run(path: Path) -> str:
    """That an executed notebook or its page is not what its run left, in a sentence; "" where it is, or no run made it.

    It may have been damaged, or saved again by somebody who worked with it.
    """
    stem = REPORT if path.name == "report.html" else path.stem
    files = Files(path.parent, stem)
    if not files.status.is_file():
        return ""
    try:
        left = read_state(files.status, Finished).files.get(path.name)
    except InputError as error:
        return f"what {path.name} was after its run is not known: {error}"
    if left is None or left == _file_digest(path):
        return ""
    return f"{path} is not as its run left it: it was saved again, or damaged since; fairkd verify says more"


def warnings_of(path: Path) -> list[str]:
    """What the page of an executed notebook has to say at its top: that it, or what it shows of others, has changed."""
    found = [changed] if (changed := changed_since_its_run(path)) else []
    manifest = path.parent / "results" / f"{path.stem}.json"
    if not manifest.is_file():
        return found
    own = read_state(manifest, Manifest)
    found += [stale] if (stale := _stale_since(own, path)) else []
    for label, digest in own.read.items():
        profile, _, name = label.rpartition("/")
        other = path.parent.parent / profile / "results" / f"{name}.json"
        if profile == path.parent.name or not other.is_file():
            other = path.parent / "results" / f"{name}.json"
        try:
            now = content_digest(read_state(other, Manifest).saved)
        except InputError as error:
            found.append(f"it shows results of {label}, which are not there as they were: {error}")
            continue
        if now != digest:
            found.append(f"it shows results of {label}, which has other ones now: run this notebook again")
    return found


def _stale_since(own: Manifest, path: Path) -> str:
    """That code, notebook or files are others now than those that made an executed notebook's results; "" if not."""
    try:
        now = {"code": code_digest(), "inputs": inputs(Profile.check(own.parameters)), "notebook": ""}
    except InputError as error:
        return f"whether its results are those of this version cannot be said: {error}"
    then = {"code": own.code, "inputs": own.inputs, "notebook": ""}
    with suppress(InputError):  # of a status file that is missing or damaged others speak; a user's notebook has none
        before = read_state(Files(path.parent, path.stem).status, Finished).identity
        if isinstance(before, dict):
            then["notebook"], now["notebook"] = before.get("notebook"), content_digest(_source(path.stem))
    changed = _what_changed(then, now)
    return f"its results are stale: {changed}; run this notebook again" if changed else ""


def identity(notebook: str, profile: Profile) -> dict[str, Any]:
    """All that determines a notebook's result: parameters, its source, our code, the files that it reads.

    For the report also what the other notebooks, and the controlled experiment, have finished.
    """
    parts: dict[str, Any] = {
        "values": Profile.effective(profile.values()),
        "notebook": content_digest(_source(notebook)),
        "code": code_digest(),
        "inputs": inputs(profile),
    }
    if notebook == REPORT:
        parts["read"] = {name: _results_of(name, profile) for name in notebooks(profile) if name != REPORT}
        if not profile.planted_strengths:
            names = (REPORT, "06_planted")
            parts["planted"] = {name: _results_of(name, controlled(profile)) for name in names}
    return parts


def state(notebook: str, profile: Profile) -> tuple[State, str]:
    """State of a notebook of a profile, and a word on why where it is not plain."""
    files = Files(output_dir(profile), notebook)
    if _is_locked(files):
        return "running", _who(files)
    if files.record("failed.json").exists():
        return "failed", str(_told(files.record("failed.json")).get("detail", ""))
    if files.record("running.json").exists():
        return "failed", "its runner was stopped before it finished"
    if not files.status.exists():
        return "not run", _without_page(notebook, profile)
    reason = _why_stale(files, profile)
    return ("stale", reason) if reason else ("done", "")


def is_done(files: Files, profile: Profile) -> bool:
    """Whether a finished, unchanged result is there; unlike :func:`state` it does not look at the lock."""
    unfinished = any(files.record(kind).exists() for kind in ("failed.json", "running.json"))
    return files.status.exists() and not unfinished and not _why_stale(files, profile)


def _without_page(notebook: str, profile: Profile) -> str:
    """What there is of a notebook that the runner has not run."""
    why = Results(notebook, profile).why_missing()
    if not why:
        return "it has results, of JupyterLab or papermill, but no page"
    return "" if why == f"{notebook} has not finished" else why


def _why_stale(files: Files, profile: Profile) -> str:
    """Why a finished run no longer counts, or ""; who wrote the results last does not matter, what they are does."""
    if not files.manifest.exists():
        return f"changed or missing: results/{files.manifest.name}"
    try:
        record, manifest = read_state(files.status, Finished), read_state(files.manifest, Manifest)
    except InputError as error:
        return str(error)
    now, then = identity(files.notebook, profile), record.identity
    if isinstance(then, str):
        return "finished by an earlier version of fairkd"
    for values in (manifest.parameters, then.get("values")):
        if isinstance(values, dict) and (differs := difference(values, now["values"])):
            return f"finished with other parameters: {differs}"
    if manifest.failures:
        return f"run again since, with parts missing: {'; '.join(manifest.failures)}"
    tables = {name: digest for name, digest in record.files.items() if name.startswith("results/")}
    if others := other_names(tables, {f"results/{name}": digest for name, digest in manifest.saved.items()}):
        return f"run again since, with other results: {others}"
    if changed := [name for name, digest in record.files.items() if _file_digest(files.folder / name) != digest]:
        return f"changed or missing: {', '.join(changed)}"
    return _what_changed(then, now)


def _what_changed(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What of an identity is another now, in words; "" if nothing is."""
    if then.get("notebook") != now["notebook"]:
        return "the notebook has changed since"
    if then.get("code") != now["code"]:
        return "the code of fairkd has changed since"
    if changed := other_names(then.get("inputs"), now["inputs"]):
        return f"what these parameters name has changed since: {changed}"
    for part, whose in (("read", ""), ("planted", " of the controlled experiment")):
        if changed := other_names(then.get(part), now.get(part, {})):
            return f"the results that it reads have changed since: {changed}{whose}"
    return ""


@dataclass(frozen=True)
class NotebookState:
    """What became of a notebook of a profile.

    Attributes:
        notebook: its name.
        state: as it is now.
        detail: why, where that is not plain; else "".
        finished: when it last did, UTC, ISO 8601; "" if never.
        seconds: that it took then; None if never.
    """

    notebook: str
    state: State
    detail: str
    finished: str
    seconds: float | None


def status(profile: Profile) -> list[NotebookState]:
    """The state of every notebook of a profile, in the order in which they run."""
    rows = []
    folder = output_dir(profile)
    whole = Files(folder, "reproduce")
    at_work = _who(whole) if _is_locked(whole) else ""
    for notebook in notebooks(profile):
        word, detail = state(notebook, profile)
        if at_work and word != "running" and word != "done":
            detail = f"in the queue of {at_work}, which trains the students first"
        finished, seconds = "", None
        with suppress(InputError):  # the detail says what is wrong with it
            record = read_state(Files(folder, notebook).status, Finished)
            finished, seconds = record.finished, record.seconds
        rows.append(NotebookState(notebook, word, detail, finished, seconds))
    return rows


def _results_of(notebook: str, profile: Profile) -> str | None:
    """What the report reads of another notebook, as a digest; None if it would find nothing.

    A notebook that ended with some parts missing counts with the results that it has.
    """
    try:
        manifest = Results(notebook, profile).intact()
    except InputError:
        return None
    return content_digest([manifest.saved, manifest.failures])


@contextmanager
def hold(files: Files) -> Iterator[None]:
    """Keeps other processes from running the same notebook of the same profile.

    Raises:
        InputError: another process holds it; says which.
    """
    lock = lock_of(files.record("lock"))
    try:
        lock.acquire(timeout=1)  # longer than the moment for which state() holds it
    except Timeout:
        raise InputError(
            f"{files.notebook} of {files.folder.name!r} is being run by {_who(files)}. "
            "Wait until it has finished, or stop that process; then run this again."
        ) from None
    try:
        write_json(files.record("holder.json"), here() | {"started": moment()})
        yield
    finally:
        files.record("holder.json").unlink(missing_ok=True)
        lock.release()


def _is_locked(files: Files) -> bool:
    path = files.record("lock")
    if not path.parent.is_dir():
        return False
    try:
        return is_held(path)
    except OSError:  # a disk that cannot be written, or somebody else's file: whoever holds it cannot be found out here
        return False


def _who(files: Files) -> str:
    holder = _told(files.record("holder.json"))
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} since {holder.get('started')}"


def _source(notebook: str) -> list[Any]:
    """What counts in a notebook's source; outputs and counters that an editor saved do not."""
    path = notebook_path(notebook)
    try:  # as plain JSON: nbformat takes a second to import
        cells = read_json(path)["cells"]
        return [[cell["cell_type"], text_of(cell["source"]), cell["metadata"].get("tags", [])] for cell in cells]
    except (InputError, LookupError, TypeError, AttributeError):  # whatever it is instead, read_notebook says
        cells = read_notebook(path).cells
        return [[cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in cells]


def _file_digest(path: Path) -> str | None:
    return file_digest(path) if os.path.isfile(path) else None


def _told(path: Path) -> dict[str, Any]:
    """What a file of :func:`hold` or of a failed run tells for a message; empty where it is missing or broken."""
    with suppress(InputError):
        value = read_json(path)
        return value if isinstance(value, dict) else {}
    return {}


def here() -> dict[str, Any]:
    """This process, as a message can name it."""
    return {"process": os.getpid(), "host": socket.gethostname()}


def moment(seconds: float | None = None) -> str:
    """A time (now, or seconds since the epoch) as ISO 8601 in UTC."""
    at = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="seconds")
