"""The run store: entries appear whole or not at all, and damage is noticed."""

import json
import multiprocessing
import os
import signal

import pytest

from fairkd.rng import derive, numpy_generator, torch_generator
from fairkd.store import Store, write_json


def fill(store: Store, key: str, text: str = "hello") -> None:
    with store.write(key, {"kind": "test"}) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(text)


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


def test_a_process_killed_while_writing_leaves_no_entry(store):
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(store.root,))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert store.find("k") is None
    fill(store, "k")
    assert store.find("k") is not None


@pytest.mark.parametrize("damage", ["change", "delete", "manifest"])
def test_a_damaged_entry_is_no_result_and_is_set_aside(store, damage):
    fill(store, "k")
    file = store.root / "k" / "sub" / "a.txt"
    if damage == "change":
        file.write_text("hellO")
    elif damage == "delete":
        file.unlink()
    else:
        (store.root / "k" / "manifest.json").write_text("{")
    assert Store(store.root).find("k") is None
    assert (store.root / "damaged-k").is_dir()
    fill(store, "k")
    assert Store(store.root).find("k") is not None


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
