"""``python -m benchmarks [--quick] [--only abcd]``: the table of goals, measured in one run, and a JSON file.

``--quick`` takes small shapes: it shows that everything runs, and its ratios mean nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import distillation, measuring, preparing
from benchmarks.machine import matmul_peak
from benchmarks.table import Row
from fairkd.engine.provenance import environment
from fairkd.lab.materials import resolve_device

PARTS = {"abcd": distillation.run, "e": measuring.run, "fg": preparing.run, "h": preparing.report}


def main(
    quick: Annotated[bool, typer.Option(help="Small shapes, in under two minutes.")] = False,
    only: Annotated[str, typer.Option(help="Letters of goals; a part runs if it has one of them.")] = "abcdefgh",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    out: Annotated[Path | None, typer.Option(help="JSON file; runs/benchmarks/… without it.")] = None,
) -> None:
    """Measures, prints and writes."""
    chosen = resolve_device(device)
    peak = matmul_peak(chosen, quick=quick)
    rows: list[Row] = []
    for letters, run in PARTS.items():
        if set(letters) & set(only):
            rows += run(quick, chosen, 1 if quick else repeats)
    path = out or Path("runs/benchmarks") / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"quick": quick, "matmul_peak": peak, "threads": torch.get_num_threads(), **environment(chosen)}
    shown = [asdict(row) | {"median": row.median, "reached": row.reached} for row in rows]
    path.write_text(json.dumps(about | {"rows": shown}, indent=1, default=str))
    _print(rows, f"matmul peak {peak / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads, {chosen}", quick)
    print(path)


def _print(rows: list[Row], title: str, quick: bool) -> None:
    table = Table(title=title + (" (quick: only that it runs)" if quick else ""), title_justify="left")
    for name in ("", "what", "goal", "median", "all", "reached"):
        table.add_column(name)
    for row in rows:
        sign = "≤" if row.at_most else "≥"
        values = ", ".join(f"{value:.3g}" for value in row.values)
        verdict = "" if quick else "yes" if row.reached else "no"
        table.add_row(row.letter, row.what, f"{sign} {row.goal:g}", f"{row.median:.3g} {row.unit}", values, verdict)
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
