"""A study as jobs: what they are, what Slurm is told, what is not submitted twice, and the bits that come of it."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import typer.main
from long_form import long_form
from submitit.core.utils import JobPaths

from fairkd.engine.locks import lock_of
from fairkd.engine.store import MANIFEST, OWN_DIGEST, Store, read_checked, write_checked, write_json
from fairkd.errors import InputError, LostError
from fairkd.lab.materials import Materials
from fairkd.lab.results import code_digest
from fairkd.lab.stages import missing_parts
from fairkd.lab.training import train_profile
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run import cli, runner, scheduler, steps
from fairkd.run.arguments import join_pairs, with_parameters
from fairkd.run.steps import JobStep, end_of, job_record, values_digest
from fairkd.run.study import study
from fairkd.run.submit import submit

SBATCH = """#!{python}
import json, pathlib, re, sys
folder = pathlib.Path({folder!r})
number = 100 + len(list(folder.glob("*.sh")))
text = pathlib.Path(sys.argv[-1]).read_text()
(folder / f"{{number}}.sh").write_text(text)
title = re.search(r"--job-name=(.*)", text)[1]
if re.search(r"--dependency=.*:(:|,|$)", text, re.MULTILINE):
    sys.exit("sbatch: error: Batch job submission failed: Job dependency problem")
array = re.search(r"--array=0-(\\d+)", text)
jobs = [f"{{number}}_{{n}}" for n in range(int(array[1]) + 1)] if array else [str(number)]
with (folder / "queue").open("a") as queue:
    queue.write("".join(f"{{job}} {{title}}\\n" for job in jobs))
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
        "scancel": f'#!/bin/sh\necho $1 >> {folder}/cancelled\nsed -i "/^$1 /d" {folder}/queue\n',
        "scontrol": f"#!/bin/sh\necho $* >> {folder}/told\n",
        "srun": f'#!/bin/sh\nwhile [ "$1" != {sys.executable} ]; do shift; done\nexec "$@"\n',
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
    names = [job.name for job in study(profile, settings, gpus=2)]
    assert names == [
        "prepare", "train-0", "train-1", "measure-0", "measure-1", "finetune-0-RTE", "finetune-1-RTE", "00_method",
        "01_capacity", "02_ablation", "03_mixup", "04_glue", "07_rulers", "report",
    ]  # fmt: skip
    jobs = {job.name: job for job in study(profile, settings, gpus=2)}
    assert {name: job.gpus for name, job in jobs.items() if job.gpus != 1} == {"train-0": 2, "train-1": 2}
    assert jobs["train-1"].arguments[-4:] == ("--seed", "1", "--processes", "2")


def test_every_job_is_a_command_line_that_fairkd_takes(tmp_path):
    profile, settings = small(tmp_path)
    program = typer.main.get_command(cli.app)
    for job in study(profile, settings, gpus=2):
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
    trained, measured = "afterok:100:101_0:101_1", "afterok:100:101_0:101_1:102_0:102_1"
    runs, notebooks = "afterany:103_0:103_1", ":".join(f"104_{n}" for n in range(6))
    assert needs == [
        [], ["afterok:100"], [trained], [trained], [f"{measured},{runs}"], [f"{measured},{runs}:{notebooks}"]
    ]  # fmt: skip
    for text in texts:
        for flag in (
            "--partition=gpu", "--time=90", "--gpus-per-node=1", "--requeue", "--kill-on-invalid-dep=yes",
            "--signal=USR2@300", "--licenses=a:1", "--nodes=1", "--open-mode=append",
        ):  # fmt: skip
            assert f"#SBATCH {flag}\n" in text
    arrays = [re.findall(r"--array=(\S+)", text) for text in texts]
    assert arrays == [[], ["0-1%2"], ["0-1%2"], ["0-1%2"], ["0-5%6"], []]


def test_what_is_in_the_queue_is_not_submitted_again(tmp_path, slurm):
    profile, settings = small(tmp_path)
    first = list(submit(profile, settings, executor="slurm"))
    again = list(submit(profile, settings, executor="slurm"))
    assert {one.state for one in again} == {"in the queue"}
    assert [one.number for one in again] == [one.number for one in first]
    assert not (slurm / "cancelled").exists()


def test_what_is_in_the_queue_with_other_values_is_not_waited_for(tmp_path, slurm):
    """Each such job would end with the word that the profile has changed, and those that wait for it with it."""
    profile, settings = small(tmp_path)
    first = {one.name: one.number for one in submit(profile, settings, executor="slurm")}
    others = [*settings[:-1], "glue_students=1"]
    with pytest.raises(InputError, match="with other values of the profile") as told:
        list(submit(profile, others, executor="slurm"))
    assert f"end them with scancel {first['prepare']} {first['train-0']}" in str(told.value)
    assert not (slurm / "cancelled").exists()
    assert {one.state for one in submit(profile, settings, executor="slurm")} == {"in the queue"}

    folder = output_dir(profile) / "jobs"
    for path in folder.glob("*.json"):
        record = read_checked(path) | {"executor": "local"}
        path.unlink()
    write_checked(folder / "train-0.json", record)
    sentence = re.escape(
        f"train-0 still in the queue with other values of the profile; end them with kill -INT {record['number']}"
    )
    with lock_of(folder / "train-0.lock"), pytest.raises(InputError, match=sentence):
        list(submit(profile, others, executor="local"))


@pytest.mark.parametrize("stage", ["prepare", "train", "report"])
def test_a_shell_killed_before_it_noted_what_slurm_took_submits_nothing_twice(tmp_path, slurm, monkeypatch, stage):
    profile, settings = small(tmp_path, seeds=[0, 1])
    honest = scheduler.write_checked

    def killed(path, document):
        if path.stem.startswith(stage):
            raise KeyboardInterrupt
        honest(path, document)

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "write_checked", killed)
        with pytest.raises(KeyboardInterrupt):
            list(submit(profile, settings, executor="slurm"))
    found = list(submit(profile, settings, executor="slurm"))
    before = ["prepare", "train-0", "train-1", "report"]
    taken = before[: before.index(stage if stage != "train" else "train-1") + 1]
    assert {one.name for one in found if one.state == "in the queue"} >= set(taken)
    numbers = [line.split()[0] for line in (slurm / "queue").open()]
    assert sorted(one.number for one in found) == sorted(numbers)  # each job once
    assert not list((output_dir(profile) / "jobs").glob("asked*"))


def test_a_shell_killed_within_submitit_leaves_no_job_that_could_not_begin(tmp_path, slurm, monkeypatch):
    """Slurm has taken two jobs, of which the second has no content in its place."""
    profile, settings = small(tmp_path, seeds=[0, 1])
    honest, moved = JobPaths.move_temporary_file, []

    def killed(self, path, name, **options):
        moved.append(name)
        if moved.count("submitted_pickle") == 3:  # prepare, train-0, and now train-1
            raise KeyboardInterrupt
        honest(self, path, name, **options)

    with monkeypatch.context() as patch:
        patch.setattr(JobPaths, "move_temporary_file", killed)
        with pytest.raises(KeyboardInterrupt):
            list(submit(profile, settings, executor="slurm"))
    found = {one.name: one for one in submit(profile, settings, executor="slurm")}
    assert {name for name, one in found.items() if one.state == "in the queue"} == {"prepare", "train-0"}
    assert (slurm / "cancelled").read_text().split() == ["101_1"]
    logs = output_dir(profile) / "jobs" / "logs"
    assert all((logs / f"{one.number}_submitted.pkl").is_file() for one in found.values())


def test_records_of_before_are_read_and_changed_ones_are_told(tmp_path):
    path, record = tmp_path / "train-0.json", {"executor": "local", "number": "7"}
    write_json(path, record)  # before they had a digest
    assert job_record(path) == record
    write_checked(path, record)
    assert job_record(path) == {**record, OWN_DIGEST: job_record(path)[OWN_DIGEST]}
    path.write_text(path.read_text().replace("7", "8", 1))
    with pytest.raises(InputError, match="once it is not in the queue any more, remove the file and submit again"):
        job_record(path)


@pytest.mark.parametrize("noted", [False, True])
def test_a_job_at_work_is_not_submitted_again_whatever_was_noted_of_it(tmp_path, slurm, noted):
    profile, settings = small(tmp_path)
    folder = output_dir(profile) / "jobs"
    if noted:  # of one that has left the queue
        record = {"executor": "slurm", "number": "7", "needs": {}, "values": values_digest(settings), "at": "then"}
        write_checked(folder / "prepare.json", record)
    with lock_of(folder / "prepare.lock"):
        found = {one.name: one for one in submit(profile, settings, executor="slurm")}
    assert found["prepare"].state == "in the queue"
    assert found["train-0"].state == "submitted"


def test_what_failed_is_submitted_again_with_all_that_waits_for_it(tmp_path, slurm):
    """Slurm still has what waited for train-1 in its queue: it could never begin there."""
    profile, settings = small(tmp_path)
    first = {one.name: one.number for one in submit(profile, settings, executor="slurm")}
    leave(slurm, first["train-1"])
    after = {one.name: one for one in submit(profile, settings, executor="slurm")}
    assert {name for name, one in after.items() if one.state == "in the queue"} == {"prepare", "train-0"}
    gone = set(first) - {"prepare", "train-0", "train-1"}
    assert set((slurm / "cancelled").read_text().split()) == {first[name] for name in gone}
    assert "--dependency=afterok:100\n" in script_of(slurm, after["train-1"])
    waits = f"--dependency=afterok:100:101_0:{after['train-1'].number}"
    assert f"{waits}\n" in script_of(slurm, after["measure-0"])
    assert f"{waits}:{after['measure-0'].number}:" in script_of(slurm, after["report"])


def test_a_run_of_glue_that_failed_keeps_nothing_else_waiting(tmp_path, slurm):
    profile, settings = small(tmp_path)
    first = {one.name: one.number for one in submit(profile, settings, executor="slurm")}
    leave(slurm, first["finetune-0-RTE"])
    after = {one.name: one for one in submit(profile, settings, executor="slurm")}
    submitted = {name for name, one in after.items() if one.state == "submitted"}
    assert submitted == {
        "finetune-0-RTE",
        "00_method",
        "01_capacity",
        "02_ablation",
        "03_mixup",
        "04_glue",
        "07_rulers",
        "report",
    }


def leave(slurm, number):
    """A job leaves the queue."""
    queue = slurm / "queue"
    queue.write_text("".join(line for line in queue.open() if line.split()[0] != number))


def script_of(slurm, job) -> str:
    return (slurm / f"{job.number.split('_')[0]}.sh").read_text()


def test_two_do_not_submit_a_study_at_once(tmp_path, slurm):
    profile, settings = small(tmp_path)
    jobs = submit(profile, settings, executor="slurm")
    next(jobs)
    with pytest.raises(InputError, match="by another process"):
        next(submit(profile, settings, executor="slurm"))
    jobs.close()
    assert {one.name: one.state for one in submit(profile, settings, executor="slurm")}["prepare"] == "in the queue"


def test_what_the_scheduler_refuses_is_said_in_its_words(tmp_path, slurm):
    (tmp_path / "bin" / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpo' >&2\nexit 1\n"
    )
    profile, settings = small(tmp_path)
    with pytest.raises(InputError, match=r"does not take prepare: .*invalid partition specified: gpo"):
        list(submit(profile, settings, executor="slurm", parameters={"slurm_partition": "gpo"}))
    assert not list((output_dir(profile) / "jobs").glob("asked*"))


def test_from_a_machine_without_a_gpu_for_one_with(tmp_path, slurm):
    profile, settings = small(tmp_path, device="cuda")
    found = list(submit(profile, settings, executor="slurm", gpus=2, at_once=1))
    assert {one.state for one in found} == {"submitted"}
    assert "--array=0-1%1\n" in script_of(slurm, found[1])


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
    left = {"state": "done", "detail": "", "values": values_digest(settings), "code": code_digest()}
    write_checked(folder / "prepare.end.json", left)
    write_checked(folder / "train-0.end.json", left | {"values": "of another profile"})
    write_checked(folder / "train-1.end.json", left | {"state": "failed"})
    write_checked(folder / "measure-0.end.json", left | {"code": "of yesterday"})
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
        ({"parameters": {"slurm_nodes": 2}}, "the study decides this itself"),
        ({"parameters": {"slurm_time": "1-00:00:00"}}, "timeout_min"),
        ({"gpus": 1, "executor": "local"}, "this machine has 0 GPUs"),
        ({"at_once": 0}, "1 or more"),
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


@long_form
def test_a_job_of_an_array_runs_as_slurm_runs_it_and_is_queued_again(tmp_path, slurm, monkeypatch):
    """SIGTERM to all processes of the step, as of a preemption, then SIGUSR2; then the job begins once more."""
    profile, settings = small(tmp_path, **LONG_TRAINING)
    found = {one.name: one for one in itertools.islice(submit(profile, settings, executor="slurm", gpus=0), 3)}
    run_as_slurm(slurm, found["prepare"]).wait(timeout=120)
    assert end_of(output_dir(profile) / "jobs" / "prepare.end.json")["state"] == "done"
    job = run_as_slurm(slurm, found["train-1"])
    task = until(lambda: task_of("--seed 1", profile.store().root))
    until(lambda: list(profile.store().root.glob("unfinished/*/step-*")))
    (command,) = task.children()
    for process in [task, *task.children(recursive=True)]:
        process.terminate()
    command.wait(timeout=60)
    task.send_signal(signal.SIGUSR2)
    assert job.wait(timeout=60) != 0
    assert (slurm / "told").read_text() == f"requeue {found['train-1'].number}\n"
    assert not (output_dir(profile) / "jobs" / "train-1.end.json").exists()
    assert run_as_slurm(slurm, found["train-1"]).wait(timeout=120) == 0
    student = Materials(profile, progress=False).student(profile.all_arms()[0], 1)
    assert Store.manifest(student)["resumed_from_step"] > 0


def run_as_slurm(slurm, job) -> subprocess.Popen:
    number, _, place = job.number.partition("_")
    about = {
        "SLURM_JOB_ID": job.number.replace("_", ""),
        "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
    }
    about |= {"SLURM_NODEID": "0", "SLURM_JOB_NUM_NODES": "1"}
    about |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": place} if place else {"SLURM_JOB_ID": number}
    return subprocess.Popen(["bash", str(slurm / f"{number}.sh")], env=os.environ | about)


def test_a_stopped_command_asks_to_be_queued_again_when_nobody_else_does(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "NOTICE_SECONDS", 0.0)
    asked = []
    before = signal.signal(signal.SIGUSR2, lambda *_: asked.append(1))
    try:
        with pytest.raises(LostError, match="status 143"):
            shell(tmp_path, monkeypatch, "exit 143")()
        assert asked == [1]
        with pytest.raises(LostError, match="status 1;"):
            shell(tmp_path, monkeypatch, "exit 1")()
        assert asked == [1]
    finally:
        signal.signal(signal.SIGUSR2, before)


def shell(tmp_path, monkeypatch, script: str, **options) -> JobStep:
    """A step whose command is a script."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(steps.sys, "executable", str(program))
    return step(tmp_path, "shell", **options)


def test_a_step_takes_a_place_with_its_gpus_and_no_two_the_same(tmp_path, monkeypatch):
    said = tmp_path / "said"
    places = [("0-1", "0,1"), ("2-3", "2")]
    with lock_of(tmp_path / "place-0-1.lock"):
        shell(tmp_path, monkeypatch, f"echo $CUDA_VISIBLE_DEVICES > {said}", places=places)()
    assert said.read_text() == "2\n"
    shell(tmp_path, monkeypatch, f"echo $CUDA_VISIBLE_DEVICES > {said}", places=places)()
    assert said.read_text() == "0,1\n"


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
    assert step(tmp_path, "after", "--version", after=["good"], after_any=["bad"])() == 0


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
    number = read_checked(folder / f"{job}.json")["number"]
    return "".join(path.read_text() for path in (folder / "logs").glob(f"{number}*.out"))


LONG_TRAINING = {"max_steps": 20, "n_epoch": 900, "checkpoint_every": 2, "depths": "[1]", "glue_source": "null"}


@long_form
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
    jobs.close()
    assert missing_parts(profile) == []
    assert [one.state for one in itertools.islice(submit(profile, settings, executor="debug", gpus=0), 3)] == [
        "done"
    ] * 3
