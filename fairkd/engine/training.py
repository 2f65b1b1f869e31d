"""The training loop: many models side by side, exact resume.

Every draw (batch order, masks, dropout, …) is derived from (seed, purpose, step), so a model ends with the same
bits alone or beside others, interrupted or not; on a GPU, where what a pass reads follows from the models too, alone or
beside others but for dropout's draws. The loop knows neither teachers nor arms: a learner brings its model and its
losses, and ``shared(step, active)`` makes what all of them learn from in one step.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor, nn

from fairkd.engine.locks import lock_of
from fairkd.engine.processes import keep_freed_memory, look_for_garbage_as_usual
from fairkd.engine.recipe import Recipe, Schedule, learning_rate
from fairkd.engine.saving import Snapshot, Writer, newest_snapshot, write_snapshot
from fairkd.engine.setup import setup
from fairkd.engine.side_by_side import counting
from fairkd.engine.stopping import Stopped, ignore_signals, interrupts_noted
from fairkd.engine.world import ONE_PROCESS, World
from fairkd.errors import InputError, LostError
from fairkd.rng import derive

CHECKPOINT_SECONDS = 20 * 60
"""A checkpoint is written at least so often, however long an update takes."""
AHEAD = {"cpu": 0, "cuda": 1}
"""Passes whose batches are prepared beforehand: a CPU has no idle host beside it."""
BEHIND = {"cpu": False, "cuda": True}
"""Whether checkpoints are written while the training goes on: a CPU would write and train by turns."""
LOSS_READ_EVERY = {"cpu": 1, "cuda": 20}
"""Updates between two looks at the losses: each look makes a GPU wait for the host."""


@dataclass(frozen=True)
class Divergence:
    """A loss or gradient that was not finite: which model, at which update (from 1), in which term."""

    name: str
    step: int
    term: str

    def __str__(self) -> str:
        return f"{self.name}: {self.term} is not finite at step {self.step}"


class Learner:
    """One model in training: its optimiser, its place in the schedule, its metrics.

    Args:
        name: for messages.
        model: trained in place.
        losses: (model, shared) -> the loss of one batch, which is minimised, and its terms by name, without gradients.
        recipe: optimisation.
        folder: where its checkpoints lie; the newest complete one is resumed from.
        how: it is trained, of what is no part of the recipe (processes, threads …); for its manifest.
    """

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        losses: Callable[[Any, Any], tuple[Tensor, dict[str, Tensor]]],
        recipe: Recipe,
        folder: Path,
        how: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.model, self.losses = name, model, losses
        self.recipe, self.folder, self.how = recipe, folder, dict(how or {})
        self.stretches: list[dict[str, Any]] = [{"from_update": 0, **self.how}]
        self.update = 0
        self.saved = 0
        self.resumed_from = 0
        self.divergence: Divergence | None = None
        self.metrics: list[dict[str, float]] = []
        self.speeds: list[float] = []
        self._unread: list[dict[str, Any]] = []
        self._window: list[tuple[float, dict[str, Tensor]]] = []
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = adamw(self.parameters, recipe)

    def backward(self, shared: Any, dropout_seed: int, device: torch.device, *, batches: float = 1) -> None:
        """Adds the gradients of a batch, of so many that are read at once (the loss is their mean), or of a part."""
        with dropout_from(dropout_seed, device), autocast(device):
            loss, terms = self.losses(self.model, shared)
        (loss * batches / self.recipe.gradient_accumulation_steps).backward()
        self._window.append((batches, {**terms, "loss": loss.detach()}))

    def step(self, planned: int, everyone: World = ONE_PROCESS) -> None:
        """Clips, updates the weights, and keeps the mean losses of the batches since the last update (on the device).

        The learning rate falls over ``planned`` updates. Gradients and losses are those of all processes together.
        """
        rate = learning_rate(self.update, planned, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        means = self._gather(everyone)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.recipe.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.update += 1
        self._unread.append({"step": self.update, "learning_rate": rate, **means, "grad_norm": norm})

    def forget(self) -> None:
        """Drops the gradients and losses since the last update."""
        self.optimizer.zero_grad(set_to_none=True)
        self._window.clear()

    def _gather(self, everyone: World) -> dict[str, Tensor]:
        """Sums the gradients over the processes; returns the mean of each loss over the batches of all of them."""
        window, self._window = self._window, []
        names = list(window[0][1])
        sums = torch.stack([torch.stack([n * terms[name] for n, terms in window]).sum() for name in names])
        count: Any = sum(n for n, _ in window)
        if everyone.size > 1:  # alone, no number of the host goes to the device, which would wait for it
            count = sums.new_tensor([count])
            everyone.sum_([*(p.grad for p in self.parameters.values() if p.grad is not None), sums, count])
        return dict(zip(names, (sums / count).unbind(), strict=True))

    def read(self, tokens_per_second: float) -> None:
        """Moves the kept losses to the host and looks for the first that is not finite."""
        if not self._unread:
            return
        self.speeds.append(tokens_per_second)
        for row in self._unread:
            values = {name: float(value) for name, value in row.items()}
            self.metrics.append(values)
            bad = [name for name in values if not math.isfinite(values[name])]
            if bad and self.divergence is None:
                self.divergence = Divergence(self.name, int(values["step"]), bad[0])
        self._unread.clear()

    def metrics_frame(self) -> pd.DataFrame:
        """A row an update: the columns :data:`fairkd.frames.TRAINING_METRICS` and the terms."""
        return pd.DataFrame(self.metrics).astype({"step": int})

    def speed(self) -> dict[str, float | None]:
        """For a manifest, and not beside the metrics, which equal runs have alike: the median since it was resumed."""
        return {"tokens_per_second": statistics.median(self.speeds) if self.speeds else None}

    def save(self, writer: Writer) -> None:
        """A checkpoint of the model as it is now; a writer that works behind gets a copy on the host."""
        tensors = {f"model.{name}": p.detach() for name, p in self.parameters.items()}
        for name, p in self.parameters.items():
            state = self.optimizer.state.get(p, {})
            tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq") if key in state}
        if writer.behind:
            tensors = {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}
        snapshot = Snapshot(self.update, tensors, list(self.metrics), self.stretches)
        writer.take(snapshot.size, partial(write_snapshot, self.folder, snapshot))
        self.saved = self.update

    def resume(self) -> None:
        """Goes back to the newest checkpoint that is as it was written, if there is one."""
        snapshot = newest_snapshot(self.folder, name=self.name)
        if snapshot is not None:
            self.update = self.saved = self.resumed_from = snapshot.update
            self.metrics = snapshot.metrics
            self.stretches = [*snapshot.stretches, {"from_update": snapshot.update, **self.how}]
            self._restore(snapshot.tensors)

    @torch.no_grad()
    def _restore(self, tensors: dict[str, Tensor]) -> None:
        for name, p in self.parameters.items():
            p.copy_(tensors[f"model.{name}"])
            if f"exp_avg.{name}" in tensors:
                moments = {key: tensors[f"{key}.{name}"].to(p.device, copy=True) for key in ("exp_avg", "exp_avg_sq")}
                self.optimizer.state[p] = {"step": torch.tensor(float(self.update), device=p.device), **moments}


def adamw(parameters: dict[str, nn.Parameter], recipe: Recipe) -> torch.optim.AdamW:
    """AdamW without weight decay on biases and LayerNorm."""
    exempt = ("bias", "layer_norm.weight", "LayerNorm.weight")
    decayed = [p for name, p in parameters.items() if not name.endswith(exempt)]
    others = [p for name, p in parameters.items() if name.endswith(exempt)]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=recipe.adam_betas, eps=recipe.adam_epsilon, fused=True)


@contextmanager
def dropout_from(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout inside the block draws from ``seed``; the global generators are left as they were."""
    cuda = device.type == "cuda"
    generator = torch.cuda.default_generators[device.index] if cuda else torch.default_generator
    with torch.random.fork_rng(devices=[device] if cuda else []):
        generator.manual_seed(seed)
        yield


def precision(device: torch.device) -> str:
    """What training computes in: "bf16" on CUDA, "fp32" on the CPU (bf16 is slower there) and on GPUs without bf16."""
    if device.type != "cuda" or (torch.cuda.is_available() and not torch.cuda.is_bf16_supported(False)):
        return "fp32"
    return "bf16"


def autocast(device: torch.device) -> torch.autocast:
    """The block's matrix products are in :func:`precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision(device) == "bf16")


def each_alone(numbers: Sequence[int]) -> list[list[int]]:
    """Batches that are each read by themselves, by this process alone."""
    return [[number] for number in numbers]


def fit(
    learners: list[Learner],
    shared: Callable[[Any, list[Learner]], tuple[Any, int]],
    *,
    schedule: Schedule,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    progress: str = "",
    groups: Callable[[Sequence[int]], list[list[int]]] = each_alone,
    prepare: Callable[[Sequence[int]], Any] = lambda numbers: numbers,
    everyone: World = ONE_PROCESS,
) -> None:
    """Trains all learners to the schedule's end, side by side; each joins where its last checkpoint stands.

    Checkpoints lie between an update and the next batch, so that no gradient is left over in any of them.

    A learner whose loss or gradient stops being finite is dropped (its ``divergence`` says where); the others go on.

    An interrupt ends it after the update that it met, which is saved; a second one ends it at once.

    Args:
        learners: resumed before training.
        shared: (what ``prepare`` made, active learners) -> what they learn from, and its number of tokens.
        schedule: updates of each learner, and the batches of each update.
        recipe: how often checkpoints are written.
        seed: of the run; dropout draws from (seed, number of the first batch that is read at once), the same for every
            learner.
        device: of the models.
        progress: label of the line of progress, none if empty.
        groups: (an update's batches) -> those that this process reads, in the groups that are read at once; at least
            one in every process.
        prepare: numbers of batches that are read at once -> those batches; on a GPU a step ahead, in a thread.
        everyone: the processes that train together.

    Raises:
        Stopped: it was interrupted, and is saved.
        LostError: another process is gone; what was trained is saved.
    """
    setup()
    look_for_garbage_as_usual()
    if device.type == "cpu":
        keep_freed_memory()
    for learner in learners:
        learner.resume()
    _check_alike(learners, everyone)
    with _Ahead(prepare, AHEAD[device.type]) as prepared, Writer(behind=BEHIND[device.type]) as writer:
        run = _Fit(learners, shared, schedule, seed, device, groups, prepared, writer, everyone)
        try:
            run.go(recipe, progress)
        except LostError:
            ignore_signals()  # torchrun, too, sees that one is gone, and asks the others for the end that they come to
            if device.type == "cpu":  # a GPU's work would wait for the lost process; its last checkpoint counts
                run.save_in_any_process()
            raise


def _check_alike(learners: list[Learner], everyone: World) -> None:
    """Raises InputError where a process has not resumed as the first one has: no sum would mean anything."""
    places = [learner.update for learner in learners]
    if (first := everyone.told(places)) != places:
        raise InputError(
            f"process {everyone.rank} of {everyone.size} goes on from updates {places}, the first one from {first}: "
            "they do not see the same checkpoints; store_dir must be one folder for all of them"
        )


class _Ahead:
    """What is prepared for the next pass while this one runs, by a thread; nothing where ``steps`` is 0."""

    def __init__(self, prepare: Callable[[Sequence[int]], Any], steps: int) -> None:
        self._prepare, self.steps = prepare, steps
        self._thread = ThreadPoolExecutor(1) if steps else None
        self._waiting: tuple[list[int], Future[Any]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def take(self, group: list[int], following: list[int] | None) -> Any:
        """What these batches are prepared as; begins with the following ones."""
        if self._thread is None:
            return self._prepare(group)
        waiting = self._waiting
        own = waiting[1] if waiting and waiting[0] == group else self._thread.submit(self._prepare, group)
        self._waiting = (following, self._thread.submit(self._prepare, following)) if following else None
        return own.result()


@dataclass
class _Fit:
    """What :func:`fit` does; it keeps how fast tokens are read."""

    learners: list[Learner]
    shared: Callable[[Any, list[Learner]], tuple[Any, int]]
    schedule: Schedule
    seed: int
    device: torch.device
    groups: Callable[[Sequence[int]], list[list[int]]]
    prepared: _Ahead
    writer: Writer
    everyone: World
    tokens: int = 0
    since: float = 0.0

    def go(self, recipe: Recipe, progress: str) -> None:
        total, look_every = self.schedule.updates, LOSS_READ_EVERY[self.device.type]
        first = min((learner.update for learner in self.learners), default=total)
        self.since = saved = time.perf_counter()
        with counting(progress, total, done=first) as shown, interrupts_noted(shown.stopping) as stopped:
            for update in range(first, total):
                if not self.update(update, stopped if self.everyone.size == 1 else lambda: False):
                    self.save(wait=True)
                    raise Stopped.at(progress or self.learners[0].name, update, total)
                shown.add()
                asked = self.everyone.any(stopped())  # all processes end after the same update
                due = (update + 1) % recipe.checkpoint_every == 0 or time.perf_counter() - saved >= CHECKPOINT_SECONDS
                if self.everyone.any(due or asked) or update + 1 == total:
                    self.save(wait=asked or update + 1 == total)
                    saved = time.perf_counter()
                elif (update + 1) % look_every == 0:
                    self.read()
                if asked:
                    raise Stopped.at(progress or self.learners[0].name, update + 1, total)

    def update(self, update: int, stopped: Callable[[], bool]) -> bool:
        """One update of the learners that are still there.

        False if it was stopped between two of its passes: the update has not begun then, as it may take minutes.
        """
        active = [one for one in self.learners if one.update == update and one.divergence is None]
        groups = self.groups(self.schedule.batches(update)) if active else []
        after: list[list[int] | None] = [*groups[1:], self.first_of(update + 1)]
        for group, following in zip(groups, after, strict=False):
            step, tokens = self.shared(self.prepared.take(group, following), active)
            self.tokens += tokens
            for learner in active:
                learner.backward(step, derive(self.seed, "dropout", group[0]), self.device, batches=len(group))
                if group is groups[-1]:  # at once, so that one model's gradients are alive at a time
                    learner.step(self.schedule.planned, self.everyone)
            if group is not groups[-1] and stopped():
                for learner in active:
                    learner.forget()
                return False
        return True

    def first_of(self, update: int) -> list[int] | None:
        """The batches that an update reads first, where something is prepared ahead."""
        if not self.prepared.steps or update >= self.schedule.updates:
            return None
        return self.groups(self.schedule.batches(update))[0]

    def read(self) -> None:
        """Looks at the losses since the last look."""
        for learner in self.learners:
            learner.read(self.tokens / (time.perf_counter() - self.since))
        self.since, self.tokens = time.perf_counter(), 0

    def save_in_any_process(self) -> None:
        """By the first that comes, what no other has saved: the process that saves may be the one that is gone."""
        self.read()
        for learner in self.learners:
            with lock_of(learner.folder / "saving.lock"):
                kept = [int(path.name.removeprefix("step-")) for path in learner.folder.glob("step-*")]
                if learner.divergence is None and max(kept, default=0) < learner.update:
                    learner.save(self.writer)
        self.writer.wait()

    def save(self, *, wait: bool) -> None:
        """A checkpoint of each learner that has gone on since its last one; if ``wait``, on the disk."""
        self.read()
        for learner in self.learners if self.everyone.writes else ():
            if learner.divergence is None and learner.update != learner.saved:
                learner.save(self.writer)
        if wait:
            self.writer.wait()
