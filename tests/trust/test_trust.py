"""Faults of every kind, tried on a small study: what is struck, damaged or run elsewhere ends with the same bytes.

The tests follow one another on one study. ``make slow`` tries each fault in a short form; ``make trust`` tries it more
often, and writes ``docs/trust.md``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from commands import Warm, World, spread
from damage import DAMAGES, assert_noticed, kinds_of_files, problems
from long_form import LONG
from phases import MADE, NOTEBOOKS, PHASES, TRAINED, VALUES, Study, notebook
from strikes import SIGNALS, TRIES, assert_one_sentence, assert_same_bytes_after_strikes

from fairkd.engine.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    warm = Warm()
    yield Study(World(tmp_path_factory.mktemp("struck"), warm, **VALUES))
    warm.close()


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_what_is_struck_and_run_again_has_the_same_bytes(study, phase, told):
    assert_same_bytes_after_strikes(study, phase, told)


# --- damage ----------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_a_cut_byte_and_a_changed_digit_are_noticed_in_every_kind_of_file(study, told):
    for name in NOTEBOOKS if LONG else ():
        study.world.run(*notebook(name))
    examples, usual = kinds_of_files(study.world), problems(study.world)
    assert len(examples) > 30
    assert not [line for line in usual if LONG or not line.endswith(": not run")]
    for number, (kind, path) in enumerate(examples.items()):
        assert_noticed(study.world, kind, path, usual, told, only=None if LONG else number)


@pytest.mark.skipif(not LONG, reason="runs every notebook again")
def test_a_damaged_file_of_every_kind_at_once_is_made_again_with_the_same_bytes(study, told):
    entries, tables = study.world.entries(), study.world.tables()
    examples = kinds_of_files(study.world)
    for path in examples.values():
        path.write_bytes(DAMAGES["a bit flipped"](path.read_bytes()))
    study.world.run("reproduce", "FILE")
    for name in NOTEBOOKS:  # those that nothing had happened to too: they read what else was damaged
        study.world.run(*notebook(name), "--force")
    assert study.world.entries() == entries
    assert study.world.tables() == tables
    told("a bit flipped", f"{len(examples)} kinds of files at once, then reproduce", "", "same bytes")


# --- odd places and odd surroundings ---------------------------------------------------------------------------------


SMALL = {"arms": ["full"], "depths": [1], "student_layers": 1, "seeds": [0], "glue_source": None}
"""Of a profile with two students, which are trained in a second or two."""
SURROUNDINGS: dict[str, tuple[str, dict[str, str | None]]] = {
    "spaces and other letters in the path": ("Zoë & co ‘漢字’", {}),
    "no HOME": ("plain", {"HOME": None}),
    "HOME that cannot be written": ("plain", {"HOME": "/proc/1/nobody"}),
    "another time zone": ("plain", {"TZ": "Pacific/Kiritimati"}),
    "LANG=C": ("plain", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "umask 077": ("plain", {"UMASK": "077"}),
}


if not LONG:
    together: dict[str, str | None] = {}
    for _, environment in SURROUNDINGS.values():
        together |= environment
    SURROUNDINGS = {"all odd surroundings together": ("Zoë & co ‘漢字’", together)}


@pytest.fixture(scope="module")
def small(study, tmp_path_factory) -> World:
    """Two students and the notebook about them, made in peace."""
    world = World(tmp_path_factory.mktemp("small"), study.world.warm, **SMALL)
    world.run("train", "FILE")
    assert world.entries("student")
    if LONG:
        world.run(*NOTEBOOK)
    return world


NOTEBOOK = ("run", "01_capacity", "--profile", "FILE")


CHANGED = "was changed after it was made"
READERS: list[tuple[str, str, list[str], str]] = [
    ("student/model.safetensors", "a bit flipped", ["seat", "FOLDER"], CHANGED),
    ("student/manifest.json", "a digit changed", ["bias", "FOLDER", "--ruler", "log-probability"], CHANGED),
    ("student/tokenizer.json", "a byte cut off", ["glue", "FOLDER", "--task", "RTE"], CHANGED),
    ("teacher/model.safetensors", "a bit flipped", ["seat", "FOLDER"], CHANGED),
    ("student/tokenizer.json", "a byte cut off", ["seat", "embedded", "--tokenizer", "FOLDER"], CHANGED),
    ("student/model.safetensors", "a bit flipped", ["seat", "embedded", "--tokenizer", "FOLDER"], CHANGED),
    ("teacher/config.json", "a digit changed", ["plan", "FILE", "-p", "teacher", "FOLDER"], CHANGED),
    ("student/manifest.json", "a digit changed", ["plan", "FILE"], "1 student of 1 arm"),
    ("student/manifest.json", "a digit changed", ["status", "FILE"], "{fewer} of"),
    ("student/model.safetensors", "a bit flipped", ["plan", "FILE", "--all"], "to train"),
    ("01_capacity.ipynb", "a bit flipped", ["status", "FILE"], "changed or missing: 01_capacity.ipynb"),
    ("01_capacity.ipynb", "a digit changed", ["export", "NOTEBOOK", "--to", "PAGE"], "is not as its run left it"),
    ("01_capacity.html", "a digit changed", ["status", "FILE"], "changed or missing: 01_capacity.html"),
    ("status/01_capacity.json", "a digit changed", ["status", "FILE"], "01_capacity.json was changed"),
    ("status/01_capacity.json", "a digit changed", ["export", "NOTEBOOK", "--to", "PAGE"], "is not known"),
    ("results/01_capacity.json", "a digit changed", ["status", "FILE"], "01_capacity.json was changed"),
    ("results/capacity_tests.parquet", "a bit flipped", ["status", "FILE"], "capacity_tests.parquet"),
]
"""A file that a finished study leaves, what becomes of it, a command that reads it, and what it says."""


@pytest.fixture(scope="module")
def read(small, tmp_path_factory) -> World:
    """Two students and the notebook about them, whose files the tests damage and put back."""
    world = World(tmp_path_factory.mktemp("read"), small.warm, **SMALL)
    world.restore(small.runs)
    world.run(*NOTEBOOK)
    return world


@pytest.mark.parametrize(("what", "way", "command", "says"), READERS)
def test_every_command_that_reads_a_damaged_file_says_so(read, told, tmp_path, what, way, command, says):
    kind, _, name = what.partition("/")
    world, path = read, read.runs / "mine" / what
    if kind in ("student", "teacher"):
        path = world.store / sorted(world.entries(kind))[0].split()[-1] / name
    words = {"FOLDER": str(path.parent), "PAGE": str(tmp_path / "page.html"), "FILE": "FILE"}
    words["NOTEBOOK"] = str(world.runs / "mine" / "01_capacity.ipynb")
    wanted = len(world.profile.all_arms()) * len(world.profile.student_seeds)
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[way](whole))
    try:
        status = world.start(*(words.get(word, word) for word in command)).wait()
    finally:
        path.write_bytes(whole)
    said = world.log.read_text()
    assert says.format(fewer=wanted - 1) in said, said
    assert "Traceback" not in said
    assert status == (2 if says == CHANGED else 0)
    told(way, what, "", f"fairkd {command[0]} says so")


def assert_same(world: World, small: World) -> None:
    assert world.entries(*MADE) == small.entries(*MADE)
    assert world.tables() == small.tables()


def made_again(world: World, small: World, **environment: str | None) -> None:
    """Trains, and in the long form runs the notebook: the same bytes come out."""
    world.run("train", "FILE", **environment)
    if LONG:
        world.run(*NOTEBOOK, **environment)
    assert_same(world, small)


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_surroundings_change_no_byte(small, tmp_path, told, what):
    name, environment = SURROUNDINGS[what]
    made_again(World(tmp_path / name, small.warm, **SMALL), small, **environment)
    told(what, "train" + (", 01_capacity" if LONG else ""), "", "same bytes")


def test_a_link_to_the_folder_of_runs_and_files_from_tomorrow_change_nothing(small, tmp_path, told):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    world = World(tmp_path / "linked", small.warm, **SMALL)
    made_again(world, small)
    told("a link to the folder", "train", "", "same bytes")
    before, tomorrow = world.entries(), time.time() + 86_400
    for path in world.runs.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    made_again(world, small)
    assert world.entries() == before
    told("the clock set back a day", "train", "", "found as it was")


def test_runs_that_are_deleted_in_the_middle_are_made_again(small, tmp_path, told):
    world = World(tmp_path / "deleted", small.warm, **SMALL)
    command = world.start("train", "FILE")
    assert command.until(lambda: bool(world.entries("teacher")))
    shutil.rmtree(world.runs, ignore_errors=True)
    status = command.wait()
    said = world.log.read_text()
    assert "Traceback" not in said
    made_again(world, small)
    told("runs/ deleted in the middle", "train", "", f"exit status {status}, then the same bytes")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory, mounted with the options that are given; a second call mounts it anew."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        kind = ["-o", options] if "remount" in options else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *kind, str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_full_disk_and_one_that_cannot_be_written_are_said_and_gone_on_from(small, disk, told):
    world = World(disk("size=1m") / "world", small.warm, **SMALL)
    command = world.start("train", "FILE")
    assert (command.wait(), "Traceback" in world.log.read_text()) == (1, False), world.log.read_text()
    assert "No space left" in world.log.read_text()
    disk("remount,size=100m")
    made_again(world, small)
    told("a full disk", "train", "", "exit status 1 and a sentence, then the same bytes")
    log = small.folder / "read-only.log"
    disk("remount,ro")
    for arguments, status in (
        (("status", "FILE"), 0),
        (("train", "FILE"), 0),
        (("train", "FILE", "-p", "seeds", "[5]"), 1),
        *([(("reproduce", "FILE"), 0)] if LONG else []),  # its notebook was run before
    ):
        assert world.start(*arguments, log=log).wait() == status, log.read_text()
        assert "Traceback" not in log.read_text()
    told("a disk that cannot be written", "status, train", "", "what is finished is found, else exit status 1")
    assert_same(world, small)


# --- parts of it are killed, and several at once ---------------------------------------------------------------------


def test_two_trainings_and_two_papermills_at_once_leave_the_same_bytes(small, tmp_path, told):
    world = World(tmp_path / "both", small.warm, **SMALL)
    both = [world.start("train", "FILE") for _ in range(2)]
    assert [command.wait() for command in both] == [0, 0], world.log.read_text()
    assert world.entries(*TRAINED) == small.entries(*TRAINED)
    told("two at once", "train", "", "same bytes")
    if not LONG:
        return
    both = [world.start(*NOTEBOOK) for _ in range(2)]
    assert sorted(command.wait() for command in both) == [0, 2], world.log.read_text()
    assert "is being run by process" in world.log.read_text()
    told("two at once", "run 01_capacity", "", "the second is refused in a sentence")
    tables = world.tables()
    script = "from fairkd.run.execute import execute; execute('notebooks/01_capacity.ipynb', {!r}, '{{file}}')"
    both = [world.start("-c", script.format(str(tmp_path / f"{n}.ipynb")), log=tmp_path / f"log-{n}") for n in range(2)]
    assert [command.wait() for command in both] == [0, 0], [(tmp_path / f"log-{n}").read_text() for n in range(2)]
    assert world.tables() == tables
    told("two at once", "papermill of 01_capacity", "", "same bytes")


@pytest.mark.skipif(not LONG, reason="makes a whole study ten times")
def test_reproduce_that_is_struck_or_started_twice_leaves_the_same_bytes(study, tmp_path, told):
    def left(world: World) -> list[dict[str, str]]:
        return [world.entries(), world.tables(), world.pieces()]

    alone, both, struck = (World(tmp_path / name, study.world.warm, **SMALL) for name in ("alone", "both", "struck"))
    began = time.monotonic()
    alone.run("reproduce", "FILE")
    seconds = time.monotonic() - began
    logs = [tmp_path / "first", tmp_path / "second"]
    commands = [both.start("reproduce", "FILE", log=log) for log in logs]
    assert sorted(command.wait() for command in commands) == [0, 2]
    assert sum("is being run by process" in log.read_text() for log in logs) == 1
    assert left(both) == left(alone)
    told("two at once", "reproduce", "", "the second is refused in a sentence")
    signals = [(signal.SIGKILL, share) for share in spread(4)]
    signals += [(getattr(signal, name), share) for name, share in zip(SIGNALS, spread(len(SIGNALS)), strict=True)]
    for number, share in signals:
        for _ in range(TRIES):
            shutil.rmtree(struck.runs, ignore_errors=True)
            command = struck.start("reproduce", "FILE")
            time.sleep(share * seconds)
            if (status := command.strike(number)) != 0:
                break
            share *= 0.6  # it was over: the machine is faster now than it was
        assert status == (-number if number == signal.SIGKILL else 128 + number), struck.log.read_text()
        if number != signal.SIGKILL:
            assert_one_sentence(struck.log.read_text())
        struck.run("reproduce", "FILE")
        assert left(struck) == left(alone)
        told(number.name, "reproduce, from nothing", f"{100 * share:.0f} % of {seconds:.0f} s", "same bytes")


@pytest.mark.parametrize("part", ["kernel", "training"] if LONG else ["kernel"])
def test_a_part_that_is_killed_alone_is_named_and_done_again(study, small, tmp_path, told, part):
    world = World(tmp_path / part, small.warm, **SMALL)
    names = {"kernel": (NOTEBOOK, "fairkd.run.kernel"), "training": (("reproduce", "FILE"), "fairkd train")}
    arguments, name = names[part]
    command, found = world.start(*arguments), []

    def is_there() -> bool:
        with suppress(psutil.NoSuchProcess):  # one that has ended since it was listed
            found[:] = [one for one in command.family()[1:] if name in " ".join(one.cmdline())]
        return bool(found)

    assert command.until(is_there)
    found[0].kill()
    assert command.wait() == 1
    said = world.log.read_text()
    assert {"kernel": "its kernel died", "training": "train: FAILED (exit status -9: killed"}[part] in said
    world.run("train", "FILE")
    if LONG:
        world.run(*NOTEBOOK)
    assert world.entries(*TRAINED) == small.entries(*TRAINED)
    told(f"the {part} alone is killed", arguments[0], "", "it is said, then the same bytes")


# --- growth and cleaning ---------------------------------------------------------------------------------------------

UPDATES, RUNS = 2_000, 20
ROOM = 16 * 2**20
"""Bytes by which a process may grow between a fifth and the end of its updates: heaps have holes."""


@pytest.mark.skipif(not LONG, reason="takes minutes")
def test_many_updates_and_many_runs_need_no_more_memory_files_or_disk(small, tmp_path, told):
    world = World(tmp_path / "long", small.warm, **SMALL | {"max_steps": UPDATES, "n_epoch": 10_000})
    command, seen = world.start("train", "FILE"), []
    own = psutil.Process(command.pid)
    command.until(lambda: bool(world.entries("teacher")))
    while command.runs():
        with suppress(psutil.Error):
            seen.append((own.memory_info().rss, own.num_fds()))
        time.sleep(0.02)
    assert command.wait() == 0, world.log.read_text()
    assert len(seen) > 20
    (early, files), (late, more_files) = (
        [sorted(column)[len(column) // 2] for column in zip(*part, strict=True)]
        for part in (seen[len(seen) // 5 :][:10], seen[-10:])
    )
    assert late - early < ROOM
    assert more_files <= files
    told(f"{UPDATES:,} updates", "train", "", f"memory grows by less than {ROOM >> 20} MB, no file stays open")
    time.sleep(2.5)  # for two seconds an entry is young (fairkd.engine.store.FRESH_NS)
    world.run("train", "FILE")  # notes that entries were compared with their digests
    before = on_disk(world)
    for _ in range(RUNS):
        world.run("train", "FILE")
    assert on_disk(world) == before
    told(f"{RUNS} runs of finished work", "train", "", "nothing is added on the disk")


def on_disk(world: World) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in world.runs.rglob("*") if path.is_file()}


def test_clean_removes_what_nobody_needs_and_nothing_that_somebody_does(study, told):
    world = study.world
    needed = world.entries()
    world.run("train", "FILE", "-p", "temperature", "3.0", "-p", "depths", "[1]", "-p", "arms", "[full]")
    shutil.rmtree(world.runs / "mine" / "variants")  # with it nobody needs its student
    before = on_disk(world)
    young = world.run("clean", "FILE").splitlines()
    assert young[0] == "removed 0.0 MB"
    assert "are younger than a day" in young[1]
    assert on_disk(world) == before
    *lines, total = world.run("clean", "FILE", "--dry-run", "--now").splitlines()
    students = [line for line in lines if "damaged, and made again since" not in line]  # by the damages that were tried
    assert ["student of no profile that is known here" in line for line in students] == [True, True]
    assert f"would remove {len(lines)} folders" in total
    assert on_disk(world) == before
    world.run("clean", "FILE", "--now")
    assert world.entries() == needed
    assert "would remove 0 folders" in world.run("clean", "FILE", "--dry-run", "--now")
    told("clean", "students of other values", "", "they are removed, and nothing else")


@pytest.mark.parametrize(
    ("what", "says"),
    [("store/<student>/manifest.json", "was changed after it was made"), ("store/profiles", "nobody can say what")],
)
def test_clean_judges_nothing_where_what_says_what_is_needed_is_damaged(read, told, what, says):
    entry = sorted(read.entries("student"))[0].split()[-1]
    folder = read.store / what.split("/")[1].replace("<student>", entry)
    path = folder / "manifest.json" if folder.name == entry else next(folder.glob("*.yaml"))
    whole = path.read_bytes()
    path.write_bytes(DAMAGES["a digit changed"](whole))
    try:
        status = read.start("clean", "FILE").wait()
    finally:
        path.write_bytes(whole)
    assert status == 2
    assert says in read.log.read_text()
    told("a digit changed", what, "", "fairkd clean says so and removes nothing")


def test_clean_in_the_name_of_another_profile_of_the_store_keeps_what_this_one_needs(read, tmp_path):
    other = World(tmp_path / "other", read.warm, **(SMALL | {"store_dir": str(read.store)}))
    assert "would remove 0 folders" in other.run("clean", "FILE", "--dry-run", "--now")


def test_verify_measures_again_what_is_there_and_makes_nothing(read):
    """A damaged teacher is told, again and again, and not made anew."""
    path = read.store / sorted(read.entries("teacher"))[0].split()[-1] / "model.safetensors"
    whole, before = path.read_bytes(), Store(read.store).entries()
    path.write_bytes(DAMAGES["a bit flipped"](whole))
    try:
        for _ in range(2):
            assert read.start("verify", "FILE").wait() == 1
            assert f"{path} was changed" in read.log.read_text()
            assert "0 of 2 students, measured again" in read.log.read_text()
    finally:
        path.write_bytes(whole)
    assert Store(read.store).entries() == before
    read.start("verify", "FILE").wait()
    assert "1 of 2 students, measured again" in read.log.read_text()


def test_a_page_of_stale_results_says_so_at_its_top(read, tmp_path):
    notebook = read.runs / "mine" / "01_capacity.ipynb"
    whole = notebook.read_text()
    notebook.write_text(whole.replace("Does a smaller student", "Does a smaller\u00a0student"))
    try:
        read.run("export", str(notebook), "--to", str(tmp_path / "page.html"))
    finally:
        notebook.write_text(whole)
    top = (tmp_path / "page.html").read_text().partition("<h1")[0]
    assert "This page may mislead." in top
    assert "is not as its run left it" in top
    read.run("export", str(notebook), "--to", str(tmp_path / "page.html"))
    assert "This page may mislead." not in (tmp_path / "page.html").read_text()
    results = notebook.parent / "results" / "01_capacity.json"
    kept = results.read_bytes()
    results.write_bytes(DAMAGES["a digit changed"](kept))
    try:
        assert read.start("export", str(notebook), "--to", str(tmp_path / "page.html")).wait() == 2
    finally:
        results.write_bytes(kept)
