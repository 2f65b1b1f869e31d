"""``fairkd verify``: whether what lies here is what was made, from a page's numbers down to the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fairkd.engine.store import MANIFEST, check_seal
from fairkd.errors import InputError
from fairkd.lab.results import REPORT, Manifest, Results, other_names, read_state
from fairkd.lab.variants import declare, output_dir
from fairkd.profile import Profile
from fairkd.rng import numpy_generator
from fairkd.run.ledger import Files, notebooks, state
from fairkd.show.pages.seal import open_page
from fairkd.show.tables.plain import records
from fairkd.wording import number

TOLERANCE = 1e-6
"""By which SEAT may differ when it is measured again: on another kind of processor the last bits do."""


@dataclass(frozen=True)
class Check:
    """What was looked at.

    Attributes:
        what: in words, with how many.
        problems: what is not as it should be, a line each.
    """

    what: str
    problems: tuple[str, ...] = ()


def verify_profile(profile: Profile, *, again: int = 1) -> Iterator[Check]:
    """Looks at the store, the notebooks, the pages and the numbers of a profile; changes nothing.

    Args:
        profile: that was run.
        again: so many students are measured once more; they are drawn from a fixed seed.
    """
    yield _store(profile)
    names = [name for name in notebooks(profile) if (output_dir(profile) / f"{name}.html").is_file()]
    states = {name: state(name, profile) for name in notebooks(profile)}
    told = tuple(
        f"{name}: {kind}{f' ({why})' if why else ''}" for name, (kind, why) in states.items() if kind != "done"
    )
    yield Check(f"{len(states)} notebooks and the tables that they saved", told)
    yield Check(f"{len(names)} pages", tuple(line for name in names for line in _page(name, profile)))
    yield _claims(profile)
    yield _measured_again(profile, again)


def verify_page(path: Path) -> Iterator[Check]:
    """Looks at a page that somebody sent: whether it is as it was written, what it shows, and if that lies here.

    Raises:
        InputError: it cannot be read, is no page of fairkd, or was changed.
    """
    _, record = open_page(path)
    yield Check(f"{path.name} is as it was written")
    if record is None:
        yield Check("it has no record of results: it is the page of a notebook that saved none")
        return
    facts = record["facts"]
    made = f"fairkd {facts['versions']['fairkd']}, commit {facts.get('git_commit')}, device {facts['device']}"
    yield Check(f"{record['notebook']} of the profile {facts['profile']!r}, seeds {facts['seeds']}; {made}")
    yield Check(f"it shows {len(record['saved'])} tables and pieces", tuple(_not_here(record)))


def _store(profile: Profile) -> Check:
    folders = sorted(path.parent for path in profile.store().root.glob(f"*/{MANIFEST}"))
    problems, files = [], 0
    for folder in folders:
        try:
            files += len(check_seal(folder)["files"])
        except (InputError, OSError) as error:
            problems.append(str(error))
    return Check(f"{len(folders)} entries of the store, {files:,} files", tuple(problems))


def _page(name: str, profile: Profile) -> Iterator[str]:
    """What is wrong with the page of a notebook."""
    files = Files(output_dir(profile), name)
    paths = [files.of("html"), *([files.folder / "report.html"] if name == REPORT else [])]
    for path in paths:
        try:
            _, record = open_page(path)
            saved = Results(name, profile).intact().saved
        except InputError as error:
            yield str(error)
            continue
        if record is None or record["saved"] != saved:
            yield f"{path.name} shows other results than those that lie beside it"


def _claims(profile: Profile) -> Check:
    """The numbers of the report's first table against the saved one."""
    from bs4 import BeautifulSoup

    path = output_dir(profile) / "report.html"
    tables = Results(REPORT, profile).read()
    if not path.is_file() or tables is None:
        return Check("no report to compare with its tables")
    judged = tables["report_claims"]
    judged = judged[judged.pooling == judged.pooling.iloc[0]]
    table = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find("table", class_="claims")
    rows = table.select("tbody tr") if table else []
    told = [row.find_all("td")[1].get_text(" ").split() for row in rows]
    problems = [
        f"claim {row.claim}, {row.part}: the report says {shown}, and the table {number(row.estimate)}"
        for row, shown in zip(records(judged), told, strict=False)
        if pd.notna(row.low) and "of" not in shown and shown[0] != number(row.estimate)
    ]
    if len(told) != len(judged):
        problems.append(f"the report has {len(told)} verdicts, and the table {len(judged)}")
    return Check(f"{len(told)} verdicts of the report and their table", tuple(problems))


def _measured_again(profile: Profile, count: int) -> Check:
    from fairkd.lab.materials import Materials

    materials = Materials(profile, progress=False)
    arms = [(arm, seed) for arm in profile.all_arms() for seed in profile.student_seeds]
    chosen = numpy_generator(0, "verify").permutation(len(arms))[:count]
    problems = []
    for place in chosen:
        arm, seed = arms[place]
        own = materials.of(profile.teacher_of(seed))
        try:
            far = own.measure_again(own.student(arm, seed))
        except InputError as error:
            problems.append(str(error))
            continue
        if not far <= TOLERANCE:
            problems.append(f"{arm.name}, seed {seed}: SEAT differs by {far:.3g} from what the store has")
    return Check(f"{len(chosen)} of {len(arms)} students, measured again", tuple(problems))


def _not_here(record: dict[str, Any]) -> Iterator[str]:
    """Nothing where the results lie here as the page shows them, or where there are none of this profile."""
    try:
        profile = Profile.check(record["parameters"])
        declare(profile)
        folder = output_dir(profile) / "results"
    except InputError as error:
        yield f"its profile cannot be read by this version: {error}"
        return
    if not (folder / f"{record['notebook']}.json").is_file():
        return
    here = read_state(folder / f"{record['notebook']}.json", Manifest).saved
    if others := other_names(here, record["saved"]):
        yield f"here the same profile has other results: {others}"
