"""GLUE scores of students: both file layouts end to end, tidy tables, a failing task that loses no other."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from glue_files import save_parquet, write_parquet, write_tsv
from long_form import long_form

from fairkd import InputError, Profile, frames
from fairkd.engine.store import Store
from fairkd.experiment import Experiment
from fairkd.glue import workers
from fairkd.glue.tasks import TASKS, headline, score
from fairkd.lab import glue_runs
from fairkd.lab.results import Results
from fairkd.lab.training import train_profile

ROWS = 32


@pytest.fixture(autouse=True)
def here(monkeypatch, request) -> None:
    """As on a GPU: to begin a process takes longer than most of these fine-tunings."""
    if "in_processes" not in request.fixturenames:
        monkeypatch.setattr(workers.Workers, "start", lambda self, run: partial(workers.finetune, run, self._store))


@pytest.fixture
def in_processes() -> None:
    """Fine-tuned as always on a CPU."""


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Profile:
    folder = tmp_path_factory.mktemp("glue")
    settings = {"arms": ["full", "no-ce"], "depths": [2], "max_steps": 3, "adapt_steps": 3, "seat_bootstrap": 200}
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    tasks = {
        "glue_source": str(write_parquet(folder / "parquet", rows=ROWS)),
        "glue_train_examples": None,
        "glue_students": None,
    }
    profile = Profile.load("tiny").changed(**settings, **places, **tasks, glue_seeds=[0, 1])
    train_profile(profile)
    return profile


@pytest.fixture(scope="module")
def experiment(profile) -> Experiment:
    return Experiment("04_glue", profile)


@pytest.fixture(scope="module")
def arms(experiment):
    arms = experiment.arms("glue")
    assert [arm.name for arm in arms] == ["full", "no-ce"]  # those of glue_arms that the profile has
    return arms


@long_form
def test_eight_tasks_of_a_folder_in_the_hubs_layout_run_end_to_end(experiment, arms):
    tasks = experiment.quality.tasks(arms)
    assert tasks.task.tolist() == [*TASKS] * 2
    assert (tasks.error == "").all()
    assert tasks.score.notna().all() and (tasks.low <= tasks.high).all()  # noqa: PT018
    assert experiment.quality.failures() == []
    assert experiment.quality.is_real


@long_form
def test_the_classic_download_gives_the_same_scores_without_another_run(experiment, arms, tmp_path, monkeypatch):
    before = experiment.quality.tasks(arms)
    monkeypatch.setattr("fairkd.glue.finetune._make", lambda *_: pytest.fail("fine-tuned again"))
    other = experiment.profile.changed(glue_source=str(write_tsv(tmp_path / "tsv", rows=ROWS)))
    pd.testing.assert_frame_equal(Experiment("04_glue", other).quality.tasks(arms), before, check_exact=True)


def test_raw_metrics_are_those_of_the_kept_predictions(experiment, arms):
    raw = experiment.quality.scores(arms)
    assert len(raw) == 2 * 2 * 2 * (2 + sum(len(task.metrics) for task in TASKS.values()) - 1)  # MNLI has two splits
    runs = experiment.quality.runs.predictions("no-ce", "STS-B")[1][0]["validation"]
    expected = score(TASKS["STS-B"], runs.label, runs.prediction)
    own = raw.query("arm == 'no-ce' and task == 'STS-B' and seed == 1 and run == 0").set_index("metric").value
    assert own.to_dict() == pytest.approx(expected)


def test_frames_have_the_columns_that_are_declared(experiment, arms):
    quality = experiment.quality
    assert list(quality.scores(arms)) == frames.GLUE_METRICS
    assert list(quality.tasks(arms)) == [*frames.GLUE_SCORES, "error"]
    assert list(quality.averages(arms)) == [*frames.GLUE_AVERAGES, "suite", "tasks"]
    assert list(quality.differences(arms, baseline="full")) == frames.GLUE_DIFFERENCES
    assert list(quality.claims(arms)) == [*frames.VERDICT_ROWS, "pooling"]
    assert list(quality.sample()) == frames.GLUE_EXAMPLES


def test_a_score_is_the_headline_averaged_over_runs_then_students(experiment, arms):
    raw, tasks = experiment.quality.scores(arms), experiment.quality.tasks(arms).set_index(["arm", "task"]).score
    for name, task in TASKS.items():
        own = raw[(raw.arm == "full") & (raw.task == name) & (raw.split == task.dev[0])]
        by_run = [headline(task, run.set_index("metric").value) for _, run in own.groupby(["seed", "run"])]
        assert len(by_run) == 4
        assert tasks["full", name] == pytest.approx(np.mean(by_run))
    averages = experiment.quality.averages(arms).set_index("arm")
    assert averages.average["full"] == pytest.approx(tasks["full"].mean())
    assert averages.suite.unique() == ["GLUE"]


def test_differences_and_verdicts_are_of_these_arms(experiment, arms):
    tasks = experiment.quality.tasks(arms).set_index(["arm", "task"]).score
    rows = experiment.quality.differences(arms, baseline="full").set_index("task")
    assert rows.difference["CoLA"] == pytest.approx(tasks["no-ce", "CoLA"] - tasks["full", "CoLA"])
    claims = experiment.quality.claims(arms).set_index("claim")
    assert claims.verdict.to_dict() == dict.fromkeys((3, 8, 9), "not run")  # no-cos and mixup-xy are not there


def test_baselines_know_the_majority_and_the_words(experiment, arms):
    found = experiment.quality.baselines(arms).set_index(["arm", "task"]).score
    assert {arm for arm, _ in found.index} == {"majority", "bag-of-words", "untrained"}
    labels = experiment.quality.runs.data["RTE"].dev["validation"]["label"][:]
    commonest = np.bincount(experiment.quality.runs.data["RTE"].train["label"][:]).argmax()
    assert found["majority", "RTE"] == pytest.approx(100 * np.mean(np.asarray(labels) == commonest))
    assert found["majority", "CoLA"] == found["majority", "STS-B"] == 0
    assert found["bag-of-words", "SST-2"] > 90  # in these files a word marks the label


def test_a_learning_curve_is_made_on_request(experiment, arms, profile):
    assert experiment.quality.learning(arms) is None
    options = {"glue_tasks": ["RTE"], "glue_learning_curve": [16, 48], "glue_seeds": [0]}
    curve = Experiment("04_glue", profile.changed(**options)).quality.learning(arms[:1])
    assert curve.train_examples.tolist() == [16, 48]
    assert curve.arm.tolist() == ["full"] * 2


def test_a_task_that_fails_loses_no_other_and_is_named(profile, arms, tmp_path):
    folder = write_parquet(tmp_path / "damaged", rows=ROWS)
    task = TASKS["RTE"]
    for file in (folder / "rte").glob("validation*"):
        file.unlink()
    save_parquet(folder, task, "validation", [])
    damaged = Experiment("04_glue", profile.changed(glue_source=str(folder)))
    tasks = damaged.quality.tasks(arms).set_index(["arm", "task"])
    failed = tasks[tasks.error != ""]
    assert [task for _, task in failed.index] == ["RTE", "RTE"]
    assert failed.score.isna().all()
    assert tasks.loc[tasks.error == "", "score"].notna().all()
    assert damaged.quality.averages(arms).average.isna().all()
    (line,) = damaged.quality.failures()
    assert line.startswith("RTE: ")
    assert "empty" in line
    manifest = damaged.finish()
    assert manifest["failures"] == [line]
    assert Results("04_glue", damaged.profile).read() is not None


def test_a_run_that_fails_loses_no_other(profile, arms, monkeypatch):
    from fairkd.glue.workers import Workers

    def fail():
        raise RuntimeError("out of memory\nand so on")

    def start(self, run):
        if run.data.task.name == "CoLA":
            return fail
        return real(self, run)

    real = Workers.start
    monkeypatch.setattr(Workers, "start", start)
    other = Experiment("04_glue", profile)
    assert other.quality.tasks(arms).query("task != 'CoLA'").score.notna().all()
    assert other.quality.failures() == ["CoLA, full: out of memory", "CoLA, no-ce: out of memory"]


def test_finished_runs_are_found_without_a_tokenizer_or_a_configuration(profile, arms, experiment, monkeypatch):
    first, baselines = experiment.quality.tasks(arms), experiment.quality.baselines(arms)
    for name in ("open_encoder", "load_tokenizer"):
        monkeypatch.setattr(glue_runs, name, lambda *_, **__: pytest.fail("opened"))
    other = Experiment("04_glue", profile)
    pd.testing.assert_frame_equal(other.quality.baselines(arms), baselines)
    pd.testing.assert_frame_equal(other.quality.tasks(arms), first)
    with pytest.raises(pytest.fail.Exception, match="opened"):  # a run that is missing is made by what was opened
        Experiment("04_glue", profile.changed(glue_seeds=[0, 9])).quality.tasks(arms)


def test_a_killed_process_costs_no_run(profile, arms, monkeypatch, capfd, in_processes):
    from fairkd.glue.workers import Workers

    def start(self, run):
        result = real(self, run)
        if not killed:
            killed.append(next(iter(self._pool._processes)))
            os.kill(killed[0], signal.SIGKILL)
        return result

    real, killed = Workers.start, []
    monkeypatch.setattr(Workers, "start", start)
    other = Experiment("04_glue", profile.changed(glue_tasks=["RTE"], glue_seeds=[5]))
    assert other.quality.tasks(arms[:1]).score.notna().all()
    assert killed
    assert other.quality.failures() == []
    assert capfd.readouterr().err.count("a piece at a time") == 1


def test_a_run_beside_others_has_the_bits_of_one_alone(arms, experiment, tmp_path, in_processes):
    """In a process among others, as on a machine with several cores, and in this one."""
    import torch

    from fairkd.glue.finetune import Run, finetune

    runs = experiment.quality.runs
    encoder, data = runs._encoder(arms[1], 1), runs.data["STS-B"]
    both = [Run(encoder, data, runs.recipe, seed, torch.device("cpu")) for seed in (1, 2)]
    with workers.Workers(Store(tmp_path / "beside")) as others:
        waiting = [others.start(run) for run in both]
        assert others._pool is not None
        beside = [folder() for folder in waiting]
    alone = finetune(both[0], Store(tmp_path / "alone"))
    predictions = [pd.read_parquet(folder / "predictions-validation.parquet") for folder in (alone, *beside)]
    pd.testing.assert_frame_equal(predictions[0], predictions[1], check_exact=True)
    assert not predictions[0].equals(predictions[2])


def test_without_any_usable_task_there_is_an_error(profile, tmp_path, arms):
    folder = write_parquet(tmp_path / "one", rows=20, tasks=["RTE"])
    for file in (folder / "rte").glob("train*"):
        file.write_bytes(b"no parquet")
    nothing = profile.changed(glue_source=str(folder), glue_tasks=["RTE"])
    with pytest.raises(InputError, match="RTE"):
        Experiment("04_glue", nothing).quality.tasks(arms)


def test_what_students_are_fine_tuned_on_is_what_each_run_recorded(experiment, arms, profile):
    experiment.quality.tasks(arms)
    training = experiment.quality.training()
    assert list(training) == frames.GLUE_TRAINING
    manifests = [Store.manifest(path.parent) for path in profile.store().root.glob("*/manifest.json")]
    runs = [manifest for manifest in manifests if manifest["kind"] == "glue"]
    recorded = {(m["task"], m["train_examples"], m["recipe"]["epochs"]) for m in runs}
    assert {(TASKS[row.task].config, row.examples, row.epochs) for row in training.itertuples()} <= recorded
    assert training.task.tolist() == [*TASKS]
    assert set(training.examples) == {ROWS}
    few = Experiment("04_glue", profile.changed(glue_train_examples=30, glue_epochs=2)).quality.training()
    assert set(zip(few.examples, few.epochs, strict=True)) == {(30, 2)}
    many = Experiment("04_glue", profile.changed(glue_train_examples=10**6)).quality.training()
    assert set(many.examples) == {ROWS}


def test_glue_facts_name_the_data(experiment, arms, profile):
    experiment.quality.tasks(arms)
    about = experiment.facts()["glue"]
    assert about["suite"] == "GLUE"
    assert set(about["data"]) == set(TASKS)
    assert "glue" not in Experiment("01_capacity", profile.changed(glue_source=None)).facts()


def test_arms_and_tasks_are_checked_with_the_profile(profile):
    with pytest.raises(InputError, match=r"glue_arms: 'mixup-yx' is no arm.* Did you mean 'mixup-\w+'"):
        profile.changed(glue_arms=["mixup-yx"])
    with pytest.raises(InputError, match=r"'COLA'.*Did you mean 'CoLA'"):
        profile.changed(glue_tasks=["COLA"])
    with pytest.raises(InputError, match="glue_source"):
        profile.changed(glue_source="./nowhere")
    with pytest.raises(InputError, match="none; allowed"):
        Experiment("04_glue", profile.changed(glue_source=None)).quality.tasks([])


def test_begin_checks_the_folder_before_any_work(profile, tmp_path):
    folder = write_parquet(tmp_path / "some", rows=4, tasks=["RTE"])
    values = profile.changed(glue_source=str(folder)).values()
    with pytest.raises(InputError, match="CoLA"):
        Experiment.begin("04_glue", {**values, "__name__": "__main__"})


def test_the_command_line_prints_scores_and_reports_what_failed(profile, tmp_path, capsys):
    from fairkd.run.cli import app, join_pairs

    folder = write_parquet(tmp_path / "few", rows=32, tasks=["RTE", "STS-B"])
    student = Experiment("04_glue", profile).materials.student(profile.all_arms()[0], 0)
    options = ["--source", str(folder), "--task", "RTE", "--task", "STS-B", "--epochs", "1", "--json"]
    store = ["--store", str(Path(profile.store_dir))]
    with pytest.raises(SystemExit) as end:
        app(join_pairs(["glue", str(student), *options, *store]))
    assert end.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["failures"] == {}
    assert {row["task"] for row in printed["scores"]} == {"RTE", "STS-B"}
