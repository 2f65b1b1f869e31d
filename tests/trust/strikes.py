"""A phase of a study is struck at moments spread over it, run again, and compared with one that nothing disturbed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator

from commands import spread
from long_form import LONG
from phases import Phase, Study

TIMES = 8 if LONG else 2
TRIES = 5
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


def strikes(phase: Phase) -> Iterator[tuple[int, float]]:
    """Signals and shares of the phase: SIGKILL spread over all of it, then those that ask for an end."""
    for share in spread(TIMES):
        yield signal.SIGKILL, share
    if LONG or phase.name == "student training":
        for name, share in zip(SIGNALS, spread(len(SIGNALS)), strict=True):
            yield getattr(signal, name), share


def assert_same_bytes_after_strikes(study: Study, phase: Phase, told: Callable[..., None]) -> None:
    study.begin(phase)
    before = study.made(phase)
    kept = study.world.folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    if study.world.runs.exists():
        shutil.copytree(study.world.runs, kept, symlinks=True)
    seconds = study.in_peace(phase)
    wanted = study.made(phase)
    assert wanted != before
    struck = list(strikes(phase))
    for place, (number, share) in enumerate(struck):
        for again in range(TRIES):
            if LONG or again or not place:
                study.world.restore(kept)
            status = study.strike(phase, share * seconds, number)
            if status is not None:
                break
            share *= 0.6  # the machine is faster now than it was
        assert status == (-number if number == signal.SIGKILL else 128 + number), study.world.log.read_text()
        if number != signal.SIGKILL:
            assert_one_sentence(study.world.log.read_text())
        if LONG or place == len(struck) - 1:  # in the short form what runs on from one strike meets the next
            study.world.run(*phase.command)
            assert study.made(phase) == wanted
        told(signal.Signals(number).name, phase.name, f"{100 * share:.0f} % of {seconds:.1f} s", "same bytes")


def assert_one_sentence(said: str) -> None:
    lines = [line for line in said.strip().splitlines() if line.startswith("fairkd: ")]
    assert len(lines) == 1, said
    assert "Traceback" not in said
