"""Mixup (Section 5.1): its invariants, a literal slow form beside the fast one, and its place in co-distillation."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats
from torch.nn import functional as F

from fairkd.arms import Arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.distill import distill, student_key
from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.recipe import Recipe
from fairkd.errors import InputError
from fairkd.gender import Pair, PairTable, appendix_c, swap
from fairkd.losses import distillation_losses
from fairkd.mixup import (
    LEVELS,
    Mixing,
    Mixup,
    draw_lambda,
    exchanged_logits,
    mix,
    mixed_embeddings,
    mixed_hidden,
    mixed_logits,
    plan_mixing,
)
from fairkd.objective import arm_losses, supervise
from fairkd.rng import torch_generator
from fairkd.students import student_from_teacher
from fairkd.text.corpus import collate

CPU = torch.device("cpu")
SUBSETS = [tuple(level for level, bit in zip(LEVELS, f"{n:03b}") if bit == "1") for n in range(1, 8)]
FULL = Arm(name="full", layers=2)


def mixing_arm(levels, **fields) -> Arm:
    return Arm(name="mixup-" + "".join(levels), layers=2, mix=levels, **fields)


@pytest.fixture(scope="module")
def table(world) -> PairTable:
    return PairTable(appendix_c(), world.tokenizer)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe(
        n_epoch=1, max_steps=5, batch_size=8, gradient_accumulation_steps=3, ce_token_fraction=0.5, dropout=0.1,
        learning_rate=1e-3, checkpoint_every=2,
    )  # fmt: skip


@pytest.fixture
def student(world):
    return student_from_teacher(world.teacher.model, 2).eval()


def batch_of(world, recipe, table, number=0, **mixup):
    return MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer, Mixup(table, **mixup))[
        number
    ]


def texts(world, *lines):
    return collate([np.array(world.tokenizer(line)["input_ids"]) for line in lines], world.tokenizer.pad_token_id)


def unmasked(world, table, *lines, lam=None, rows=None) -> tuple[torch.Tensor, torch.Tensor, Mixing]:
    """A batch in which nothing is masked, with a λ of our choice."""
    ids, mask = texts(world, *lines)
    rows = mask.flatten().nonzero().squeeze(1) if rows is None else rows
    mixing = plan_mixing(ids, ids, mask, rows, Mixup(table), torch_generator(0, "test"))
    if lam is not None:
        mixing = dataclasses.replace(mixing, lam=torch.full_like(mixing.lam, lam))
    return ids, mask, mixing


# --- the draw of λ ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.3, 0.4, 1.0, 3.0])
def test_lambda_is_beta_distributed(alpha):
    lam = draw_lambda(alpha, 20_000, torch_generator(0, "λ")).numpy()
    assert stats.kstest(lam, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    assert ((lam >= 0) & (lam <= 1)).all()


def test_half_of_the_mass_at_alpha_04_lies_within_a_tenth_of_an_end():
    lam = draw_lambda(0.4, 50_000, torch_generator(0, "λ"))
    assert ((lam < 0.1) | (lam > 0.9)).double().mean() == pytest.approx(0.48, abs=0.01)


def test_equal_generators_give_comparable_lambda_for_different_alpha():
    one, two = (draw_lambda(alpha, 100, torch_generator(0, "λ")) for alpha in (0.4, 2.0))
    assert torch.equal(one.argsort(), two.argsort())
    assert ((two - 0.5).abs() <= (one - 0.5).abs()).all()  # a larger α is nearer to one half, draw by draw


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_must_be_above_zero(alpha):
    with pytest.raises(InputError, match=r"alpha: .* must be above 0"):
        draw_lambda(alpha, 1, torch_generator(0, "λ"))


@pytest.mark.parametrize("scope", ["sequence", "batch", "occurrence"])
def test_scope_says_what_shares_a_lambda(world, table, scope):
    ids, mask = texts(world, "she told her son", "the weather", "he told john", "his mother told mary")
    mixing = plan_mixing(ids, ids, mask, torch.arange(ids.numel()), Mixup(table, scope=scope), torch_generator(0, "λ"))
    rows = (mixing.at // ids.shape[1]).tolist()
    assert rows == [0, 0, 0, 2, 2, 3, 3, 3]
    key = {"sequence": rows, "batch": [0] * 8, "occurrence": list(range(8))}[scope]
    groups = pd.Series(mixing.lam.numpy()).groupby(key)
    assert (groups.nunique() == 1).all()
    assert mixing.lam.unique().numel() == len(set(key))


def test_pieces_of_one_occurrence_share_a_lambda(world):
    """A word of the list that the vocabulary spells in several pieces."""
    table = PairTable([Pair("xqz", "qxz", "line 1")], world.tokenizer)
    ids, mask = texts(world, "the xqz told the qxz")
    mixup = Mixup(table, scope="occurrence")
    mixing = plan_mixing(ids, ids, mask, torch.arange(ids.numel()), mixup, torch_generator(0, "λ"))
    assert len(mixing.at) == 6
    assert mixing.lam[:3].unique().numel() == mixing.lam[3:].unique().numel() == 1
    assert mixing.lam[0] != mixing.lam[3]


# --- the formula and its invariants ----------------------------------------------------------------------------------


def test_mix_is_the_formula_of_section_5():
    own, other = torch.randn(4, 3), torch.randn(4, 3)
    male, lam = torch.tensor([True, False, True, False]), torch.tensor([0.2, 0.2, 1.0, 1.0])
    mixed = mix(own, other, male=male, lam=lam)
    for n in range(4):
        m, f = (own[n], other[n]) if male[n] else (other[n], own[n])
        assert torch.equal(mixed[n], lam[n] * m + (1 - lam[n]) * f)


def test_lambda_one_on_male_words_is_no_mixup(world, table, student):
    ids, mask, mixing = unmasked(world, table, "he told his son", "john and his father", lam=1.0)
    assert bool(mixing.male.all())
    assert torch.equal(mixed_embeddings(student, ids, mixing), student.get_input_embeddings()(ids))
    hidden = last_hidden(world.teacher.model, ids, mask)
    assert torch.equal(mixed_hidden(hidden, torch.randn_like(hidden[: len(mixing.swapped)]), mixing), hidden)
    logits = torch.randn(len(mixing.ce_at), 7)
    assert torch.equal(mixed_logits(logits, torch.randn_like(logits), mixing), logits)


def test_lambda_zero_on_male_words_is_the_exchanged_sequence(world, table, student):
    ids, mask, mixing = unmasked(world, table, "he told his son", "john and his father", lam=0.0)
    exchanged = swap(ids, table.find(ids))
    assert torch.equal(mixing.swapped, exchanged)
    assert torch.equal(mixed_embeddings(student, ids, mixing), student.get_input_embeddings()(exchanged))
    with torch.no_grad():
        hidden = last_hidden(world.teacher.model, ids, mask)
        other = last_hidden(world.teacher.model, exchanged, mask)
    mixed = mixed_hidden(hidden, other, mixing)
    at = mixing.at
    assert torch.equal(mixed.flatten(0, 1)[at], other.flatten(0, 1)[at])
    rest = torch.ones(ids.numel(), dtype=torch.bool)
    rest[at] = False
    assert torch.equal(mixed.flatten(0, 1)[rest], hidden.flatten(0, 1)[rest])


def test_exchanging_the_words_of_a_row_changes_nothing_where_they_stand(world, table, student):
    """λ weighs the male form, whichever of the two words stands in the text."""
    ids, _, mixing = unmasked(world, table, "she told his son that mary is a man", lam=0.3)
    exchanged = swap(ids, table.find(ids))
    back = plan_mixing(
        exchanged, exchanged, torch.ones_like(ids), torch.arange(ids.numel()), Mixup(table), torch_generator(0, "a")
    )
    back = dataclasses.replace(back, lam=mixing.lam)
    here, there = (mixed_embeddings(student, i, m) for i, m in ((ids, mixing), (exchanged, back)))
    assert torch.equal(here, there)  # the other words are the same, so the whole row is
    own, other = torch.randn(2, len(mixing.ce_at), 7)
    assert torch.equal(mixed_logits(own, other, mixing), mixed_logits(other, own, back))


def test_exchanging_the_columns_of_the_list_and_lambda_changes_nothing(world, table, student):
    flipped = PairTable([Pair(pair.male, pair.female, pair.where) for pair in appendix_c()], world.tokenizer)
    ids, _, mixing = unmasked(world, table, "she told his son that mary is a man", lam=0.3)
    _, _, other = unmasked(world, flipped, "she told his son that mary is a man", lam=0.7)
    assert torch.equal(mixing.male, ~other.male)
    torch.testing.assert_close(
        mixed_embeddings(student, ids, mixing), mixed_embeddings(student, ids, other), rtol=1e-6, atol=1e-7
    )


def test_gradient_flows_to_both_rows_with_weights_lambda_and_one_minus_lambda(world, table, student):
    lam = 0.3
    ids, _, mixing = unmasked(world, table, "he was there", lam=lam)
    weight = student.get_input_embeddings().weight
    (at,) = mixing.at.tolist()
    upstream = torch.randn(weight.shape[1])
    mixed_embeddings(student, ids, mixing)[0, at].backward(upstream)
    he, she = world.tokenizer.convert_tokens_to_ids(["he", "she"])
    torch.testing.assert_close(weight.grad[he], lam * upstream)
    torch.testing.assert_close(weight.grad[she], (1 - lam) * upstream)
    assert int((weight.grad.abs().sum(dim=1) > 0).sum()) == 2


def test_masked_words_are_never_mixed_and_masks_stay_in_the_exchanged_rows(world, recipe, table):
    mask_id = world.tokenizer.mask_token_id
    seen = 0
    for number in range(8):
        batch = batch_of(world, recipe, table, number)
        mixing = batch.mixing
        tokens = batch.corrupted.shape[1]
        assert not (batch.corrupted.flatten()[mixing.at] == mask_id).any()
        assert torch.equal(batch.corrupted.flatten()[mixing.at], batch.input_ids.flatten()[mixing.at])
        assert torch.equal(mixing.own, batch.corrupted.flatten()[mixing.at])
        rows = (mixing.at // tokens).unique()
        assert mixing.swapped.shape == (len(rows), tokens)
        assert torch.equal(mixing.swapped == mask_id, batch.corrupted[rows] == mask_id)
        assert torch.equal(mixing.swapped_mask, batch.attention_mask[rows])
        assert int((mixing.swapped != batch.corrupted[rows]).sum()) == len(mixing.at)
        assert torch.equal(mixing.swapped.flatten()[mixing.swapped_at], mixing.counterpart)
        assert torch.equal(batch.ce_rows[mixing.ce_at], mixing.at[mixing.ce_of])
        assert set(mixing.at[mixing.ce_of].tolist()) == set(mixing.at.tolist()) & set(batch.ce_rows.tolist())
        seen += len(mixing.ce_at)
    assert seen > 10


def test_labels_of_mlm_stay_hard_where_a_word_is_kept(world, recipe, table):
    """A word that is predicted but shown as it is: mixed at the input, its label the word itself."""
    recipe = dataclasses.replace(recipe, mlm_mask_prop=0.5, word_mask=0.2, word_keep=0.8, word_rand=0.0)
    batch = batch_of(world, recipe, table)
    both = set(batch.mixing.at.tolist()) & set(batch.mlm_rows.tolist())
    assert both
    for position in both:
        assert batch.labels.flatten()[position] == batch.input_ids.flatten()[position]


def test_vocabulary_counterpart_exchanges_the_two_words_logits_and_no_others(world, table):
    _, _, mixing = unmasked(world, table, "he told his mother", lam=0.25)
    logits = torch.randn(len(mixing.ce_at), len(world.tokenizer))
    other = exchanged_logits(logits, mixing)
    he, she = world.tokenizer.convert_tokens_to_ids(["he", "she"])
    assert other[0, he] == logits[0, she]
    assert other[0, she] == logits[0, he]
    rest = [i for i in range(logits.shape[1]) if i not in (he, she)]
    assert torch.equal(other[0, rest], logits[0, rest])
    mixed = mixed_logits(logits, other, mixing)
    torch.testing.assert_close(mixed[0, he], 0.25 * logits[0, he] + 0.75 * logits[0, she])
    torch.testing.assert_close(mixed[0, she], 0.25 * logits[0, she] + 0.75 * logits[0, he])


# --- losses: the literal form ----------------------------------------------------------------------------------------


def literal_losses(world, student, batch, levels, temperature, lambda_of_row):
    """Word by word, with full logits: what Section 5.1 says, as slowly as it is said."""
    teacher, tokenizer = world.teacher.model, world.tokenizer
    partner = {}
    for female, male in (("woman", "man"), ("girl", "boy"), ("she", "he"), ("mother", "father"), ("daughter", "son"),
                         ("gal", "guy"), ("female", "male"), ("her", "his"), ("herself", "himself"),
                         ("mary", "john")):  # fmt: skip
        f, m = tokenizer.convert_tokens_to_ids([female, male])
        partner[f], partner[m] = (m, "female"), (f, "male")
    embed = student.get_input_embeddings()
    x = embed(batch.corrupted).clone()
    swapped, hits = batch.corrupted.clone(), []
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            word = int(batch.input_ids[r, c])
            if word in partner and int(batch.corrupted[r, c]) == word:
                hits.append((r, c, *partner[word]))
                swapped[r, c] = partner[word][0]
    with torch.no_grad():
        h = last_hidden(teacher, batch.corrupted, batch.attention_mask)
        h_other = last_hidden(teacher, swapped, batch.attention_mask)
        y, y_other = vocabulary_logits(teacher, h), vocabulary_logits(teacher, h_other)
    targets = {"y": (y.clone(), y, y_other), "h": (h.clone(), h, h_other)}
    for r, c, other, gender in hits:
        lam = lambda_of_row[r]
        w_male, w_female = (lam, 1 - lam)
        if "x" in levels:
            own, theirs = embed(batch.corrupted[r, c]), embed(torch.tensor(other))
            x[r, c] = w_male * own + w_female * theirs if gender == "male" else w_male * theirs + w_female * own
        for level, (mixed, original, exchanged) in targets.items():
            if level in levels:
                own, theirs = original[r, c], exchanged[r, c]
                mixed[r, c] = w_male * own + w_female * theirs if gender == "male" else w_male * theirs + w_female * own
    hidden = student.distilbert(inputs_embeds=x, attention_mask=batch.attention_mask).last_hidden_state
    logits = vocabulary_logits(student, hidden)
    return distillation_losses(
        logits, targets["y"][0], hidden, targets["h"][0], batch.labels, batch.attention_mask, temperature
    )


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("levels", SUBSETS, ids="".join)
def test_losses_and_gradients_equal_the_literal_form(world, recipe, table, student, levels, chunk):
    recipe = dataclasses.replace(recipe, ce_token_fraction=1.0)
    batch = batch_of(world, recipe, table, number=3)
    tokens = batch.corrupted.shape[1]
    lam = dict(zip((batch.mixing.at // tokens).tolist(), batch.mixing.lam.tolist()))
    arm = mixing_arm(levels)
    supervision = supervise({"original": world.teacher.model}, batch, [arm, FULL], recipe, CPU)
    gradients = []
    for fast in (True, False):
        student.zero_grad()
        if fast:
            loss, terms = arm_losses(student, supervision, arm, recipe, chunk=chunk)
        else:
            terms = literal_losses(world, student, batch, levels, 2.0, lam)
            loss = 5 * terms["ce"] + 2 * terms["mlm"] + terms["cos"]
        loss.backward()
        values = {name: float(term.detach()) for name, term in terms.items()}
        gradients.append((values, {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}))
    (fast_values, fast_grad), (slow_values, slow_grad) = gradients
    assert fast_values == pytest.approx(slow_values, rel=1e-5, abs=1e-6)
    for name, gradient in slow_grad.items():
        torch.testing.assert_close(fast_grad[name], gradient, rtol=1e-3, atol=1e-6)


def test_each_level_changes_what_it_should_and_nothing_else(world, recipe, table, student):
    """x changes all losses, y only L_ce, h only L_cos: without x the student's forward pass is the plain one."""
    batch = batch_of(world, recipe, table)
    arms = [FULL, *(mixing_arm(levels) for levels in SUBSETS)]
    supervision = supervise({"original": world.teacher.model}, batch, arms, recipe, CPU)
    _, plain = arm_losses(student, supervision, FULL, recipe)
    for levels in (("y",), ("h",), ("y", "h")):
        _, terms = arm_losses(student, supervision, mixing_arm(levels), recipe)
        changed = {name for name in terms if not torch.equal(terms[name], plain[name])}
        assert changed == {{"y": "ce", "h": "cos"}[level] for level in levels}
    _, terms = arm_losses(student, supervision, mixing_arm(("x",)), recipe)
    assert all(not torch.equal(terms[name], plain[name]) for name in terms)


def test_the_second_reading_is_made_once_over_the_rows_that_need_it(world, recipe, table):
    batch = batch_of(world, recipe, table, number=1)
    teacher, shapes, heads = world.teacher.model, [], []
    hooks = [
        teacher.bert.embeddings.register_forward_hook(lambda _, a, out: shapes.append(tuple(out.shape[:2]))),
        teacher.cls.predictions.transform.register_forward_hook(lambda _, a, out: heads.append(len(out))),
    ]

    def reads(*arms, counterpart="pass"):
        shapes.clear(), heads.clear()
        supervise({"original": teacher}, dataclasses.replace(batch, counterpart=counterpart), arms, recipe, CPU)
        return list(shapes), list(heads)

    whole, some = tuple(batch.corrupted.shape), tuple(batch.mixing.swapped.shape)
    n, m = len(batch.ce_rows), len(batch.mixing.ce_at)
    assert reads(FULL) == ([whole], [n])
    assert reads(FULL, mixing_arm(("x",))) == ([whole], [n])  # x̄ needs no teacher
    assert reads(FULL, *(mixing_arm(levels) for levels in SUBSETS)) == ([whole, some], [n, m, m])
    assert reads(mixing_arm(("h",), losses=("cos",))) == ([whole, some], [])
    assert reads(mixing_arm(("x", "y")), counterpart="vocabulary") == ([whole], [n, m])
    for hook in hooks:
        hook.remove()


def test_vocabulary_counterpart_in_the_loss(world, recipe, table, student):
    recipe = dataclasses.replace(recipe, ce_token_fraction=1.0)
    batch = batch_of(world, recipe, table, counterpart="vocabulary")
    arm = mixing_arm(("y",))
    supervision = supervise({"original": world.teacher.model}, batch, [arm], recipe, CPU)
    with torch.no_grad():
        logits = vocabulary_logits(
            world.teacher.model, last_hidden(world.teacher.model, batch.corrupted, batch.attention_mask)
        )
        flat = logits.flatten(0, 1)
        for at, own, other, male, lam in zip(*(getattr(batch.mixing, name).tolist() for name in
                                               ("at", "own", "counterpart", "male", "lam"))):  # fmt: skip
            weight = lam if male else 1 - lam
            here, there = float(flat[at, own]), float(flat[at, other])
            flat[at, own] = weight * here + (1 - weight) * there
            flat[at, other] = weight * there + (1 - weight) * here
        expected = F.softmax(flat[batch.ce_rows] / 2.0, dim=-1)
    torch.testing.assert_close(supervision.readings["original"].mixed_soft["y"].probs, expected, rtol=1e-4, atol=1e-6)


# --- in co-distillation ----------------------------------------------------------------------------------------------


def run(arms, world, recipe, store, seed=0, **options):
    setting = Setting(world.corpus, recipe, seed, store, CPU)
    return distill(arms, setting, teacher=world.teacher, progress=False, **options)


def same(a, b) -> bool:
    one, two = (load_file(folder / "model.safetensors") for folder in (a, b))
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_without_any_pair_word_a_mixing_arm_has_the_bits_of_the_plain_one(world, recipe, store):
    table = PairTable([Pair("xqz", "qxz", "line 1")], world.tokenizer)  # words that the corpus does not hold
    folders = run([FULL, mixing_arm(tuple(LEVELS))], world, recipe, store, mixup=Mixup(table))
    assert folders["full"] != folders["mixup-xyh"]
    assert same(*folders.values())


def test_every_subset_is_an_arm_of_its_own_and_has_the_same_bits_alone_or_beside_others(world, recipe, store, tmp_path):
    from fairkd.engine.store import Store

    arms = [FULL, *(mixing_arm(levels) for levels in SUBSETS)]
    beside = run(arms, world, recipe, store)
    folders = list(beside.values())
    assert not any(same(a, b) for i, a in enumerate(folders) for b in folders[:i])
    for arm in (arms[4], arms[-1]):
        alone = run([arm], world, recipe, Store(tmp_path / f"alone-{arm.name}"))
        assert same(alone[arm.name], beside[arm.name]), arm.name


def test_an_interrupted_run_with_mixup_ends_with_the_same_bits(world, recipe, tmp_path, monkeypatch):
    from fairkd.engine.store import Store

    arm = mixing_arm(tuple(LEVELS))
    whole = run([arm], world, recipe, Store(tmp_path / "whole"))
    original = MaskedBatches.__getitem__

    def stops(self, number):
        if number == 8:
            raise KeyboardInterrupt
        return original(self, number)

    store = Store(tmp_path / "stopped")
    monkeypatch.setattr(MaskedBatches, "__getitem__", stops)
    with pytest.raises(KeyboardInterrupt):
        run([arm], world, recipe, store)
    monkeypatch.setattr(MaskedBatches, "__getitem__", original)
    assert same(whole[arm.name], run([arm], world, recipe, store)[arm.name])


def test_keys_hold_what_mixup_depends_on_and_only_for_arms_that_mix(world, recipe, table):
    other = PairTable(appendix_c()[:3], world.tokenizer)

    def key(arm, pairs=table, **changes):
        mixup = Mixup(pairs, **changes) if pairs else None
        return student_key(arm, Setting(world.corpus, recipe, 0, world.store, CPU), teacher=world.teacher, mixup=mixup)

    changes = [{}, {"alpha": 1.0}, {"scope": "batch"}, {"counterpart": "vocabulary"}, {"pairs": other}]
    xy, x = mixing_arm(("x", "y")), mixing_arm(("x",))
    assert len({key(xy, **change) for change in changes}) == len(changes)
    assert len({key(FULL, **change) for change in changes}) == 1
    assert key(FULL, pairs=None) == key(FULL)
    assert key(x, counterpart="vocabulary") == key(x)  # x̄ needs no other reading
    assert len({key(mixing_arm(levels)) for levels in SUBSETS} | {key(FULL)}) == 8


def test_students_of_a_debiased_teacher_start_from_it_and_learn_from_it(world, recipe, store):
    from fairkd.engine.digests import weights_digest
    from fairkd.teachers.checkpoints import Teacher, from_scratch

    model = from_scratch(world.tokenizer, layers=3, hidden=32, max_length=64, initializer_range=0.1, seed=1)
    debiased = Teacher(model, world.tokenizer, weights_digest(model), world.teacher.tokenizer_digest, {"layers": 3})
    arm = Arm(name="debiased-teacher", layers=2, teacher="debiased")
    folders = run([FULL, arm], world, recipe, store, debiased=debiased)
    swapped_roles = distill([FULL], Setting(world.corpus, recipe, 0, store, CPU), teacher=debiased, progress=False)
    assert same(folders["debiased-teacher"], swapped_roles["full"])
    assert not same(folders["debiased-teacher"], folders["full"])
    with pytest.raises(InputError, match="no debiased teacher was given"):
        run([arm], world, recipe, store)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mix": []}, r"no mixup level given: name at least one of \['x', 'y', 'h'\], or leave the key out"),
        ({"mix": ["z"]}, r"mixup level 'z' is unknown; allowed are \['x', 'y', 'h'\]"),
        ({"mix": ["y"], "losses": ["mlm", "cos"]}, r"level 'y' changes nothing without the loss 'ce'"),
        ({"mix": ["h"], "losses": ["ce"]}, r"level 'h' changes nothing without the loss 'cos'"),
        ({"teacher": "debiased", "losses": ["mlm"]}, r"no loss that a teacher takes part in"),
        ({"teacher": "biased"}, r"teacher"),
    ],
)
def test_arms_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Arm(name="a", layers=1, **fields)


def test_hidden_states_cannot_be_mixed_from_the_vocabulary(world, recipe, store):
    mixup = Mixup(PairTable(appendix_c(), world.tokenizer), counterpart="vocabulary")
    with pytest.raises(InputError, match=r"counterpart: 'vocabulary' knows no hidden states.*'mixup-h'.*allowed is"):
        run([mixing_arm(("h",))], world, recipe, store, mixup=mixup)
