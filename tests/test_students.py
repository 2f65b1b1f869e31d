"""Students in the DistilBERT layout, initialised from teacher layers."""

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.errors import InputError
from fairkd.students import layer_map, student_from_teacher


@pytest.fixture(scope="module")
def teacher() -> BertForMaskedLM:
    config = BertConfig(
        vocab_size=90, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForMaskedLM(config).eval()
        for name, parameter in model.named_parameters():  # biases and LayerNorms must matter too
            if name.endswith("bias") or "LayerNorm" in name:
                torch.nn.init.normal_(parameter, mean=1.0 if "LayerNorm.weight" in name else 0.0, std=0.2)
    return model


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 90, (3, 17), generator=torch.Generator().manual_seed(1))
    attention = torch.ones_like(ids)
    attention[1, 9:], ids[1, 9:] = 0, 0
    return {"input_ids": ids, "attention_mask": attention}


def test_layer_map_of_the_released_distilbert():
    assert layer_map(6, 12) == [0, 2, 4, 7, 9, 11]


@pytest.mark.parametrize("depth", range(1, 25))
def test_layer_map_of_full_depth_is_the_identity(depth):
    assert layer_map(depth, depth) == list(range(depth))


@pytest.mark.parametrize("n_teacher", [2, 3, 6, 12, 24])
def test_layer_map_is_strictly_increasing_with_both_ends(n_teacher):
    for n in range(2, n_teacher + 1):
        chosen = layer_map(n, n_teacher)
        assert len(chosen) == n
        assert chosen[0] == 0
        assert chosen[-1] == n_teacher - 1
        assert all(a < b for a, b in zip(chosen, chosen[1:]))
    assert layer_map(1, n_teacher) == [0]


@pytest.mark.parametrize(("n_student", "n_teacher"), [(0, 6), (7, 6), (-1, 3)])
def test_impossible_depths_are_refused_with_what_is_allowed(n_student, n_teacher):
    with pytest.raises(InputError, match=f"allowed are 1 to {n_teacher}"):
        layer_map(n_student, n_teacher)


@torch.no_grad()
def test_a_student_of_full_depth_is_its_teacher(teacher, inputs):
    student = student_from_teacher(teacher, 4).eval()
    tokens = inputs["attention_mask"].bool()
    theirs = teacher(**inputs, output_hidden_states=True)
    ours = student(**inputs, output_hidden_states=True)
    assert len(ours.hidden_states) == len(theirs.hidden_states) == 5
    for a, b in zip(ours.hidden_states, theirs.hidden_states):
        torch.testing.assert_close(a[tokens], b[tokens], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.logits[tokens], theirs.logits[tokens], rtol=0, atol=1e-4)
    assert theirs.logits[tokens].std() > 0.5  # not equal merely because all is near zero


def test_each_student_layer_comes_from_its_teacher_layer(teacher):
    student = student_from_teacher(teacher, 2)
    for layer, index in zip(student.distilbert.transformer.layer, [0, 3]):
        source = teacher.bert.encoder.layer[index]
        assert torch.equal(layer.attention.q_lin.weight, source.attention.self.query.weight)
        assert torch.equal(layer.attention.out_lin.bias, source.attention.output.dense.bias)
        assert torch.equal(layer.ffn.lin2.weight, source.output.dense.weight)
        assert torch.equal(layer.output_layer_norm.weight, source.output.LayerNorm.weight)


def test_token_type_zero_is_folded_into_the_positions(teacher):
    student = student_from_teacher(teacher, 1)
    embeddings = teacher.bert.embeddings
    expected = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    assert torch.equal(student.distilbert.embeddings.position_embeddings.weight, expected)


def test_decoder_is_tied_and_positions_are_frozen_unless_asked(teacher):
    student = student_from_teacher(teacher, 1)
    embeddings = student.distilbert.embeddings
    assert student.vocab_projector.weight is embeddings.word_embeddings.weight
    assert not embeddings.position_embeddings.weight.requires_grad
    free = student_from_teacher(teacher, 1, freeze_positions=False)
    assert free.distilbert.embeddings.position_embeddings.weight.requires_grad


def test_training_a_student_leaves_its_teacher_alone(teacher):
    before = {name: p.clone() for name, p in teacher.named_parameters()}
    student = student_from_teacher(teacher, 2)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(before[name], p) for name, p in teacher.named_parameters())


@torch.no_grad()
def test_saved_students_load_with_plain_transformers(teacher, inputs, tmp_path):
    student = student_from_teacher(teacher, 3).eval()
    student.save_pretrained(tmp_path)
    whole, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(whole(**inputs).logits, student(**inputs).logits)
    body, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert torch.equal(body(**inputs).last_hidden_state, student.distilbert(**inputs).last_hidden_state)
    assert [p.name for p in tmp_path.glob("*.bin")] == []


@torch.no_grad()
def test_logits_of_rows_equal_the_full_forward(teacher, inputs):
    for model in (teacher, student_from_teacher(teacher, 2).eval()):
        hidden = last_hidden(model, **inputs)
        torch.testing.assert_close(vocabulary_logits(model, hidden), model(**inputs).logits, rtol=0, atol=0)
