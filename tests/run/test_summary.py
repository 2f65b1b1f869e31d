"""Summaries of status and plan: true, quick, and without torch; documents for machines; the page in the browser."""

import json
import re
import shlex
import subprocess
import sys
import webbrowser
from pathlib import Path

import pandas as pd
import pytest
import typer
import yaml

import fairkd as package
from fairkd.bias.stimuli import TESTS
from fairkd.engine.store import write_json
from fairkd.errors import InputError
from fairkd.lab.estimate import check_depths, expected_cost
from fairkd.lab.known import SHAPES, known_text
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile, project_root
from fairkd.run import cli, documents, ledger, summary
from fairkd.run.arguments import EXAMPLES, join_pairs

ROOT = project_root()


@pytest.fixture
def profile(tmp_path) -> Path:
    """The file of a profile whose folders are empty."""
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(Profile.load("quick").values() | places | {"profile": "mine"}))
    return path


def lines(printed: str) -> dict[str, str]:
    """A summary by its headings; lines that go on stand after the first."""
    found: dict[str, str] = {}
    for line in printed.splitlines()[1:]:
        heading, _, text = line.strip().partition("  ")
        if line.startswith(" " * 6):
            found[[*found][-1]] += f"\n{line.strip()}"
        else:
            found[heading] = text.strip()
    return found


# --- version and help -------------------------------------------------------------------------------------------------


def test_the_version_is_the_packages(fairkd):
    status, out, _ = fairkd("--version")
    assert status == 0
    assert out.startswith(f"fairkd {package.__version__} (Python 3.")
    assert "torch 2." in out


def commands() -> dict[str, object]:
    group = typer.main.get_command(cli.app)
    found = {"": group} | dict(group.commands)
    data = found.pop("data")
    return found | {f"data {name}": command for name, command in data.commands.items()}


def test_every_command_has_examples_and_its_help_shows_them_a_line_each(fairkd):
    assert set(EXAMPLES) == set(commands())
    for command, examples in EXAMPLES.items():
        status, out, _ = fairkd(*command.split(), "--help")
        assert status == 0
        for example in examples:
            assert f"  {example}\n" in out, command


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_examples_parse(example):
    program, *arguments = join_pairs(shlex.split(example))
    assert program == "fairkd"
    context = typer.main.get_command(cli.app).make_context(program, arguments)
    while hasattr(context.command, "resolve_command"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    assert not context.args


def test_an_example_that_does_not_parse_would_be_seen():
    with pytest.raises(Exception, match="no-such-option"):
        test_examples_parse("fairkd seat embedded --no-such-option")


def test_commands_of_the_readme_parse():
    text = (ROOT / "README.md").read_text()
    found = [
        line.partition("#")[0].strip()
        for line in text.splitlines()
        if line.startswith(("fairkd ", ".venv/bin/fairkd "))
    ]
    assert len(found) > 5
    for line in found:
        test_examples_parse(line.removeprefix(".venv/bin/"))


# --- summaries --------------------------------------------------------------------------------------------------------


def test_the_summaries_need_neither_torch_nor_transformers(profile):
    code = (
        "import sys\nfrom fairkd.run import cli\n"
        "for command in ('status', 'plan'):\n"
        f"    sys.argv = ['fairkd', command, {str(profile)!r}]\n"
        "    try:\n        cli.main()\n    except SystemExit as end:\n        assert not end.code\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'nbformat'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_status_of_a_fresh_profile_says_what_to_run(fairkd, profile, tmp_path):
    status, out, _ = fairkd("status", str(profile))
    assert status == 0
    said = lines(out)
    names = ", ".join(ledger.notebooks(Profile.load(profile)))
    assert said["notebooks"] == f"0 of 7 done\nnot run: {names}"
    assert said["students"] == f"0 of 42 by the records of {tmp_path / 'store'}"
    assert said["report"] == "not there yet"
    assert said["next"] == f"fairkd reproduce {profile}"
    assert len(out.splitlines()) < 10
    assert not (tmp_path / "store").exists()


def test_status_groups_what_is_not_done_by_its_reason(fairkd, profile):
    values = Profile.load(profile)
    folder = output_dir(values)
    for name, why in {"01_capacity": "no", "02_ablation": "no", "03_mixup": "another"}.items():
        write_json(folder / "status" / f"{name}.failed.json", {"detail": why})
    said = lines(fairkd("status", str(profile))[1])["notebooks"].splitlines()
    assert said[2:] == ["failed: 01_capacity, 02_ablation (no)", "failed: 03_mixup (another)"]


@pytest.mark.parametrize(("states", "command"), [("done", "open"), ("running", "status"), ("stale", "reproduce")])
def test_the_next_command_follows_from_the_states(fairkd, profile, monkeypatch, states, command):
    rows = [ledger.NotebookState("01_capacity", word, "", "", None) for word in ("done", states)]
    monkeypatch.setattr("fairkd.run.summary.status", lambda profile: rows)
    assert lines(fairkd("status", str(profile))[1])["next"] == f"fairkd {command} {profile}"
    of_one = lines(fairkd("status", str(profile), "-p", "seeds", "[0]")[1])["next"]
    assert of_one == f"fairkd {command} {profile} -p 'seeds=[0]'"
    status, _, err = fairkd(*join_pairs(shlex.split(of_one)[1:]), "--help")
    assert (status, err) == (0, "")  # that command has the option too


def test_plan_says_that_costs_are_bounds_before_there_is_a_corpus(fairkd, profile, monkeypatch):
    monkeypatch.setattr("fairkd.run.summary.cpu_matmul_rate", lambda: 2e11)
    monkeypatch.setattr("fairkd.lab.estimate.DRIVER", Path("/nowhere"))
    status, out, _ = fairkd("plan", str(profile), "--json")
    assert status == 0
    document = json.loads(out)
    cost = document["estimate"]
    assert document["seconds"] == pytest.approx(cost["flops"] / 1e11)
    assert (cost["arms"], cost["trainings"], cost["updates"], cost["length"]) == (14, 3, 12, 128)
    said = lines(fairkd("plan", str(profile))[1])
    assert said["corpus"] == "not tokenised yet"
    assert said["missing"].startswith("42 students of 14 arms: capacity-1, capacity-2,")
    assert said["training"].startswith("at most about ")
    assert "50% of 200 GFLOP/s" in said["training"]
    assert said["memory"].startswith("at most ")
    assert said["a student reads"].endswith("at most")


def test_a_time_that_was_measured_is_said_even_where_nothing_else_is_known(tmp_path):
    """Of a teacher from scratch, neither shape nor operations before it is there."""
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    document = summary.plan_document(Profile.load("planted").changed(**places), "planted")
    assert document["estimate"] is None
    assert summary.plan_lines(document, "planted")["training"].startswith("--all computes it")
    told = summary.plan_lines(document | {"measured_seconds": 155.0}, "planted")["training"]
    assert told.startswith("about 2 min 35 s on this device, by batches timed now; measuring, GLUE")


def test_plan_and_status_take_single_values_and_hand_them_on(fairkd, profile, tmp_path):
    """A third of the students for a seed of three; what to run next has the value too, as a shell reads it."""
    whole, one = (
        json.loads(fairkd("plan", str(profile), *values, "--json")[1]) for values in ([], ["-p", "seeds", "[0]"])
    )
    assert len(whole["students"]["missing"]) == 3 * len(one["students"]["missing"])
    assert shlex.split(one["next"]) == ["fairkd", "reproduce", str(profile), "-p", "seeds=[0]"]
    found = json.loads(fairkd("status", str(profile), "-p", "seeds", "[0]", "--json")[1])
    assert Path(found["folder"]).parent == tmp_path / "runs" / "mine" / "variants"
    assert (found["students"]["wanted"], found["next"]) == (one["students"]["wanted"], one["next"])
    for command in ("plan", "status"):
        status, _, err = fairkd(command, str(profile), "-p", "sedes", "[0]")
        assert (status, "Did you mean 'seeds'?" in err) == (2, True)


def test_plan_gives_no_time_for_a_gpu_that_it_has_not_asked(fairkd, profile, monkeypatch, tmp_path):
    monkeypatch.setattr("fairkd.lab.estimate.DRIVER", tmp_path)
    document = json.loads(fairkd("plan", str(profile), "--json")[1])
    assert (document["device"], document["seconds"]) == ("cuda", None)
    assert "for the time on this GPU" in lines(fairkd("plan", str(profile))[1])["training"]


def test_the_papers_scale_is_planned_without_network_and_before_there_is_a_corpus(fairkd):
    """By hand: 30 % of 40.7 million lines and of 38,832,894 rows, eight a line, which 19 students read three times."""
    document = json.loads(fairkd("plan", "paper", "--device", "h100", "--gpus", "4", "--json")[1])
    sequences = round(0.3 * (40_700_000 + 4_854_112))
    tokens = round(0.3 * (4_070_000_000 + 620_000_000 + 2 * 4_854_112))
    assert document["corpus"] == {"sequences": sequences, "tokens": tokens, "counted": False}
    cost, own = document["estimate"], document["on_gpus"]
    assert cost["length"] == pytest.approx(tokens / sequences, abs=0.1)
    assert cost["updates"] == sequences // 8 // 200 * 3
    assert own["arithmetic_seconds"] == pytest.approx(cost["flops"] / (0.4 * 989e12 * 4))
    assert own["seconds"] == max(own["arithmetic_seconds"], own["launch_seconds"])
    assert own["at_once"] <= 32_768 < 80e9
    assert own["passes"] % 4 == 0
    assert own["memory"] < 80e9
    said = lines(fairkd("plan", "paper", "--device", "h100", "--gpus", "4")[1])
    assert "by what is known of these data sets" in said["corpus"]
    assert "on 4 H100" in said["training"]
    assert "3 jobs, one a seed" in said["training"]
    assert "assumed 40%" in said["training"]


def test_half_the_gpus_take_twice_the_arithmetic(fairkd):
    one, two = (
        json.loads(fairkd("plan", "paper", "--device", "a100", "--gpus", n, "--json")[1])["on_gpus"] for n in ("1", "2")
    )
    assert one["arithmetic_seconds"] == pytest.approx(2 * two["arithmetic_seconds"])


def test_no_batch_is_read_in_parts_however_small_the_gpu(fairkd):
    own = json.loads(fairkd("plan", "paper", "--device", "l4", "--json")[1])["on_gpus"]
    assert own["passes"] == own["batches"] == 200
    assert own["at_once"] == pytest.approx(8 * 103, abs=8)


def test_memory_and_disk_are_those_of_what_is_read_at_once_and_of_checkpoints(fairkd):
    paper, bert = Profile.load("paper"), SHAPES["google-bert/bert-base-uncased"]
    few, many = (
        vars(expected_cost(paper.changed(micro_batch_tokens=tokens), bert, None, device="cpu"))
        for tokens in (4096, 16384)
    )
    assert many["memory"] - few["memory"] > 15e9
    default = json.loads(fairkd("plan", "paper", "--json")[1])["estimate"]
    assert default["memory"] == few["memory"]  # a batch of 8 sequences of 512
    assert default["checkpoints"] == pytest.approx(2 * 3 * default["disk"] / 3)  # two, weights and moments, of a seed
    assert "while it is trained" in lines(fairkd("plan", "paper")[1])["disk"]


def test_a_gpu_that_is_too_small_is_said(fairkd):
    assert "too little room for 19 students at once" in lines(fairkd("plan", "paper", "--device", "t4")[1])["memory"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "h10"], "--device 'h10' is unknown; allowed are h200, .* Did you mean 'h100'?"),
        (["--gpus", "2"], "--gpus: 2 of which kind? Give --device, one of h200"),
        (["--device", "h100", "--gpus", "201"], "--gpus: 201 must be 1 to 200, the batches of an update"),
        (["--device", "h100", "--gpus", "0"], "--gpus: 0 must be 1 to 200"),
    ],
)
def test_gpus_that_cannot_be_planned_for_are_refused(fairkd, options, message):
    status, out, err = fairkd("plan", "paper", *options)
    assert (status, out) == (2, "")
    assert re.search(message.replace("?", r"\?"), err), err


WIKIPEDIA = "hub:wikimedia/wikipedia:20231101.en"


def test_known_shapes_are_those_of_the_models(tmp_path):
    """The one that is here, and the sizes that its makers print: 110 and 340 million weights."""
    assert SHAPES["google-bert/bert-base-uncased"].parameters == pytest.approx(110e6, rel=0.01)
    assert SHAPES["google-bert/bert-large-uncased"].parameters == pytest.approx(336e6, rel=0.01)
    assert SHAPES["google/bert_uncased_L-8_H-512_A-8"].parameters == pytest.approx(41.4e6, rel=0.01)
    assert known_text(["hub:wikimedia/wikipedia:20231101.en", "hub:other/set"], {}, fraction=1.0) is None
    assert known_text(["embedded"], {}, fraction=1.0) is None
    assert known_text([WIKIPEDIA], {WIKIPEDIA: 2}, fraction=1.0) is None
    rows = known_text(["hub:Saibo-creator/bookcorpus_deduplicated"], {}, fraction=1.0)
    assert rows is not None
    assert rows.sequences < 38_832_894


def test_plan_refuses_students_deeper_than_their_teacher(fairkd, profile):
    values = yaml.safe_load(profile.read_text())
    profile.write_text(yaml.safe_dump(values | {"depths": [7]}))
    status, _, err = fairkd("plan", str(profile))
    assert (status, "arm 'capacity-7': a student of 7 layers from a teacher of 6" in err) == (2, True)


# --- documents --------------------------------------------------------------------------------------------------------


def test_documents_have_the_fields_that_are_documented(fairkd, profile):
    text = (ROOT / "docs" / "json.md").read_text()
    for command in ("status", "plan"):
        document = json.loads(fairkd(command, str(profile), "--json")[1])
        section = text.partition(f"## {command}\n")[2].partition("\n## ")[0]
        documented = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
        assert set(document) | {"each_student"} | ({"cost"} if command == "plan" else set()) == documented, command
        assert "estimate" not in document or set(document["estimate"]) <= set(text.replace("`", " ").split())


def test_a_document_is_all_that_is_printed_and_a_file_holds_the_same(fairkd, profile, tmp_path):
    target = tmp_path / "status.json"
    status, out, err = fairkd("status", str(profile), "--json", "--output", str(target))
    assert (status, err) == (0, "")
    assert target.read_text() == out
    status, out, _ = fairkd("status", str(profile), "--output", str(target))
    assert "of 7 done" in out  # without --json the summary is printed beside the file
    assert json.loads(target.read_text())["profile"] == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_printed_meanwhile_does_not_reach_the_document(fairkd, monkeypatch):
    def measure(model, **_):
        print("progress")
        row = {"pooling": "mean", "effect_size": float("nan"), "unknown_words": [], "unknown_sentences": 0}
        return pd.DataFrame([{"test": test, **row} for test in TESTS])

    monkeypatch.setattr("fairkd.seat.measure_encoder", measure)
    monkeypatch.setattr(cli, "models_at_hand", lambda *models: None)
    status, out, err = fairkd("seat", "some/model", "--json")
    assert (status, err) == (0, "progress\n")
    assert json.loads(out)[0]["effect_size"] is None


@pytest.mark.parametrize("command", [["seat", "m"], ["bias", "m"], ["glue", "m"], ["status"], ["plan"]])
def test_a_file_that_cannot_be_written_is_refused_before_any_work(fairkd, tmp_path, monkeypatch, command):
    for module in (
        "fairkd.seat.measure_encoder",
        "fairkd.bias.measuring.measure_models",
        "fairkd.run.summary.recorded",
    ):
        monkeypatch.setattr(module, lambda *_, **__: pytest.fail("it worked"))
    for name, why in {"": "this is a folder", ".": "this is a folder", "none/x.json": "there is no folder"}.items():
        status, out, err = fairkd(*command, "--output", str(tmp_path / name) if name else "")
        assert (status, out) == (2, "")
        assert why in err


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_json_lacks_and_nothing_half_written(tmp_path, capsys, number):
    target = tmp_path / "old.json"
    target.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        documents.deliver({"x": number}, as_json=True, target=target)
    assert capsys.readouterr().out == ""
    assert target.read_text() == "old"


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "old.json"
    target.write_text("old")

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fairkd.engine.store.flush", full)
    with pytest.raises(OSError, match="No space"):
        documents.deliver({"x": 1}, as_json=False, target=target)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


# --- open -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(monkeypatch):
    """What the browser is asked to open; there is a display."""
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_open_says_what_makes_the_page_if_it_is_not_there(fairkd, profile, browser):
    status, out, err = fairkd("open", str(profile))
    assert (status, out, browser) == (2, "", [])
    assert f"Make it with: fairkd reproduce {profile}" in err
    status, _, err = fairkd("open", str(profile), "-p", "seeds", "[0]")
    assert (status, browser) == (2, [])
    assert f"Make it with: fairkd reproduce {profile} -p 'seeds=[0]'" in err


@pytest.mark.parametrize(("teacher", "layers"), [("embedded", 6), ("scratch", 3), ("broken", 0), ("a/hub-name", 0)])
def test_students_are_not_deeper_than_a_teacher_whose_depth_is_known(fairkd, profile, tmp_path, teacher, layers):
    """0: it is not known before the teacher is loaded, which says what is wrong with it."""
    if teacher == "broken":
        teacher = str(tmp_path / "broken")
        Path(teacher).mkdir()
        (Path(teacher) / "config.json").write_text('{"num_hidden_layers": "6"}')
    same = {"adapt": "always", "teacher_layers": 3, "teacher_hidden": 32, "student_layers": 1}
    deep = Profile.load(profile).changed(teacher=teacher, depths=[1, (layers or 98) + 1], **same)
    if not layers:
        check_depths(deep)
        return
    check_depths(deep.changed(depths=[1, layers]))
    with pytest.raises(
        InputError, match=f"a student of {layers + 1} layers from a teacher of {layers}: allowed are 1 to"
    ):
        check_depths(deep)


def test_open_names_the_page_that_lies_in_the_docs(fairkd, profile, tmp_path, monkeypatch):
    (tmp_path / "papermill_params").mkdir()
    monkeypatch.chdir(tmp_path)  # the project
    published = tmp_path / "docs" / "reports" / Profile.load(profile).name / "report.html"
    published.parent.mkdir(parents=True)
    published.write_text("<p>a page")
    assert fairkd("open", str(profile))[2].endswith(f". One that we made is {published}\n")
    assert "that we made" not in fairkd("open", str(profile), "-p", "seeds", "[0]")[2]


@pytest.mark.parametrize("teacher", ["my/local/checkpoint", "my/checkpoint/", "a b"])
def test_a_teacher_that_can_be_neither_folder_nor_name_on_the_hub_is_refused(fairkd, profile, teacher):
    status, _, err = fairkd("plan", str(profile), "-p", "teacher", teacher)
    assert (status, err) == (2, f"fairkd: teacher {teacher!r} is neither a folder that is here nor a name on the hub\n")


def test_open_opens_the_page_or_only_says_where_it_lies(fairkd, profile, browser, monkeypatch):
    page = output_dir(Profile.load(profile)) / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>a page")
    assert fairkd("open", str(profile)) == (0, f"{page}\n", "")
    assert browser == [page.as_uri()]
    assert fairkd("open", str(profile), "--print") == (0, f"{page}\n", "")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert fairkd("open", str(profile)) == (0, f"{page}\n", "")
    assert browser == [page.as_uri()]  # once: the first time
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    status, out, err = fairkd("open", str(profile))
    assert (status, out) == (0, f"{page}\n")
    assert "no browser could be started" in err
