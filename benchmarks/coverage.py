"""How often rulers' intervals hold zero where nothing is planted, over the controlled experiment's teachers and more.

    python -m benchmarks.coverage [--profile planted] [--groups 4] [--output FILE.parquet]

The profile has a handful of teachers, and all its cases (a score with a sign, of teachers or students) share them: they
are right or wrong together. A group is as many teachers again, each with its own draw of the text and its students, and
is judged as the notebook judges the profile's. What was trained is kept, in the profile's store and as its variants.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from fairkd.lab.calibration import STUDENT, Calibration, ruler_title
from fairkd.lab.materials import Materials
from fairkd.lab.training import train
from fairkd.profile import Profile


class NothingPlanted(Calibration):
    """The calibration's world of strength 0 alone, which is what coverage asks for."""

    @cached_property
    def worlds(self) -> dict[float, Materials]:
        return {0.0: Materials(self.profile.worlds()[0.0], progress=self.progress)}


def groups(profile: Profile, count: int) -> Iterator[Profile]:
    """The profile's own teachers, then ``count`` times as many others; of students only those that are judged."""
    only = profile.changed(arms=[STUDENT], depths=[profile.student_layers], debias_without_seat_words=False)
    size, after = len(profile.teacher_seeds), max(profile.teacher_seeds) + 1
    yield only
    for first in range(after, after + count * size, size):
        yield only.changed(teacher_seeds=list(range(first, first + size)))


def covered(profile: Profile, count: int) -> pd.DataFrame:
    """:data:`fairkd.frames.COVERAGE` of each group, with its number."""
    _ = Calibration(profile).worlds  # which says so if it has no such world
    found = []
    for number, own in enumerate(groups(profile, count)):
        world = own.worlds()[0.0].changed(planted_strengths=None)
        train([(Materials(world), world.all_arms())], known_as=world)
        found.append(NothingPlanted(own).coverage().assign(group=number))
    return pd.concat(found, ignore_index=True)


def main(
    profile: Annotated[str, typer.Option(help="one with planted strengths, of which 0 is one")] = "planted",
    groups: Annotated[int, typer.Option(min=0, help="beside the profile's own teachers")] = 4,
    output: Annotated[Path | None, typer.Option(help="Parquet file for every interval")] = None,
) -> None:
    found = covered(Profile.load(profile), groups)
    if output is not None:
        found.to_parquet(output)
    for together, what in ((False, "items"), (True, "items and seeds")):
        own = found[(found.seed < 0) == together]
        print(f"intervals over {what}: which hold zero, of how many, in each group and in all")
        for ruler, rows in [*own.groupby("ruler", sort=False), ("all rulers", own)]:
            held = rows.groupby("group").covers.agg(["sum", "count"])
            parts = ", ".join(f"{part['sum']} of {part['count']}" for _, part in held.iterrows())
            print(f"  {ruler_title(str(ruler))}: {parts}; {100 * rows.covers.mean():.1f} % of {len(rows)}")


if __name__ == "__main__":
    typer.run(main)
