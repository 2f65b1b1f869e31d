"""Teachers: what is loaded, what is refused, and adaptation."""

import dataclasses
import json
import math
import shutil

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedTokenizerFast,
)

from fairkd.batches import MaskedBatches, Setting
from fairkd.engine import loading
from fairkd.engine.digests import weights_digest
from fairkd.engine.loading import embedded_folder
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import KNOWN, REVISIONS, Store, read_json, write_json
from fairkd.errors import InputError
from fairkd.masking import IGNORED
from fairkd.teachers import checkpoints as teachers
from fairkd.teachers.adapt import (
    adaptation_recipe,
    heldout_batches,
    heldout_mlm_loss,
    log_unigram,
    mlm_loss,
    needs_adaptation,
    prepare,
    teacher_key,
)
from fairkd.teachers.checkpoints import (
    Checkpoint,
    LateCheckpoint,
    from_scratch,
    load_checkpoint,
    open_scratch,
    remember_scratch,
    small_tokenizer,
)
from fairkd.text.corpus import build, collate
from fairkd.text.sequences import Sequences

CPU = torch.device("cpu")


@pytest.fixture
def folder(world, tmp_path):
    world.teacher.model.save_pretrained(tmp_path / "bert")
    world.tokenizer.save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def edit_weights(folder, change) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def test_a_local_folder_is_loaded_with_its_mlm_head(world, folder):
    checkpoint = load_checkpoint(str(folder), folder=folder)
    assert checkpoint.has_mlm_head
    assert not checkpoint.model.training
    assert weights_digest(checkpoint.model) == world.teacher.digest


def test_the_hubs_cache_format_is_read(folder, tmp_path, monkeypatch):
    """A snapshot as huggingface_hub lays it out, without network."""
    import shutil

    commit = "0" * 40
    root = tmp_path / "hub" / "models--lab--small-bert"
    shutil.copytree(folder, root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    assert teachers.is_here("lab/small-bert", tmp_path / "lab/small-bert")
    assert not teachers.is_here("lab/other", tmp_path / "lab/other")


def test_a_missing_mlm_head_is_noticed(world, tmp_path):
    """An encoder saved without its head: transformers would fill the head with random weights and go on."""
    BertModel(world.teacher.model.config).save_pretrained(tmp_path)
    world.tokenizer.save_pretrained(tmp_path)
    checkpoint = load_checkpoint(str(tmp_path), folder=tmp_path)
    assert not checkpoint.has_mlm_head
    assert needs_adaptation(checkpoint, "auto", recipe())
    with pytest.raises(InputError, match="no trained MLM head, so its logits are noise"):
        needs_adaptation(checkpoint, "never", recipe())
    again = load_checkpoint(str(tmp_path), folder=tmp_path)
    assert weights_digest(again.model) == weights_digest(checkpoint.model)  # the fresh head is seeded


@pytest.mark.parametrize("part", ["cls.predictions.transform.dense.weight", "cls.predictions.bias"])
def test_a_head_of_which_a_part_is_missing_counts_as_missing(folder, part):
    edit_weights(folder, lambda w: {k: v for k, v in w.items() if k not in (part, "cls.predictions.decoder.bias")})
    assert not load_checkpoint(str(folder), folder=folder).has_mlm_head


def test_missing_body_weights_are_refused(folder):
    edit_weights(folder, lambda w: {k: v for k, v in w.items() if "layer.1.attention.self.query" not in k})
    with pytest.raises(InputError, match=r"lacks 2 weights.*layer\.1\.attention\.self\.query"):
        load_checkpoint(str(folder), folder=folder)


def test_weights_of_another_shape_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(
        InputError, match=r"intermediate\.dense\.bias has the shape \(128,\), and by config.json \(64,\)"
    ):
        load_checkpoint(str(folder), folder=folder)


def test_an_output_matrix_that_is_not_the_word_embeddings_is_not_taken_for_them(folder):
    """Whatever config.json says: transformers unties them in silence, and a student would start from the wrong one."""
    words = "bert.embeddings.word_embeddings.weight"
    edit_weights(folder, lambda w: w | {"cls.predictions.decoder.weight": w[words] + 1e-3})
    with pytest.raises(InputError, match=r"output matrix \(cls\.predictions\.decoder\.weight\) differs from its word"):
        load_checkpoint(str(folder), folder=folder)


def test_two_output_biases_that_differ_are_refused_and_equal_copies_are_not(folder):
    before = weights_digest(load_checkpoint(str(folder), folder=folder).model)
    copies = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
              "cls.predictions.decoder.bias": "cls.predictions.bias"}  # fmt: skip
    edit_weights(folder, lambda w: w | {name: w[same].clone() for name, same in copies.items()})
    assert weights_digest(load_checkpoint(str(folder), folder=folder).model) == before
    edit_weights(folder, lambda w: w | {"cls.predictions.decoder.bias": w["cls.predictions.bias"] + 1})
    with pytest.raises(InputError, match=r"cls\.predictions\.bias and cls\.predictions\.decoder\.bias differ"):
        load_checkpoint(str(folder), folder=folder)


def test_a_head_of_another_shape_is_refused_and_not_made_anew(folder):
    edit_weights(folder, lambda w: w | {"cls.predictions.transform.dense.weight": torch.zeros(3, 3)})
    with pytest.raises(InputError, match=r"transform\.dense\.weight has another shape, \(3, 3\), than config"):
        load_checkpoint(str(folder), folder=folder)


@pytest.mark.parametrize("name", ["cls", "mask"])
def test_a_tokenizer_without_a_token_that_training_works_with_is_refused(world, folder, name):
    backend = world.tokenizer.backend_tokenizer
    tokens = {f"{kind}_token": f"[{kind.upper()}]" for kind in ("pad", "unk", "cls", "sep", "mask") if kind != name}
    PreTrainedTokenizerFast(tokenizer_object=backend, **tokens).save_pretrained(folder)
    with pytest.raises(InputError, match=rf"its tokenizer has no {name} token, with which training works"):
        load_checkpoint(str(folder), folder=folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        load_checkpoint(str(folder), folder=folder)


def test_a_teacher_that_is_no_bert_is_refused(world, tmp_path):
    DistilBertForMaskedLM(DistilBertConfig(vocab_size=50, dim=8, n_heads=2, n_layers=1, hidden_dim=8)).save_pretrained(
        tmp_path
    )
    with pytest.raises(InputError, match="is a 'distilbert' model; allowed is 'bert'"):
        load_checkpoint(str(tmp_path), folder=tmp_path)


def test_a_tokenizer_larger_than_the_model_is_refused(folder):
    larger = small_tokenizer(["some other words that make a larger vocabulary " + " ".join(map(str, range(999)))])
    larger.save_pretrained(folder)
    with pytest.raises(InputError, match=r"\d+ tokens in the tokenizer, \d+ in the model"):
        load_checkpoint(str(folder), folder=folder)


def test_names_that_lead_nowhere_are_refused(tmp_path):
    with pytest.raises(InputError, match="'no/such-model' cannot be loaded"):
        load_checkpoint("no/such-model", folder=tmp_path / "no")


def test_the_embedded_teacher_is_the_known_file_without_a_head():
    checkpoint = load_checkpoint("embedded")
    assert not checkpoint.has_mlm_head
    config = checkpoint.model.config
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (6, 384, 30522)
    pieces = [checkpoint.tokenizer.tokenize(word) for word in ("herself", "mary", "gal", "himself")]
    assert all(len(p) == 1 for p in pieces)
    assert len(checkpoint.tokenizer("word " * 300)["input_ids"]) == 302  # its own truncation at 128 is off


def test_a_changed_embedded_file_is_refused(monkeypatch):
    embedded_folder()
    monkeypatch.setattr(loading, "EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"has SHA-256 53aa.*expected 0000"):
        embedded_folder()


def test_the_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(loading, "EMBEDDED_PACKAGE", "no-such-package")
    with pytest.raises(InputError, match="pip install no-such-package"):
        embedded_folder()


def test_scratch_teachers_depend_on_their_seed_only(world):
    def digest(seed):
        torch.rand(3)  # the global generator must not matter
        model = from_scratch(world.tokenizer, layers=1, hidden=16, max_length=32, initializer_range=0.02, seed=seed)
        return weights_digest(model)

    assert digest(0) == digest(0) != digest(1)
    with pytest.raises(InputError, match="teacher_hidden: 20 must be a multiple of 16"):
        from_scratch(world.tokenizer, layers=1, hidden=20, max_length=32, initializer_range=0.02, seed=0)


SHAPE = {"layers": 1, "hidden": 16, "max_length": 32, "initializer_range": 0.02, "seed": 0, "dropout": 0.1}


def test_of_a_scratch_teacher_that_was_opened_before_model_and_tokenizer_are_made_when_asked(store, monkeypatch):
    words = ["the", "nurse", "sings"]
    first = open_scratch(words, store=store, **SHAPE)
    assert store.entries() == []  # who plans writes nothing
    remember_scratch(first, words, store=store, **SHAPE)
    made = []
    for name in ("from_scratch", "word_tokenizer"):
        whole = getattr(teachers, name)
        monkeypatch.setattr(teachers, name, lambda *a, n=name, whole=whole, **k: made.append(n) or whole(*a, **k))
    again = open_scratch(words, store=store, **SHAPE)
    remember_scratch(again, words, store=store, **SHAPE)  # nothing to keep
    names = ("weights_digest", "tokenizer_digest", "has_mlm_head", "layers", "longest", "source", "unknown")
    assert [getattr(again, name) for name in names] == [getattr(first, name) for name in names]
    assert made == []
    assert weights_digest(again.model) == first.weights_digest
    assert again.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert sorted(made) == ["from_scratch", "word_tokenizer", "word_tokenizer"]


@pytest.mark.parametrize("changed", ["words", "order", *SHAPE, "revision", "processor", "pairs", "code"])
def test_a_scratch_teacher_that_differs_in_anything_is_made(store, monkeypatch, changed):
    words = ["the", "nurse", "sings"]
    remember_scratch(open_scratch(words, store=store, **SHAPE), words, store=store, **SHAPE)
    other = {"words": [*words, "well"], "order": words[::-1]}.get(changed, words)
    shape = SHAPE | ({changed: 2 * SHAPE[changed] or 1} if changed in SHAPE else {})
    if changed == "revision":
        monkeypatch.setitem(REVISIONS, "checkpoint", 99)
    if changed == "processor":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    if changed == "pairs":
        monkeypatch.setattr(teachers, "PAIRS", (*teachers.PAIRS, ("abbess", "abbot")))
    if changed == "code":
        monkeypatch.setattr(teachers, "digest_once", lambda path: f"another {path.name}")
    assert type(open_scratch(other, store=store, **shape)) is Checkpoint
    assert type(open_scratch(words, store=store, **SHAPE)) is (
        Checkpoint if changed in ("revision", "processor", "pairs", "code") else LateCheckpoint
    )


def test_log_unigram_is_a_distribution_of_smoothed_counts(world):
    counts = world.corpus.token_counts
    bias = log_unigram(counts, len(counts))
    assert float(bias.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(bias[7].exp()) == pytest.approx((counts[7] + 1) / (counts.sum() + len(counts)), rel=1e-5)


def collate_by_eight(sequences: Sequences, rows: list[int], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch that is as long as a multiple of 8 tokens, or as the longest of all sequences."""
    longest = max(sequences.lengths[row] for row in rows)
    lengths = [length for length in range(longest, longest + 8) if length % 8 == 0 or length == max(sequences.lengths)]
    return collate(sequences[rows], pad_id, length=lengths[0])


@torch.no_grad()
def test_heldout_loss_equals_a_literal_sum_over_sequences(world):
    batches = MaskedBatches(Setting(world.corpus, Recipe(), 0, world.store, CPU), world.tokenizer)
    model: BertForMaskedLM = world.teacher.model
    order = sorted(range(len(world.corpus.heldout)), key=lambda i: (world.corpus.heldout.lengths[i], i))
    total, count = 0.0, 0
    for number, start in enumerate(range(0, len(order), 32)):
        ids, mask = collate_by_eight(world.corpus.heldout, order[start : start + 32], batches.pad_id)
        batch = batches.mask(ids, mask, number, purpose="held-out mask")
        logits = model(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits.log_softmax(-1)
        for row, column in (batch.labels != IGNORED).nonzero().tolist():
            total -= float(logits[row, column, batch.labels[row, column]])
            count += 1
    assert heldout_mlm_loss(model, world.corpus, batches) == pytest.approx(total / count, rel=1e-5)
    assert float(mlm_loss(model, batch)[1]["mlm"]) > 1


def test_heldout_batches_are_not_longer_than_the_longest_sequence(world, tmp_path):
    text = tmp_path / "long.txt"
    text.write_text("\n\n".join(f"the nurse said that {n} " + 40 * "she was old and " for n in range(40)))
    store = Store(tmp_path / "store")
    corpus = build([str(text)], world.tokenizer, store=store, max_length=50, heldout_fraction=0.5, progress=False)
    config = BertConfig(
        vocab_size=len(world.tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=32, max_position_embeddings=50,
    )  # fmt: skip
    batches = MaskedBatches(Setting(corpus, Recipe(), 0, world.store, CPU), world.tokenizer)
    lengths = {batch.input_ids.shape[1] for batch in heldout_batches(corpus, batches)}
    assert max(lengths) == 50 == corpus.heldout.lengths.max()
    assert math.isfinite(heldout_mlm_loss(BertForMaskedLM(config), corpus, batches))


def recipe() -> Recipe:
    return adaptation_recipe(Recipe(checkpoint_every=10), steps=25, batch_size=16, learning_rate=5e-3)


def prepared(world, store: Store, checkpoint: Checkpoint, adapt="auto"):
    return prepare(checkpoint, Setting(world.corpus, recipe(), 0, store, CPU), adapt=adapt, progress=False)


def scratch(world) -> Checkpoint:
    model = from_scratch(world.tokenizer, layers=1, hidden=32, max_length=48, initializer_range=0.02, seed=0)
    return Checkpoint(model, world.tokenizer, has_mlm_head=False, source="scratch")


def test_an_adaptation_none_of_whose_updates_changes_a_weight_is_an_error_before_any_work(world, store):
    """One update, at learning rate 0; where nothing is adapted, or the warm-up is switched off, it is no matter."""
    once = dataclasses.replace(recipe(), max_steps=1)
    checkpoint, setting = scratch(world), Setting(world.corpus, once, 0, store, CPU)
    with pytest.raises(InputError, match=r"adapt_steps: 1 is one update.*\(warmup_prop 0\.05\).*allowed: 2 or more"):
        prepare(checkpoint, setting, adapt="auto", progress=False)
    assert not list(store.root.glob("*"))
    assert not needs_adaptation(dataclasses.replace(checkpoint, has_mlm_head=True), "auto", once)
    without = dataclasses.replace(setting, recipe=dataclasses.replace(once, warmup_prop=0.0))
    teacher = prepare(checkpoint, without, adapt="auto", progress=False)
    assert teacher.record["heldout_mlm_loss_after"] != teacher.record["heldout_mlm_loss_before"]


def test_adaptation_lowers_the_heldout_loss_and_is_cached(world, store, monkeypatch):
    teacher = prepared(world, store, scratch(world))
    record = teacher.record
    assert record["adapted"]
    assert record["heldout_mlm_loss_after"] < record["heldout_mlm_loss_before"] - 0.1
    assert teacher.digest == weights_digest(teacher.model)
    monkeypatch.setattr("fairkd.teachers.adapt.fit", lambda *a, **k: pytest.fail("trained again"))
    again = prepared(world, store, scratch(world))
    assert again.digest == teacher.digest == weights_digest(again.model)
    assert again.record == record
    (entry,) = [f for f in store.root.iterdir() if (f / "model.safetensors").exists()]
    assert len(pd.read_parquet(entry / "metrics.parquet")) == 25
    assert (
        weights_digest(load_checkpoint(str(entry), folder=entry).model) == teacher.digest
    )  # plain transformers reads it


@pytest.mark.parametrize("again_in", ["a new process", "the same notebook"])
def test_an_interrupted_adaptation_ends_with_the_same_bits(world, tmp_path, monkeypatch, again_in):
    """A cell that runs again has the same checkpoint object: the interrupted training must not have changed it."""
    whole = prepared(world, Store(tmp_path / "whole"), scratch(world))
    checkpoint, store, original = scratch(world), Store(tmp_path / "stopped"), MaskedBatches.__getitem__

    def stops(self, number):
        if number == 17:
            raise KeyboardInterrupt
        return original(self, number)

    monkeypatch.setattr(MaskedBatches, "__getitem__", stops)
    with pytest.raises(KeyboardInterrupt):
        prepared(world, store, checkpoint)
    monkeypatch.setattr(MaskedBatches, "__getitem__", original)
    again = prepared(world, store, checkpoint if again_in == "the same notebook" else scratch(world))
    assert again.digest == whole.digest
    assert again.record == whole.record


def test_a_teacher_with_a_head_is_used_as_it_is_unless_asked(world, store, folder):
    checkpoint = load_checkpoint(str(folder), folder=folder)
    teacher = prepared(world, store, checkpoint)
    assert teacher.digest == world.teacher.digest
    assert not teacher.record["adapted"]
    assert teacher.record["heldout_mlm_loss_after"] == teacher.record["heldout_mlm_loss_before"] > 0
    adapted = prepared(world, store, load_checkpoint(str(folder), folder=folder), adapt="always")
    assert adapted.record["adapted"]
    assert adapted.digest != teacher.digest


def test_the_digest_sees_the_architecture(folder):
    before = weights_digest(load_checkpoint(str(folder), folder=folder).model)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": 4}))
    assert weights_digest(load_checkpoint(str(folder), folder=folder).model) != before


def test_a_teacher_that_a_student_could_not_follow_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    with pytest.raises(InputError, match=r"layer_norm_eps 1e-05.*can only follow 1e-12"):
        load_checkpoint(str(folder), folder=folder)


def test_a_vocabulary_padded_beyond_the_tokenizer_is_no_obstacle(world, store):
    config = world.teacher.model.config
    config = type(config)(**(config.to_dict() | {"vocab_size": len(world.tokenizer) + 7}))
    checkpoint = Checkpoint(BertForMaskedLM(config).eval(), world.tokenizer, has_mlm_head=False, source="padded")
    assert prepared(world, store, checkpoint).record["heldout_mlm_loss_after"] > 0


def test_a_teachers_key_ignores_what_only_distillation_reads(world):
    checkpoint = scratch(world)

    def key(device=CPU, adapted=True, **changes):
        base = dataclasses.replace(Recipe(), **changes)
        recipe = adaptation_recipe(base, steps=5, batch_size=4, learning_rate=1e-3)
        return teacher_key(checkpoint, Setting(world.corpus, recipe, 0, world.store, device), adapted=adapted)

    same = [{"temperature": 7.0}, {"dropout": 0.5}, {"ce_token_fraction": 0.5}, {"freeze_positions": False}]
    assert all(key(**change) == key() for change in same)
    assert key(mlm_mask_prop=0.3) != key()
    assert key(mlm_mask_prop=0.3, adapted=False) != key(adapted=False)  # its record depends on the masks
    assert key(device=torch.device("cuda", 0)) != key()
    assert key(weight_decay=0.5, adapted=False) == key(adapted=False)


@pytest.mark.parametrize("name", ["weights_digest", "tokenizer_digest"])
def test_what_is_made_of_a_checkpoint_later_must_be_what_the_store_knows_of_it(store, name):
    words = ["the", "nurse", "sings"]
    remember_scratch(open_scratch(words, store=store, **SHAPE), words, store=store, **SHAPE)
    entry = store.entries()[0]
    known = read_json(entry / KNOWN)
    shutil.rmtree(entry)
    with store.write(entry.name, {"kind": "checkpoint"}) as new:  # sound, and wrong
        write_json(new / KNOWN, known | {name: "of another"})
    late = open_scratch(words, store=Store(store.root), **SHAPE)
    right, wrong = ("tokenizer", "model") if name == "weights_digest" else ("model", "tokenizer")
    assert getattr(late, right) is not None
    with pytest.raises(InputError, match=f"than {entry / KNOWN} says"):
        getattr(late, wrong)
