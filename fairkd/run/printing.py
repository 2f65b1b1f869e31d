"""Tables and summaries as a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fairkd.lab.variants import shown_path
from fairkd.wording import interval, number, p_text

if TYPE_CHECKING:
    import pandas as pd

    from fairkd.bias.measuring import Measured

P_VALUES = (
    "p is one-sided. p (words): a word moves with all its sentences, so it asks about other words. p (sentences), as\n"
    "published: near copies of a sentence count as independent; with words drawn at random it is often below .05."
)


def print_lines(title: str, lines: Mapping[str, str]) -> None:
    """A summary: a title, and a line or more for each heading that has something to say."""
    print(title)
    width = max(map(len, lines))
    for heading, text in lines.items():
        if text:
            said = text.replace("\n", f"\n{' ' * (width + 4)}")
            print(f"  {heading:<{width}}  {said}".encode(errors="replace").decode())


def print_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()
) -> None:
    """A table of plain values; ``right`` names the columns that are numbers."""
    table = Table(title=plain(title), title_justify="left", show_header=any(headings))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading == "folder")
    for row in rows:
        table.add_row(*(plain(str(cell)) for cell in row))
    Console().print(table)


def print_notebooks(document: Mapping[str, Any]) -> None:
    """The notebooks and variants of a status document."""
    rows = []
    for one in document["notebooks"]:
        seconds = "" if one["seconds"] is None else f"{one['seconds']:.0f}"
        finished = one["finished"].replace("+00:00", "")
        rows.append((one["notebook"], one["state"], finished, seconds, one["detail"]))
    headings = ("notebook", "state", "finished (UTC)", "seconds", "why")
    print_table(f"{document['profile']}: {document['folder']}", headings, rows, right=["seconds"])
    if document["place"]:
        Console().print(plain(document["place"]))
    for variant in document["variants"]:
        text = f"A variant with {variant['differs']} lies in {shown_path(Path(variant['folder']))}"
        Console().print(plain(text), soft_wrap=True)


def print_students(document: Mapping[str, Any]) -> None:
    """Each student of a status or plan document: state and folder."""
    names = ("arm", "layers", "losses", "seed", "state", "key")
    rows = [[one[name] for name in names] for one in document["each_student"]]
    headings = ("student", "layers", "losses", "seed", "state", "folder")
    print_table(f"students in {document['students']['store']}", headings, rows)


def print_seat(table: pd.DataFrame, model: str) -> None:
    for pooling, rows in table.groupby("pooling", sort=False):
        shown = Table(title=f"SEAT of {plain(model)}, {pooling} pooling", title_justify="left")
        for name in ("test", "effect size d", "95 % interval", "p (words)", "p (sentences)"):
            shown.add_column(name, justify="left" if name == "test" else "right")
        for row in rows.to_dict("records"):
            d, span = number(row["effect_size"]), interval(row["ci_low"], row["ci_high"])
            shown.add_row(row["test"], d, plain(span), p_text(row["p_words"]), p_text(row["p_value"]))
        shown.add_section()
        shown.add_row("mean |d|", number(rows.effect_size.abs().mean()))
        shown.add_row("mean signed d", number(rows.effect_size.mean()))
        Console().print(shown)
    print(P_VALUES)


def print_random_lists(table: pd.DataFrame, model: str) -> None:
    """Columns :data:`fairkd.frames.LONG_SEAT_NULL`."""
    shown = Table(title=f"SEAT with 24 words a list of {plain(model)}, and with random lists", title_justify="left")
    for name in ("test", "effect size d", "deviation of random d", "95 % of random d", "p (lists)"):
        shown.add_column(name, justify="left" if name == "test" else "right")
    for row in table.to_dict("records"):
        d, deviation = number(row["effect_size"]), number(row["null_sd"])
        shown.add_row(row["test"], d, deviation, plain(interval(row["null_low"], row["null_high"])), p_text(row["p"]))
    Console().print(shown)
    print("p is two-sided: how many random lists of neutral nouns in place of the topics give a d as large.")


def print_bias(measured: Measured) -> None:
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
                shown.add_row(*map(plain, cells))
            shown.add_section()
        console.print(shown)


def print_glue(table: pd.DataFrame, model: str, source: str) -> None:
    from fairkd.glue.data import suite

    shown = Table(title=f"{suite(source)} of {plain(model)}, development set", title_justify="left")
    for name in ("task", "split", "metric", "value"):
        shown.add_column(name, justify="right" if name == "value" else "left")
    for row in table.groupby(["task", "split", "metric"], sort=False, as_index=False).value.mean().itertuples():
        percent = row.metric == "headline"
        name = "headline (%)" if percent else str(row.metric)
        shown.add_row(str(row.task), str(row.split), name, number(row.value, 1 if percent else 3))
    Console().print(shown)


def plain(text: str) -> str:
    """Text in which rich must not see markup, without the halves of characters that no terminal can show."""
    return escape(text.encode(errors="replace").decode())
