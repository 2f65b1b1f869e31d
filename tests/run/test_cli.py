"""The command line: sentences instead of tracebacks, strict parameters, exit status, and quick to start."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml

from fairkd.bias.stimuli import TESTS
from fairkd.errors import DivergedError, InputError
from fairkd.profile import Profile
from fairkd.run import cli, runner


@pytest.fixture
def measured(monkeypatch):
    """``fairkd.seat.measure_encoder`` replaced; returns the arguments that it got."""
    import fairkd.seat

    calls = []

    def run(model, *, tokenizer, poolings):
        calls.append((model, tokenizer, list(poolings)))
        if model == "broken":
            raise InputError("'broken' cannot be loaded")
        row = {"p_words": 0.04, "p_value": 0.01, "ci_low": -1.0, "ci_high": float("nan")}
        row |= {"unknown_words": [], "unknown_sentences": 0}
        d = dict(zip(TESTS, (0.5, -0.5, 0.5, 0.5, 0.5, 0.5), strict=True))
        return pd.DataFrame([{"test": t, "pooling": p, "effect_size": d[t], **row} for p in poolings for t in TESTS])

    monkeypatch.setattr(fairkd.seat, "measure_encoder", run)
    monkeypatch.setattr(cli, "models_at_hand", lambda *models: None)
    return calls


def test_wrong_input_is_a_sentence_and_status_2(fairkd, measured):
    for arguments, words in {
        (
            "reproduce",
            "quik",
        ): "no profile 'quik': ['overnight', 'paper', 'planted', 'quick', 'small', 'tiny'] exist. Did you mean",
        ("status", "tinny"): "Did you mean 'tiny'?",
        ("run", "01_capacity", "--profile", "tiny", "-p", "sedes", "[0]"): "Did you mean 'seeds'?",
        ("run", "03_nothing", "--profile", "tiny"): "no notebook '03_nothing'",
        ("seat", "broken"): "'broken' cannot be loaded",
    }.items():
        status, out, err = fairkd(*arguments)
        assert status == 2, arguments
        assert out == ""
        assert words in err
        assert "Traceback" not in err


def test_unknown_parameter_stops_before_anything_runs(fairkd, monkeypatch):
    monkeypatch.setattr(runner, "run", lambda *a, **k: pytest.fail("it ran"))
    status, _, err = fairkd("run", "01_capacity", "--profile", "tiny", "-p", "learning_rte", "0.1", "-p", "alpha", "-1")
    assert status == 2
    assert "learning_rte: no such parameter" in err
    assert "alpha" in err  # every problem at once


def test_parameters_are_read_as_yaml(fairkd, monkeypatch):
    seen = []

    def run(notebook, profile, *, force):
        seen.append((notebook, profile, force))
        return runner.Outcome(notebook, "done", "", 1.0, None)

    monkeypatch.setattr(runner, "run", run)
    arguments = (
        "-p",
        "seeds",
        "[0,1]",
        "-p",
        "max_steps",
        "null",
        "-p",
        "learning_rate=1.0e-4",
        "-p",
        "freeze_positions",
        "false",
    )
    assert fairkd("run", "01_capacity", "--profile", "tiny", *arguments)[0] == 0
    ((notebook, profile, force),) = seen
    assert (notebook, force) == ("01_capacity", False)
    recipe = profile.recipe
    assert (profile.seeds, recipe.max_steps, recipe.learning_rate) == ((0, 1), None, 1e-4)
    assert recipe.freeze_positions is False
    unchanged = profile.changed(
        **{k: Profile.load("tiny").values()[k] for k in ("seeds", "max_steps", "learning_rate", "freeze_positions")}
    )
    assert unchanged == Profile.load("tiny")


@pytest.mark.parametrize(("states", "status"), [(("done", "skipped"), 0), (("failed", "done"), 1)])
def test_reproduce_ends_with_1_if_a_notebook_failed(fairkd, monkeypatch, states, status):
    outcomes = [runner.Outcome("n", state, "", 0.0, None) for state in states]
    monkeypatch.setattr(runner, "reproduce", lambda profile: outcomes if profile.name == "tiny" else None)
    assert fairkd("reproduce", "tiny")[0] == status


def test_run_ends_with_1_if_the_notebook_failed(fairkd, monkeypatch):
    monkeypatch.setattr(runner, "run", lambda *a, **k: runner.Outcome("n", "failed", "it broke", 0.0, None))
    status, out, _ = fairkd("run", "01_capacity", "--profile", "tiny")
    assert status == 1
    assert "it broke" in out


def test_seat_prints_json_that_any_reader_accepts(fairkd, measured):
    status, out, _ = fairkd("seat", "some/model", "--json", "--tokenizer", "folder", "--pooling", "cls")
    assert status == 0
    assert measured == [("some/model", "folder", ["cls"])]
    rows = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [row["test"] for row in rows] == list(TESTS)
    assert rows[1] == {
        "test": "C6b",
        "pooling": "cls",
        "effect_size": -0.5,
        "p_words": 0.04,
        "p_value": 0.01,
        "ci_low": -1.0,
        "ci_high": None,
        "unknown_words": [],
        "unknown_sentences": 0,
    }


@pytest.mark.parametrize("shown", [(), ("--json",)])
def test_seat_says_on_standard_error_which_words_the_tokenizer_does_not_know(fairkd, monkeypatch, shown):
    lost = {test: ["Lisa", "executive"] if test == "C6" else [] for test in TESTS}

    def run(model, **_):
        row = {"pooling": "mean", "effect_size": 0.5, "p_words": 0.04, "p_value": 0.01, "ci_low": -1.0, "ci_high": 1.0}
        counted = [{"test": t, **row, "unknown_words": lost[t], "unknown_sentences": 8 * len(lost[t])} for t in TESTS]
        return pd.DataFrame(counted)

    monkeypatch.setattr("fairkd.seat.measure_encoder", run)
    monkeypatch.setattr(cli, "models_at_hand", lambda *models: None)
    status, out, err = fairkd("seat", "model", *shown)
    assert status == 0
    assert err.startswith("fairkd: the tokenizer does not know all words of these tests")
    assert err.endswith("C6, 16 of 341 sentences, 2 stimulus words (Lisa, executive)\n")
    if shown:
        assert json.loads(out)[0]["unknown_words"] == ["Lisa", "executive"]


def test_seat_says_how_large_d_is_for_random_lists(fairkd, measured, monkeypatch):
    asked = []
    row = {"test": "C6", "effect_size": 0.75, "null_sd": 0.5, "null_low": -0.9, "null_high": 1.1, "p": 0.126}
    monkeypatch.setattr("fairkd.seat.load_encoder", lambda *given, **named: (given, named))
    monkeypatch.setattr("fairkd.bias.long_seat.null_effects", lambda *own: asked.append(own) or pd.DataFrame([row]))
    status, out, _ = fairkd("seat", "model", "--tokenizer", "folder", "--random-lists", "--json")
    assert (status, asked) == (0, [(("model",), {"tokenizer": "folder"})])
    document = json.loads(out)
    assert [one["test"] for one in document["seat"]] == list(TESTS)
    assert document["random_lists"] == [row]
    shown = fairkd("seat", "model", "--random-lists")[1]
    assert "with random lists" in shown
    assert all(text in shown for text in ("0.750", "0.500", "[−0.90,\xa01.10]", "0.126", "two-sided"))


def test_seat_is_printed_of_a_folder_whose_name_no_terminal_can_show(fairkd, measured):
    assert fairkd("seat", "model\udcff")[0] == 0


def test_seat_prints_a_table_with_both_averages(fairkd, measured):
    status, out, _ = fairkd("seat", "model[red]")
    assert status == 0
    assert measured == [("model[red]", None, ["mean"])]
    assert "model[red]" in out  # a name is not markup
    values = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in out.splitlines() if line.count("│") > 3
    }
    assert values["C6b"] == "−0.500"
    assert values["mean |d|"] == "0.500"
    assert values["mean signed d"] == "0.333"
    line = next(line for line in out.splitlines() if "C6b" in line)
    assert [cell.strip() for cell in line.split("│")[4:6]] == ["0.040", "0.010"]
    assert "a word moves with all its sentences" in out
    assert "near copies of a sentence count as independent" in out


def test_status_shows_every_notebook(fairkd, tmp_path):
    values = Profile.load("tiny").values() | {"runs_dir": str(tmp_path)}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    status, out, _ = fairkd("status", str(tmp_path / "mine.yaml"), "--all")
    assert status == 0
    for notebook in runner.notebooks(Profile.load("tiny")):
        assert any(notebook in line and "not run" in line for line in out.splitlines())


def test_starting_imports_nothing_heavy():
    code = (
        "import sys, fairkd.run.cli, fairkd.run.runner\n"
        "heavy = {'torch', 'transformers', 'datasets', 'matplotlib', 'seaborn', 'pandas', 'nbconvert', 'papermill'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "fairkd", "status", "nope"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("fairkd: no profile 'nope'")


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("learning_rate=5e-4", "learning_rate", 5e-4),
        ("learning_rate=0.001", "learning_rate", 1e-3),
        ("seeds=[3, 4]", "seeds", [3, 4]),
        ("max_steps=null", "max_steps", None),
        ("prepare_only=true", "prepare_only", True),
        ("device=cpu", "device", "cpu"),
        ("max_steps=012", "max_steps", 12),  # as papermill reads it; in YAML it is ten
        ("runs_dir=a #b", "runs_dir", "a #b"),
        ("runs_dir='a: b'", "runs_dir", "a: b"),
        ("loss_weights={ce: 1.0, mlm: 2, cos: 0}", "loss_weights", {"ce": 1.0, "mlm": 2.0, "cos": 0.0}),
    ],
)
def test_single_values_are_read_as_one_would_write_them(setting, name, value):
    assert cli.with_parameters(Profile.load("tiny"), [setting]).values()[name] == value


@pytest.mark.parametrize("setting", ["max_steps=", "glue_source=", "max_steps=1:30", "prepare_only=yes", "seeds=0"])
def test_values_that_papermill_refuses_are_refused(setting):
    with pytest.raises(InputError, match=setting.partition("=")[0]):
        cli.with_parameters(Profile.load("tiny"), [setting])


def test_a_seed_given_twice_is_refused(fairkd):
    status, _, err = fairkd("glue", "embedded", "--seed", "1", "--seed", "1")
    assert (status, "a seed is named twice" in err) == (2, True)


@pytest.mark.parametrize(
    "error", [DivergedError("full: ce is not finite at step 3"), OSError(28, "No space left on device")]
)
def test_failures_of_a_run_are_a_sentence_and_status_1(fairkd, monkeypatch, error):
    def fails(profile, seeds):
        raise error

    monkeypatch.setattr("fairkd.lab.training.train_profile", fails)
    status, _, err = fairkd("train", "tiny")
    assert status == 1
    assert err == f"fairkd: {error}\n"


def test_plan_says_what_training_costs_and_starts_nothing(fairkd, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    folders = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path / "runs")}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(Profile.load("tiny").values() | folders))
    status, out, err = fairkd("plan", str(path), "--all")
    assert status == 0, err
    for words in ("FLOPs an update", "peak memory", "corpus not tokenised yet", "updates a training"):
        assert words in out
    assert list(tmp_path.iterdir()) == [path]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("a.txt", "b.pdf"):
        (corpus / name).write_text("She was here, and he was there.\n" * 20)
    path.write_text(yaml.safe_dump(Profile.load("tiny").values() | folders | {"corpus": [str(corpus)]}))
    status, _, err = fairkd("plan", str(path))
    assert (status, "not read: b.pdf" in err) == (0, True)


def test_train_refuses_a_profile_that_only_prepares(fairkd):
    status, out, err = fairkd("train", "tiny", "-p", "prepare_only", "true")
    assert (status, out) == (2, "")
    assert "fairkd prepare" in err


def test_a_stage_that_was_stopped_before_its_work_leaves_the_word_to_the_command_that_began_it(monkeypatch, capsys):
    def stopped(*_, **__):
        raise cli.Interrupted(said)

    monkeypatch.setattr(cli, "app", stopped)
    monkeypatch.setattr(cli, "heed_signals", lambda: None)
    monkeypatch.setattr("sys.argv", ["fairkd", "measure", "tiny"])
    for said in (cli.NOT_BEGUN, "measuring models: stopped; what is finished is saved; run again to go on"):
        for stage in (False, True):
            monkeypatch.setenv("FAIRKD_STAGE", "measure") if stage else monkeypatch.delenv("FAIRKD_STAGE", False)
            with pytest.raises(SystemExit):
                cli.main()
            silent = stage and said == "stopped; run again to go on"
            assert capsys.readouterr().err == ("" if silent else f"fairkd: {said}\n")


def test_what_is_no_file_is_written_to_and_not_replaced_and_a_link_stays_one(tmp_path):
    from fairkd.run.documents import deliver

    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    deliver([1], as_json=False, target=tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == [1]
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit((tmp_path / "pipe").read_text)
        deliver([2], as_json=False, target=tmp_path / "pipe")
        assert json.loads(read.result(10)) == [2]
    assert (tmp_path / "pipe").is_fifo()
