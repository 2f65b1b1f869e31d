"""``fairkd verify``: whether what lies here is what was made, from a page's numbers down to the weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairkd.arms import Arm
from fairkd.engine.store import MANIFEST, Store, check_seal, contents, file_state
from fairkd.errors import InputError
from fairkd.lab.results import REPORT, Manifest, Results, content_digest, controlled, other_names, read_state
from fairkd.lab.variants import OWN_FILE, USERS, changed_copy, declare, output_dir
from fairkd.profile import Profile, project_root
from fairkd.rng import numpy_generator
from fairkd.run.ledger import Files, notebooks, state, warnings_of
from fairkd.run.trace import (
    OF_THE_PAPER,
    Origins,
    Shown,
    behind,
    chain,
    lost,
    numbers_of,
    of_the_paper,
    origins,
    plain_number,
    printed_as,
    rows_with,
)
from fairkd.show.pages.seal import open_page
from fairkd.wording import how_many

if TYPE_CHECKING:
    import pandas as pd

    from fairkd.lab.materials import Materials

TOLERANCE = 1e-6
"""By which SEAT may differ when it is measured again: on another kind of processor the last bits do."""
OF_THE_RUN = (
    r"SHA-256 of all before: [0-9a-f]{64}",
    r'[<]script[^>]*id="record".*?[<]/script>',
    r"[<]tr>[<]th[^>]*>facts\.(?:versions\.\w+|git_commit|processor|threads|matrix_products|device)[<]/th>.*?[<]/tr>",
    r"python \d[^<]*?commit\s+[0-9a-f]{40}(?:\+changes)?",
    r"[0-9a-f]{40}(?:\+changes| with changes)?",
    r"\d\d\d\d-\d\d-\d\d[T ][\d:.+]+Z?",
)
"""What of a page differs between runs that found the same."""
MOST_NUMBERS, MOST_ROWS = 5, 4
"""That :func:`verify_number` follows: numbers that are printed alike, and rows of tables that have one."""


@dataclass(frozen=True)
class Check:
    """What was looked at.

    Attributes:
        what: in words, with how many.
        problems: what is not as it should be, a line each.
        about: more of what was looked at, a line each.
    """

    what: str
    problems: tuple[str, ...] = ()
    about: tuple[str, ...] = ()


def verify_profile(profile: Profile, *, again: int = 1) -> Iterator[Check]:
    """Looks at the store, the notebooks, the pages and the numbers of a profile; changes nothing.

    Args:
        profile: that was run.
        again: so many students are measured once more; they are drawn from a fixed seed.
    """
    yield _store(profile)
    run = _run_here(profile)
    names = [name for name in run if (output_dir(profile) / f"{name}.html").is_file()]
    states = {name: state(name, profile) for name in run}
    told = tuple(
        f"{name}: {kind}{f' ({why})' if why else ''}" for name, (kind, why) in states.items() if kind != "done"
    )
    yield Check(f"{len(states)} notebooks and the tables that they saved", told)
    done = [name for name, (kind, _) in states.items() if kind == "done"]
    yield _made_of(profile, done)
    yield Check(f"{len(names)} pages", tuple(line for name in names for line in _page(name, profile)))
    yield _numbers(profile, run)
    yield _measured_again(profile, again)


def _run_here(profile: Profile) -> list[str]:
    """The notebooks that ``reproduce`` runs, and others that were run for the profile, as 00_explore."""
    folder, usual = output_dir(profile), list(notebooks(profile))
    left = {path.stem for files in ("*.ipynb", "*.html", "status/*.json") for path in folder.glob(files)}
    others = {path.stem for path in (project_root() / "notebooks").glob("*.ipynb")} - set(usual)
    return usual + sorted(others & left)


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
    cells = list(numbers_of(path))
    wrong = [
        f"{cell.where}: it prints {cell.text!r} for {', '.join(cell.exact)}" for cell in cells if cell.misprinted()
    ]
    yield Check(f"its {len(cells):,} cells and rows print the numbers that they carry", tuple(wrong))
    yield Check(f"it shows {len(record['saved'])} tables and pieces", about=tuple(_not_here(record)))
    yield from _against_results_here(path, record, cells)


def _store(profile: Profile) -> Check:
    store = profile.store()
    folders = store.entries()
    folders += sorted(path.parent for path in store.root.glob(f"unfinished/*/step-*/{MANIFEST}"))
    problems, files = [], 0
    for folder in folders:
        try:
            files += len(check_seal(folder)["files"])
        except (InputError, OSError) as error:
            problems.append(str(error))
    copies = [*profile.path(profile.runs_dir).glob(f"**/{OWN_FILE}"), *store.root.glob(f"{USERS}/*.yaml")]
    problems += [problem for path in copies if (problem := changed_copy(path))]
    return Check(f"{len(folders)} entries of the store, {files:,} files", tuple(problems))


def _made_of(profile: Profile, done: Sequence[str]) -> Check:
    """Whether the store, and other notebooks' tables, are still what the notebooks' numbers were computed from."""
    store, problems = profile.store(), []
    keys: set[str] = set()
    saved = {Results(name, profile).label: content_digest(Results(name, profile).manifest().saved) for name in done}
    for name in done:
        manifest = Results(name, profile).manifest()
        keys |= manifest.entries.keys()
        for key, digest in manifest.entries.items():
            folder = store.find(key)
            if folder is None:
                problems.append(f"{name} was computed from the entry {key}, which is not in the store, or damaged")
            elif contents(Store.manifest(folder)) != digest:
                problems.append(f"{name} was computed from other files than the entry {key} has now")
        shown = {label: digest for label, digest in manifest.read.items() if label in saved}
        if others := other_names(shown, {label: saved[label] for label in shown}):
            problems.append(f"{name} shows other tables than these notebooks have now: {others}")
    what = f"{len(done)} notebooks were computed from {len(keys):,} entries of the store"
    return Check(what, tuple(problems), tuple(chain(sorted(keys), store)))


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
        elif state(name, profile)[0] == "done" and not _is_page_of(path, files.of("ipynb")):
            yield f"{path.name} is not the page that {name}.ipynb gives: its sentences or figures are others"


def _is_page_of(page: Path, notebook: Path, *, of_this_run: bool = True) -> bool:
    """Whether an executed notebook gives this page as this version writes it: to the byte, or of another run.

    A report leads to the pages that were there when it was made; others may have come or gone since.
    """
    read = page.read_text(encoding="utf-8")
    linked = frozenset(re.findall(r'href="(\d\d_\w+)\.html"', read))
    read_too = sorted(notebook.parent.glob("*.ipynb")) if linked else [notebook]  # for their titles
    made_of = [*read_too, *notebook.parent.glob(f"results/{notebook.stem}.json")]
    state = tuple((path, file_state(path)) for path in made_of)
    given = [_made_again(notebook, said, linked, state) for said in sorted({(), tuple(warnings_of(notebook))})]
    return read in given if of_this_run else _of_any_run(read) in map(_of_any_run, given)


def _of_any_run(page: str) -> str:
    """A page without what tells one run from another that found the same: when it was, by which commit and versions."""
    for pattern in OF_THE_RUN:
        page = re.sub(pattern, "", page, flags=re.DOTALL)
    return page


@lru_cache(maxsize=32)  # a report has two names
def _made_again(notebook: Path, warnings: tuple[str, ...], pages: frozenset[str], state: tuple[Any, ...]) -> str:
    from fairkd.show.pages.export import page_beside

    return page_beside(notebook, notebook.parent, warnings=warnings, pages=pages)


def _numbers(profile: Profile, names: Sequence[str]) -> Check:
    """The numbers of the pages against the tables that the notebooks saved; 00_method saves none."""
    problems, count, known = [], 0, origins(_tables(profile, names))
    pages = [path for name in names if Results(name, profile).read() and (path := _page_of(name, profile)).is_file()]
    for path in pages:
        try:
            cells = list(numbers_of(path))
        except InputError as error:
            problems.append(str(error))
            continue
        count += len(cells)
        problems += [f"{path.name}, {problem}" for problem in _untraced(cells, known)]
    if not pages:
        return Check("no page whose numbers could be traced")
    return Check(f"{count:,} cells and rows of {len(pages)} pages, traced to saved tables", tuple(problems))


def _untraced(cells: Sequence[Shown], known: Origins) -> Iterator[str]:
    for cell in cells:
        if cell.misprinted():
            yield f"{cell.where}: the page shows {cell.text!r} for {', '.join(cell.exact)}"
    for cell in lost(cells, known):
        yield f"{cell.where}: no saved table has {', '.join(cell.exact)}"


def _page_of(name: str, profile: Profile) -> Path:
    return output_dir(profile) / ("report.html" if name == REPORT else f"{name}.html")


def _tables(profile: Profile, names: Sequence[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """The saved tables that a profile's pages show, by label and name."""
    return {Results(name, own).label: Results(name, own).read() or {} for own, name in _shown_there(profile, names)}


def verify_number(said: str, what: Profile | Path) -> Iterator[Check]:
    """From a number that a reader sees to the rows of saved tables that have it, and to the manifests behind these.

    Args:
        said: the number, as it is printed.
        what: a profile, on whose pages it stands, or one page, whose results must lie here.

    Raises:
        InputError: it is no number; or the page cannot be read, or its results are not here; or there is no page.
    """
    plain_number(said)
    pages, profile = [what] if isinstance(what, Path) else [], what if isinstance(what, Profile) else None
    if isinstance(what, Path):
        _, record = open_page(what)
        if record is None or (profile := _results_here(record)) is None:
            raise InputError(f"{what}: the results that it shows do not lie here; fairkd verify {what} says more")
    assert profile is not None
    names = _run_here(profile)
    pages = pages or [path for name in names if (path := _page_of(name, profile)).is_file()]
    if not pages:
        raise InputError(f"there is no page of {profile.name!r} yet; see fairkd status")
    places: dict[str, list[str]] = {}
    for path in pages:
        for exact, wheres in printed_as(numbers_of(path), said).items():
            places.setdefault(exact, []).extend(f"{path.name}, {where}" for where in dict.fromkeys(wheres))
    for exact in list(places)[:MOST_NUMBERS]:
        about = tuple(_rows_behind(exact, profile, names))
        yield Check(f"{exact}: {'; '.join(places[exact])}", () if about else ("no saved table has it",), about)
    if len(places) > MOST_NUMBERS:
        yield Check(f"{len(places) - MOST_NUMBERS} more numbers are printed so; more digits tell them apart")
    if not places:
        yield Check(f"{said} on {len(pages)} pages", (f"no table or figure shows {said}",))


def _rows_behind(exact: str, profile: Profile, names: Sequence[str]) -> Iterator[str]:
    """The rows of saved tables that have a number, and the entries of the store behind each, in lines."""
    owners = {Results(name, own).label: (own, name) for own, name in _shown_there(profile, names)}
    if exact in of_the_paper():
        yield OF_THE_PAPER
    rows = list(rows_with(exact, _tables(profile, names)))
    for row in rows[:MOST_ROWS]:
        own, name = owners[row.notebook]
        yield str(row)
        yield from (f"  {line}" for line in behind(row, own, Results(name, own).manifest().entries))
    if len(rows) > MOST_ROWS:
        yield f"and {how_many(len(rows) - MOST_ROWS, 'more row')}"


def _shown_there(profile: Profile, done: Sequence[str]) -> Iterator[tuple[Profile, str]]:
    """The notebooks whose tables a report shows: of the profile, and of the controlled experiment beside it."""
    yield from ((profile, name) for name in done)
    if not profile.planted_strengths:
        other = controlled(profile)
        yield from ((other, name) for name in notebooks(other))


def _measured_again(profile: Profile, count: int) -> Check:
    from fairkd.lab.materials import Materials

    materials = Materials(profile, progress=False)
    arms = [(arm, seed) for arm in profile.all_arms() for seed in profile.student_seeds]
    problems, measured = [], 0
    for place in numpy_generator(0, "verify").permutation(len(arms)):
        arm, seed = arms[place]
        own = materials.of(profile.teacher_of(seed))
        if measured == count or (folder := _measured_before(own, arm, seed)) is None:
            continue
        far, measured = own.measure_again(folder), measured + 1
        if not far <= TOLERANCE:
            problems.append(f"{arm.name}, seed {seed}: SEAT differs by {far:.3g} from what the store has")
    return Check(f"{measured} of {len(arms)} students, measured again", tuple(problems))


def _measured_before(own: Materials, arm: Arm, seed: int) -> Path | None:
    """The folder of a student, if the store has it and its SEAT, whole; makes nothing, nor what a key follows from."""
    if own.missing() or (arm.teacher == "debiased" and not own.is_debiased()):
        return None
    folder = own.store.find(own.student_key(arm, seed))
    return folder if folder is not None and own.is_measured(folder) else None


def _not_here(record: dict[str, Any]) -> Iterator[str]:
    """Why a page's numbers are not compared with results that lie here; nothing where they are.

    No problem of the page: another processor has other bits.
    """
    try:
        here = _saved_here(record)
    except InputError as error:
        yield f"its profile cannot be read by this version: {error}"
        return
    if here is None:
        yield "these results do not lie here: its numbers and sentences were compared with nothing but its own digest"
    elif others := other_names(here.saved, record["saved"]):
        yield f"here the same profile has other results, as another processor, version or value makes them: {others}"
    elif _results_here(record) is None:
        yield "these results lie here, but are stale or damaged: its numbers were not compared with them"


def _saved_here(record: dict[str, Any]) -> Manifest | None:
    """What the notebook of a page has saved here, with the values that the page names; None if nothing.

    Raises:
        InputError: this version cannot read them.
    """
    profile = Profile.check(record["parameters"])
    declare(profile)
    path = output_dir(profile) / "results" / f"{record['notebook']}.json"
    return read_state(path, Manifest) if path.is_file() else None


def _results_here(record: dict[str, Any]) -> Profile | None:
    """The profile of a page, if the results that it shows lie here and are those of the code that is here."""
    with suppress(InputError):
        here = _saved_here(record)
        profile = Profile.check(record["parameters"])
        if here is not None and here.saved == record["saved"] and state(record["notebook"], profile)[0] == "done":
            return profile
    return None


def _against_results_here(path: Path, record: dict[str, Any], cells: Sequence[Shown]) -> Iterator[Check]:
    """A page against the tables, and the notebook, that it is said to come from, where these lie here."""
    profile = _results_here(record)
    if profile is None:
        return
    problems = list(_untraced(cells, origins(_tables(profile, _run_here(profile))))) if record["saved"] else []
    files = Files(output_dir(profile), record["notebook"])
    rest = "its sentences were compared with nothing: other code wrote them"
    if record.get("code") == read_state(files.manifest, Manifest).code:
        rest = "and all but when and by what it was made is as its notebook here gives it"
        if not _is_page_of(path, files.of("ipynb"), of_this_run=False):
            problems.append(
                "it is not the page that its notebook here gives: its sentences, cells or figures are others"
            )
    yield Check(f"its numbers stand in the tables that lie here; {rest}", tuple(problems))
