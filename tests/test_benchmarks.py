"""The benchmarks run and write what they promise; how fast is no matter for a test."""

import json
import math
import os
import subprocess
import sys

from long_form import long_form

from fairkd.profile import project_root

ROOT = project_root()


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # another test has the other core
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@long_form
def test_the_table_of_goals(tmp_path):
    letters = "abcdefgh"
    printed = run("benchmarks", "--quick", "--only", letters, "--out", tmp_path / "found.json")
    assert "only that it runs" in printed
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["letter"] for row in found["rows"]] == list(letters)
    assert all(math.isfinite(value) for row in found["rows"] for value in row["values"])
    assert found["quick"]
    assert found["matmul_peak"] > 0


def test_the_check_of_a_gpu_here_on_the_cpu(tmp_path):
    run("benchmarks.gpu", "--quick", "--repeats", 1, "--device", "cpu", "--out", tmp_path / "gpu.json")
    found = json.loads((tmp_path / "gpu.json").read_text())
    fp32, bf16 = ([row for row in found["equality"] if row["computed_in"] == name] for name in ("fp32", "bf16"))
    assert max(row["gradient"] for row in fp32) < 1e-5  # it is the same device
    assert 1e-5 < min(row["gradient"] for row in bf16) < max(row["gradient"] for row in bf16) < 0.05
    assert found["seat_difference"] < 1e-5
    assert found["resumes_to_the_same_bits"] is True
    for part in ("one_arm", "grid"):
        assert found[part]["memory_bytes"] > 0
        assert found[part]["kernels_of_a_pass"] > 100
        assert found[part]["tokens_per_second"] > 0


@long_form
def test_how_cost_grows(tmp_path):
    run("benchmarks.growth", "--quick", "--repeats", 1, "--out", tmp_path)
    rows = json.loads((tmp_path / "growth.json").read_text())["rows"]
    assert all(row["tokens_per_second"] > 0 for row in rows)
    for axis in ("layers of the student", "hidden size", "students in one pass"):
        costs = [row["flops_per_token"] for row in rows if row["axis"] == axis]
        assert costs[-1] > costs[0]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_the_power_of_claims():
    small = ("--runs", 2, "--powered", 1, "--seeds", 3, "--items", 0.5, "--resamples", 600)
    printed = run("benchmarks.claims_power", *small)
    assert "any false" in printed
    assert "claim 9" in printed
