"""How long a step of a slider takes: from the change of its value to the new picture, in the kernel, no browser.

    python benchmarks/slider_latency.py [--profile quick] [--steps 200]

Every panel of 00_explore on the teacher and students that the profile's store has (run a notebook of it first).
Printed are the median and the 95th percentile over steps, and what the first picture takes: that is when a model is
read. The time of the debouncing (widgets.STEP_SECONDS) and of the browser come on top.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import typer

from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.rng import numpy_generator
from fairkd.show.sliders import widgets
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import Models

SENTENCE = "the engineer said that he would fix the machine himself."


def main(profile: str = "quick", steps: int = 200) -> None:
    """Prints a line a slider."""
    materials = Materials(Profile.load(profile), progress=False)
    missing = materials.missing()
    if missing:
        raise SystemExit(f"profile {profile!r}: {missing}; run one of its notebooks first")
    models = Models(materials)
    student = models.names()[-1]
    print(f"profile {profile}, student {student!r}, {steps} steps a slider")
    panels: Sequence[tuple[str, Callable[[], Any], str, Sequence[float]]] = (
        ("α", lambda: widgets.Alpha(models), "alpha", [n / 20 for n in range(1, 101)]),
        ("λ on a sentence", lambda: widgets.Sentence(models, SENTENCE, student=student), "lam", LAMBDAS),
        ("λ on SEAT", lambda: widgets.Seat(models, model=student), "lam", LAMBDAS),
    )
    for title, make, slider, values in panels:
        started = time.perf_counter()
        panel = make()
        first = time.perf_counter() - started
        taken = measure(panel, getattr(panel, slider), values, steps)
        median, most = np.percentile(taken, [50, 95])
        print(f"{title:16} step: median {median:5.1f} ms, 95th percentile {most:5.1f} ms; first picture {first:.2f} s")


def measure(panel: Any, slider: Any, values: Sequence[float], steps: int) -> list[float]:
    """Milliseconds of each of ``steps`` changes to a value drawn at random; each must change the picture."""
    draw = numpy_generator(0, "slider latency")
    taken = []
    while len(taken) < steps:
        value = float(draw.choice([v for v in values if v != slider.value]))
        before = panel.shown.value
        started = time.perf_counter()
        slider.value = value
        taken.append(1000 * (time.perf_counter() - started))
        if panel.shown.value == before:
            raise SystemExit(f"the picture did not change at {value}: {panel.message.value}")
    return taken


if __name__ == "__main__":
    typer.run(main)
