"""Teachers other than BERT-base: cased, as deep as BERT-large, and those that are refused in one sentence."""

import re

import numpy as np
import pytest
from transformers import BertTokenizer, RobertaConfig, RobertaForMaskedLM

from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.lab.materials import Materials
from fairkd.pairs import PAIRS
from fairkd.profile import Profile
from fairkd.seat import stimuli
from fairkd.students import layer_map
from fairkd.teachers.checkpoints import from_scratch, small_tokenizer
from fairkd.text.corpus import documents

TEXTS = [*documents("generated"), *(s for test in ("C6", "C7b") for part in stimuli(test).values() for s in part)]


def saved(folder, tokenizer, *, layers):
    model = from_scratch(tokenizer, layers=layers, hidden=32, max_length=64, initializer_range=0.1, seed=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def cased() -> BertTokenizer:
    """Tells capitals apart, as the vocabulary of bert-base-cased does."""
    lower = small_tokenizer(TEXTS)
    pieces = list(dict.fromkeys([*lower.get_vocab(), *(word for pair in PAIRS for word in pair)]))
    capitals = [piece.capitalize() for piece in pieces if piece.isalpha()]
    vocabulary = list(dict.fromkeys([*pieces, *capitals, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]))
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)}, do_lower_case=False)


def made_by(tmp_path, teacher, **changes) -> Materials:
    values = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path), "device": "cpu", "seeds": [0]}
    values |= {"teacher": teacher, "teacher_layers": None, "teacher_hidden": None, "glue_source": None}
    materials = Materials(Profile.load("tiny").changed(**values | changes), progress=False)
    materials.train_seed(materials.profile.all_arms(), 0)
    return materials


def test_a_cased_teacher_has_students_and_its_gender_words_in_both_forms(tmp_path):
    teacher = saved(tmp_path / "teacher", cased(), layers=2)
    own = made_by(tmp_path, teacher, arms=["full", "mixup-xy"], depths=[1], student_layers=1, max_steps=4)
    he, capital = (own.checkpoint.tokenizer.convert_tokens_to_ids(word) for word in ("he", "He"))
    assert he != capital
    assert {(he,), (capital,)} <= {tuple(pieces) for pieces, _, _ in own.pairs.content}
    for arm in own.profile.all_arms():
        table, _ = own.measure(own.student(arm, 0))
        assert np.isfinite(table.effect_size).all()


def test_a_teacher_as_deep_as_bert_large_has_students_of_its_layers(tmp_path):
    teacher = saved(tmp_path / "teacher", small_tokenizer(TEXTS), layers=24)
    own = made_by(tmp_path, teacher, arms=["full"], depths=[6], student_layers=12, max_steps=2)
    manifests = [Store.manifest(own.student(arm, 0)) for arm in own.profile.all_arms()]
    assert [len(layer_map(arm.layers, 24)) for arm in own.profile.all_arms()] == [6, 12]
    assert {m["kind"] for m in manifests} == {"student"}


def test_another_kind_of_model_is_refused_in_one_sentence(tmp_path):
    config = RobertaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    RobertaForMaskedLM(config).save_pretrained(tmp_path / "roberta")
    with pytest.raises(
        InputError, match=re.escape("a 'roberta' model; allowed is 'bert', cased or uncased, of any size")
    ):
        made_by(tmp_path, str(tmp_path / "roberta"))
