"""The loss terms against their formulas, written out position by position in float64 (Section 2)."""

import math

import pytest
import torch

from fairkd.losses import cosine_rows, distillation_losses, kl_rows, mlm_rows, soften, token_rows

BATCH, TOKENS, VOCAB, HIDDEN = 3, 7, 11, 5


def example(dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    labels = torch.full((BATCH, TOKENS), -100)
    labels[0, 1], labels[1, 2], labels[2, 3] = 4, 0, 10
    attention = torch.ones(BATCH, TOKENS, dtype=torch.long)
    attention[1, 5:], attention[2, 4:] = 0, 0
    return {
        "student_logits": torch.randn(BATCH, TOKENS, VOCAB, generator=g, dtype=dtype) * 3,
        "teacher_logits": torch.randn(BATCH, TOKENS, VOCAB, generator=g, dtype=dtype) * 3,
        "student_hidden": torch.randn(BATCH, TOKENS, HIDDEN, generator=g, dtype=dtype),
        "teacher_hidden": torch.randn(BATCH, TOKENS, HIDDEN, generator=g, dtype=dtype),
        "labels": labels,
        "attention_mask": attention,
    }


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(z - max(logits)) for z in logits]
    return [p / sum(powers) for p in powers]


def literal(e: dict[str, torch.Tensor], temperature: float) -> dict[str, float]:
    ce, mlm, cos = [], [], []
    for b in range(BATCH):
        for t in range(TOKENS):
            z_s, z_t = e["student_logits"][b, t].tolist(), e["teacher_logits"][b, t].tolist()
            if e["attention_mask"][b, t]:
                p = softmax([z / temperature for z in z_t])
                q = softmax([z / temperature for z in z_s])
                ce.append(temperature**2 * sum(pi * (math.log(pi) - math.log(qi)) for pi, qi in zip(p, q)))
                s, h = e["student_hidden"][b, t].tolist(), e["teacher_hidden"][b, t].tolist()
                dot = sum(x * y for x, y in zip(s, h))
                cos.append(1 - dot / math.sqrt(sum(x * x for x in s)) / math.sqrt(sum(y * y for y in h)))
            label = int(e["labels"][b, t])
            if label != -100:
                mlm.append(-math.log(softmax(z_s)[label]))
    return {name: sum(v) / len(v) for name, v in (("ce", ce), ("mlm", mlm), ("cos", cos))}


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_each_term_equals_the_literal_formula(temperature):
    e = example()
    found = {name: float(v) for name, v in distillation_losses(**e, temperature=temperature).items()}
    assert found == pytest.approx(literal(e, temperature), rel=1e-12)


def test_padding_has_no_influence():
    e = example()
    before = distillation_losses(**e)
    pads = e["attention_mask"] == 0
    for name in ("student_logits", "teacher_logits", "student_hidden", "teacher_hidden"):
        e[name][pads] += 100 * torch.rand(e[name][pads].shape, dtype=torch.float64)
    after = distillation_losses(**e)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_student_equal_to_its_teacher_has_no_ce_and_no_cos():
    e = example()
    same = e | {"student_logits": e["teacher_logits"], "student_hidden": e["teacher_hidden"] * 3}
    found = distillation_losses(**same)
    assert float(found["ce"]) == pytest.approx(0, abs=1e-12)
    assert float(found["cos"]) == pytest.approx(0, abs=1e-12)


def test_gradient_of_ce_is_that_of_the_cross_entropy_which_the_paper_names():
    e = example()
    z = e["student_logits"].requires_grad_()
    (ce,) = torch.autograd.grad(distillation_losses(**e)["ce"], z)
    tokens = e["attention_mask"].bool()
    p = (e["teacher_logits"][tokens] / 2).softmax(-1)
    cross_entropy = 4 * -(p * (z[tokens] / 2).log_softmax(-1)).sum(-1).mean()
    (expected,) = torch.autograd.grad(cross_entropy, z)
    torch.testing.assert_close(ce, expected, rtol=1e-10, atol=1e-14)


def test_row_forms_equal_the_reference_form():
    e = example()
    tokens, labelled = e["attention_mask"].bool(), e["labels"] != -100
    reference = distillation_losses(**e, temperature=3.0)
    assert torch.equal(
        kl_rows(e["student_logits"][tokens], soften(e["teacher_logits"][tokens], 3.0), 3.0), reference["ce"]
    )
    assert torch.equal(cosine_rows(e["student_hidden"][tokens], e["teacher_hidden"][tokens]), reference["cos"])
    rows = mlm_rows(e["student_logits"][labelled], e["labels"][labelled])
    assert float(rows) == pytest.approx(float(reference["mlm"]), rel=1e-12)


def test_token_rows_are_all_non_pad_positions():
    e = example()
    rows = token_rows(e["attention_mask"], 1.0, torch.Generator())
    assert rows.tolist() == [i for i, m in enumerate(e["attention_mask"].flatten().tolist()) if m]


def test_a_share_of_the_tokens_gives_an_unbiased_ce():
    """The mean over all subsets of one size equals the mean over all tokens: each token is drawn equally often."""
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    generator = torch.Generator().manual_seed(0)
    n, drawn = 6000, torch.zeros(8)
    for _ in range(n):
        rows = token_rows(mask, 0.4, generator)
        assert len(rows) == 3
        assert len(set(rows.tolist())) == 3
        drawn[rows] += 1
    assert drawn[3] == 0
    expected = 3 / 7
    assert ((drawn[mask.flatten().bool()] / n - expected).abs() < 5 * math.sqrt(expected * (1 - expected) / n)).all()


def test_losses_of_bf16_inputs_are_reduced_in_fp32():
    e = example(torch.bfloat16)
    found = distillation_losses(**e)
    exact = literal({name: t.double() if t.is_floating_point() else t for name, t in e.items()}, 2.0)
    assert found["ce"].dtype == found["cos"].dtype == torch.float32
    assert float(found["ce"]) == pytest.approx(exact["ce"], rel=1e-5)
    assert float(found["cos"]) == pytest.approx(exact["cos"], rel=1e-5)


def test_a_share_of_the_tokens_is_drawn_by_its_generator_and_is_never_none():
    mask = torch.ones(4, 50, dtype=torch.long)
    drawn = [token_rows(mask, 0.2, torch.Generator().manual_seed(seed)).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(rows) for rows in drawn] == [40, 40, 40]
    assert all(rows == sorted(rows) for rows in drawn)
    assert len(token_rows(mask, 0.001, torch.Generator())) == 1
    generator = torch.Generator().manual_seed(0)
    token_rows(mask, 1.0, generator)
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())  # all of them: no draw


def test_probabilities_are_those_of_the_last_dimension():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(soften(logits, 2.0).exp().sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(soften(logits, 2.0)[1, 2], torch.log_softmax(logits[1, 2] / 2, 0))
