"""The command line in this process."""

import sys

import pytest

from fairkd.run import cli


@pytest.fixture
def fairkd(monkeypatch, capsys):
    """Runs a command line; returns (exit status, standard output, standard error)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fairkd", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out = capsys.readouterr()
        return status, out.out, out.err

    return call
