"""The fused vocabulary loss against the reference form: values and gradients, at every chunk size, fp32 and bf16."""

import pytest
import torch
import torch.nn.functional as F

from fairkd.engine import fused_losses as vocabulary
from fairkd.engine.fused_losses import Targets, soft_targets, soften_, vocabulary_losses
from fairkd.engine.heads import vocabulary_features, vocabulary_logits
from fairkd.losses import kl_rows, mlm_rows
from fairkd.students import student_from_teacher

N, TAUGHT, LABELLED, TEMPERATURE = 23, 17, 9, 3.0  # rows 14 to 16 have both


@pytest.fixture(params=["student", "teacher"])
def model(world, request):
    torch.manual_seed(0)
    model = student_from_teacher(world.teacher.model, 1) if request.param == "student" else world.teacher.model
    return model.double().train(False) if request.param == "student" else model


def example(model, seed=0):
    g = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    hidden = torch.randn(N, model.config.hidden_size, generator=g, dtype=dtype).requires_grad_()
    teacher_logits = 3 * torch.randn(TAUGHT, model.config.vocab_size, generator=g, dtype=dtype)
    labels = torch.randint(model.config.vocab_size, (LABELLED,), generator=g)
    return hidden, teacher_logits, labels


def gradients(model, hidden, loss):
    model.zero_grad()
    hidden.grad = None
    loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found | {"hidden": hidden.grad.clone()}


def reference(model, hidden, teacher_logits, labels, ce_weight, mlm_weight):
    logits = vocabulary_logits(model, hidden)
    log_probs = F.log_softmax(teacher_logits / TEMPERATURE, dim=-1)
    ce, mlm = kl_rows(logits[:TAUGHT], log_probs, TEMPERATURE), mlm_rows(logits[-LABELLED:], labels)
    return ce_weight * ce + mlm_weight * mlm, {"ce": ce.detach(), "mlm": mlm.detach()}


@pytest.mark.parametrize("block", [1, 4, 32])
@pytest.mark.parametrize("chunk", [*range(1, N + 1), 100])
def test_values_and_gradients_equal_the_reference_form(model, chunk, block, monkeypatch):
    monkeypatch.setitem(vocabulary.ROWS, "cpu", block)
    hidden, teacher_logits, labels = example(model)
    targets = Targets(soften_(teacher_logits.clone(), TEMPERATURE), labels, TEMPERATURE, ce_weight=5.0, mlm_weight=2.0)
    loss, terms = vocabulary_losses(model, hidden, targets, chunk=chunk)
    found = gradients(model, hidden, loss / 3)
    expected_loss, expected = reference(model, hidden, teacher_logits, labels, 5.0, 2.0)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-6, abs=1e-6)
    assert {n: float(v) for n, v in terms.items()} == pytest.approx(
        {n: float(v) for n, v in expected.items()}, abs=1e-6
    )
    for name, gradient in gradients(model, hidden, expected_loss / 3).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("only", ["ce", "mlm"])
@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_one_loss_alone(model, only, chunk):
    hidden, teacher_logits, labels = example(model)
    taught = only == "ce"
    hidden = (hidden[:TAUGHT] if taught else hidden[-LABELLED:]).detach().requires_grad_()
    soft, hard = (soften_(teacher_logits.clone(), TEMPERATURE), None) if taught else (None, labels)
    loss, terms = vocabulary_losses(model, hidden, Targets(soft, hard, TEMPERATURE), chunk=chunk)
    assert set(terms) == {only}
    found = gradients(model, hidden, loss)
    logits = vocabulary_logits(model, hidden)
    log_probs = F.log_softmax(teacher_logits / TEMPERATURE, dim=-1)
    expected = kl_rows(logits, log_probs, TEMPERATURE) if taught else mlm_rows(logits, labels)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    for name, gradient in gradients(model, hidden, expected).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6)


def test_a_student_equal_to_its_teacher_loses_nothing_and_learns_nothing(model):
    hidden, _, _ = example(model)
    targets = Targets(soft_targets(model, hidden.detach(), TEMPERATURE), None, TEMPERATURE)
    loss, _ = vocabulary_losses(model, hidden, targets)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert all(float(g.abs().max()) < 1e-6 for g in gradients(model, hidden, loss).values())


@pytest.mark.parametrize("chunk", [1, 6, 100])
def test_soft_targets_are_the_softmax_of_all_logits(model, chunk, monkeypatch):
    monkeypatch.setitem(vocabulary.CHUNK, "cpu", chunk)
    hidden = example(model)[0].detach()
    with torch.no_grad():
        found = soft_targets(model, hidden, TEMPERATURE)
        probs = (vocabulary_logits(model, hidden) / TEMPERATURE).softmax(-1)
    torch.testing.assert_close(found.probs, probs, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found.entropy, torch.distributions.Categorical(probs).entropy(), rtol=1e-5, atol=1e-5)


def test_in_bf16_products_are_kept_as_they_are_summed(model):
    """Losses are those of features and weights rounded to bf16, within 1e-5; rounded logits would be off by more."""
    hidden, teacher_logits, labels = example(model)
    hidden = hidden.detach()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        targets = Targets(soften_(teacher_logits.clone(), TEMPERATURE), labels, TEMPERATURE)
        _, found = vocabulary_losses(model, hidden, targets)
        features, weight, bias = vocabulary_features(model, hidden)
        soft = soft_targets(model, hidden, TEMPERATURE)
    logits = features.bfloat16().double() @ weight.bfloat16().double().t() + bias.double()
    wanted = kl_rows(logits[:TAUGHT].float(), (teacher_logits / TEMPERATURE).log_softmax(-1), TEMPERATURE)
    assert float(found["ce"]) == pytest.approx(wanted.item(), rel=1e-5)
    assert float(found["mlm"]) == pytest.approx(mlm_rows(logits[-LABELLED:].float(), labels).item(), rel=1e-5)
    probs = (logits / TEMPERATURE).softmax(-1).to(soft.probs.dtype)
    torch.testing.assert_close(soft.probs, probs, rtol=1e-4, atol=1e-7)


def test_no_tensor_of_the_size_of_all_logits_is_kept_or_made(world):
    """The gradients of weights and features are all that waits for the backward pass."""
    student = student_from_teacher(world.teacher.model, 1)
    hidden, teacher_logits, labels = example(student)
    targets = Targets(soften_(teacher_logits.clone(), TEMPERATURE), labels, TEMPERATURE)
    features, weight, bias = vocabulary_features(student, hidden)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        loss, _ = vocabulary_losses(student, hidden, targets, chunk=4)
    assert all(size <= weight.numel() for size in saved)
    assert not any(size in (N * len(bias), TAUGHT * len(bias)) for size in saved)
    assert [g.shape for g in loss.grad_fn.gradients] == [features.shape, weight.shape, bias.shape]


def test_bf16_is_close_to_fp32_and_its_sums_are_fp32(world):
    student = student_from_teacher(world.teacher.model, 1).eval()
    hidden, teacher_logits, labels = example(student)
    targets = Targets(soften_(teacher_logits.clone(), TEMPERATURE), labels, TEMPERATURE, 5.0, 2.0)
    exact, _ = vocabulary_losses(student, hidden, targets)
    wanted = gradients(student, hidden, exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, terms = vocabulary_losses(student, hidden, targets)
    found = gradients(student, hidden, loss)
    assert loss.dtype == terms["ce"].dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=2e-2)
    for name, gradient in wanted.items():
        assert found[name].dtype == gradient.dtype
        assert float((found[name] - gradient).norm()) <= 0.05 * float(gradient.norm()) + 1e-6
