"""``python -m fairkd`` is the command line ``fairkd``, which minds signals before its half second of imports."""

from __future__ import annotations

import sys

from fairkd.engine.stopping import NOT_BEGUN, exit_status, heed_signals, tell


def command_line() -> None:
    """Entry point of the console script."""
    heed_signals()
    try:
        from fairkd.run.cli import main as commands
    except KeyboardInterrupt:
        tell(NOT_BEGUN)
        sys.exit(exit_status())
    commands()


if __name__ == "__main__":
    command_line()
