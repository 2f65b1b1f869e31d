"""How cost grows: ``python -m benchmarks.growth`` measures tokens/s against layers, hidden size, length and students.

One shape at a time is changed: teacher of 12 layers, one student ("full") of 6, hidden size 768, sequences of at most
128 tokens, about 1,024 tokens a step. Beside the points stands what the FLOP model (:mod:`fairkd.lab.cost`) says for
all and for a share of the measured matmul peak. Writes a JSON file and the figure.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from matplotlib.figure import Figure

from benchmarks.distillation import EIGHT, SMALL, Passes, Scene, Setting
from benchmarks.machine import WARM_UP, matmul_peak, seconds
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.provenance import environment
from fairkd.lab.materials import resolve_device
from fairkd.show.figures import OURS, PAPER, TEACHER_COLOUR, theme

AXES: dict[str, list[int]] = {
    "layers of the student": [1, 2, 4, 6],
    "hidden size": [192, 384, 576, 768],
    "tokens of a sequence": [32, 64, 128, 256],
    "students in one pass": [1, 2, 4, 8],
}
FIELDS = {"layers of the student": "student_layers", "hidden size": "hidden", "tokens of a sequence": "max_length"}
SHARE = 0.6
"""Of the matmul peak, for the lower line: goal c."""


def main(
    quick: Annotated[bool, typer.Option(help="Two small points an axis: only that it runs.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    out: Annotated[Path, typer.Option(help="Folder of growth.json and growth.png.")] = Path("runs/benchmarks"),
) -> None:
    """Measures, prints, draws."""
    chosen = resolve_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    base = SMALL if quick else Setting()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for axis, values in AXES.items():
            for value in values[:2] if quick else values:
                setting = replace(base, **{FIELDS[axis]: value}) if axis in FIELDS else base
                setting = replace(setting, layers=max(setting.layers, setting.student_layers))
                names = EIGHT[:value] if axis not in FIELDS else EIGHT[:1]
                rows.append({"axis": axis, "value": value} | point(setting, names, chosen, repeats, folder))
                rows[-1]["matmul_peak"] = matmul_peak(chosen, quick=quick)
                print(rows[-1])
    out.mkdir(parents=True, exist_ok=True)
    about = {"quick": quick, "base": asdict(base), "threads": torch.get_num_threads(), **environment(chosen)}
    (out / "growth.json").write_text(json.dumps(about | {"rows": rows}, indent=1, default=str))
    draw(pd.DataFrame(rows)).savefig(out / "growth.png", dpi=120)


def point(setting: Setting, names: tuple[str, ...], device: torch.device, repeats: int, folder: str) -> dict[str, Any]:
    """Tokens/s of one shape and the model FLOPs of a token; ``folder`` keeps the corpus."""
    scene = Scene(setting, device, folder)
    passes = Passes(scene, names)
    batches = scene.batches[WARM_UP : WARM_UP + repeats]
    spent = [seconds(lambda n=n: passes.step(n), device) for n in range(WARM_UP + repeats)][WARM_UP:]
    flops = [scene.flops(passes.arms, batch) / batch.tokens for batch in batches]
    rates = [batch.tokens / took for batch, took in zip(batches, spent, strict=True)]
    return {"tokens_per_second": statistics.median(rates), "flops_per_token": statistics.median(flops)}


def draw(rows: pd.DataFrame) -> Figure:
    """A panel an axis: measured points, and lines of the FLOP model at :data:`SHARE` and all of the peak."""
    peak = rows["matmul_peak"].max()
    with theme():
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        for axis, (name, part) in zip(
            figure.subplots(1, len(AXES), sharey=True), rows.groupby("axis", sort=False), strict=True
        ):
            limit = peak / part["flops_per_token"]
            axis.plot(part["value"], limit, color=TEACHER_COLOUR, linestyle=":", label="FLOP model at the matmul peak")
            axis.plot(part["value"], SHARE * limit, color=PAPER, linestyle="--", label=f"at {SHARE:.0%} of it")
            axis.plot(part["value"], part["tokens_per_second"], "o", color=OURS, label="measured")
            axis.set(xscale="log", yscale="log", xlabel=name)
            axis.set_xticks(part["value"], [str(value) for value in part["value"]], minor=False)
            axis.minorticks_off()
        figure.axes[0].set_ylabel("tokens a second")
        figure.axes[0].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    typer.run(main)
