"""Pages that somebody sent: the seal has no key, so that whoever changes a page can seal it again."""

import json
import os
import shutil

import pytest
from typer.testing import CliRunner

from fairkd.errors import InputError
from fairkd.profile import project_root
from fairkd.run.cli import app
from fairkd.run.verify import verify_page
from fairkd.show.pages.seal import open_page, sealed

HOSTILE = "\x1b[2Jx\nsound: all"
PAGE = project_root() / "docs" / "reports" / "planted" / "report.html"


def again(tmp_path, old, new):
    """The published page with another text, sealed."""
    page, _ = open_page(PAGE)
    assert old in page
    path = tmp_path / "page.html"
    path.write_text(sealed(page[: page.rindex("<!-- fairkd page")].replace(old, new, 1)), encoding="utf-8")
    return path


def record_text():
    page, _ = open_page(PAGE)
    begin = page.index(">", page.index('id="record"')) + 1
    return page[begin : page.index("</script>", begin)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: "{bad", "its record is not JSON"),
        (lambda record: "[" * 5000, "nested more than 100 deep"),
        (lambda record: "{}", "its record has no notebook"),
        (lambda record: "[1]", "its record has no notebook"),
        (lambda record: json.dumps(record | {"parameters": "x"}), "its record has no parameters"),
        (lambda record: json.dumps(record | {"saved": [1, 2]}), "its record has no saved"),
        (lambda record: json.dumps(record | {"saved": {"a": 1}}), "names no notebook or tables"),
        (lambda record: json.dumps(record | {"notebook": "../../x"}), "names no notebook or tables"),
        (lambda record: json.dumps(record | {"facts": {}}), "its record has no profile"),
    ],
)
def test_a_record_that_fairkd_did_not_write_is_refused_in_one_sentence(tmp_path, change, message):
    old = record_text()
    path = again(tmp_path, old, change(json.loads(old)))
    with pytest.raises(InputError, match=message):
        list(verify_page(path))


def test_what_a_record_says_begins_no_line_of_its_own(tmp_path):
    record = json.loads(record_text())
    old = json.dumps(record["facts"]["git_commit"])
    path = again(tmp_path, f'"git_commit": {old}', f'"git_commit": {json.dumps(HOSTILE)}')
    done = CliRunner().invoke(app, ["verify", str(path)])
    assert (done.exit_code, "\x1b" in done.stdout) == (0, False)
    assert "sound: all" not in done.stdout.splitlines()
    assert r"\x1b[2Jx\nsound: all" in done.stdout


def test_a_number_that_is_none_is_refused(tmp_path):
    page, _ = open_page(PAGE)
    at = page.index(' data-exact="') + len(' data-exact="')
    path = again(tmp_path, page[at - 13 : at + 8], ' data-exact="one')
    with pytest.raises(InputError, match="none of fairkd's"):
        list(verify_page(path))


def test_a_pipe_is_no_page(tmp_path):
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(InputError, match="cannot be read: it is no file"):
        open_page(tmp_path / "pipe.html")


def test_the_page_itself_is_sound(tmp_path):
    shutil.copy(PAGE, tmp_path / "page.html")
    assert not any(check.problems for check in verify_page(tmp_path / "page.html"))
