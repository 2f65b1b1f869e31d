"""Schedule, batches, checkpoints: the loop that every model is trained by."""

import dataclasses
import itertools
import math
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from fairkd.batches import MaskedBatches, Setting
from fairkd.engine import saving, training
from fairkd.engine.recipe import Recipe, Schedule, learning_rate
from fairkd.engine.stopping import Stopped
from fairkd.engine.training import Learner, adamw, dropout_from, fit
from fairkd.errors import InputError

CPU = torch.device("cpu")


def test_recipe_defaults_are_appendix_d():
    printed = dict(
        temperature=2.0, mlm_mask_prop=0.15, word_mask=0.8, word_keep=0.1, word_rand=0.1, mlm_smoothing=0.7,
        n_epoch=3, batch_size=8, warmup_prop=0.05, weight_decay=0.0, learning_rate=5e-4, max_grad_norm=5.0,
        adam_epsilon=1e-6, initializer_range=0.02,
    )  # fmt: skip
    recipe = dataclasses.asdict(Recipe())
    assert {name: recipe[name] for name in printed} == printed


@pytest.mark.parametrize(("total", "warmup_prop"), [(10, 0.05), (100, 0.05), (7, 0.5), (1, 0.05), (20, 0.0)])
def test_learning_rate_is_the_linear_schedule_of_transformers(total, warmup_prop):
    recipe = Recipe(warmup_prop=warmup_prop, learning_rate=3e-4)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=3e-4)
    warmup = math.ceil(warmup_prop * (total + 1))
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, total + 1)
    for update in range(total):
        assert learning_rate(update, total, recipe) == pytest.approx(schedule.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    ("n_batches", "n_epoch", "accumulation", "max_steps", "updates", "planned"),
    [
        (10, 3, 1, None, 30, 30), (10, 3, 3, None, 9, 10), (10, 3, 4, None, 6, 7), (10, 3, 4, 5, 5, 5),
        (9, 3, 3, None, 9, 9), (10, 1, 1, 99, 10, 10), (10, 3, 10, None, 3, 3),
    ],
)  # fmt: skip
def test_number_of_updates(n_batches, n_epoch, accumulation, max_steps, updates, planned):
    recipe = Recipe(n_epoch=n_epoch, gradient_accumulation_steps=accumulation, max_steps=max_steps)
    schedule = recipe.schedule(8 * n_batches - 7)  # of 8 sequences a batch; the last batch has one
    assert (schedule.updates, schedule.planned) == (updates, planned)


def published_loop(data, n_batches, recipe):
    """The published program's loop, literally, in float64: its counter, its clipping, its schedule of transformers.

    Returns the weights of :func:`linear_learner`'s model after it, and the batches of each update.
    """
    model = linear_model().double()
    total = int(n_batches / recipe.gradient_accumulation_steps * recipe.n_epoch) + 1
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, eps=recipe.adam_epsilon, betas=recipe.adam_betas, weight_decay=0.0
    )
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(total * recipe.warmup_prop), total)
    updates, waiting = [], []
    for epoch in range(recipe.n_epoch):
        n_iter = 0
        for batch in range(n_batches):
            number = epoch * n_batches + batch
            loss = (model(data(number).double()) - 1).square().mean()
            (loss / recipe.gradient_accumulation_steps).backward()
            waiting.append(number)
            n_iter += 1  # noqa: SIM113 - as the program has it
            if n_iter % recipe.gradient_accumulation_steps == 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                updates.append(waiting)
                waiting = []
    return model, updates


@pytest.mark.parametrize("warmup_prop", [0.05, 0.5])
@pytest.mark.parametrize(("n_batches", "window"), [(10, 3), (10, 4), (7, 5), (5, 5), (9, 3), (4, 1)])
def test_updates_and_weights_are_those_of_the_published_loop(tmp_path, n_batches, window, warmup_prop):
    recipe = Recipe(
        batch_size=1, n_epoch=4, gradient_accumulation_steps=window, learning_rate=0.05, max_grad_norm=0.5,
        warmup_prop=warmup_prop,
    )  # fmt: skip
    expected, batches = published_loop(lambda number: data([number], None)[0], n_batches, recipe)
    learner, schedule = linear_learner(tmp_path, recipe, double=True), recipe.schedule(n_batches)
    read = []

    def reads(numbers, active):
        read.extend(numbers)
        return data(numbers, active)[0].double(), 12

    fit([learner], reads, schedule=schedule, recipe=recipe, seed=0, device=CPU)
    assert [list(schedule.batches(update)) for update in range(schedule.updates)] == batches
    assert read == list(itertools.chain.from_iterable(batches))
    assert schedule.batches_read == len(read)
    for found, wanted in zip(learner.model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    assert (learner.model.weight - 0.5).abs().max() > 1e-3  # weights that moved


def test_batches_of_updates_are_those_of_the_published_counter_for_any_numbers():
    for n_batches, window, n_epoch in itertools.product(range(1, 13), range(1, 13), range(1, 5)):
        recipe = Recipe(batch_size=1, n_epoch=n_epoch, gradient_accumulation_steps=window, warmup_prop=0.0)
        counted, waiting = [], []
        for number in range(n_epoch * n_batches):
            waiting.append(number)
            if (number % n_batches + 1) % window == 0:
                counted.append(waiting)
                waiting = []
        if counted:
            schedule = recipe.schedule(n_batches)
            assert [list(schedule.batches(update)) for update in range(schedule.updates)] == counted
            assert schedule.planned == int(n_batches / window * n_epoch)
        else:
            with pytest.raises(InputError, match="they make no update"):
                recipe.schedule(n_batches)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"max_steps": 1}, ["max_steps 1 they make one update", "learning rate 0", "max_steps of 2 or more, or null"]),
        ({"gradient_accumulation_steps": 50}, ["no update", "gradient_accumulation_steps of at most 18, more text"]),
        ({"gradient_accumulation_steps": 36}, ["one update", "gradient_accumulation_steps of at most 18"]),
        ({"gradient_accumulation_steps": 37, "n_epoch": 3}, ["no update", "gradient_accumulation_steps of at most 36"]),
        ({"gradient_accumulation_steps": 37, "warmup_prop": 0.0}, ["no update", "at most 36"]),
        ({"batch_size": 432}, ["has 1 batches", "one update", "n_epoch of 2 or more, more text, warmup_prop 0"]),
    ],
)  # fmt: skip
def test_a_run_none_of_whose_updates_changes_a_weight_is_an_error_with_its_numbers(values, parts):
    recipe = Recipe(**{"batch_size": 12, "n_epoch": 1} | values)
    with pytest.raises(InputError) as error:
        recipe.schedule(432)
    for part in ["no weight would change: an epoch of 432 sequences has", f"(batch_size {recipe.batch_size})", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"max_steps": 2}, {"max_steps": 1, "warmup_prop": 0.0}, {"gradient_accumulation_steps": 18},
        {"gradient_accumulation_steps": 36, "n_epoch": 2}, {"gradient_accumulation_steps": 36, "warmup_prop": 0.0},
    ],
)  # fmt: skip
def test_what_that_error_allows_changes_weights(values, tmp_path):
    recipe = Recipe(**{"batch_size": 12, "n_epoch": 1} | values)
    learner = linear_learner(tmp_path, recipe)
    fit([learner], data, schedule=recipe.schedule(432), recipe=recipe, seed=0, device=CPU)
    assert not torch.equal(learner.model.weight, linear_model().weight)


def test_no_weight_changes_in_what_that_error_refuses(tmp_path):
    """Why it is an error: the single update has learning rate 0."""
    recipe = Recipe(weight_decay=0.1)
    learner = linear_learner(tmp_path, recipe)
    fit([learner], data, schedule=of(1), recipe=recipe, seed=0, device=CPU)
    assert learner.update == 1
    assert torch.equal(learner.model.weight, linear_model().weight)


def test_a_batch_is_the_same_whatever_was_asked_for_before(world):
    recipe = Recipe(batch_size=8, ce_token_fraction=0.5)
    first = MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer)
    second = MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer)
    for number in (0, 1, len(first) + 2):
        first[number]
    for number in (len(first) + 2, 1):
        a, b = first[number], second[number]
        for field in ("input_ids", "corrupted", "labels", "attention_mask", "mlm_rows", "ce_rows"):
            assert torch.equal(getattr(a, field), getattr(b, field)), field
    other_seed = MaskedBatches(Setting(world.corpus, recipe, 1, world.store, CPU), world.tokenizer)
    assert not torch.equal(first[1].input_ids[:, :12], other_seed[1].input_ids[:, :12])


def test_an_epoch_reads_every_sequence_once(world):
    batches = MaskedBatches(Setting(world.corpus, Recipe(batch_size=8), 0, world.store, CPU), world.tokenizer)
    rows = sum(len(batches[number].input_ids) for number in range(len(batches)))
    tokens = sum(batches[number].tokens for number in range(len(batches)))
    assert rows == len(world.corpus.train)
    assert tokens == int(world.corpus.train.lengths.sum())


def test_weight_decay_spares_biases_and_layer_norms():
    model = torch.nn.ModuleDict({"lin": torch.nn.Linear(2, 2), "sa_layer_norm": torch.nn.LayerNorm(2)})
    optimizer = adamw(dict(model.named_parameters()), Recipe(weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decay[id(model["lin"].weight)] == 0.1
    assert [decay[id(p)] for p in (model["lin"].bias, *model["sa_layer_norm"].parameters())] == [0.0, 0.0, 0.0]


def test_dropout_draws_from_its_seed_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    ones = torch.ones(50)
    with dropout_from(3, CPU):
        once = torch.nn.functional.dropout(ones)
    with dropout_from(3, CPU):
        again = torch.nn.functional.dropout(ones)
    with dropout_from(4, CPU):
        other = torch.nn.functional.dropout(ones)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(torch.get_rng_state(), state)


def linear_model() -> torch.nn.Linear:
    model = torch.nn.Linear(3, 1)
    torch.nn.init.constant_(model.weight, 0.5)
    torch.nn.init.zeros_(model.bias)
    return model


def of(updates: int, window: int = 1) -> Schedule:
    """So many updates of one epoch."""
    return Schedule(updates * window, window, updates, updates)


def linear_learner(tmp_path, recipe, name="line", scale=1.0, double=False) -> Learner:
    model = linear_model().double() if double else linear_model()

    def losses(model, batch):
        loss = scale * (model(batch) - 1).square().mean()
        return loss, {"mlm": loss.detach()}

    return Learner(name=name, model=model, losses=losses, recipe=recipe, folder=tmp_path / name)


def data(numbers, active):
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(numbers[0])), 12


def test_the_loop_is_adamw_with_accumulation_clipping_and_schedule(tmp_path):
    """Against a literal loop with Adam's update written out."""
    recipe = Recipe(learning_rate=0.05, gradient_accumulation_steps=3, max_grad_norm=0.5, warmup_prop=0.2)
    total, (b1, b2) = 8, recipe.adam_betas
    learner = linear_learner(tmp_path, recipe)
    fit([learner], data, schedule=of(total, window=3), recipe=recipe, seed=0, device=CPU)
    w = torch.tensor([0.5, 0.5, 0.5, 0.0], dtype=torch.float64)
    m, v = torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    for update in range(total):
        gradient = torch.zeros(4, dtype=torch.float64)
        for number in range(3 * update, 3 * update + 3):
            x = torch.cat([data([number], None)[0].double(), torch.ones(4, 1, dtype=torch.float64)], dim=1)
            gradient += 2 * (x @ w - 1) @ x / 4 / 3
        norm = gradient.norm()
        assert learner.metrics[update]["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
        gradient *= min(1.0, recipe.max_grad_norm / (float(norm) + 1e-6))
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        m_hat, v_hat = m / (1 - b1 ** (update + 1)), v / (1 - b2 ** (update + 1))
        w = w - learning_rate(update, total, recipe) * m_hat / (v_hat.sqrt() + recipe.adam_epsilon)
    found = torch.cat([learner.model.weight.flatten(), learner.model.bias]).detach().double()
    torch.testing.assert_close(found, w, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, torch.tensor([0.5, 0.5, 0.5, 0.0]).double(), atol=1e-2)


def test_a_loss_that_is_not_finite_stops_that_model_only_and_keeps_its_last_good_checkpoint(tmp_path):
    recipe = Recipe(checkpoint_every=2, learning_rate=0.01)
    good, alone = linear_learner(tmp_path, recipe, "good"), linear_learner(tmp_path, recipe, "alone")
    bad = linear_learner(tmp_path, recipe, "bad")
    fine = bad.losses

    def breaks_at_the_sixth(model, batch):
        loss, terms = fine(model, batch)
        return (loss, {"mlm": terms["mlm"] * float("nan")}) if bad.update == 5 else (loss, terms)

    bad.losses = breaks_at_the_sixth
    fit([bad, good], data, schedule=of(10), recipe=recipe, seed=0, device=CPU)
    fit([alone], data, schedule=of(10), recipe=recipe, seed=0, device=CPU)
    assert (bad.divergence.name, bad.divergence.step, bad.divergence.term) == ("bad", 6, "mlm")
    assert sorted(p.name for p in bad.folder.iterdir()) == ["step-000000002", "step-000000004"]
    assert good.divergence is None
    assert good.update == 10
    assert torch.equal(good.model.weight, alone.model.weight)


def test_checkpoints_appear_whole_and_replace_all_but_the_last_two(tmp_path):
    recipe = Recipe(checkpoint_every=3)
    learner = linear_learner(tmp_path, recipe)
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / ".writing-x").mkdir()  # what a killed process leaves behind
    fit([learner], data, schedule=of(8), recipe=recipe, seed=0, device=CPU)
    assert sorted(p.name for p in learner.folder.iterdir()) == ["step-000000006", "step-000000008"]
    fresh = linear_learner(tmp_path, recipe)
    fresh.resume()
    assert fresh.update == 8
    assert torch.equal(fresh.model.weight, learner.model.weight)
    assert len(fresh.metrics) == 8


def test_checkpoints_of_another_training_are_passed_over(tmp_path, capsys):
    recipe = Recipe(checkpoint_every=3)
    for name, scale in (("line", 1.0), ("other", 2.0)):
        learner = linear_learner(tmp_path, recipe, name, scale)
        fit([learner], data, schedule=of(6), recipe=recipe, seed=0, device=CPU)
    (tmp_path / "line").rename(tmp_path / "aside")
    (tmp_path / "other").rename(tmp_path / "line")
    fresh = linear_learner(tmp_path, recipe)
    fresh.resume()
    assert fresh.update == 0
    assert capsys.readouterr().err.count("is of another training, other") == 2


@pytest.fixture
def behind(monkeypatch):
    """Checkpoints are written by a thread, as where a GPU trains."""
    monkeypatch.setitem(training.BEHIND, "cpu", True)


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_thread_writes_what_the_training_itself_would_have_written(tmp_path, monkeypatch):
    recipe = Recipe(checkpoint_every=3)
    written, threads = saving.write_snapshot, set()

    def slow(folder, snapshot):
        threads.add(threading.current_thread() is threading.main_thread())
        time.sleep(0.05)  # the training goes on meanwhile
        written(folder, snapshot)

    monkeypatch.setattr(training, "write_snapshot", slow)
    for where in (False, True):
        monkeypatch.setitem(training.BEHIND, "cpu", where)
        learner = linear_learner(tmp_path / str(where), recipe)
        fit([learner], data, schedule=of(14), recipe=recipe, seed=0, device=CPU)
    assert threads == {True, False}
    here, there = (files_of(tmp_path / str(where)) for where in (False, True))
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_what_a_thread_could_not_write_ends_the_training(tmp_path, monkeypatch, behind):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "write_snapshot", full)
    recipe = Recipe(checkpoint_every=2)
    with pytest.raises(OSError, match="No space left"):
        fit([linear_learner(tmp_path, recipe)], data, schedule=of(8), recipe=recipe, seed=0, device=CPU)
    with pytest.raises(OSError, match="No space left"):  # the last one, for which nobody comes afterwards
        fit([linear_learner(tmp_path, recipe)], data, schedule=of(2), recipe=recipe, seed=0, device=CPU)


def test_an_interrupt_waits_for_what_a_thread_writes(tmp_path, monkeypatch, behind):
    recipe = Recipe(checkpoint_every=100)
    monkeypatch.setattr(training, "interrupts_noted", lambda told: nullcontext(lambda: True))
    written = saving.write_snapshot
    monkeypatch.setattr(training, "write_snapshot", lambda *given: (time.sleep(0.2), written(*given)))
    with pytest.raises(Stopped, match="stopped at update 1 of 8"):
        fit([linear_learner(tmp_path, recipe)], data, schedule=of(8), recipe=recipe, seed=0, device=CPU)
    fresh = linear_learner(tmp_path, recipe)
    fresh.resume()
    assert fresh.update == 1


def test_checkpoints_that_wait_take_no_more_than_their_share_of_memory(monkeypatch):
    monkeypatch.setattr(saving, "physical_memory", lambda: 400)
    gate, begun = threading.Event(), []

    def write(number):
        begun.append(number)
        assert gate.wait(10)

    with saving.Writer(behind=True) as writer:
        writer.take(60, lambda: write(0))
        writer.take(40, lambda: write(1))  # 100 bytes are a quarter
        late = threading.Thread(target=lambda: writer.take(1, lambda: write(2)))
        late.start()
        late.join(timeout=0.2)
        assert late.is_alive()
        gate.set()
        late.join(timeout=10)
        writer.wait()
    assert begun == [0, 1, 2]


def test_where_the_newest_checkpoint_is_damaged_the_one_before_it_counts(tmp_path):
    recipe = Recipe(checkpoint_every=3)
    learner = linear_learner(tmp_path, recipe)
    fit([learner], data, schedule=of(8), recipe=recipe, seed=0, device=CPU)
    state = learner.folder / "step-000000008" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    again = linear_learner(tmp_path, recipe)
    fit([again], data, schedule=of(8), recipe=recipe, seed=0, device=CPU)
    assert again.resumed_from == 6
    assert torch.equal(again.model.weight, learner.model.weight)


def test_a_signal_between_two_passes_ends_before_the_update_that_it_met(tmp_path, monkeypatch):
    """An update of three passes is told to stop in its second one: nothing of it is left, and it is done again."""
    recipe = Recipe(gradient_accumulation_steps=3, checkpoint_every=100)
    whole, read = linear_learner(tmp_path, recipe, "whole"), []
    fit([whole], data, schedule=of(4, window=3), recipe=recipe, seed=0, device=CPU)
    monkeypatch.setattr(training, "interrupts_noted", lambda told: nullcontext(lambda: len(read) == 8))
    learner = linear_learner(tmp_path, recipe, "stopped")

    def reads(numbers, active):
        read.extend(numbers)
        return data(numbers, active)

    with pytest.raises(Stopped, match="stopped at update 2 of 4"):
        fit([learner], reads, schedule=of(4, window=3), recipe=recipe, seed=0, device=CPU)
    monkeypatch.undo()
    again = linear_learner(tmp_path, recipe, "stopped")
    fit([again], data, schedule=of(4, window=3), recipe=recipe, seed=0, device=CPU)
    assert again.resumed_from == 2
    assert torch.equal(again.model.weight, whole.model.weight)
    assert again.metrics == whole.metrics


def test_checkpoints_are_written_by_time_too(tmp_path, monkeypatch):
    """A clock that goes on by seven minutes a look: with three updates twenty minutes are over."""
    at, kept = [], linear_learner(tmp_path, Recipe(checkpoint_every=1000), "kept")
    save = kept.save
    monkeypatch.setattr(kept, "save", lambda writer: (at.append(kept.update), save(writer)))
    clock = itertools.count(0, 7 * 60)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setitem(training.LOSS_READ_EVERY, "cpu", 1000)
    fit([kept], data, schedule=of(10), recipe=kept.recipe, seed=0, device=CPU)
    assert len(at) > 2
    assert at[-1] == 10
    assert max(np.diff([0, *at])) <= 3
    alone = linear_learner(tmp_path, Recipe(checkpoint_every=1000), "alone")
    monkeypatch.undo()
    fit([alone], data, schedule=of(10), recipe=alone.recipe, seed=0, device=CPU)
    assert torch.equal(kept.model.weight, alone.model.weight)


def test_a_checkpoint_that_cannot_be_read_is_passed_over(tmp_path, capsys):
    recipe = Recipe(checkpoint_every=3)
    learner = linear_learner(tmp_path, recipe)
    fit([learner], data, schedule=of(3), recipe=recipe, seed=0, device=CPU)
    broken = learner.folder / "step-000000006"
    broken.mkdir()
    (broken / "state.safetensors").write_bytes(b"half")
    fresh = linear_learner(tmp_path, recipe)
    fresh.resume()
    assert fresh.update == fresh.resumed_from == 3
    said = capsys.readouterr().err
    assert "line: a checkpoint cannot be used, going back further" in said
    assert "step-000000006" in said


@pytest.mark.parametrize("file", ["state.safetensors", "metrics.json", "manifest.json"])
def test_a_checkpoint_with_one_changed_bit_is_never_resumed(tmp_path, capsys, file):
    recipe = Recipe(checkpoint_every=3)
    fit([linear_learner(tmp_path, recipe)], data, schedule=of(3), recipe=recipe, seed=0, device=CPU)
    (folder,) = linear_learner(tmp_path, recipe).folder.iterdir()
    written = (folder / file).read_bytes()
    # The file's last byte is a weight's, or a bracket; in the middle of the others stands a letter or digit.
    for at in {len(written) - 1, len(written) // 2} | {at for at, byte in enumerate(written) if byte in b"0123456789"}:
        (folder / file).write_bytes(written[:at] + bytes([written[at] ^ 1]) + written[at + 1 :])
        fresh = linear_learner(tmp_path, recipe)
        fresh.resume()
        assert (fresh.update, fresh.metrics) == (0, []), at
        assert file in capsys.readouterr().err
    (folder / file).write_bytes(written)
    fresh.resume()
    assert fresh.update == 3


def test_a_checkpoint_under_the_name_of_another_update_goes_on_where_it_was_written(tmp_path):
    recipe = Recipe(checkpoint_every=3)
    fit([linear_learner(tmp_path, recipe)], data, schedule=of(3), recipe=recipe, seed=0, device=CPU)
    fresh = linear_learner(tmp_path, recipe)
    (folder,) = fresh.folder.iterdir()
    folder.rename(folder.with_name("step-000000007"))
    fresh.resume()
    assert fresh.update == 3


def test_rows_of_a_batch_are_where_they_say(world):
    batch = MaskedBatches(
        Setting(world.corpus, Recipe(batch_size=8, ce_token_fraction=0.4), 0, world.store, CPU), world.tokenizer
    )[3]
    assert torch.equal(batch.head_rows[: len(batch.ce_rows)], batch.ce_rows)
    assert torch.equal(batch.head_rows[-len(batch.mlm_rows) :], batch.mlm_rows)
    assert len(batch.head_rows.unique()) == len(batch.head_rows)
    assert set(batch.head_rows.tolist()) == set(batch.ce_rows.tolist()) | set(batch.mlm_rows.tolist())
    assert (batch.labels.flatten()[batch.mlm_rows] >= 0).all()
    assert len(batch.mlm_rows) == int((batch.labels >= 0).sum())
    assert torch.equal(batch.attention_mask.flatten().nonzero().flatten(), batch.token_rows)
