"""papermill's command line, started faster: ``python -m fairkd.run.execute`` takes what ``papermill`` takes."""

from __future__ import annotations

from fairkd.show.pages.notebook import without_iri_grammar


def execute() -> None:
    """Runs papermill's command with the arguments of this process."""
    without_iri_grammar()
    from papermill.cli import papermill

    papermill(prog_name="papermill")


if __name__ == "__main__":
    execute()
