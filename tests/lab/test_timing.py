"""A plan from batches that are timed: what is timed, and how it is added up."""

import itertools

import pytest

from fairkd import InputError, Profile
from fairkd.batches import text_read
from fairkd.engine.training import Learner
from fairkd.lab import timing
from fairkd.lab.estimate import TextSize
from fairkd.lab.timing import Timed, measured_seconds

TEXT = TextSize(sequences=960, tokens=9_600)


@pytest.fixture
def tiny(tmp_path) -> Profile:
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    return Profile.load("tiny").changed(max_steps=None, batch_size=8, n_epoch=2, device="cpu", **places)


def side_by_side(function, calls, *, here, processes):
    assert not here
    assert processes == timing.shared_out.__globals__["workers"]()
    return [function(*call) for call in calls]


@pytest.mark.parametrize(
    ("seeds", "cores", "halves"), [([0], 2, 1), ([0, 1], 2, 1), ([0, 1, 2], 2, 2), ([0, 1, 2], 4, 4)]
)
def test_seconds_are_those_of_every_piece_shared_by_the_processes(tiny, monkeypatch, seeds, cores, halves):
    """A token takes a microsecond an arm, an update's end a millisecond, a beginning and a checkpoint ten.

    There are 120 batches of 80 tokens, twice, in 60 updates with a checkpoint after each 25; a process begins in 8
    seconds where there are several.
    """
    called: list[int] = []

    def timed(profile, arms, text):
        called.append(len(arms))
        return Timed(
            1e-6 * len(arms), 1e-3 * len(arms), start=7.0 + len(called), setup=1e-2 * len(arms), save=1e-2 * len(arms)
        )

    monkeypatch.setattr(timing, "_timed", timed)
    monkeypatch.setattr(timing, "side_by_side", side_by_side)
    for module in (timing, timing.shared_out.__globals__):
        monkeypatch.setitem(module if isinstance(module, dict) else vars(module), "workers", lambda: cores)
    profile = tiny.changed(seeds=seeds, gradient_accumulation_steps=4, checkpoint_every=25)
    arms = len({str(arm.content()) for arm in profile.all_arms()})
    one = arms * (2 * 120 * 80 * 1e-6 + 2 * 30 * 1e-3 + 1e-2 + (3 + 1 / 3) * 1e-2)
    shared = cores if len(seeds) > 1 else 1
    assert measured_seconds(profile, TEXT) == pytest.approx(
        (8.0 if len(seeds) > 1 else 0.0) + one * len(seeds) / shared
    )
    assert sum(called[:halves]) == arms
    assert len(called) % shared == 0  # as many at a time as in the training


def test_a_piece_is_trained_as_in_a_training(tiny, monkeypatch):
    """Every arm has a pass and an update a batch, after one that is not timed."""
    monkeypatch.setattr(timing, "TIMED_SECONDS", 3.0)
    ticks = itertools.count()
    monkeypatch.setattr(timing, "_now", lambda device: float(next(ticks)))
    done: list[tuple[str, str]] = []
    honest = {name: getattr(Learner, name) for name in ("backward", "step")}
    for name in honest:

        def noted(self, *given, name=name, **options):
            done.append((self.name, name))
            honest[name](self, *given, **options)

        monkeypatch.setattr(Learner, name, noted)
    arms = [arm for arm in tiny.all_arms() if arm.name in ("full", "mixup-xy", "debiased-teacher")]
    found = timing._timed(tiny.changed(gradient_accumulation_steps=1), arms, TEXT)
    a_batch = [(arm.name, name) for arm in arms for name in ("backward", "step")]
    assert done == a_batch * 4
    assert 3 / 400 < found.token < 3 / 80  # a second a batch of 8 sequences, 12 tokens each at least

    done.clear()
    found = timing._timed(tiny.changed(gradient_accumulation_steps=2), arms, TEXT)
    passes, steps = ([(arm.name, name) for arm in arms] for name in ("backward", "step"))
    assert done == [*passes, *steps, *passes * 3, *steps]  # the first of each are not timed: they make the moments
    assert found.update == 1.0


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("at_once", [None, 200, 10**6])
def test_batches_are_joined_as_in_a_training(tiny, window, at_once):
    """Within an update, however many a pass could read."""
    profile = tiny.changed(gradient_accumulation_steps=window, micro_batch_tokens=at_once)
    _, _, batches, schedule = timing._begun(profile, [arm for arm in tiny.all_arms() if arm.name == "full"], TEXT)
    found = [*itertools.islice(timing._passes(batches, schedule), 8)]
    assert [*itertools.chain(*found)] == [*range(sum(map(len, found)))]
    ends = {schedule.batches(update)[-1] for update in range(schedule.updates)}
    assert not any(ends & {*group[:-1]} for group in found)
    assert max(map(len, found)) == (1 if at_once is None else window if at_once > 200 else min(window, 2))


def test_half_of_the_random_sequences_have_a_gender_word(tiny):
    materials = timing.Materials(tiny, progress=False)
    setting = timing._setting(materials, TextSize(10, 250))
    text, longest = setting.corpus.train, tiny.corpus.max_length
    words = {word.lower() for pair in materials.pair_list for word in (pair.female, pair.male)}
    ids = set(materials.checkpoint.tokenizer.convert_tokens_to_ids(sorted(words)))
    with_word = sum(bool(ids & set(own[1:-1].tolist())) for own in text.ids[1::2])
    assert with_word == len(text) // 2
    assert text.lengths.max() <= longest
    assert text.lengths.mean() == pytest.approx(25, abs=0.5)  # after the longest are cut
    assert timing._setting(materials, TextSize(10, 10**9)).corpus.train.lengths.mean() > 0.99 * longest


def test_text_that_is_here_is_what_is_timed(tiny):
    """A batch costs by how full it is and by its gender words."""
    materials = timing.Materials(tiny, progress=False)
    digest = materials.corpus.digest
    assert timing._setting(materials, TEXT).corpus.digest == digest
    seconds = timing._seconds(materials, 0, Timed(token=1.0, update=0.0), TEXT)
    assert seconds == text_read(materials.setting(0)).tokens  # of this seed's batches, not of the mean


def test_a_checkpoint_of_all_is_reckoned_from_one(tiny, monkeypatch):
    """By the weights that are written: twice those of the first here, and a second for it."""
    materials = timing.Materials(tiny, progress=False)
    arms = [arm for arm in tiny.all_arms() if arm.name == "full"] * 2
    _, learners, *_ = timing._begun(tiny, arms, TEXT)
    seconds = itertools.count()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(seconds)))
    assert timing._saving(materials, learners) == 2.0
    assert not materials.store.root.exists()  # a plan makes no store
    materials.store.root.mkdir(parents=True)
    assert timing._saving(materials, learners) == 2.0
    assert not list(materials.store.root.iterdir())


def test_what_cannot_be_timed_is_said(tiny):
    with pytest.raises(InputError, match="--measure: the teacher 'google-bert/bert-base-uncased' is not here yet"):
        measured_seconds(Profile.load("paper"), TEXT)
