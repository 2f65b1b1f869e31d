"""The training loop: many models side by side, exact resume.

Every draw (batch order, masks, dropout, …) is derived from (seed, purpose, step), so a model ends with the same
bits alone or beside others, interrupted or not. The loop knows neither teachers nor arms: a learner brings its
model and its losses, and ``shared(step, active)`` makes what all of them learn from in one step.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.recipe import Recipe, Schedule, learning_rate
from fairkd.engine.setup import setup
from fairkd.engine.side_by_side import counting
from fairkd.engine.stopping import Stopped, interrupts_noted
from fairkd.engine.store import check_seal, disk_errors, flush, seal
from fairkd.errors import InputError
from fairkd.rng import derive

CHECKPOINT_SECONDS = 20 * 60
"""A checkpoint is written at least so often, however long an update takes."""
STATE, METRICS = "state.safetensors", "metrics.json"
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
    """

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        losses: Callable[[Any, Any], tuple[Tensor, dict[str, Tensor]]],
        recipe: Recipe,
        folder: Path,
    ) -> None:
        self.name, self.model, self.losses = name, model, losses
        self.recipe, self.folder = recipe, folder
        self.update = 0
        self.resumed_from = 0
        self.divergence: Divergence | None = None
        self.metrics: list[dict[str, float]] = []
        self.speeds: list[float] = []
        self._unread: list[dict[str, Any]] = []
        self._window: list[dict[str, Tensor]] = []
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = adamw(self.parameters, recipe)

    def backward(self, shared: Any, dropout_seed: int, device: torch.device) -> None:
        """Adds one batch's gradients."""
        with dropout_from(dropout_seed, device), autocast(device):
            loss, terms = self.losses(self.model, shared)
        (loss / self.recipe.gradient_accumulation_steps).backward()
        self._window.append({**terms, "loss": loss.detach()})

    def step(self, planned: int) -> None:
        """Clips, updates the weights, and keeps the mean losses of the batches since the last update (on the device).

        The learning rate falls over ``planned`` updates.
        """
        rate = learning_rate(self.update, planned, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.recipe.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.update += 1
        means = {name: torch.stack([terms[name] for terms in self._window]).mean() for name in self._window[0]}
        self._unread.append({"step": self.update, "learning_rate": rate, **means, "grad_norm": norm})
        self._window.clear()

    def read(self, tokens_per_second: float) -> None:
        """Moves the kept losses to the host and looks for the first that is not finite."""
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

    def save(self) -> None:
        """Writes a checkpoint, then removes the older ones; a checkpoint appears whole or not at all."""
        tensors = {f"model.{name}": p.detach() for name, p in self.parameters.items()}
        for name, p in self.parameters.items():
            state = self.optimizer.state.get(p, {})
            tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq") if key in state}
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".writing-"))
        with disk_errors():
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / STATE)
        (temporary / METRICS).write_text(json.dumps(self.metrics))
        for name in (STATE, METRICS):
            with (temporary / name).open("rb+") as file:
                flush(file)
        seal(temporary, {"kind": "checkpoint", "update": self.update})
        final = self.folder / f"step-{self.update:09d}"
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        for other in self.folder.iterdir():
            if other != final:
                shutil.rmtree(other, ignore_errors=True)

    def resume(self) -> None:
        """Goes back to the newest checkpoint that is as it was written, if there is one."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                update = check_seal(folder)["update"]
                tensors = load_file(folder / STATE)
                metrics = json.loads((folder / METRICS).read_text())
            except (InputError, OSError, ValueError, SafetensorError) as error:
                print(f"{self.name}: a checkpoint cannot be used, going back further: {error}", file=sys.stderr)
                continue
            self.update = self.resumed_from = update
            self.metrics = metrics
            self._restore(tensors)
            return

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
    """What training computes in: "bf16" on CUDA, "fp32" on the CPU (bf16 is slower there)."""
    return "bf16" if device.type == "cuda" else "fp32"


def autocast(device: torch.device) -> torch.autocast:
    """The block's matrix products are in :func:`precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision(device) == "bf16")


def fit(
    learners: list[Learner],
    shared: Callable[[int, list[Learner]], tuple[Any, int]],
    *,
    schedule: Schedule,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    progress: str = "",
) -> None:
    """Trains all learners to the schedule's end, side by side; each joins where its last checkpoint stands.

    Checkpoints lie between an update and the next batch, so that no gradient is left over in any of them.

    A learner whose loss or gradient stops being finite is dropped (its ``divergence`` says where); the others go on.

    An interrupt ends it after the update that it met, which is saved; a second one ends it at once.

    Args:
        learners: resumed before training.
        shared: (batch number, active learners) -> what they learn from, and its number of tokens.
        schedule: updates of each learner, and the batches of each update.
        recipe: how often checkpoints are written.
        seed: of the run; dropout draws from (seed, batch number), the same for every learner.
        device: of the models.
        progress: label of the line of progress, none if empty.

    Raises:
        Stopped: it was interrupted, and is saved.
    """
    setup()
    if device.type == "cpu":
        keep_freed_memory()
    for learner in learners:
        learner.resume()
    total, look_every = schedule.updates, LOSS_READ_EVERY[device.type]
    first = min((learner.update for learner in learners), default=total)
    started, tokens, saved = time.perf_counter(), 0, time.perf_counter()
    with counting(progress, total, done=first) as shown, interrupts_noted(shown.stopping) as stopped:
        for update in range(first, total):
            active = [one for one in learners if one.update == update and one.divergence is None]
            numbers = schedule.batches(update)
            for number in numbers if active else ():
                step, step_tokens = shared(number, active)
                tokens += step_tokens
                for learner in active:
                    learner.backward(step, derive(seed, "dropout", number), device)
                    if number == numbers[-1]:
                        learner.step(schedule.planned)  # at once, so that one model's gradients are alive at a time
            shown.add()
            due = (update + 1) % recipe.checkpoint_every == 0 or time.perf_counter() - saved >= CHECKPOINT_SECONDS
            checkpoint = due or update + 1 == total or stopped()
            if checkpoint or (update + 1) % look_every == 0:
                for learner in active:
                    learner.read(tokens / (time.perf_counter() - started))
                started, tokens = time.perf_counter(), 0
            for learner in active if checkpoint else ():
                if learner.divergence is None:
                    learner.save()
                saved = time.perf_counter()
            if stopped():
                raise Stopped.at(progress or learners[0].name, update + 1, total)
