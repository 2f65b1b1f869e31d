"""What ``docs/errors.md`` says of bad input is what is said, and no file is made or changed by it."""

import pytest
from bad_input import command_lines, files, page, project, said_of

from fairkd.profile import project_root

LINES = [arguments for lines in command_lines().values() for arguments in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("arguments", LINES, ids=" ".join)
def test_bad_input_ends_in_one_message_and_writes_nothing(folder, arguments):
    before = files(folder)
    status, said = said_of(arguments, folder)
    assert status in (1, 2)
    assert said.startswith(("fairkd: ", "Usage: "))
    assert "Traceback" not in said
    assert files(folder) == before


def test_the_page_says_what_is_said(folder):
    assert page(folder) == (project_root() / "docs" / "errors.md").read_text()
    assert len(LINES) >= 120
