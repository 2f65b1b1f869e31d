"""Cheap dropout: its law, its gradient, and attention that differs from PyTorch's in nothing else."""

import json
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import DistilBertConfig, DistilBertForMaskedLM

from fairkd.engine import dropout as cheap


@pytest.fixture
def student():
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=2, hidden_dim=32)
    model = DistilBertForMaskedLM(config).train()
    cheap.use_cheap_dropout(model)
    return model


def test_elements_are_dropped_independently_with_probability_p():
    torch.manual_seed(0)
    n, p = 400_000, 0.1
    found = cheap.dropout(torch.ones(n), p)
    exact = round(p * 2**16) / 2**16
    assert found.unique().tolist() == pytest.approx([0.0, 1 / (1 - exact)], rel=1e-6)
    kept = (found > 0).double()
    assert abs(kept.mean() - (1 - exact)) < 5 * math.sqrt(p * (1 - p) / n)
    for lag in (1, 2, 3, 4, 5):  # four elements share a draw of 64 bits
        both = (kept[:-lag] * kept[lag:]).mean()
        assert abs(both - (1 - exact) ** 2) < 5 * math.sqrt(0.81 * 0.19 / n)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.999])
def test_every_size_and_probability(p):
    for n in range(9):
        torch.manual_seed(n)
        x = torch.rand(n, dtype=torch.float64) + 1
        found = cheap.dropout(x, p)
        dropped = round(p * 2**16)
        assert all(y == 0 or y == pytest.approx(float(x[i]) * 2**16 / (2**16 - dropped)) for i, y in enumerate(found))
        assert p or torch.equal(found, x)


def test_gradient_goes_through_what_is_kept():
    torch.manual_seed(1)
    x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    found = cheap.dropout(x, 0.5)
    found.sum().backward()
    assert torch.equal(x.grad, torch.where(found == 0, 0.0, 2.0).double())


def test_attention_drops_weights_and_differs_from_pytorchs_in_nothing_else(monkeypatch):
    torch.manual_seed(2)
    q, k, v = torch.randn(3, 2, 4, 6, 8, dtype=torch.float64, requires_grad=True).unbind()
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, ..., 4:] = False
    layer = nn.Module()
    layer.is_causal = False
    factors = torch.rand(2, 4, 6, 6, dtype=torch.float64)
    monkeypatch.setattr(cheap, "dropout", lambda x, p: x * factors)
    for seen in (mask, None):
        found, weights = cheap.attention(layer, q, k, v, seen, dropout=0.3, scaling=0.2)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * 0.2
        scores = scores if seen is None else scores.masked_fill(~seen, -torch.inf)
        expected = torch.einsum("bhij,bhjd->bihd", scores.exp() / scores.exp().sum(-1, keepdim=True) * factors, v)
        torch.testing.assert_close(found, expected)
        assert weights is None
        plain, _ = cheap.attention(layer, q, k, v, seen, dropout=0.0, scaling=0.2)
        torch.testing.assert_close(plain, scaled_dot_product_attention(q, k, v, seen, scale=0.2).transpose(1, 2))


def test_a_student_draws_from_the_seed_in_training_and_nothing_in_evaluation(student):
    ids = torch.randint(0, 50, (3, 9))
    mask = torch.ones_like(ids)
    mask[0, 5:] = 0

    def logits(seed):
        torch.manual_seed(seed)
        return student(ids, attention_mask=mask).logits

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    kinds = {type(module) for module in student.modules() if isinstance(module, nn.Dropout)}
    assert kinds == {cheap.Dropout}
    student.eval()
    found = logits(1)
    student.set_attn_implementation("sdpa")
    assert torch.equal(found, logits(2))


def test_the_checkpoint_says_nothing_of_it(student, tmp_path):
    student.save_pretrained(tmp_path)
    assert "fairkd" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
    again = DistilBertForMaskedLM.from_pretrained(tmp_path)
    assert type(again.distilbert.embeddings.dropout) is nn.Dropout
    assert again.state_dict().keys() == student.state_dict().keys()
