"""A study as jobs: what they are, what Slurm is told, what is not submitted twice, and the bits that come of it."""

import itertools
import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import typer.main
from long_form import long_form

from fairkd.engine.store import MANIFEST, Store, read_json, write_json
from fairkd.errors import InputError, LostError
from fairkd.lab.materials import Materials
from fairkd.lab.stages import missing_parts
from fairkd.lab.training import train_profile
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run import cli, runner, steps
from fairkd.run import submit as module
from fairkd.run.arguments import join_pairs, with_parameters
from fairkd.run.steps import JobStep, end_of, values_digest
from fairkd.run.submit import submit

SBATCH = """#!{python}
import json, pathlib, re, sys
folder = pathlib.Path({folder!r})
number = 100 + len(list(folder.glob("*.sh")))
text = pathlib.Path(sys.argv[-1]).read_text()
(folder / f"{{number}}.sh").write_text(text)
array = re.search(r"--array=0-(\\d+)", text)
jobs = [f"{{number}}_{{n}}" for n in range(int(array[1]) + 1)] if array else [str(number)]
with (folder / "queue").open("a") as queue:
    queue.write("".join(f"{{job}}\\n" for job in jobs))
print(f"Submitted batch job {{number}}")
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with the scripts that a stand-in for Slurm was given, and its queue."""
    folder, programs = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir(), programs.mkdir()
    (folder / "queue").touch()
    scripts = {
        "sbatch": SBATCH.format(python=sys.executable, folder=str(folder)),
        "squeue": f"#!/bin/sh\ncat {folder}/queue\n",
        "srun": "#!/bin/sh\nexit 1\n",
    }
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return folder


def small(tmp_path, **changes) -> tuple[Profile, list[str]]:
    """tiny with one arm of each kind, and how a command line names it."""
    values = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path / "runs"), "arms": "[full, mixup-xy]"}
    values |= {
        "depths": "[1, 2]",
        "glue_tasks": "[RTE]",
        "glue_arms": "[full]",
        "adapt_steps": 4,
        "max_steps": 4,
        "glue_students": "null",
    }
    settings = ["tiny", *(f"{name}={value}" for name, value in (values | changes).items())]
    return with_parameters(Profile.load("tiny"), settings[1:]), settings


def test_the_study_is_what_reproduce_does_in_parts(tmp_path):
    profile, settings = small(tmp_path)
    names = [job.name for job in module.study(profile, settings, gpus=2)]
    assert names == [
        "prepare", "train-0", "train-1", "measure-0", "measure-1", "finetune-0-RTE", "finetune-1-RTE", "00_method",
        "01_capacity", "02_ablation", "03_mixup", "04_glue", "07_rulers", "report",
    ]  # fmt: skip
    jobs = {job.name: job for job in module.study(profile, settings, gpus=2)}
    assert {name: job.gpus for name, job in jobs.items() if job.gpus != 1} == {"train-0": 2, "train-1": 2}
    assert jobs["train-1"].arguments[-4:] == ("--seed", "1", "--processes", "2")
    assert {name for name in jobs if module.NEEDS[jobs[name].stage] == ()} == {"prepare"}


def test_every_job_is_a_command_line_that_fairkd_takes(tmp_path):
    profile, settings = small(tmp_path)
    program = typer.main.get_command(cli.app)
    for job in module.study(profile, settings, gpus=2):
        name, *rest = join_pairs(list(job.arguments))
        context = program.commands[name].make_context(name, rest)
        assert set(settings[1:]) == set(context.params["parameters"])


def test_what_slurm_is_told(tmp_path, slurm):
    profile, settings = small(tmp_path)
    parameters = {"slurm_partition": "gpu", "timeout_min": 90, "slurm_additional_parameters": {"licenses": "a:1"}}
    found = list(submit(profile, settings, executor="slurm", gpus=1, parameters=parameters))
    assert {one.state for one in found} == {"submitted"}
    texts = [path.read_text() for path in sorted(slurm.glob("*.sh"))]
    stages = [re.search(r"--job-name=fairkd-(\w+)", text)[1] for text in texts]
    assert stages == ["prepare", "train", "measure", "finetune", "notebook", "report"]
    numbers = {one.name: one.number for one in found}
    assert (numbers["prepare"], numbers["train-0"], numbers["train-1"]) == ("100", "101_0", "101_1")
    needs = [re.findall(r"--dependency=(\S+)", text) for text in texts]
    before = ["100", "100:101_0:101_1"]
    everything = before[1] + ":102_0:102_1:103_0:103_1"
    notebooks = ":".join(f"104_{n}" for n in range(6))
    assert needs == [
        [], [f"afterok:{before[0]}"], [f"afterok:{before[1]}"], [f"afterok:{before[1]}"], [f"afterok:{everything}"],
        [f"afterok:{everything}:{notebooks}"],
    ]  # fmt: skip
    for text in texts:
        for flag in (
            "--partition=gpu", "--time=90", "--gpus-per-node=1", "--requeue", "--kill-on-invalid-dep=yes",
            "--signal=USR2@300", "--licenses=a:1", "--nodes=1", "--open-mode=append",
        ):  # fmt: skip
            assert f"#SBATCH {flag}\n" in text
    assert [("--array=0-1" in text, "--array=0-5" in text) for text in texts][1:5:3] == [(True, False), (False, True)]


def test_what_is_in_the_queue_is_not_submitted_again_and_what_left_it_is(tmp_path, slurm):
    profile, settings = small(tmp_path)
    first = list(submit(profile, settings, executor="slurm"))
    again = list(submit(profile, settings, executor="slurm"))
    assert {one.state for one in again} == {"in the queue"}
    assert [one.number for one in again] == [one.number for one in first]
    queue = slurm / "queue"
    queue.write_text("".join(line for line in queue.open() if line.strip() not in ("101_1", "105")))
    after = {one.name: one for one in submit(profile, settings, executor="slurm")}
    assert {name for name, one in after.items() if one.state == "submitted"} == {"train-1", "report"}
    script = (slurm / f"{after['train-1'].number}.sh").read_text()
    assert "--dependency=afterok:100\n" in script
    report = (slurm / f"{after['report'].number}.sh").read_text()
    assert f"afterok:100:101_0:{after['train-1'].number}:102_0" in report


def test_without_an_answer_of_the_queue_nothing_is_submitted(tmp_path, slurm, monkeypatch):
    profile, settings = small(tmp_path)
    list(submit(profile, settings, executor="slurm"))
    scripts = len(list(slurm.glob("*.sh")))
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(InputError, match="squeue does not say"):
        list(submit(profile, settings, executor="slurm"))
    assert len(list(slurm.glob("*.sh"))) == scripts


def test_where_only_the_jobs_have_a_gpu_their_word_counts(tmp_path, slurm):
    profile, settings = small(tmp_path)
    folder = output_dir(profile) / "jobs"
    folder.mkdir(parents=True)
    left = {"state": "done", "detail": "", "values": values_digest(settings)}
    write_json(folder / "prepare.end.json", left)
    write_json(folder / "train-0.end.json", left | {"values": "of another profile"})
    write_json(folder / "train-1.end.json", left | {"state": "failed"})
    found = {one.name: one.state for one in submit(profile, settings, executor="slurm", gpus=1)}
    assert {name for name, state in found.items() if state == "done"} == {"prepare"}
    assert {one.state for one in submit(profile, settings, executor="slurm", gpus=0)} != {"done"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "slrum"}, "Did you mean 'slurm'"),
        ({"parameters": {"slurm_partitoin": "gpu"}}, "partitoin"),
        ({"parameters": {"slrum_partition": "gpu"}}, "Unknown executor 'slrum'"),
        ({"parameters": {"gpu": 1}}, "prefixed"),
        ({"parameters": {"timeout_min": "long"}}, "timeout_min"),
        ({"parameters": {"nodes": 2}}, "the study decides this itself"),
        ({"gpus": 1, "executor": "local"}, "there are 0 GPUs"),
        ({"gpus": -1}, "allowed are 0 or more"),
        ({"gpus": 9}, "at most 2"),
    ],
)
def test_bad_options_are_told_before_anything_is_submitted(tmp_path, slurm, options, message):
    profile, settings = small(tmp_path)
    with pytest.raises(InputError, match=message):
        list(submit(profile, settings, **{"executor": "slurm", **options}))
    assert not list(slurm.glob("*.sh"))


def test_without_slurm_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    profile, settings = small(tmp_path)
    with pytest.raises(InputError, match="srun"):
        list(submit(profile, settings, executor="slurm"))


def step(tmp_path, name, *arguments, **options) -> JobStep:
    tmp_path.mkdir(exist_ok=True)
    return JobStep(name, list(arguments), values_digest(["tiny"]), ["tiny"], str(tmp_path), **options)


def test_a_step_leaves_word_of_how_it_ended(tmp_path):
    assert step(tmp_path, "good", "--version")() == 0
    assert end_of(tmp_path / "good.end.json")["state"] == "done"
    with pytest.raises(LostError, match="status 2"):
        step(tmp_path, "bad", "train", "nowhere.yaml")()
    assert end_of(tmp_path / "bad.end.json")["state"] == "failed"
    with pytest.raises(LostError, match="needs bad, which failed: bad: fairkd train"):
        step(tmp_path, "after", "--version", after=["good", "bad"])()


def test_a_step_does_not_wait_for_one_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "LOST_SECONDS", 0.5)
    with pytest.raises(LostError, match="needs before, which is gone"):
        step(tmp_path, "after", "--version", after=["before"])()


def test_a_step_does_not_work_with_other_values_than_were_submitted(tmp_path):
    changed = step(tmp_path, "train-0", "--version")
    changed.values = "those of yesterday"
    with pytest.raises(InputError, match="have changed since this was submitted"):
        changed()


def files_of(profile) -> dict[str, bytes]:
    """The files of a study that do not tell of the machine: weights, predictions, scores and tables."""
    store, folder = profile.store(), output_dir(profile)
    files = [path for entry in store.entries() for path in entry.rglob("*") if path.is_file()]
    made = {str(path.relative_to(store.root)): path.read_bytes() for path in files if path.name != MANIFEST}
    return made | {path.name: path.read_bytes() for path in folder.glob("results/*.parquet")}


def task_of(command: str, store: Path) -> psutil.Process | None:
    """The process in which submitit runs a step, which is what Slurm knows of a job."""
    for process in psutil.process_iter(["cmdline"]):
        if "submitit.core._submit" in (process.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                children = [" ".join(child.cmdline()) for child in process.children()]
                if any(command in text and str(store) in text for text in children):
                    return process
    return None


def until(found, seconds=120.0):
    """What ``found()`` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "nothing came of it in time"
        time.sleep(0.1)
    return value


def preempted(profile, job: str, command: str) -> str:
    """Sends a job's task what Slurm sends before it takes the machine away; the log of that job when it has ended."""
    folder, store = output_dir(profile) / "jobs", profile.store().root
    task = until(lambda: task_of(command, store))
    until(lambda: list(store.glob("unfinished/*/step-*")))  # of a student: teachers are there
    for process in [task, *task.children(recursive=True)]:  # Slurm's signal reaches all processes of a step
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGUSR2)
    end = until(lambda: end_of(folder / f"{job}.end.json"))
    assert end["state"] == "done", end
    number = read_json(folder / f"{job}.json")["number"]
    return "".join(path.read_text() for path in (folder / "logs").glob(f"{number}*.out"))


LONG_TRAINING = {"max_steps": 20, "n_epoch": 900, "checkpoint_every": 2, "depths": "[1]", "glue_source": "null"}


def test_a_job_that_is_preempted_saves_begins_again_and_has_the_same_bits(tmp_path):
    profile, settings = small(tmp_path, **LONG_TRAINING)
    list(itertools.islice(submit(profile, settings, executor="local", gpus=0, at_once=1), 2))  # prepare, train-0
    said = preempted(profile, "train-0", "--seed 0")
    assert re.search(r"stopped at update \d+ of 20, saved; run again to go on", said)
    assert "Requeued job" in said
    elsewhere, _ = small(tmp_path / "elsewhere", **LONG_TRAINING)
    train_profile(elsewhere, seeds=[0])
    for arm in profile.all_arms():
        ours, theirs = (Materials(one, progress=False).student(arm, 0) for one in (profile, elsewhere))
        assert Store.manifest(ours)["resumed_from_step"] > 0
        assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="not been trained"):
        Materials(elsewhere, progress=False).student(profile.all_arms()[0], 1)


@long_form
def test_two_workers_make_what_reproduce_makes_in_less_time_than_one(tmp_path):
    seconds, studies = {}, {}
    for workers in (1, 2):
        profile, settings = small(tmp_path / str(workers), adapt_steps=20)
        start = time.monotonic()
        assert {one.state for one in submit(profile, settings, executor="local", gpus=0, at_once=workers)} == {
            "submitted"
        }
        if workers == 2:
            preempted(profile, "train-1", "--seed 1")
        report = output_dir(profile) / "jobs" / "report.end.json"
        assert until(lambda report=report: end_of(report), 900.0)["state"] == "done"
        seconds[workers], studies[workers] = time.monotonic() - start, files_of(profile)
        assert {one.state for one in submit(profile, settings, executor="local", gpus=0, at_once=workers)} == {"done"}
    print(f"one worker {seconds[1]:.0f} s, two workers {seconds[2]:.0f} s")
    assert studies[1] == studies[2]
    assert seconds[2] < seconds[1]
    profile, _ = small(tmp_path / "reproduced", adapt_steps=20)
    assert {one.state for one in runner.reproduce(profile, echo=lambda _: None)} == {"done"}
    assert files_of(profile) == studies[1]


@long_form
def test_here_and_now_in_the_order_of_the_study(tmp_path):
    profile, settings = small(tmp_path, glue_source="null", seeds="[0]", depths="[1]", arms="[full]")
    jobs = submit(profile, settings, executor="debug", gpus=0)
    assert [next(jobs).name for _ in range(3)] == ["prepare", "train-0", "measure-0"]
    assert missing_parts(profile) == []
    assert [one.state for one in itertools.islice(submit(profile, settings, executor="debug", gpus=0), 3)] == [
        "done"
    ] * 3
