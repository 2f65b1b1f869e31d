"""Running notebooks: one process each through papermill, and a status file that is written last.

papermill alone cannot say that a notebook succeeded: after its kernel was killed every cell says "completed". So a
notebook counts as done only when papermill's process ended with 0 *and* the notebook's own last cell wrote its
manifest with the token of this very run; then the page is exported, and the status file comes last of all. Whatever
is interrupted before that is not done. Finished work is recognised by its identity, a hash of all that determines
the result, and by the digests of its files, and is not repeated.

Two runners cannot run the same notebook of a profile at once: the second stops with a message that says who does.

Folder of a profile (``runs_dir/<profile>/``)::

    01_capacity.ipynb  01_capacity.html      executed notebook and its page
    01_capacity.failed.ipynb  …failed.log    what a failed run left (.running.* while one is at work)
    01_capacity.plan.ipynb  …plan.html       a run with prepare_only, which counts for nothing
    report.html                              the page of 05_report
    results/                                 tables (parquet) and a manifest a notebook, written by the notebooks
    status/                                  a file a finished notebook, written by this module; locks
    variants/<what differs>-<hash>/          the same of other values under the profile's name, and a profile.yaml
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from fairkd.engine.processes import cores, die_with_parent
from fairkd.engine.scratch import scratch
from fairkd.engine.stopping import STAGE, TOLD, Told, child, end_children
from fairkd.engine.store import Store, file_digest, write_json
from fairkd.errors import InputError
from fairkd.lab.results import REPORT, Manifest, Results, read_state, write_state
from fairkd.lab.variants import OWN_FILE, keep, output_dir, write_copy
from fairkd.profile import Profile, project_root
from fairkd.run.execute import KERNEL_DIED
from fairkd.run.ledger import (
    Files,
    here,
    hold,
    identity,
    is_done,
    moment,
    notebook_path,
    notebooks,
    state,
    status,
)
from fairkd.show.pages.notebook import read_notebook

__all__ = ["REPORT", "Outcome", "notebook_path", "notebooks", "reproduce", "run", "status"]

TOKEN, NO_TRAINING = "FAIRKD_RUN_TOKEN", "FAIRKD_NO_TRAINING"
AT_ONCE = 2
"""Notebooks at once: each has a kernel with PyTorch, and processes of its own for what it measures."""


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook.

    Attributes:
        state: "done" (run now), "skipped" (done before), "failed", or "planned" (prepare_only).
        detail: why it failed; else "".
        seconds: wall time of the run, 0 if skipped.
        page: its HTML, None if it failed before its end.
    """

    notebook: str
    state: Literal["done", "skipped", "failed", "planned"]
    detail: str
    seconds: float
    page: Path | None


def run(notebook: str, profile: Profile, *, force: bool = False, may_train: bool = True) -> Outcome:
    """Runs one notebook with a profile's values, unless it is done already.

    Args:
        notebook: name, as for :func:`notebook_path`.
        profile: checked parameters; with ``prepare_only`` the notebook only plans, and nothing counts as done.
        force: run it again even if it is done.
        may_train: False after training has failed: a notebook that needs a missing student then fails at once.

    Raises:
        InputError: no such notebook, or another process is running it for this profile (says which).
    """
    source = notebook_path(notebook)
    files = Files(output_dir(profile), source.stem)
    with hold(files):
        if profile.prepare_only:
            return _plan(source, files, profile)
        if not force and is_done(files, profile):
            return Outcome(source.stem, "skipped", "", 0.0, files.of("html"))
        return _run(source, files, profile, may_train)


def reproduce(profile: Profile, *, echo: Callable[[str], None] = print) -> list[Outcome]:
    """Trains, measures and fine-tunes what is missing, runs every notebook in order, and leaves ``report.html``.

    Training is a process of its own, and so are measuring and fine-tuning. A notebook that fails does not stop those
    after it: the report says what is missing. With nothing to do it takes seconds.

    Raises:
        InputError: another process is reproducing this profile.
    """
    names = notebooks(profile)
    for notebook in names:
        notebook_path(notebook)
    folder = output_dir(profile)
    if place := Results(REPORT, profile).place():
        echo(place)
    with hold(Files(folder, "reproduce")):
        pending = [n for n in names if state(n, profile)[0] != "done"]
        trained = True
        if not profile.prepare_only and any(n != REPORT for n in pending):
            trained = _staged("train", "students that the store lacks", profile, echo)
            if trained:  # all models at once: every notebook would start processes of its own
                _staged("measure", "SEAT and every ruler, where the store lacks them", profile, echo)
                if profile.glue.source is not None and {"02_ablation", "04_glue"} & set(pending):
                    _staged("finetune", "students on GLUE, where the store lacks it", profile, echo)
        outcomes = []
        for some in ([name for name in names if name != REPORT], [name for name in names if name == REPORT]):
            for outcome in _run_some(some, profile, pending, may_train=trained):
                outcomes.append(outcome)
                echo(f"{outcome.notebook}: {_sentence(outcome, folder)}")
        if (folder / "report.html").exists() and not profile.prepare_only:
            echo(f"report: {folder / 'report.html'}")
    return sorted(outcomes, key=lambda outcome: names.index(outcome.notebook))


def _run_some(names: list[str], profile: Profile, pending: list[str], *, may_train: bool) -> Iterator[Outcome]:
    """Runs notebooks that do not read one another's results, as many at once as there are cores; as each is done.

    Their training is done, and what they measure they measure with one thread. On a GPU they follow one another.
    """
    at_once = min(AT_ONCE, cores()) if pending and _on_cpu(profile) else 1
    with ThreadPoolExecutor(at_once) as threads:
        # The last ones take longest: begun first, they leave no core idle at the end.
        order = names if at_once == 1 else reversed(names)
        waiting = [threads.submit(run, name, profile, may_train=may_train) for name in order]
        refused: InputError | None = None
        try:
            for one in waiting if at_once == 1 else as_completed(waiting):
                try:
                    yield one.result()
                except InputError as error:  # another process runs it; the others are at work
                    refused = error
            if refused:
                raise refused
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            end_children()
            raise


def _on_cpu(profile: Profile) -> bool:
    from fairkd.lab.materials import resolve_device

    return resolve_device(profile.device).type == "cpu"


def _sentence(outcome: Outcome, folder: Path) -> str:
    if outcome.state == "failed":
        return f"FAILED: {outcome.detail} (see {folder / outcome.notebook}.failed.log)"
    return "done before" if outcome.state == "skipped" else f"{outcome.state} in {outcome.seconds:.0f} s"


def _run(source: Path, files: Files, profile: Profile, may_train: bool) -> Outcome:
    who, token, start = identity(files.notebook, profile), secrets.token_hex(16), time.time()
    # From here on the earlier run no longer counts: its results are about to be replaced.
    outdated = [files.status, files.manifest, files.record("failed.json"), files.of("html")]
    for path in (*outdated, *files.folder.glob(f"{files.notebook}.failed.*")):
        path.unlink(missing_ok=True)
    if files.notebook == REPORT:
        (files.folder / "report.html").unlink(missing_ok=True)
    keep(profile)
    write_json(files.record("running.json"), here() | {"token": token, "started": moment(start)})
    try:
        detail = _papermill(source, files, profile, token, may_train) or _unfinished(files, token)
        if not detail:
            os.replace(files.of("running.ipynb"), files.of("ipynb"))
            _tidy_and_sign(files.of("ipynb"))
            detail = _export(files)
    except BaseException:
        with suppress(OSError):  # a full disk, say, must not hide what went wrong
            _keep_failed(files, "stopped")
        raise
    seconds = time.time() - start
    if detail:
        _keep_failed(files, detail)
        return Outcome(files.notebook, "failed", detail, seconds, None)
    manifest = read_state(files.manifest, Manifest)
    if manifest.failures:
        # It ran to its end and has a page and results, but not all of them: it will be run again.
        detail = "; ".join(manifest.failures)
        _keep_failed(files, detail)
        return Outcome(files.notebook, "failed", detail, seconds, files.of("html"))
    files.of("running.log").unlink(missing_ok=True)
    record = {"state": "done", "identity": who, "started": moment(start), "finished": moment()}
    digests = {str(path.relative_to(files.folder)): file_digest(path) for path in _products(files, manifest)}
    write_state(files.status, record | {"seconds": round(seconds, 1), "files": digests})
    files.record("running.json").unlink(missing_ok=True)
    return Outcome(files.notebook, "done", "", seconds, files.of("html"))


def _tidy_and_sign(notebook: Path) -> None:
    """Leaves no folder of this machine in what papermill says of an executed notebook, and signs it for this account.

    Of a notebook that the account did not sign JupyterLab draws no SVG.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    node = nbformat.read(notebook, as_version=4)
    for cell in node.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "parameters-of-this-run"  # not papermill's random one: the page names the cell by it
    about = node.metadata.get("papermill", {})
    about |= {name: Path(about[name]).name for name in ("input_path", "output_path") if about.get(name)}
    temporary = notebook.with_name(f".{notebook.name}-{os.getpid()}")
    nbformat.write(node, temporary)
    os.replace(temporary, notebook)
    with suppress(OSError):  # a home that cannot be written: descriptions stand where figures would
        NotebookNotary().sign(node)


def _plan(source: Path, files: Files, profile: Profile) -> Outcome:
    start = time.time()
    detail = _papermill(source, files, profile, token="", may_train=False)
    name = "failed" if detail else "plan"
    for kind in ("ipynb", "log"):
        if files.of(f"running.{kind}").exists():
            os.replace(files.of(f"running.{kind}"), files.of(f"{name}.{kind}"))
    if detail:
        return Outcome(files.notebook, "failed", detail, time.time() - start, None)
    from fairkd.show.pages.export import write_html

    page = write_html(files.of("plan.ipynb"), files.of("plan.html"))
    return Outcome(files.notebook, "planned", "", time.time() - start, page)


def _papermill(source: Path, files: Files, profile: Profile, token: str, may_train: bool) -> str:
    """Executes the notebook in a process of its own; returns what went wrong, or "" if papermill saw nothing."""
    with scratch(files.folder, files.notebook) as folder:
        _write_kernelspec(folder)
        parameters = folder / "parameters.yaml"
        # YAML, not JSON: YAML 1.1 reads JSON's 5e-06 as text, and safe_dump writes 5.0e-06.
        parameters.write_text(yaml.safe_dump(profile.grouped(), sort_keys=False, allow_unicode=True), encoding="utf-8")
        paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))
        settings = {"JUPYTER_PATH": paths, TOKEN: token, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        settings["JPY_SESSION_NAME"] = ""  # of a JupyterLab from whose terminal this runs: nobody watches the notebook
        if not may_train:
            settings[NO_TRAINING] = "1"
        threading.Thread(target=_warm_export, args=(source,), daemon=True).start()
        with files.of("running.log").open("w", encoding="utf-8") as log:
            arguments = [str(source), str(files.of("running.ipynb")), str(parameters)]
            code = _call(["fairkd.run.execute", *arguments], environment=settings, log=log)
    if code == 0:
        return ""
    if code == KERNEL_DIED:
        return "its kernel died"
    return _cell_error(files.of("running.ipynb")) or f"papermill ended with status {code}: {_last_line(files)}"


def _warm_export(source: Path) -> None:
    """Imports what makes the page, and compiles its templates, while this process would only wait."""
    from fairkd.show.pages.export import to_html

    with suppress(Exception):  # whatever is wrong is said when the page is made
        to_html(source)


def _last_line(files: Files) -> str:
    lines = files.of("running.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def _write_kernelspec(folder: Path) -> None:
    """A kernel "python3" that is this interpreter: an installed one of that name may be another Python."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "fairkd.run.kernel", "-f", "{connection_file}"]
    text = json.dumps({"argv": argv, "display_name": "Python 3 (ipykernel)", "language": "python"})
    (spec / "kernel.json").write_text(text, encoding="utf-8")


def _staged(command: str, what: str, profile: Profile, echo: Callable[[str], None]) -> bool:
    """Runs a stage of the study in a process of its own, and says so; whether it succeeded."""
    echo(f"{command}: {what}")
    code = _stage(command, profile)
    killed = ": killed, most likely for want of memory" if code == -signal.SIGKILL else ""
    failed = f"{command}: FAILED (exit status {code}{killed}); going on with what there is"
    echo(f"{command}: done" if code == 0 else failed)
    return code == 0


def _stage(command: str, profile: Profile) -> int:
    copy = output_dir(profile) / OWN_FILE
    write_copy(copy, profile)
    return _own_words(["fairkd", command, str(copy)], profile.store(), environment={STAGE: command})


def _own_words(module: list[str], store: Store, *, environment: dict[str, str] | None = None) -> int:
    """As :func:`_call`, of a command that may itself say that it was stopped.

    Raises:
        Told: it was, and it did.
    """
    with ExitStack() as stack:
        note = None
        with suppress(OSError):  # a disk that cannot be written: then it is said twice
            note = stack.enter_context(scratch(store.root, "stage")) / "told"
        try:
            return _call(module, environment=({TOLD: str(note)} if note else {}) | (environment or {}))
        except KeyboardInterrupt:
            if note is not None and note.exists():
                raise Told from None
            raise


def train_together(processes: int, arguments: list[str], *, store: Store) -> int:
    """Runs ``fairkd`` with these arguments in processes that train together; returns the exit status of torchrun.

    Raises:
        Told: it was stopped, and said so.
    """
    from fairkd.engine.world import torchrun

    status = _own_words(torchrun(processes, arguments), store)
    if status == 1:
        print(
            f"fairkd: the training in {processes} processes ended early, see above; what is saved is kept",
            file=sys.stderr,
        )
    return 128 - status if status < 0 else status  # below 0: by a signal


def _call(module: list[str], *, environment: dict[str, str] | None = None, log: Any = None) -> int:
    """Runs ``python -m …`` in the project's root; returns its exit status (a signal counts as negative)."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=project_root(),
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        preexec_fn=die_with_parent,
    )
    with child(process):
        return process.wait()


def _unfinished(files: Files, token: str) -> str:
    """Why the run cannot count as finished although papermill ended with 0; "" if it can."""
    if not files.manifest.exists():
        return "it ended without its last cell's manifest: its kernel died, or a cell stopped it"
    try:
        found = read_state(files.manifest, Manifest).token
    except InputError as error:
        return str(error)
    return "" if found == token else f"{files.manifest.name} is from another run"


def _export(files: Files) -> str:
    from fairkd.show.pages.export import write_html

    try:
        write_html(files.of("ipynb"), files.of("html"))
        if files.notebook == REPORT:
            shutil.copyfile(files.of("html"), files.folder / "report.html")
    except Exception as error:  # any failure of the export is a failed run, with its reason
        return f"HTML export: {type(error).__name__}: {error}"
    return ""


def _keep_failed(files: Files, detail: str) -> None:
    for kind in ("ipynb", "log"):
        if files.of(f"running.{kind}").exists():
            os.replace(files.of(f"running.{kind}"), files.of(f"failed.{kind}"))
    write_json(files.record("failed.json"), {"detail": detail, "at": moment()})
    files.record("running.json").unlink(missing_ok=True)


def _products(files: Files, manifest: Manifest) -> Iterator[Path]:
    """What must stay as it is; the manifest is written anew by whoever runs the notebook again."""
    yield from (files.of("ipynb"), files.of("html"))
    yield from (files.folder / "results" / name for name in manifest.saved)
    if files.notebook == REPORT:
        yield files.folder / "report.html"


def _cell_error(notebook: Path) -> str:
    """The error that ended a notebook and the line that its cell begins with."""
    try:
        cells = read_notebook(notebook).cells
    except InputError:  # papermill failed before it wrote one
        return ""
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                begins = cell.source.split("\n")[0]
                return f"{output.ename}: {output.evalue} (in the cell '{begins[:60]}')"
    return ""
