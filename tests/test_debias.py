"""Debiasing: the words found, the objective against literal loops, training, and what is stored."""

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertTokenizer

from fairkd.batches import MaskedBatches, Setting
from fairkd.debias import compare_predictions, debias, debias_key, train_debiased
from fairkd.engine.digests import weights_digest
from fairkd.engine.recipe import Recipe, learning_rate
from fairkd.engine.store import Store
from fairkd.engine.training import Learner
from fairkd.errors import DivergedError, InputError
from fairkd.masking import IGNORED
from fairkd.teachers import occurrences
from fairkd.teachers.adapt import heldout_batches, heldout_mlm_loss, log_unigram
from fairkd.teachers.checkpoints import from_scratch
from fairkd.teachers.debias_objective import Objective, Step, debias_loss
from fairkd.teachers.debias_recipe import DebiasRecipe
from fairkd.teachers.occurrences import KINDS, Batch, Lexicon, choose, epoch_rows, updates_an_epoch
from fairkd.teachers.wordlists import LIST_NAMES, WordLists
from fairkd.text.corpus import collate
from fairkd.text.generated import PROFESSIONS, TOPICS

CPU = torch.device("cpu")
WORDS = WordLists(female=("she", "nun", "aunt"), male=("he", "monk"), stereotype=("nurse", "abacus", "poetry"))
"""With the small vocabulary, "nun", "monk" and "abacus" are spelled in pieces of one letter."""
PLAIN = WordLists(
    female=("she", "her", "herself", "woman", "girl", "mother", "daughter", "sister", "aunt", "gal", "abbess"),
    male=("he", "him", "his", "himself", "man", "boy", "father", "son", "brother", "uncle", "guy", "abbot"),
    stereotype=(*PROFESSIONS, *(word.removeprefix("the ") for word in TOPICS)),
)
"""Words of the generated corpus, and two that do not occur in it."""
FAST = DebiasRecipe(learning_rate=1e-3, batch_size=16, epochs=2, sequences=40)
MASKS = Recipe(mlm_smoothing=0.0)


class Rows:
    """Sequences in memory, with what debiasing uses of :class:`fairkd.text.sequences.Sequences`."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = [np.array(row, dtype=np.int32) for row in rows]
        self.lengths = np.array([len(row) for row in rows], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices) -> list[np.ndarray]:
        return [self.rows[index] for index in indices]


@pytest.fixture
def small(world) -> SimpleNamespace:
    """Twelve short sequences of each kind and some of none, of several lengths, with repeated and multi-piece words."""
    tails = ("", "and the weather", "and the old town about which nobody spoke in the evening")
    texts = [f"{text} {tail}" for tail in tails for text in (
        "she met the nun and she met her", "the aunt was there with the nun", "the nun spoke of she", "aunt aunt",
        "he met the monk in the town", "he and he and the monk", "the monk knew more than the monk", "when he spoke",
        "the nurse spoke of poetry and poetry", "an abacus and the nurse", "poetry and the abacus", "the nurse knew",
        "she met the nurse and he met the nun", "nobody was in the village", "he she", "the abacus of the monk",
    )]  # fmt: skip
    sequences = Rows([world.tokenizer(text)["input_ids"] for text in texts])
    return SimpleNamespace(train=sequences, texts=texts)


def objective_of(world, corpus, words=WORDS, **recipe) -> Objective:
    setting = SimpleNamespace(corpus=corpus, seed=0, device=CPU)
    return Objective(world.teacher, setting, words=words, recipe=DebiasRecipe(**recipe))


def another_model(world):
    """The shape of the teacher with other weights: a teacher in the middle of debiasing."""
    return from_scratch(world.tokenizer, layers=3, hidden=32, max_length=64, initializer_range=0.15, seed=1)


# The literal form: one sequence at a time, without padding; word by word, layer by layer.


def literal_places(world, ids: list[int], words) -> list[tuple[str, list[int]]]:
    """Each word of ``words`` that stands in the sequence as a whole word, with the positions of its pieces."""
    tokens = world.tokenizer.convert_ids_to_tokens(ids)
    found, start = [], 0
    while start < len(tokens):
        end = start + 1
        while end < len(tokens) and tokens[end].startswith("##"):
            end += 1
        word = "".join(token.removeprefix("##") for token in tokens[start:end])
        if word in words:
            found.append((word, list(range(start, end))))
        start = end
    return found


@torch.no_grad()
def literal_states(model, ids, layers: str) -> list[torch.Tensor]:
    """(tokens, hidden) of each chosen layer."""
    states = model.bert(input_ids=torch.tensor([list(ids)]), output_hidden_states=True).hidden_states
    chosen = {"all": range(len(states)), "first": [0], "last": [len(states) - 1]}[layers]
    return [states[index][0] for index in chosen]


def literal_vectors(world, model, ids, words, layers: str) -> list[tuple[str, list[torch.Tensor]]]:
    """Each occurrence's vector at each layer: the mean of its pieces."""
    states = literal_states(model, ids, layers)
    return [
        (word, [sum(state[position] for position in positions) / len(positions) for state in states])
        for word, positions in literal_places(world, ids, words)
    ]


def literal_directions(world, model, objective: Objective, layers: str, *, per_gender: bool):
    """v: a list of vectors, one a layer, for each attribute word (or gender) that occurs."""
    collected: dict[str, list[list[torch.Tensor]]] = {}
    for kind in ("female", "male"):
        for row in objective.chosen.train[kind]:
            ids = objective.reader.sequences.rows[row]
            for word, vectors in literal_vectors(world, model, ids, {*WORDS.female, *WORDS.male}, layers):
                collected.setdefault(kind if per_gender else word, []).append(vectors)
    order = ("female", "male") if per_gender else (*WORDS.female, *WORDS.male)
    return [
        [sum(one[layer] for one in collected[name]) / len(collected[name]) for layer in range(len(collected[name][0]))]
        for name in order
    ]


def literal_debias_loss(
    world, model, sequences, directions, *, layers: str, target: str, square_of_mean: bool
) -> float:
    places = []
    for ids in sequences:
        if target == "sentence":
            states = literal_states(model, ids, layers)
            places += [[state[position] for state in states] for position in range(len(ids))]
        else:
            places += [vectors for _, vectors in literal_vectors(world, model, ids, WORDS.stereotype, layers)]
    products = [[float(v[layer] @ vectors[layer]) for vectors in places for layer in range(len(v))] for v in directions]
    if square_of_mean:
        return sum((sum(row) / len(row)) ** 2 for row in products)
    return sum(product**2 for row in products for product in row) / sum(map(len, products))


def literal_reg_loss(model, original, sequences, *, mean_over_units: bool) -> float:
    total, count = 0.0, 0
    for ids in sequences:
        for now, before in zip(literal_states(model, ids, "all"), literal_states(original, ids, "all")):
            for token in range(len(ids)):
                for unit in range(now.shape[1]):
                    total += float(now[token, unit] - before[token, unit]) ** 2
                    count += mean_over_units
                count += not mean_over_units
    return total / count


@pytest.mark.parametrize(
    ("layers", "target", "square_of_mean"),
    [
        ("all", "token", False),
        ("first", "token", False),
        ("last", "sentence", False),
        ("all", "token", True),
        ("last", "sentence", True),
    ],
)
def test_the_objective_equals_a_literal_loop_over_sequences_words_and_layers(
    world, small, layers, target, square_of_mean
):
    objective = objective_of(world, small, layers=layers, target=target, square_of_mean=square_of_mean)
    model = another_model(world)
    directions = objective.directions(model)
    literal = literal_directions(world, model, objective, layers, per_gender=square_of_mean)
    torch.testing.assert_close(directions, torch.stack([torch.stack(v) for v in literal]), rtol=1e-4, atol=1e-5)

    neutral = objective.chosen.train["neutral"]
    attribute = np.concatenate([objective.chosen.train["female"], objective.chosen.train["male"]])
    assert len(set(small.train.lengths[neutral])) > 3  # padding is present
    step = Step(objective.read_neutral(neutral), objective.read_attribute(attribute), directions)
    terms = objective.terms(model, step)
    expected = literal_debias_loss(
        world, model, small.train[neutral], literal,
        layers=layers, target=target, square_of_mean=square_of_mean,
    )  # fmt: skip
    assert terms["debias"].item() == pytest.approx(expected, rel=1e-4)
    assert terms["reg"].item() == pytest.approx(
        literal_reg_loss(model, world.teacher.model, small.train[attribute], mean_over_units=square_of_mean), rel=1e-4
    )


def test_the_heldout_objective_is_the_mean_over_all_heldout_places_however_they_are_batched(world, small, monkeypatch):
    monkeypatch.setattr("fairkd.teachers.debias_objective.EVALUATION_BATCH", 1)
    objective, model = objective_of(world, small, alpha=0.3, beta=0.6), another_model(world)
    literal = literal_directions(world, model, objective, "all", per_gender=False)
    rows = objective.chosen.heldout
    options = {"layers": "all", "target": "token", "square_of_mean": False}
    debias = literal_debias_loss(world, model, small.train[rows["neutral"]], literal, **options)
    attribute = small.train[[*rows["female"], *rows["male"]]]
    assert len({len(ids) for ids in attribute}) > 1
    reg = literal_reg_loss(model, world.teacher.model, attribute, mean_over_units=False)
    expected = {"debias": debias, "reg": reg, "objective": 0.3 * debias + 0.6 * reg}
    assert objective.heldout(model, objective.directions(model)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("target", ["token", "sentence"])
def test_more_padding_changes_nothing(world, small, target):
    objective, model = objective_of(world, small, target=target), another_model(world)
    rows = objective.chosen.train["neutral"]
    batch, directions = objective.read_neutral(rows), objective.directions(model)
    wide = collate([*small.train[rows], np.zeros(40, np.int32)], world.tokenizer.pad_token_id)
    ids, mask = (tensor[:-1] for tensor in wide)
    assert ids.shape[1] > batch.input_ids.shape[1] + 5
    row, column = batch.spans.at // batch.input_ids.shape[1], batch.spans.at % batch.input_ids.shape[1]
    padded = Batch(ids, mask, dataclasses.replace(batch.spans, at=row * ids.shape[1] + column))
    for term in (lambda b: objective.debias_term(model, b, directions), lambda b: objective.reg_term(model, b)):
        torch.testing.assert_close(term(padded), term(batch), rtol=1e-4, atol=1e-5)
    found = objective.lexicon.find(ids)
    stereotype = objective.lexicon.kind[found.word] == LIST_NAMES.index("stereotype")
    if target == "token":
        assert found.only(stereotype).at.tolist() == padded.spans.at.tolist()


def test_reg_loss_of_the_original_is_zero(world, small):
    objective = objective_of(world, small)
    assert objective.reg_term(world.teacher.model, objective.read_attribute(objective.chosen.train["male"])).item() == 0
    assert objective.reg_term(another_model(world), objective.read_attribute(np.array([0, 1]))).item() > 0


@pytest.mark.parametrize(("layers", "target"), [("all", "token"), ("last", "sentence")])
def test_an_update_that_is_read_in_parts_has_the_losses_and_gradients_of_one_that_is_read_at_once(
    world, small, monkeypatch, layers, target
):
    objective = objective_of(world, small, layers=layers, target=target, alpha=0.3, beta=0.6)
    directions = objective.directions(another_model(world))
    neutral = objective.chosen.train["neutral"]
    attribute = np.concatenate([objective.chosen.train["female"], objective.chosen.train["male"]])

    def update() -> tuple[int, dict[str, float], dict[str, torch.Tensor]]:
        model = another_model(world)
        learner = Learner(
            name="", model=model, losses=objective.loss, recipe=objective.recipe.optimisation(), folder=Path()
        )
        steps = objective.steps(neutral, attribute, directions)
        for step in steps:
            learner.backward(step, 0, CPU, batches=1 / len(steps))
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        learner.step(4)
        learner.read(1.0)
        return len(steps), learner.metrics[0], gradients

    parts, whole, gradients = update()
    assert parts == 1
    monkeypatch.setattr("fairkd.teachers.debias_objective.PASS_TOKENS", 30)
    parts, in_parts, summed = update()
    lengths = objective.lengths
    assert parts >= 3
    assert len({lengths[rows].sum() for rows in np.array_split(attribute, parts)}) > 1  # the shares differ
    assert in_parts == pytest.approx(whole, rel=1e-5)
    assert summed.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(summed[name], gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max() + 1))

    monkeypatch.setattr("fairkd.teachers.debias_objective.PASS_TOKENS", 1)
    assert len(objective.steps(neutral[:2], attribute, directions)) == 2  # none is without a sequence
    form = objective_of(world, small, square_of_mean=True)
    assert len(form.steps(neutral, attribute, form.directions(another_model(world)))) == 1


def test_square_of_mean_lets_opposite_products_cancel():
    """What the article's objective does not allow: two vectors on opposite sides of a direction cost nothing."""
    vectors, direction = torch.tensor([[[1.0, 2.0]], [[-1.0, 2.0]]]), torch.tensor([[[3.0, 0.0]]])
    assert float(debias_loss(vectors, direction, square_of_mean=True)) == 0
    assert float(debias_loss(vectors, direction, square_of_mean=False)) == 9


def test_gradient_reaches_the_embeddings_but_not_the_mlm_head(world, small):
    objective, model = objective_of(world, small), another_model(world)
    step = Step(
        objective.read_neutral(np.array([8])), objective.read_attribute(np.array([0])), objective.directions(model)
    )
    sum(objective.terms(model, step).values()).backward()
    assert all(p.grad is None for p in model.cls.predictions.transform.parameters())
    assert model.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in objective.original.parameters())


# Words and sequences.


def test_words_are_found_where_they_stand_with_all_their_pieces(world):
    ids = torch.tensor([world.tokenizer("The nun, she and the abacus; nunn heh.")["input_ids"]])
    lexicon = Lexicon(WORDS, world.tokenizer)
    spans = lexicon.find(ids)
    tokens = world.tokenizer.convert_ids_to_tokens(ids[0])
    places = [[tokens[at] for at, span in zip(spans.at, spans.span) if span == number] for number in range(3)]
    assert places == [["n", "##u", "##n"], ["she"], ["a", "##b", "##a", "##c", "##u", "##s"]]
    assert spans.pieces.tolist() == [3, 1, 6]
    assert [lexicon.words[word] for word in spans.word] == ["nun", "she", "abacus"]
    assert [LIST_NAMES[lexicon.kind[word]] for word in spans.word] == ["female", "female", "stereotype"]


def cased_tokenizer(words: str):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, do_lower_case=False)


def test_words_that_the_vocabulary_cannot_spell_are_left_out():
    tokenizer = cased_tokenizer("she She HE he nurse")
    lexicon = Lexicon(WORDS, tokenizer)
    assert lexicon.words == ["she", "he", "nurse"]
    assert lexicon.left_out == {"female": ["nun", "aunt"], "male": ["monk"], "stereotype": ["abacus", "poetry"]}
    ids = torch.tensor([tokenizer("She he HE nurse", add_special_tokens=False)["input_ids"]])
    assert [lexicon.words[word] for word in lexicon.find(ids).word] == ["she", "he", "nurse"]  # HE is no form of he
    with pytest.raises(InputError, match="can represent no word of the list male"):
        Lexicon(WORDS, cased_tokenizer("she nurse"))


def test_words_of_two_lists_that_the_tokenizer_writes_alike_are_refused(world):
    lists = WordLists(female=("mère",), male=("he", "mere"), stereotype=("nurse",))
    with pytest.raises(InputError, match=r"writes 'mere' \(male\) and 'mère' \(female\) in the same way"):
        Lexicon(lists, world.tokenizer)


def kind_by_words(text: str) -> str | None:
    words = set(text.split())
    female, male, stereotype = (bool(words & set(getattr(WORDS, name))) for name in LIST_NAMES)
    if female != male:
        return "female" if female else "male"
    return "neutral" if stereotype and not female else None


def test_sequences_are_of_the_kind_that_their_words_say_and_none_is_trained_on_and_held_out(world, small):
    chosen = choose(small.train, Lexicon(WORDS, world.tokenizer), most=None)
    for kind in KINDS:
        expected = {row for row, text in enumerate(small.texts) if kind_by_words(text) == kind}
        train, heldout = set(chosen.train[kind].tolist()), set(chosen.heldout[kind].tolist())
        assert train | heldout == expected
        assert not train & heldout
        assert len(heldout) == 2
        assert chosen.found[kind] == len(expected) >= 10
    assert chosen.found["both genders"] == 6
    assert chosen.scanned == len(small.texts)


def test_a_limit_takes_a_sample_that_a_higher_limit_extends_and_ends_the_search(world, monkeypatch):
    monkeypatch.setattr(occurrences, "SEARCHED", 16)
    lexicon = Lexicon(PLAIN, world.tokenizer)

    def chosen(most):
        return choose(world.corpus.train, lexicon, most=most)

    def rows(one, kind):
        return [*one.heldout[kind].tolist(), *one.train[kind].tolist()]

    few, more, every = chosen(12), chosen(24), chosen(None)
    assert few.scanned < more.scanned < every.scanned == len(world.corpus.train)
    for kind in KINDS:
        assert rows(few, kind) == rows(more, kind)[:12] == rows(every, kind)[:12]
        assert rows(few, kind) == rows(chosen(12), kind)
        assert len(rows(more, kind)) == 24
        assert len(rows(every, kind)) == every.found[kind]
        assert max(rows(few, kind)) > len(world.corpus.train) / 2  # a sample of all, not the first that come


def test_too_few_sequences_say_of_which_kind_and_what_to_do(world, small):
    lexicon = Lexicon(dataclasses.replace(WORDS, male=("he",), female=("aunt",)), world.tokenizer)
    short = Rows(small.train.rows[:20])
    with pytest.raises(InputError, match=r"10 sequences.*of the corpus's 20, \d hold female.*Use a larger corpus"):
        choose(short, lexicon, most=None)
    with pytest.raises(InputError, match="debias_sequences: 9 must be 10 or more"):
        choose(small.train, lexicon, most=9)


def test_an_epoch_uses_no_sequence_twice_and_half_female_half_male_ones(world):
    lexicon = Lexicon(PLAIN, world.tokenizer)
    chosen, lengths = choose(world.corpus.train, lexicon, most=40), world.corpus.train.lengths
    seen = []
    for number in range(2):
        updates = list(epoch_rows(chosen, lengths, 8, number))
        neutral, attribute = (np.concatenate(part) for part in zip(*updates))
        assert len(updates) == updates_an_epoch(chosen, 8) == len(chosen.train["neutral"]) // 8 == 4
        assert len(set(neutral)) == len(neutral) == 4 * 8
        assert len(set(attribute)) == len(attribute) == 4 * 8
        assert set(neutral) <= set(chosen.train["neutral"])
        for _, rows in updates:
            assert [len(set(rows) & set(chosen.train[kind])) for kind in ("female", "male")] == [4, 4]
        seen.append([rows.tolist() for rows, _ in updates])
    assert seen[0] != seen[1]
    assert updates_an_epoch(chosen, 1000) == 1
    (everything,) = epoch_rows(chosen, lengths, 1000, 0)
    assert sorted(everything[0]) == sorted(chosen.train["neutral"])


def test_debiasing_of_a_single_update_changes_weights():
    """It has no warm-up, so that its first update has the full learning rate."""
    assert learning_rate(0, 1, FAST.optimisation()) == FAST.learning_rate > 0


# Training and the store.


def debiased(world, store, **options):
    given = {"words": PLAIN, "recipe": FAST, "progress": False}
    return debias(world.teacher, Setting(world.corpus, MASKS, 0, store, CPU), **(given | options))


@pytest.fixture(scope="module")
def result(world, tmp_path_factory) -> SimpleNamespace:
    store = Store(tmp_path_factory.mktemp("debiased"))
    return SimpleNamespace(store=store, teacher=debiased(world, store))


def test_debiasing_moves_inner_products_towards_zero_on_sequences_it_did_not_see(world, result):
    record = result.teacher.record["debias"]
    history = record["heldout_objective"]
    assert history[0]["reg"] == 0
    assert history[record["epoch_kept"]]["debias"] < 0.8 * history[0]["debias"]
    objective = objective_of(world, world.corpus, PLAIN, **dataclasses.asdict(FAST))
    model = result.teacher.model
    assert objective.heldout(model, objective.directions(model)) == pytest.approx(history[record["epoch_kept"]])
    original = world.teacher.model
    assert objective.heldout(original, objective.directions(original)) == pytest.approx(history[0])


def test_the_record_is_plain_and_says_what_was_found_and_done(world, result):
    record = json.loads(json.dumps(result.teacher.record))
    about = record.pop("debias")
    assert record == world.teacher.record
    assert about["epochs_run"] == len(about["heldout_objective"]) - 1 <= FAST.epochs
    assert about["sequences_trained"] == dict.fromkeys(KINDS, 36)
    assert about["sequences_heldout"] == dict.fromkeys(KINDS, 4)
    assert about["updates"] == 2 * 36 // 16 == 4
    chosen = choose(world.corpus.train, Lexicon(PLAIN, world.tokenizer), most=FAST.sequences)
    for name in LIST_NAMES:
        words = about["words"][name]
        assert words["listed"] == len(getattr(PLAIN, name))
        assert words["used"] + words["not_in_training_sequences"] + len(words["not_in_vocabulary"]) == words["listed"]
        kind = name if name != "stereotype" else "neutral"
        texts = world.tokenizer.batch_decode(world.corpus.train[chosen.train[kind]])
        assert (
            words["used"]
            == len(set(re.findall(r"\w+", " ".join(texts))) & set(map(str.lower, getattr(PLAIN, name))))
            > 5
        )
        assert words["not_in_vocabulary"] == []
    assert about["heldout_kl"] > 0
    unigram = log_unigram(world.corpus.token_counts, len(world.tokenizer))
    assert about["heldout_unigram_loss"] < -float(unigram.min())


def test_the_record_says_what_the_updates_read(world, store, monkeypatch):
    read: list[np.ndarray] = []

    def recorded(original):
        def reads(self, rows):
            read.append(rows)
            return original(self, rows)

        return reads

    for name in ("read_neutral", "read_attribute"):
        monkeypatch.setattr(Objective, name, recorded(getattr(Objective, name)))
    about = debiased(world, store).record["debias"]
    rows = np.concatenate(read)
    assert about["sequences_read"] == len(rows) == about["updates"] * 2 * FAST.batch_size
    assert about["tokens_read"] == int(world.corpus.train.lengths[rows].sum())


def test_the_original_teacher_is_left_as_it_was(world, result):
    assert weights_digest(world.teacher.model) == world.teacher.digest != result.teacher.digest
    assert all(p.requires_grad for p in world.teacher.model.parameters())
    assert result.teacher.digest == weights_digest(result.teacher.model)
    before, after = world.teacher.model.cls.predictions, result.teacher.model.cls.predictions
    assert torch.equal(before.transform.dense.weight, after.transform.dense.weight)
    assert not torch.equal(before.decoder.weight, after.decoder.weight)  # tied to the word embeddings


@torch.no_grad()
def test_figures_of_the_predictions_equal_their_literal_forms(world, result):
    original, other = world.teacher.model, result.teacher.model
    batches = MaskedBatches(Setting(world.corpus, MASKS, 0, world.store, CPU), world.tokenizer)
    figures = compare_predictions(original, other, world.corpus, batches)
    assert figures.items() <= result.teacher.record["debias"].items()
    for name, model in (("before", original), ("after", other)):
        expected = heldout_mlm_loss(model, world.corpus, batches)
        assert figures[f"heldout_mlm_loss_{name}"] == pytest.approx(expected, rel=1e-5)
    kl, guess, count = 0.0, 0.0, 0
    unigram = log_unigram(world.corpus.token_counts, len(world.tokenizer))
    for batch in heldout_batches(world.corpus, batches):
        p, q = (
            m(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits.softmax(-1)
            for m in (original, other)
        )
        for row, column in (batch.labels != IGNORED).nonzero().tolist():
            kl += float((p[row, column] * (p[row, column] / q[row, column]).log()).sum())
            guess -= float(unigram[batch.labels[row, column]])
            count += 1
    assert figures["heldout_kl"] == pytest.approx(kl / count, rel=1e-3)
    assert figures["heldout_unigram_loss"] == pytest.approx(guess / count, rel=1e-5)
    assert compare_predictions(original, original, world.corpus, batches)["heldout_kl"] == pytest.approx(0, abs=1e-6)


def test_a_second_call_does_no_work(world, result, monkeypatch):
    monkeypatch.setattr("fairkd.debias.Objective", lambda *a, **k: pytest.fail("worked again"))
    again = debiased(world, result.store)
    assert (again.digest, again.record) == (result.teacher.digest, result.teacher.record)
    assert weights_digest(again.model) == again.digest
    key = debias_key(world.teacher, Setting(world.corpus, MASKS, 0, result.store, CPU), words=PLAIN, recipe=FAST)
    folder = result.store.find(key)
    assert len(pd.read_parquet(folder / "metrics.parquet")) == again.record["debias"]["updates"]


def test_an_interrupted_debiasing_leaves_nothing_and_starts_again_with_the_same_bits(world, result, store, monkeypatch):
    calls = []

    def stops(self, model, step):
        calls.append(step)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, model, step)

    original = Objective.terms
    with monkeypatch.context() as patch:
        patch.setattr(Objective, "terms", stops)
        with pytest.raises(KeyboardInterrupt):
            debiased(world, store)
    assert [path.name for path in store.root.iterdir()] == ["locks"]
    torch.rand(3)  # the global generator must not matter
    again = debiased(world, store)
    assert (again.digest, again.record) == (result.teacher.digest, result.teacher.record)


def test_the_best_epoch_is_kept_and_the_first_that_is_worse_is_the_last(world, monkeypatch):
    objective = objective_of(world, world.corpus, PLAIN, **{**dataclasses.asdict(FAST), "epochs": 5})
    values, seen = iter([9.0, 5.0, 4.0, 6.0, 1.0]), []
    model = another_model(world)

    def heldout(_, __):
        seen.append(weights_digest(model))
        return {"debias": 0.0, "reg": 0.0, "objective": next(values)}

    monkeypatch.setattr(objective, "heldout", heldout)
    history, metrics = train_debiased(objective, model, progress=False)
    assert [one["objective"] for one in history] == [9, 5, 4, 6]
    assert weights_digest(model) == seen[2]
    assert len(set(seen)) == 4
    assert len(metrics) == 3 * updates_an_epoch(objective.chosen, FAST.batch_size)
    assert metrics["learning_rate"].is_monotonic_decreasing
    assert metrics["learning_rate"][0] == FAST.learning_rate


def test_a_learning_rate_that_makes_it_worse_is_an_error_and_nothing_is_stored(world, store, monkeypatch):
    values = iter([1.0, 2.0])
    worse = lambda *_: {"debias": 0.0, "reg": 0.0, "objective": next(values)}  # noqa: E731
    monkeypatch.setattr(Objective, "heldout", worse)
    with pytest.raises(InputError, match=r"debias_learning_rate: 0.001 made .* worse in the first epoch \(1 to 2\)"):
        debiased(world, store)
    assert [path.name for path in store.root.iterdir()] == ["locks"]


def test_a_loss_that_is_not_finite_is_an_error(world, store, monkeypatch):
    original = Objective.debias_term
    monkeypatch.setattr(Objective, "debias_term", lambda *a: original(*a) * float("nan"))
    with pytest.raises(DivergedError, match="debiasing: debias is not finite at step 1"):
        debiased(world, store)


def test_too_small_a_corpus_is_refused_before_training(world, store):
    words = WordLists(female=("she",), male=("abbot",), stereotype=("nurse",))
    with pytest.raises(InputError, match=r"\b0 male words only"):
        debiased(world, store, words=words)


def test_the_key_sees_all_that_the_result_depends_on(world, monkeypatch):
    def key(device=CPU, words=WORDS, masks=MASKS, teacher=world.teacher, corpus=world.corpus, **changes):
        recipe = dataclasses.replace(FAST, **changes)
        return debias_key(teacher, Setting(corpus, masks, 0, world.store, device), words=words, recipe=recipe)

    others = [
        key(torch.device("cuda", 0)),
        key(words=dataclasses.replace(WORDS, male=("he",))),
        key(masks=dataclasses.replace(MASKS, mlm_mask_prop=0.3)),
        key(teacher=dataclasses.replace(world.teacher, digest="0")),
        key(corpus=dataclasses.replace(world.corpus, digest="0")),
        *(key(**change) for change in (
            {"layers": "last"}, {"target": "sentence"}, {"alpha": 0.3}, {"beta": 0.7}, {"learning_rate": 2e-3},
            {"batch_size": 8}, {"epochs": 1}, {"sequences": None}, {"square_of_mean": True},
        )),
    ]  # fmt: skip
    assert len({key(), *others}) == len(others) + 1
    monkeypatch.setattr("fairkd.debias.PASS_TOKENS", FAST.batch_size * int(world.corpus.train.lengths.max()) - 1)
    in_parts = key()
    assert in_parts not in others  # its sums round otherwise
    monkeypatch.setattr("fairkd.debias.PASS_TOKENS", FAST.batch_size * int(world.corpus.train.lengths.max()))
    assert key() != in_parts
    assert key() == key(masks=dataclasses.replace(MASKS, temperature=7.0, learning_rate=1.0))
