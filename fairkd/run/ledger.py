"""What is done: the identity of a notebook's result, its status file, and who is working on it.

Finished work is recognised by its identity, a hash of all that determines the result, and by the digests of its
files. A state is read from the files of ``runs_dir/<profile>/status/`` alone; see :mod:`fairkd.run.runner` for how they
come about.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

import fairkd
from fairkd.engine.store import file_digest, write_json
from fairkd.errors import InputError, nearest
from fairkd.lab.results import REPORT, controlled
from fairkd.profile import Profile, project_root

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = Path(fairkd.__file__).parent
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


def notebooks(profile: Profile) -> tuple[str, ...]:
    """What ``reproduce`` runs, in order; the report is the last and reads the results of the others."""
    planted = ("06_planted",) if profile.planted_strengths else ()
    glue = ("04_glue",) if profile.glue.source else ()
    return ("00_method", "01_capacity", "02_ablation", "03_mixup", *glue, *planted, REPORT)


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
    files = Files(Profile.load(profile).output_dir, notebook)
    if not files.of("ipynb").is_file():
        raise InputError(
            f"{notebook} has not finished for profile {profile!r}: there is no {files.of('ipynb')}. "
            f"Make it with: fairkd run {notebook} --profile {profile}"
        )
    return files.of("ipynb"), files.folder / "report.html" if notebook == REPORT else files.of("html")


def identity(notebook: str, profile: Profile) -> str:
    """Hash of everything that determines a notebook's result: parameters, its source, our code.

    For the report also what the other notebooks, and the controlled experiment, have finished.
    """
    parts: dict[str, Any] = {
        "values": Profile.effective(profile.values()),
        "notebook": _source(notebook),
        "code": _code(),
    }
    if notebook == REPORT:
        parts["read"] = {name: _finished(name, profile) for name in notebooks(profile) if name != REPORT}
        if not profile.planted_strengths:
            parts["planted"] = _finished(REPORT, controlled(profile))
    return _digest(parts)


def state(notebook: str, profile: Profile) -> tuple[State, str]:
    """State of a notebook of a profile, and a word on why where it is not plain."""
    files = Files(profile.output_dir, notebook)
    if _is_locked(files):
        return "running", _who(files)
    if files.record("failed.json").exists():
        return "failed", str(read_json(files.record("failed.json")).get("detail", ""))
    if files.record("running.json").exists():
        return "failed", "its runner was stopped before it finished"
    if not files.status.exists():
        return "not run", ""
    reason = _why_stale(files, profile)
    return ("stale", reason) if reason else ("done", "")


def is_done(files: Files, profile: Profile) -> bool:
    """Whether a finished, unchanged result is there; unlike :func:`state` it does not look at the lock."""
    unfinished = any(files.record(kind).exists() for kind in ("failed.json", "running.json"))
    return files.status.exists() and not unfinished and not _why_stale(files, profile)


def _why_stale(files: Files, profile: Profile) -> str:
    record = read_json(files.status)
    digests = record.get("files", {})
    changed = [name for name, digest in digests.items() if _file_digest(files.folder / name) != digest]
    if changed or record.get("state") != "done":
        return f"changed or missing: {', '.join(changed) or files.status.name}"
    if record.get("identity") != identity(files.notebook, profile):
        return "parameters, notebook, code or what it reads have changed since"
    return ""


def status(profile: Profile) -> pd.DataFrame:
    """The state of every notebook of a profile.

    Returns:
        A row a notebook: notebook, state ("done", "running", "failed", "stale", "not run"), detail (why), finished
        (UTC, "" if never) and seconds.
    """
    import pandas as pd

    rows = []
    whole = Files(profile.output_dir, "reproduce")
    at_work = _who(whole) if _is_locked(whole) else ""
    for notebook in notebooks(profile):
        word, detail = state(notebook, profile)
        if at_work and word != "running" and word != "done":
            detail = f"in the queue of {at_work}, which trains the students first"
        record = read_json(Files(profile.output_dir, notebook).status)
        rows.append((notebook, word, detail, record.get("finished", ""), record.get("seconds")))
    return pd.DataFrame(rows, columns=["notebook", "state", "detail", "finished", "seconds"])


def _finished(notebook: str, profile: Profile) -> Any:
    """What the report depends on of another notebook: its identity and results if it is done, else None.

    A notebook that ended with some parts missing counts with the results that it has.
    """
    files = Files(profile.output_dir, notebook)
    if not is_done(files, profile):
        manifest = read_json(files.manifest)
        return [manifest["failures"], manifest["saved"]] if manifest.get("failures") else None
    record = read_json(files.status)
    return [record["identity"], {n: d for n, d in record["files"].items() if n.startswith("results")}]


@contextmanager
def hold(files: Files) -> Iterator[None]:
    """Keeps other processes from running the same notebook of the same profile.

    Raises:
        InputError: another process holds it; says which.
    """
    lock = FileLock(files.record("lock"))
    files.status.parent.mkdir(parents=True, exist_ok=True)
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
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _who(files: Files) -> str:
    holder = read_json(files.record("holder.json"))
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} since {holder.get('started')}"


def _source(notebook: str) -> list[Any]:
    """What counts in a notebook's source; outputs and counters that an editor saved do not."""
    cells = json.loads(notebook_path(notebook).read_text(encoding="utf-8"))["cells"]
    return [[cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])] for cell in cells]


def _code() -> dict[str, str]:
    """Digest of every module and template of the package, whatever room it lies in."""
    paths = sorted([*PACKAGE.rglob("*.py"), *(p for p in PACKAGE.rglob("templates/**/*") if p.is_file())])
    return {str(path.relative_to(PACKAGE)): file_digest(path) for path in paths}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where the file is missing or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def here() -> dict[str, Any]:
    """This process, as a message can name it."""
    return {"process": os.getpid(), "host": socket.gethostname()}


def moment(seconds: float | None = None) -> str:
    """A time (now, or seconds since the epoch) as ISO 8601 in UTC."""
    at = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="seconds")
