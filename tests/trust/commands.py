"""Commands of the program as processes that can be struck at a moment, and what they leave on the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
import yaml

from fairkd.engine.store import MANIFEST, Store, file_digest, read_json
from fairkd.profile import Profile, project_root

ENDING, PATIENCE = 30.0, 300.0
"""Seconds that a signal may take to end a command, and that anything may take."""
GLANCE = 0.005


class Warm:
    """Starts commands in processes forked from one that has imported the program, see ``warm.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))], cwd=project_root(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(project_root())},
        )  # fmt: skip

    def ask(self, **order: Any) -> int:
        """The number that it answers an order with."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class World:
    """A folder with a profile "mine", its runs and its store, and the commands that work on it."""

    def __init__(self, folder: Path, warm: Warm, **values: Any) -> None:
        self.folder, self.warm, self.values = folder, warm, values
        self.file, self.log = folder / "mine.yaml", folder / "log"
        self.runs = folder / "runs"
        self.store = self.runs / "store"
        folder.mkdir(parents=True, exist_ok=True)
        own = {"runs_dir": str(self.runs), "store_dir": str(self.store), "profile": "mine", **values}
        self.profile = Profile.load("tiny").changed(**own)
        self.file.write_text(yaml.safe_dump(self.profile.grouped()))

    def start(self, *arguments: str, log: Path | None = None, **environment: str | None) -> Struck:
        """Starts a command; "FILE" stands for the profile's. A variable that is None is not set for it."""
        log = log or self.log
        log.write_text("")
        given = [str(self.file) if argument == "FILE" else argument for argument in arguments]
        if given[0] == "-c":
            given[1] = given[1].format(file=str(self.file))
        order = {"in": str(project_root()), "log": str(log), "environment": environment}
        return Struck(self, self.warm.ask(start=given, **order))

    def run(self, *arguments: str, **environment: str | None) -> str:
        """Runs a command to its end, which must be a good one; what it printed."""
        status = self.start(*arguments, **environment).wait()
        assert status == 0, self.log.read_text()
        return self.log.read_text()

    def entries(self, *kinds: str) -> dict[str, dict[str, str]]:
        """Digests of the files of the store's finished entries, by kind and key; of all kinds without ``kinds``."""
        found = {}
        for folder in Store(self.store).entries():
            manifest = read_json(folder / MANIFEST)
            if not kinds or manifest["kind"] in kinds:
                digests = {name: file_digest(folder / name) for name in manifest["files"]}
                found[f"{manifest['kind']} {folder.name}"] = digests
        return found

    def tables(self, *names: str) -> dict[str, str]:
        """Digests of the tables of results that notebooks saved."""
        saved = sorted((self.runs / "mine" / "results").glob("*.parquet"))
        return {path.name: file_digest(path) for path in saved}

    def pieces(self) -> dict[str, str]:
        """Digests of what notebooks showed."""
        saved = sorted((self.runs / "mine" / "results").glob("*.piece.json"))
        return {path.name: file_digest(path) for path in saved}

    def forget(self, *kinds: str) -> None:
        """Removes the entries of these kinds, and all that is unfinished."""
        for key in (name.split()[-1] for name in self.entries(*kinds)):
            shutil.rmtree(self.store / key)
        for name in ("unfinished", "locks"):
            shutil.rmtree(self.store / name, ignore_errors=True)

    def restore(self, kept: Path) -> None:
        """Makes runs and store what they were when they were copied to ``kept``."""
        shutil.rmtree(self.runs, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, self.runs, symlinks=True)


class Struck:
    """A command that is running, with its own session and process group."""

    def __init__(self, world: World, pid: int) -> None:
        self.world, self.pid, self.begun = world, pid, time.monotonic()

    def wait(self) -> int:
        """Its exit status; a signal that killed it counts as negative."""
        return self.world.warm.ask(wait=self.pid)

    def family(self) -> list[psutil.Process]:
        """It and all that it has started."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def runs(self) -> bool:
        return psutil.pid_exists(self.pid) and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE

    def until(self, holds: Callable[[], bool]) -> bool:
        """Waits until something holds; False if the command ends before."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if not self.runs():
                return holds()
            assert time.monotonic() < end, self.world.log.read_text()
            time.sleep(GLANCE)
        return True

    def strike(self, number: int) -> int:
        """Sends a signal to the whole group, as a terminal or a scheduler does, and waits for its end."""
        os.killpg(self.pid, number)
        if number != signal.SIGKILL:
            end = time.monotonic() + ENDING
            while self.runs():
                if time.monotonic() > end:
                    os.killpg(self.pid, signal.SIGKILL)
                    self.wait()
                    raise AssertionError(f"not ended after {ENDING} s: {self.world.log.read_text()}")
                time.sleep(GLANCE)
        return self.wait()


def spread(times: int) -> Iterable[float]:
    """So many shares of a phase, evenly."""
    return [(place + 0.5) / times for place in range(times)]
