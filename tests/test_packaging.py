"""One source of truth for versions; nothing imported that is not needed."""

import re
import subprocess
import sys
import tomllib

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


def test_the_research_core_imports_no_plotting_and_no_runner():
    loaded = imported_by("fairkd.seat", "fairkd.distill", "fairkd.teachers.adapt", "fairkd.lab.materials")
    assert not loaded & {"matplotlib", "seaborn", "papermill", "nbconvert"}


def test_the_command_line_starts_without_torch():
    assert not imported_by("fairkd.run.cli") & {"torch", "transformers", "datasets", "matplotlib"}


def test_links_and_images_of_the_readme_exist_in_the_repository():
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert targets
    for target in targets:
        if not target.startswith("http"):
            assert (ROOT / target).is_file(), target
