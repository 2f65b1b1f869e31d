"""What a training reads: counted from its setting, equal to a literal count over the batches that models were given."""

import dataclasses
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from fairkd import frames
from fairkd.arms import Arm
from fairkd.batches import MaskedBatches, Setting, TextRead, batches_taken, text_read, words_met
from fairkd.distill import distill
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.gender import PAIRS, PairTable, appendix_c
from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.teachers.adapt import adaptation_recipe, prepare
from fairkd.teachers.checkpoints import Checkpoint
from fairkd.text.corpus import batches

CPU = torch.device("cpu")
ARMS = [Arm(name="full", layers=2), Arm(name="mlm-only", layers=1, losses=("mlm",))]
RECIPES = {
    "whole epochs": {"n_epoch": 2},
    "part of an epoch": {"n_epoch": 1, "max_steps": 3},
    "one epoch and a part": {"n_epoch": 3, "max_steps": 11},
    "windows that do not divide an epoch": {"n_epoch": 2, "gradient_accumulation_steps": 3},
}
each_recipe = pytest.mark.parametrize("values", RECIPES.values(), ids=RECIPES)


@pytest.fixture
def given_batches(monkeypatch) -> list[tuple[int, int]]:
    """(sequences, tokens) of each batch that is handed to models from now on."""
    original, seen = MaskedBatches.__getitem__, []

    def counts(self, number):
        batch = original(self, number)
        seen.append((len(batch.input_ids), int(batch.attention_mask.sum())))
        return batch

    monkeypatch.setattr(MaskedBatches, "__getitem__", counts)
    return seen


def of_eight(world, **values) -> Recipe:
    """Eight batches an epoch, the last one smaller."""
    return Recipe(batch_size=-(-len(world.corpus.train) // 8), checkpoint_every=2, learning_rate=1e-3, **values)


def totals(seen) -> dict[str, int]:
    return {"sequences_read": sum(n for n, _ in seen), "tokens_read": sum(t for _, t in seen)}


# --- sequences and tokens --------------------------------------------------------------------------------------------


@each_recipe
def test_the_manifest_of_a_student_says_what_its_training_was_given(world, tmp_path, given_batches, values):
    setting = Setting(world.corpus, of_eight(world, **values), 5, Store(tmp_path), CPU)
    folders = distill(ARMS, setting, teacher=world.teacher, progress=False)
    assert totals(given_batches) == text_read(setting).record()
    for folder in folders.values():
        assert totals(given_batches).items() <= Store.manifest(folder).items()


def test_a_resumed_training_has_read_what_an_uninterrupted_one_has(world, tmp_path, monkeypatch, given_batches):
    class Stopped(Exception):
        pass

    setting = Setting(world.corpus, of_eight(world, n_epoch=2), 0, Store(tmp_path), CPU)
    counting = MaskedBatches.__getitem__

    def stops(self, number):
        if number == 11:
            raise Stopped
        return counting(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(MaskedBatches, "__getitem__", stops)
        with pytest.raises(Stopped):
            distill(ARMS, setting, teacher=world.teacher, progress=False)
    given_batches.clear()
    folders = distill(ARMS, setting, teacher=world.teacher, progress=False)
    manifest = Store.manifest(folders["full"])
    assert manifest["resumed_from_step"] == 10
    assert len(given_batches) == 6  # this process saw only the rest, the student everything
    assert (manifest["sequences_read"], manifest["tokens_read"]) == (
        2 * len(world.corpus.train),
        2 * int(world.corpus.train.lengths.sum()),
    )


@given(
    lengths=st.lists(st.integers(12, 512), min_size=8, max_size=60),
    batch_size=st.integers(1, 8),
    n_epoch=st.integers(1, 4),
    window=st.integers(1, 5),
    max_steps=st.none() | st.integers(1, 30),
    seed=st.integers(0, 3),
)
@example(lengths=[12] * 7, batch_size=2, n_epoch=2, window=3, max_steps=None, seed=0)
def test_reading_is_a_literal_count_of_any_training(lengths, batch_size, n_epoch, window, max_steps, seed):
    recipe = Recipe(batch_size=batch_size, n_epoch=n_epoch, gradient_accumulation_steps=window, max_steps=max_steps)
    with suppress(InputError):  # nothing would be trained; what is said then has a test of its own
        recipe.schedule(len(lengths))
        assert text_read_is_the_literal_count(lengths, recipe, seed)


def text_read_is_the_literal_count(lengths, recipe, seed):
    corpus = SimpleNamespace(train=SimpleNamespace(lengths=np.array(lengths, dtype=np.int32)))
    setting = Setting(corpus, recipe, seed, None, None)
    sequences, tokens, epoch, left = 0, 0, 0, []
    for _ in range(batches_taken(setting)):
        if not left:
            left = batches(corpus.train.lengths, recipe.batch_size, seed=seed, epoch=epoch)
            epoch += 1
        batch = left.pop(0)
        sequences += len(batch)
        tokens += sum(lengths[index] for index in batch)
    return text_read(setting) == TextRead(sequences, tokens)


def test_tokens_of_a_large_corpus_do_not_overflow():
    lengths = np.full(5_000_000, 512, dtype=np.int32)
    setting = Setting(SimpleNamespace(train=SimpleNamespace(lengths=lengths)), Recipe(n_epoch=3), 0, None, None)
    assert text_read(setting) == TextRead(15_000_000, 7_680_000_000)


def test_whole_epochs_are_counted_without_their_order(monkeypatch):
    monkeypatch.setattr("fairkd.batches.batches", lambda *a, **k: pytest.fail("made an order of the corpus"))
    corpus = SimpleNamespace(train=SimpleNamespace(lengths=np.array([20, 30, 40])))
    assert text_read(Setting(corpus, Recipe(batch_size=2, n_epoch=5), 0, None, None)) == TextRead(15, 450)


def test_the_record_of_an_adapted_teacher_says_what_it_was_given(world, tmp_path, given_batches):
    recipe = adaptation_recipe(of_eight(world), steps=10, batch_size=of_eight(world).batch_size, learning_rate=1e-3)
    setting = Setting(world.corpus, recipe, 0, Store(tmp_path), CPU)
    checkpoint = Checkpoint(world.teacher.model, world.tokenizer, has_mlm_head=False, source="scratch")
    teacher = prepare(checkpoint, setting, adapt="auto", progress=False)
    assert totals(given_batches).items() <= teacher.record.items()
    (path,) = tmp_path.glob("*/manifest.json")
    assert Store.manifest(path.parent)["record"] == teacher.record
    given_batches.clear()
    again = prepare(checkpoint, dataclasses.replace(setting, store=Store(tmp_path)), adapt="auto", progress=False)
    assert (again.record, given_batches) == (teacher.record, [])
    sound = dataclasses.replace(checkpoint, has_mlm_head=True)
    untouched = prepare(sound, setting, adapt="auto", progress=False).record
    assert untouched["adaptation_steps"] == 0
    assert not {"sequences_read", "tokens_read"} & untouched.keys()


# --- gender words ----------------------------------------------------------------------------------------------------


def words_in(tokenizer, ids, corrupted) -> list[tuple[str, bool, list[int]]]:
    """Each word of a sequence, whether all of it is visible in the corrupted ids, and the places of its pieces."""
    pieces, found = tokenizer.convert_ids_to_tokens(ids), []
    for place, piece in enumerate(pieces):
        same = bool(ids[place] == corrupted[place])
        if piece.startswith("##") and found:
            word, visible, places = found.pop()
            found.append((word + piece.removeprefix("##"), visible and same, [*places, place]))
        else:
            found.append((piece, same, [place]))
    return found


def literal_words_met(setting, tokenizer, pairs, taken) -> pd.DataFrame:
    """Word by word: met and visible, female and male, and visible with a piece among the rows of L_ce."""
    names = ["met_female", "met_male", "visible_female", "visible_male", "taught"]
    counts = pd.DataFrame(0, index=[female for female, _ in pairs], columns=names)
    of = {word.lower(): (female, sex) for female, male in pairs for word, sex in ((female, "female"), (male, "male"))}
    read = MaskedBatches(setting, tokenizer)
    for number in range(taken):
        batch = read[number]
        rows, width = set(batch.ce_rows.tolist()), batch.input_ids.shape[1]
        for row, (ids, corrupted) in enumerate(zip(batch.input_ids, batch.corrupted, strict=True)):
            for word, visible, places in words_in(tokenizer, ids, corrupted):
                if word in of:
                    pair, sex = of[word]
                    counts.loc[pair, f"met_{sex}"] += 1
                    counts.loc[pair, f"visible_{sex}"] += visible
                    counts.loc[pair, "taught"] += visible and any(row * width + place in rows for place in places)
    return counts


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_words_met_are_a_literal_count_over_the_batches_of_the_training(world, fraction):
    table = PairTable(appendix_c(), world.tokenizer)
    values = {"n_epoch": 3, "max_steps": 11, "ce_token_fraction": fraction, "mlm_mask_prop": 0.4}
    setting = Setting(world.corpus, of_eight(world, **values), 3, world.store, CPU)
    found = words_met(setting, world.tokenizer, table)
    expected = literal_words_met(setting, world.tokenizer, PAIRS, 11)
    pd.testing.assert_frame_equal(found.set_index("female")[list(expected)], expected, check_names=False)
    assert list(found) == frames.WORDS_MET
    assert set(found.batches_counted) == set(found.batches_read) == {11}
    assert set(found.seed) == {3}
    sums = found[list(expected)].sum()
    assert sums.met_female > sums.visible_female > 0
    assert (sums.taught == sums.visible_female + sums.visible_male) == (fraction == 1.0)


def test_masks_hide_words_as_often_as_training_hides_them(world):
    table = PairTable(appendix_c(), world.tokenizer)
    recipes = [of_eight(world, mlm_mask_prop=share) for share in (0.05, 0.8)]
    settings = [Setting(world.corpus, recipe, 0, world.store, CPU) for recipe in recipes]
    few, many = (words_met(setting, world.tokenizer, table) for setting in settings)
    met = ["met_female", "met_male"]
    assert few[met].equals(many[met])
    assert few.visible_male.sum() > 2 * many.visible_male.sum()


def test_a_long_training_is_counted_in_its_first_batches(world):
    table = PairTable(appendix_c(), world.tokenizer)
    setting = Setting(world.corpus, of_eight(world, n_epoch=100), 0, world.store, CPU)
    read = MaskedBatches(setting, world.tokenizer)
    three = sum(read[number].tokens for number in range(3))
    found = words_met(setting, world.tokenizer, table, most=three)
    assert set(found.batches_counted) == {3}
    assert set(found.batches_read) == {800}
    expected = literal_words_met(setting, world.tokenizer, PAIRS, 3)
    pd.testing.assert_frame_equal(found.set_index("female")[list(expected)], expected, check_names=False)


# --- the quick profile's own corpus ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Materials:
    """Its corpus is made in seconds; nothing is trained."""
    folder = str(tmp_path_factory.mktemp("quick"))
    return Materials(Profile.load("quick").changed(store_dir=folder, device="cpu"), progress=False)


def test_students_of_quick_read_144_sequences_and_13994_tokens_of_548745(quick):
    """Of the first seed, in 12 updates; it was 17,321 in 16."""
    setting = quick.setting(0)
    assert text_read(setting) == TextRead(144, 13_994)
    train = quick.corpus.manifest["splits"]["train"]
    assert (train["sequences"], train["tokens"]) == (6_802, 548_745)
    assert pytest.approx(2.55, abs=0.005) == 100 * 13_994 / 548_745
    read = MaskedBatches(setting, quick.checkpoint.tokenizer)
    literal = [(len(read[n].input_ids), int(read[n].attention_mask.sum())) for n in range(12)]
    assert totals(literal) == text_read(setting).record()
    assert text_read(quick.teacher_setting) == TextRead(2_000, 161_256)


def test_students_of_quick_meet_120_gender_words_and_115_stay_visible(quick):
    found = quick.words_met(0)
    expected = literal_words_met(quick.setting(0), quick.checkpoint.tokenizer, PAIRS, 12)
    pd.testing.assert_frame_equal(found.set_index("female")[list(expected)], expected, check_names=False)
    assert found[["met_female", "met_male"]].to_numpy().sum() == 120
    assert found[["visible_female", "visible_male"]].to_numpy().sum() == 115
    assert found.taught.sum() == 24  # L_ce looks at 15 % of the tokens
    assert quick.pair_counts[["n_female", "n_male"]].to_numpy().sum() == 4_425
    assert quick.words_met(0).equals(found)
