"""One source of truth for versions; nothing imported that is not needed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import yaml
from packaging.requirements import Requirement

from fairkd.profile import project_root

ROOT = project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def constraints() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return {name.lower().replace("_", "-"): pinned for name, pinned in (line.split("==") for line in lines)}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    return [Requirement(text) for text in (*PROJECT["dependencies"], *extras["test"])]


def test_tested_versions_lie_in_the_allowed_ranges():
    pinned = constraints()
    for requirement in requirements():
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


def test_cpu_and_cuda_builds_of_torch_are_both_allowed():
    torch = next(r for r in requirements() if r.name == "torch")
    assert all(torch.specifier.contains(v) for v in ("2.13.0+cpu", "2.13.0+cu130", "2.15.0"))


def test_conda_environment_takes_its_versions_from_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, rest = environment["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert pip == "pip"
    assert rest == {"pip": ["--constraint constraints.txt", "--editable ."]}


def imported_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_starts_without_torch():
    assert not imported_by("fairkd.run.cli") & {"torch", "transformers", "datasets", "matplotlib"}


def test_links_and_images_of_the_readme_exist_in_the_repository():
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert targets
    for target in targets:
        if not target.startswith("http"):
            assert (ROOT / target).is_file(), target


def test_the_wheel_alone_holds_every_room_and_measures(tmp_path):
    """Built, unpacked beside nothing else of fairkd, and run from another folder."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    copy = shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "runs", "node_modules"))
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(copy)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    alone = tmp_path / "alone"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(alone)
        packed = {name for name in archive.namelist() if name.startswith("fairkd/")}
    package = ROOT / "fairkd"
    files = {*package.rglob("*.py"), *(p for p in package.rglob("templates/**/*") if p.is_file()), package / "py.typed"}
    assert packed == {str(path.relative_to(ROOT)) for path in files}
    entry = (next(alone.glob("*.dist-info")) / "entry_points.txt").read_text()
    assert "fairkd = fairkd.__main__:command_line" in entry
    environment = os.environ | {"PYTHONPATH": str(alone)}
    where = [sys.executable, "-c", "import fairkd; print(fairkd.__file__)"]
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": True}
    assert subprocess.run(where, **run).stdout.strip() == str(alone / "fairkd" / "__init__.py")
    measured = subprocess.run([sys.executable, "-m", "fairkd", "seat", "embedded", "--json"], **run).stdout
    assert [row["test"] for row in json.loads(measured)] == ["C6", "C6b", "C7", "C7b", "C8", "C8b"]
