"""The run store: entries appear whole or not at all, and damage is noticed."""

import errno
import json
import multiprocessing
import os
import platform
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairkd.engine import store as module
from fairkd.engine.store import MANIFEST, NOTES, Store, check_entry, parse_json, write_checked, write_json
from fairkd.engine.versions import processor
from fairkd.errors import InputError
from fairkd.rng import derive, numpy_generator, torch_generator


def fill(store: Store, key: str, manifest: dict | None = None) -> None:
    with store.write(key, manifest or {"kind": "test"}) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text("hello")


def test_keys_depend_on_content_and_not_on_order():
    assert Store.key("a", {"x": 1, "y": [2]}) == Store.key("a", {"y": [2], "x": 1})
    assert len({Store.key("a", {"x": 1}), Store.key("b", {"x": 1}), Store.key("a", {"x": 2})}) == 3
    with pytest.raises(ValueError, match="not JSON compliant"):
        Store.key("a", {"x": float("nan")})


def test_a_finished_entry_is_found_with_its_files(store):
    assert store.find("k") is None
    fill(store, "k")
    folder = store.find("k")
    assert (folder / "sub" / "a.txt").read_text() == "hello"
    assert list(Store.manifest(folder)["files"]) == ["sub/a.txt"]


def test_an_error_while_writing_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.write("k", {}) as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert list(store.root.iterdir()) == []


def _killed(root) -> None:
    with Store(root).write("k", {}) as folder:
        (folder / "a").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_killed_processes_left_of_any_entry_is_removed_unless_it_is_being_written(store):
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(store.root,))
    process.start()
    process.join()
    (store.root / ".writing-other-1-a").mkdir()
    assert len(list(store.root.glob(".writing-*"))) == 2
    with store.lock("other"):
        store.remove_left()
        assert [path.name for path in store.root.glob(".writing-*")] == [".writing-other-1-a"]
    store.remove_left()
    assert list(store.root.glob(".writing-*")) == []


def test_a_process_killed_while_writing_leaves_no_entry(store):
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(store.root,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    assert store.find("k") is None
    assert list(store.root.glob(".writing-k-*"))
    fill(store, "k")
    assert store.find("k") is not None
    assert not list(store.root.glob(".writing-*"))  # what the killed process left is gone


@pytest.mark.parametrize("damage", ["change", "delete", "manifest"])
def test_a_damaged_entry_is_no_result_and_is_set_aside_by_the_next(store, damage):
    fill(store, "k")
    file = store.root / "k" / "sub" / "a.txt"
    if damage == "change":
        file.write_text("hellO")
    elif damage == "delete":
        file.unlink()
    else:
        (store.root / "k" / "manifest.json").write_text("{")
    before = sorted(store.root.rglob("*"))
    assert Store(store.root).find("k") is None
    assert sorted(store.root.rglob("*")) == before  # looking changes nothing
    fill(store, "k")
    assert Store(store.root).find("k") is not None
    assert (store.root / "damaged-k").is_dir()


def test_a_manifest_with_another_value_is_no_result(store):
    """Any digit or letter of what it says, its own digest among it; spaces say nothing."""
    fill(store, "k", {"kind": "x", "record": {"loss": 0.25, "text": "é"}, "seeds": [0, 1]})
    path = store.root / "k" / "manifest.json"
    written = path.read_bytes()
    for at in [at for at, byte in enumerate(written) if bytes([byte]).isalnum()]:
        changed = bytes([written[at] ^ 1])
        path.write_bytes(written[:at] + changed + written[at + 1 :])
        assert Store(store.root).find("k") is None, written[: at + 1]
        with pytest.raises(InputError, match="manifest"):
            Store.manifest(store.root / "k")
    path.write_bytes(written)
    assert Store.manifest(store.root / "k")["record"] == {"loss": 0.25, "text": "é"}


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"files": {}}', '{"files": {}, "manifest_digest": "0"}'])
def test_a_manifest_that_nobody_wrote_is_no_result(store, text):
    fill(store, "k")
    (store.root / "k" / "manifest.json").write_text(text)
    assert Store(store.root).find("k") is None
    with pytest.raises(InputError, match="Remove the folder"):
        Store.manifest(store.root / "k")


def test_an_entry_without_files_is_one(store):
    """A teacher that needs no adaptation: its record is all that there is."""
    with store.write("k", {"kind": "x"}):
        pass
    assert Store(store.root).find("k") == store.root / "k"


def test_a_changed_entry_is_noticed_wherever_its_folder_lies(store, tmp_path):
    fill(store, "k", {"kind": "x"})
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(store.root / "k", elsewhere)
    check_entry(elsewhere)
    (elsewhere / "sub" / "a.txt").write_text("hellO")
    with pytest.raises(InputError, match=r"a\.txt was changed after it was made"):
        check_entry(elsewhere)
    (elsewhere / "sub" / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.txt is missing"):
        check_entry(elsewhere)
    (elsewhere / "manifest.json").write_text('{"name": "of another program"}')
    check_entry(elsewhere)


def test_a_file_that_was_added_is_noticed_by_whoever_reads_the_entry(store, old):
    """A tokenizer, say, takes what lies beside it, whatever a manifest names."""
    key = "0123456789abcdef0123"
    fill(store, key)
    found = store.find(key)
    assert found is not None
    (found / "special_tokens_map.json").write_text('{"mask_token": "the"}')
    with pytest.raises(InputError, match=r"special_tokens_map\.json was added after .* was made: remove it"):
        check_entry(found)
    assert Store(store.root).find(key) is None


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"x": 1}', None])
def test_an_entry_is_no_foreign_model_because_its_manifest_says_nothing(store, tmp_path, text):
    key = "0123456789abcdef0123"
    with store.lock(key):
        fill(store, key)
    folder = store.root / key
    shutil.copytree(folder, tmp_path / "copy")
    for place in (folder, tmp_path / "copy"):
        (place / MANIFEST).unlink() if text is None else (place / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="is missing" if text is None else "does not say what was made here"):
        check_entry(folder)
    check_entry(tmp_path / "copy")  # which may be anybody's


def test_an_entry_that_cannot_be_read_just_now_is_not_called_damaged(store, monkeypatch):
    fill(store, "k")

    def fails(path):
        raise PermissionError(13, "denied")

    monkeypatch.setattr("fairkd.engine.store.file_digest", fails)
    with pytest.raises(PermissionError):
        Store(store.root).find("k")


def test_entries_have_the_permissions_that_the_user_asks_for(store):
    old = os.umask(0o022)
    try:
        fill(store, "k")
    finally:
        os.umask(old)
    assert (store.root / "k").stat().st_mode & 0o777 == 0o755
    assert (store.root / "k" / "manifest.json").stat().st_mode & 0o777 == 0o644


def test_a_second_process_says_that_it_waits(store, capfd):
    inside, done = threading.Event(), threading.Event()

    def first():
        with store.lock("k"):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    threading.Timer(0.3, done.set).start()
    with Store(store.root).lock("k"):
        assert done.is_set()
    thread.join()
    assert "Waiting for another process, which is making k" in capfd.readouterr().err


def test_json_is_replaced_not_rewritten(tmp_path, monkeypatch):
    path = tmp_path / "a" / "x.json"
    write_json(path, {"n": 1})
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_json(path, {"n": 2})
    assert json.loads(path.read_text()) == {"n": 1}


def test_draws_depend_on_seed_purpose_and_step_only():
    seeds = {derive(s, p, *steps) for s in (0, 1) for p in ("mask", "dropout") for steps in ((), (0,), (1,), (0, 1))}
    assert len(seeds) == 16
    assert derive(0, "mask", 3) == 5246017966581209094  # stored students depend on it
    assert torch_generator(0, "mask", 3).initial_seed() == derive(0, "mask", 3)
    assert numpy_generator(1, "a").random() == numpy_generator(1, "a").random()


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"b": [{"x": 1, "y": 2, "x": 1}]}'])
def test_a_name_that_stands_twice_in_json_is_an_error(text):
    with pytest.raises(InputError, match=r"a file is not JSON: the name '[ax]' stands twice"):
        parse_json(text.encode(), where="a file")
    assert parse_json(b'{"a": {"a": 1}}', where="a file") == {"a": {"a": 1}}


def entry(store, text="text", key="0" * 20):
    with store.write(key, {"kind": "k"}) as new:
        (new / "a").write_text(text)
    return store.root / key


@pytest.fixture
def old(monkeypatch):
    """Files count as old enough to be noted at once."""
    monkeypatch.setattr("fairkd.engine.store.FRESH_NS", 0)


def hashed(monkeypatch) -> list[Path]:
    """The files that are read for their digests from now on."""
    read: list[Path] = []
    honest = module.file_digest
    monkeypatch.setattr(module, "file_digest", lambda path: read.append(path) or honest(path))
    return read


def test_an_entry_is_read_once_and_not_by_every_store(store, old, monkeypatch):
    folder = entry(store)
    read = hashed(monkeypatch)
    for _ in range(3):
        assert Store(store.root).find(folder.name) == folder
    assert read == [folder / "a"]


def test_a_young_entry_is_not_noted(store, monkeypatch):
    folder = entry(store)
    read = hashed(monkeypatch)
    for _ in range(2):
        assert Store(store.root).find(folder.name) == folder
    assert read == [folder / "a"] * 2


@pytest.mark.parametrize("name", ["a", MANIFEST])
def test_what_was_changed_since_is_read_again_whatever_its_time_says(store, old, name):
    folder = entry(store)
    assert Store(store.root).find(folder.name) == folder
    time.sleep(0.05)  # file systems count time in steps, which is why young files are not noted
    path = folder / name
    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Store(store.root).find(folder.name) is None
    path.write_bytes(data)
    assert Store(store.root).find(folder.name) == folder


@pytest.mark.parametrize("note", [b"", b"{}", b"[1]", b"{", b"\xff"])
def test_a_damaged_note_says_nothing(store, old, monkeypatch, note):
    folder = entry(store)
    assert Store(store.root).find(folder.name) == folder
    (path,) = (store.root / NOTES).glob("*")
    path.write_bytes(note)
    read = hashed(monkeypatch)
    assert Store(store.root).find(folder.name) == folder
    assert read == [folder / "a"]


def test_a_missing_file_is_noticed_although_it_was_noted(store, old):
    folder = entry(store)
    assert Store(store.root).find(folder.name) == folder
    (folder / "a").unlink()
    assert Store(store.root).find(folder.name) is None


def test_a_copy_of_a_store_is_read_anew(store, old, tmp_path, monkeypatch):
    folder = entry(store)
    assert Store(store.root).find(folder.name) == folder
    shutil.copytree(store.root, tmp_path / "copy")
    read = hashed(monkeypatch)
    assert Store(tmp_path / "copy").find(folder.name) is not None
    assert read == [tmp_path / "copy" / folder.name / "a"]


def test_a_manifest_that_was_read_before_says_what_it_lacks_and_is_nobodys_to_change(store, monkeypatch):
    folder = store.root / "k"
    folder.mkdir(parents=True)
    write_checked(folder / MANIFEST, {"kind": "student"})
    monkeypatch.setattr(module, "FRESH_NS", 0)  # as of a file that nobody has touched for seconds
    read, parsed = [], module.read_json
    monkeypatch.setattr(module, "read_json", lambda path: (read.append(path), parsed(path))[1])
    for _ in range(3):
        manifest = Store.manifest(folder)
        assert manifest["kind"] == "student"
        with pytest.raises(InputError, match="lacks 'files'"):
            manifest["files"]
        manifest["kind"] = "changed"
    assert len(read) == 1
    assert Store(store.root).find("k") is None
    write_checked(folder / MANIFEST, {"kind": "teacher"})
    assert Store.manifest(folder)["kind"] == "teacher"


def test_what_is_kept_is_made_once_or_each_time_where_the_disk_cannot_be_written(store, monkeypatch):
    made = []

    def make() -> str:
        made.append("x")
        return "found"

    def kept(**spec) -> str:
        return store.kept(
            "seat", spec, make, about={"weights": "w"},
            write=lambda text, folder: (folder / "text").write_text(text),
            read=lambda folder: (folder / "text").read_text(),
        )  # fmt: skip

    assert [kept(a=1), kept(a=1), len(made), kept(a=2), len(made)] == ["found", "found", 1, "found", 2]
    manifest = Store.manifest(store.entries()[0])
    assert (manifest["kind"], manifest["weights"]) == ("seat", "w")

    @contextmanager
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(Store, "write", full)
    assert (kept(a=3), len(made)) == ("found", 3)  # not made again for want of space
    assert (kept(a=1), len(made)) == ("found", 3)


KEYS = ("0" * 20, "1" * 20)


def swapped(store: Store) -> None:
    for key in KEYS:
        with store.write(key, {"kind": "test"}) as folder:
            (folder / "a").write_text(key)
    aside = store.root / "aside"
    for path, there in zip(
        [store.root / key for key in KEYS] + [aside], [aside, *map(store.root.joinpath, KEYS)], strict=True
    ):
        path.rename(there)


def test_entries_whose_folders_were_swapped_are_no_results(store):
    swapped(store)
    for key, other in zip(KEYS, KEYS[::-1], strict=True):
        assert Store(store.root).find(key) is None
        for reads in (Store.manifest, check_entry, module.check_seal):
            with pytest.raises(InputError, match=f"is of the entry {other}: folders of the store were swapped"):
                reads(store.root / key)
    fill(store, KEYS[0])
    assert Store(store.root).find(KEYS[0]) is not None
    assert module.read_json(store.root / f"damaged-{KEYS[0]}" / MANIFEST)["key"] == KEYS[1]


def test_a_copy_of_an_entry_may_have_any_name_and_one_of_before_says_no_key(store, tmp_path):
    fill(store, KEYS[0])
    shutil.copytree(store.root / KEYS[0], tmp_path / "my-model")
    check_entry(tmp_path / "my-model")
    before = store.root / KEYS[1]
    before.mkdir()
    (before / "a").write_text("made when manifests did not say their key")
    module.seal(before, {"kind": "test"})
    assert store.find(KEYS[1]) == before


def test_a_removed_entry_is_gone_as_a_whole_before_its_files_are(store, monkeypatch):
    fill(store, KEYS[0])
    monkeypatch.setattr(
        module.shutil, "rmtree", lambda path, **_: seen.append((path.name, sorted(os.listdir(store.root))))
    )
    seen = []
    store.remove(store.root / KEYS[0])
    assert seen[-1] == (f".removing-{KEYS[0]}", [f".removing-{KEYS[0]}"])
    assert store.find(KEYS[0]) is None


def test_manifests_say_which_processor_made_them(store, tmp_path):
    fill(store, "k")
    assert Store.manifest(store.root / "k")["processor"] == processor()
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
    )
    assert processor(file) == "AuthenticAMD family 26 model 2"
    assert processor(tmp_path / "none") == platform.machine()
