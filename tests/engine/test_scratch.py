"""Folders for a while: their owner keeps them, and what a killed process left is removed by the next."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from fairkd.engine import scratch as module
from fairkd.engine.scratch import SCRATCH, scratch


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "YOUNG_SECONDS", -1)


def _killed(parent: Path) -> None:
    with scratch(parent, "killed") as folder:
        (folder / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_nothing_is_left_after_the_block_nor_after_an_error(tmp_path):
    with scratch(tmp_path, "piece") as folder:
        assert folder.parent == tmp_path / SCRATCH
        assert folder.name.startswith(f"piece-{os.getpid()}-")
        (folder / "a").write_text("a")
    with pytest.raises(KeyError), scratch(tmp_path, "piece"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_has_an_owner_stays(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    with scratch(tmp_path, "kept") as kept:
        process.start()
        process.join()
        assert len(list((tmp_path / SCRATCH).glob("killed-*/half"))) == 1
        with scratch(tmp_path, "next"):
            assert list((tmp_path / SCRATCH).glob("killed-*")) == []
            assert kept.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "YOUNG_SECONDS", 60)
    (tmp_path / SCRATCH).mkdir()
    (tmp_path / SCRATCH / "other-1.lock").touch()
    with scratch(tmp_path, "mine"):
        pass
    assert (tmp_path / SCRATCH / "other-1.lock").exists()
