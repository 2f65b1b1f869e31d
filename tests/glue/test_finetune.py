"""Fine-tuning: it learns, it repeats itself to the bit, it is keyed by all that matters, and it refuses bad input."""

import gc
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from fairkd.engine.store import Store
from fairkd.errors import DivergedError, InputError
from fairkd.glue import trainer
from fairkd.glue.classifiers import Encoder, classifier, open_encoder
from fairkd.glue.data import TaskData
from fairkd.glue.evaluate import evaluate_glue
from fairkd.glue.finetune import Run, check_device, finetune
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import TASKS, score
from fairkd.rng import derive, numpy_generator
from fairkd.students import student_from_teacher

CPU = torch.device("cpu")
RECIPE = GlueRecipe(max_length=32, batch_size=16, learning_rate=1e-2, epochs=3)
WORDS = {0: ("mother", "sister"), 1: ("father", "brother")}


@pytest.fixture(scope="module")
def checkpoint(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    student_from_teacher(world.teacher.model, 1).save_pretrained(folder)
    world.tokenizer.save_pretrained(folder)
    return folder


def examples(n: int, seed: int, *, columns: tuple[str, ...], regression: bool) -> Dataset:
    """Sentences whose label is which words they hold: a task that any encoder can learn."""
    generator = numpy_generator(seed, "examples")
    labels = generator.integers(2, size=n)
    texts = [f"the {WORDS[label][generator.integers(2)]} of the house" for label in labels]
    return Dataset.from_dict(dict.fromkeys(columns, texts) | {"label": labels * 5.0 if regression else labels})


def task_data(name: str, *, train: int = 96, digest: str = "d") -> TaskData:
    task = TASKS[name]
    options = {"columns": task.columns, "regression": not task.labels}
    dev = {split: examples(40, 1 + i, **options) for i, split in enumerate(task.dev)}
    return TaskData(task=task, splits={"train": examples(train, 0, **options), **dev}, digest=digest, source="test")


def run(checkpoint: Path, data: TaskData, store: Store, recipe: GlueRecipe = RECIPE, **options) -> Path:
    options = {"seed": 0, "device": CPU} | options
    return finetune(Run(open_encoder(checkpoint), data, recipe, **options), store)


def test_it_learns_a_classification_and_keeps_every_prediction(checkpoint, store):
    data = task_data("SST-2")
    folder = run(checkpoint, data, store)
    frame = pd.read_parquet(folder / "predictions-validation.parquet")
    assert frame.label.tolist() == data.dev["validation"]["label"]
    assert set(frame.prediction) == {0, 1}
    manifest = Store.manifest(folder)
    assert manifest["scores"]["validation"] == score(data.task, frame.label, frame.prediction)
    assert manifest["scores"]["validation"]["accuracy"] > 0.9
    assert {"versions", "git_commit", "recipe", "seed", "data", "encoder"} <= manifest.keys()


def test_a_fine_tuned_model_is_gone_when_its_run_is_over(checkpoint, store):
    """Its last layer holds itself, so that it is garbage of the kind that is looked for, and only within the run."""

    def layers():
        return sum(type(one).__name__ == "TransformerBlock" for one in gc.get_objects())

    gc.collect()
    before = layers()
    for task in ("SST-2", "CoLA"):
        run(checkpoint, task_data(task), store, replace(RECIPE, epochs=1))
        assert (layers(), gc.get_freeze_count()) == (before, 0)


def test_fine_tuning_of_a_single_update_changes_weights(checkpoint, store):
    """It has no warm-up, so that its first update has the full learning rate."""
    once = replace(RECIPE, epochs=1, train_examples=1)
    after = load_file(run(checkpoint, task_data("SST-2"), store, once, keep_weights=True) / "model.safetensors")
    before = load_file(checkpoint / "model.safetensors")
    common = before.keys() & after.keys()
    assert len(common) > 10
    assert not all(torch.equal(before[name], after[name]) for name in common)


def test_it_learns_a_regression(checkpoint, store):
    recipe = replace(RECIPE, epochs=8)
    frame = pd.read_parquet(run(checkpoint, task_data("STS-B"), store, recipe) / "predictions-validation.parquet")
    assert np.corrcoef(frame.label, frame.prediction)[0, 1] > 0.9
    assert frame.prediction.nunique() > 2


def test_two_identical_calls_give_identical_predictions(checkpoint, tmp_path):
    folders = [run(checkpoint, task_data("SST-2"), Store(tmp_path / name)) for name in "ab"]
    first, second = (pd.read_parquet(folder / "predictions-validation.parquet") for folder in folders)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    weights = [run(checkpoint, task_data("STS-B"), Store(tmp_path / name), keep_weights=True) for name in "ab"]
    assert len({(folder / "model.safetensors").read_bytes() for folder in weights}) == 1


def global_states() -> tuple:
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


def test_global_generators_neither_matter_nor_change(checkpoint, tmp_path):
    torch.manual_seed(1)
    one = run(checkpoint, task_data("STS-B"), Store(tmp_path / "a"))
    torch.manual_seed(2)
    before = global_states()
    two = run(checkpoint, task_data("STS-B"), Store(tmp_path / "b"))
    assert global_states() == before
    frames = [pd.read_parquet(folder / "predictions-validation.parquet") for folder in (one, two)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_nothing_is_fine_tuned_twice(checkpoint, store, monkeypatch):
    first = run(checkpoint, task_data("SST-2"), store)
    monkeypatch.setattr("transformers.Trainer.train", lambda *_: pytest.fail("fine-tuned again"))
    assert run(checkpoint, task_data("SST-2"), store) == first


def test_what_matters_is_in_the_key(checkpoint, store, monkeypatch):
    made = []
    monkeypatch.setattr("fairkd.glue.finetune._make", lambda run, _: made.append(run.key))
    data = task_data("SST-2")
    run(checkpoint, data, store)
    run(checkpoint, replace(data, digest="other"), store)
    run(checkpoint, task_data("CoLA"), store)
    run(checkpoint, data, store, seed=1)
    run(checkpoint, data, store, keep_weights=True)
    for change in (
        {"learning_rate": 1e-3},
        {"epochs": 1},
        {"batch_size": 8},
        {"max_length": 16},
        {"train_examples": 9},
        {"freeze_embeddings": True},
        {"dropout": 0.5},
    ):
        run(checkpoint, data, store, replace(RECIPE, **change))
    finetune(Run(open_encoder(checkpoint, pretrained=False), data, RECIPE, seed=0, device=CPU), store)
    assert len(set(made)) == len(made) == 13


def test_a_changed_weight_file_is_fine_tuned_again(world, store, tmp_path):
    model, data, recipe = student_from_teacher(world.teacher.model, 1), task_data("SST-2"), replace(RECIPE, epochs=1)
    world.tokenizer.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    before = open_encoder(tmp_path).digest
    first = run(tmp_path, data, store, recipe)
    assert open_encoder(tmp_path).digest == before
    with torch.no_grad():
        model.distilbert.transformer.layer[0].ffn.lin1.bias[0] += 1e-3
    model.save_pretrained(tmp_path)
    second = run(tmp_path, data, store, recipe)
    assert second != first
    assert Store.manifest(second)["encoder"] != Store.manifest(first)["encoder"] == before


def test_the_head_and_the_order_are_those_of_the_seed_whatever_the_encoder(checkpoint, store):
    """Two students see the same draws, so their differences are paired; another seed sees others."""
    data, encoder, heads = task_data("SST-2"), open_encoder(checkpoint), []
    for seed in (0, 0, 1):
        torch.manual_seed(derive(seed, "fine-tune sst2", 0))
        heads.append(classifier(encoder, data.task).classifier.weight.detach().clone())
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_untrained_has_the_shape_and_none_of_the_weights(checkpoint):
    data = task_data("MNLI")
    trained, random_ = (classifier(open_encoder(checkpoint, pretrained=p), data.task) for p in (True, False))
    assert [p.shape for p in trained.parameters()] == [p.shape for p in random_.parameters()]
    assert trained.config.num_labels == random_.config.num_labels == 3
    one, other = (m.distilbert.embeddings.word_embeddings.weight for m in (trained, random_))
    assert not torch.equal(one, other)


def test_smaller_training_sets_are_parts_of_larger_ones():
    from fairkd.glue.finetune import _subset

    data = task_data("SST-2")
    numbered = data.train.add_column("idx", list(range(len(data.train))))
    data = replace(data, splits={**data.splits, "train": numbered})
    small, large = (list(_subset(data, replace(RECIPE, train_examples=n), 3)) for n in (10, 30))
    assert large[:10] == small
    assert small != list(range(10))
    assert _subset(data, replace(RECIPE, train_examples=10**6), 3) is None


def test_every_development_split_is_kept(checkpoint, store):
    folder = run(checkpoint, task_data("MNLI"), store, replace(RECIPE, epochs=1))
    assert {p.name for p in folder.glob("*.parquet")} == {f"predictions-{s}.parquet" for s in TASKS["MNLI"].dev}


def test_outputs_that_are_not_finite_are_an_error_and_no_result(checkpoint, store):
    with pytest.raises(DivergedError, match="outputs are not finite"):
        run(checkpoint, task_data("SST-2"), store, replace(RECIPE, learning_rate=1e30))
    assert not list(store.root.glob("*/manifest.json"))


def test_a_masked_language_model_of_bert_is_taken_too(world, store, tmp_path):
    world.teacher.model.save_pretrained(tmp_path)
    world.tokenizer.save_pretrained(tmp_path)
    assert open_encoder(tmp_path).digest == open_encoder(tmp_path).digest  # its pooler is new each time
    folder = run(tmp_path, task_data("MRPC"), store, replace(RECIPE, epochs=1))
    assert {"accuracy", "f1"} == Store.manifest(folder)["scores"]["validation"].keys()


@pytest.mark.parametrize("damage", ["tokenizer", "weights", "layer", "folder"])
def test_checkpoints_that_cannot_be_used(damage, checkpoint, tmp_path):
    folder = tmp_path / "model"
    if damage != "folder":
        folder.mkdir()
        for file in checkpoint.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    if damage == "tokenizer":
        for file in folder.glob("*token*"):
            file.unlink()
        (folder / "vocab.txt").unlink(missing_ok=True)
    if damage == "weights":
        (folder / "model.safetensors").unlink()
    if damage == "layer":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"n_layers": 2}))
    with pytest.raises(InputError, match={"tokenizer": "no tokenizer", "layer": "lacks"}.get(damage, "model")):
        open_encoder(folder)


def test_the_second_gpu_is_refused_with_the_way_out():
    check_device(torch.device("cuda", 0))
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES=2"):
        check_device(torch.device("cuda", 2))


def test_arguments_on_cuda_are_bf16_and_one_gpu(monkeypatch, tmp_path):
    """What can be checked without a GPU: the settings that would reach the Trainer."""
    from fairkd.glue import trainer as module

    seen = {}
    monkeypatch.setattr(module, "TrainingArguments", lambda **values: seen.update(values) or type("A", (), {})())
    arguments = module.arguments(GlueRecipe(), 1, torch.device("cuda", 0), str(tmp_path))
    assert (seen["bf16"], seen["use_cpu"], arguments._n_gpu) == (True, False, 1)
    module.arguments(GlueRecipe(), 1, CPU, str(tmp_path))
    assert (seen["bf16"], seen["use_cpu"]) == (False, True)
    assert (seen["learning_rate"], seen["num_train_epochs"], seen["per_device_train_batch_size"]) == (2e-5, 3, 32)


def test_evaluate_loses_no_task_to_another(checkpoint, store, monkeypatch):
    def data(task, source, *, folder=None):
        if task.name == "CoLA":
            raise InputError("CoLA: split 'train' is empty")
        return task_data(task.name)

    monkeypatch.setattr("fairkd.glue.evaluate.load_task", data)
    names, recipe = ["SST-2", "CoLA", "STS-B"], replace(RECIPE, epochs=1)
    table, failures = evaluate_glue(checkpoint, "mini", names, recipe, seeds=[0, 1], store=store, device=CPU)
    assert failures == {"CoLA": "CoLA: split 'train' is empty"}
    assert set(table.task) == {"SST-2", "STS-B"}
    rows = table[(table.task == "STS-B") & (table.seed == 1)].set_index("metric").value
    assert rows.headline == pytest.approx(50 * (rows.pearson + rows.spearman))


def test_an_encoder_is_what_it_says(checkpoint):
    encoder = open_encoder(checkpoint, digest="known")
    assert encoder == Encoder(str(checkpoint), encoder.tokenizer, "known", True)


@pytest.mark.parametrize("train_examples", [None, 40])
@pytest.mark.parametrize("name", ["MNLI", "STS-B"])
def test_the_token_ids_of_a_large_split_are_made_once_and_change_nothing(
    checkpoint, tmp_path, monkeypatch, name, train_examples
):
    data, recipe = task_data(name), replace(RECIPE, epochs=1, train_examples=train_examples)
    plain = [run(checkpoint, data, Store(tmp_path / "plain"), recipe, seed=seed) for seed in (0, 1)]
    monkeypatch.setattr("fairkd.glue.finetune.MANY_EXAMPLES", 50)
    read, honest = [], trainer.tokenised
    monkeypatch.setattr(trainer, "tokenised", lambda rows, **rest: read.append(len(rows)) or honest(rows, **rest))
    kept = [run(checkpoint, data, Store(tmp_path / "kept"), recipe, seed=seed) for seed in (0, 1)]
    assert read == [len(data.train), *[40] * 2 * len(data.dev)]
    for ours, theirs in zip(kept, plain, strict=True):
        for split in data.dev:
            file = f"predictions-{split}.parquet"
            assert (ours / file).read_bytes() == (theirs / file).read_bytes()
        assert Store.manifest(ours)["train_examples"] == Store.manifest(theirs)["train_examples"]
