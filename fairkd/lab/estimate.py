"""What a profile's training costs, from shapes and counts alone: FLOPs, memory, disk, and a time on this CPU.

Imports neither torch nor transformers, so that a summary is there at once; :mod:`fairkd.lab.plan` measures the device
with torch and looks everything up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fairkd.arms import Arm
from fairkd.engine.chunks import CHUNK
from fairkd.engine.loading import embedded_folder
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import check_entry, read_json
from fairkd.errors import InputError, shown
from fairkd.lab.cost import BYTES, BatchSize, Shape, body_flops, head_flops, memory_bytes, step_flops
from fairkd.profile import Profile

UTILISATION = 0.5
"""Share of the measured matmul peak that the estimated times assume; ``python -m benchmarks`` measures it."""
PROCESS_BYTES = 1e9
"""Of a process: Python, PyTorch and transformers, and what glibc keeps of freed tensors."""
GPU_SHARE = 0.7
"""Of a GPU's memory, for what is known beforehand; the rest is for its libraries and for gaps."""
GPU_UTILISATION = 0.4
"""Share of a GPU's own rate that the estimates assume; nobody has measured it yet."""
KERNELS_AN_ARM, KERNELS_A_LAYER, KERNELS_A_READING = 61, 95, 25
"""Kernels of a student's pass forward and back (631 of one with six layers), and of a layer of a teacher's reading."""
LAUNCH_SECONDS = 8e-6
"""That the host takes to start a kernel: 4 to 6 ms for those 631."""
MOST_AT_ONCE = 32_768
"""Tokens of a forward pass at most: more make a GPU no busier."""
SWAPPED = 0.5
"""Share of the tokens in sequences with a gender word that the estimates assume."""
DRIVER = Path("/proc/driver/nvidia/version")
"""There where Linux has a driver for NVIDIA's GPUs."""


@dataclass(frozen=True)
class TextSize:
    """The training text of a tokenised corpus."""

    sequences: int
    tokens: int


@dataclass(frozen=True)
class ExpectedCost:
    """What the students of a profile cost.

    Attributes:
        arms: students that are trained at once; arms of equal content are one.
        trainings: one for each seed.
        length: tokens of a sequence, the mean; the longest allowed where the text's size is not known.
        tokens: of an update.
        update_flops: of an update, all students.
        adapting_flops: of the adaptation of all teachers, if it is needed.
        updates: of a training; None where they follow from the size of a text that is not known.
        flops: of all trainings; None as for ``updates``.
        memory: peak of a process that trains all arms of a seed (:func:`training_memory`).
        disk: of the students, in bytes.
        checkpoints: of a seed's training, two of each student with both moments, in bytes.
    """

    arms: int
    trainings: int
    length: float
    tokens: float
    update_flops: float
    adapting_flops: float
    updates: int | None
    flops: float | None
    memory: float
    disk: float
    checkpoints: float


def expected_cost(profile: Profile, teacher: Shape, text: TextSize | None, *, device: str) -> ExpectedCost:
    """The cost of a profile's students under the cost model (:mod:`fairkd.lab.cost`).

    Args:
        profile: its parameters.
        teacher: the teacher's shape.
        text: size of the training text, None if it is not known.
        device: kind of device, "cpu" or "cuda".

    Raises:
        InputError: an arm is deeper than the teacher, or no update would change a weight.
    """
    recipe, settings = profile.recipe, profile.teacher
    arms: list[Arm] = list({str(arm.content()): arm for arm in profile.all_arms()}.values())  # equal content is one
    _check_layers(arms, teacher.layers)
    length = text.tokens / text.sequences if text else float(profile.corpus.max_length)
    schedule = recipe.schedule(text.sequences) if text else None
    updates = schedule.updates if schedule else recipe.max_steps
    batch, trainings = batch_of(recipe, recipe.batch_size, length), len(profile.student_seeds)
    step = step_flops(teacher, arms, batch)
    update = recipe.gradient_accumulation_steps * step
    adapting = adaptation_flops(teacher, settings.adapt_batch_size, length, recipe.mlm_mask_prop)
    weights = float(sum(teacher.at_depth(arm.layers).parameters for arm in arms))
    read = schedule.batches_read * step if schedule else None if updates is None else updates * update
    return ExpectedCost(
        arms=len(arms),
        trainings=trainings,
        length=length,
        tokens=batch.tokens * recipe.gradient_accumulation_steps,
        update_flops=update,
        adapting_flops=len(profile.teacher_seeds) * settings.adapt_steps * adapting,
        updates=updates,
        flops=None if read is None else trainings * read,
        memory=training_memory(teacher, arms, recipe, longest=profile.corpus.max_length, device=device),
        disk=BYTES * trainings * weights,
        checkpoints=BYTES * 2 * 3 * weights,
    )


def training_memory(teacher: Shape, arms: Sequence[Arm], recipe: Recipe, *, longest: int, device: str) -> float:
    """Peak of a process that trains these arms side by side, in bytes: on a GPU, of its memory.

    A batch has sequences of like length, and one of them has the longest; so have batches that are read at once.
    """
    at_once = min(recipe.micro_batch_tokens or 0, recipe.gradient_accumulation_steps * recipe.batch_size * longest)
    batch = batch_of(recipe, max(recipe.batch_size, at_once // longest), longest)
    step = memory_bytes(teacher, arms, batch, chunk=CHUNK[device], passes=recipe.gradient_accumulation_steps)
    return step + (PROCESS_BYTES if device == "cpu" else 0)


def disk_of(students: float, checkpoints: float) -> str:
    """What students and checkpoints take, in words.

    >>> disk_of(15.1e9, 30.2e9)
    '15.1 GB for the students, and 30.2 GB for a seed while it is trained'
    """
    return f"{students / 1e9:.1f} GB for the students, and {checkpoints / 1e9:.1f} GB for a seed while it is trained"


def reads(profile: Profile, found: ExpectedCost, text: TextSize | None) -> str:
    """How much a student reads in its updates, estimated from the mean length, and what share of the text that is."""
    recipe, updates = profile.recipe, found.updates or 0
    sequences = updates * recipe.gradient_accumulation_steps * recipe.batch_size
    said = f"about {sequences:,} sequences, {sequences * found.length:,.0f} tokens" + ("" if text else " at most")
    if text is None:
        return said
    return f"{said}; one pass over the training text is {text.sequences:,} sequences, {text.tokens:,} tokens"


def batch_of(recipe: Any, sequences: int, length: float) -> BatchSize:
    """The expected batch of so many sequences of a mean length: rows of each loss, gender words in half of them."""
    tokens = sequences * length
    ce, mlm = recipe.ce_token_fraction * tokens, recipe.mlm_mask_prop * tokens
    return BatchSize(tokens, length, ce, mlm, ce + (1 - recipe.ce_token_fraction) * mlm, SWAPPED)


@dataclass(frozen=True)
class GpuCost:
    """What the students of a profile take on GPUs of a kind. No GPU was there to measure it: shares are assumed.

    Attributes:
        batches: of an update.
        at_once: tokens of a forward pass.
        passes: of an update, by all GPUs together.
        arithmetic_seconds: of all trainings, at the assumed share of the GPU's own rate.
        launch_seconds: that the host takes to start all kernels, meanwhile.
        seconds: the longer of the two.
        memory: peak of a GPU, in bytes.
    """

    batches: int
    at_once: int
    passes: int
    arithmetic_seconds: float
    launch_seconds: float
    seconds: float
    memory: float


def gpu_cost(
    profile: Profile, teacher: Shape, found: ExpectedCost, *, memory: float, rate: float, gpus: int
) -> GpuCost | None:
    """What :func:`expected_cost` found, on so many GPUs of so many bytes and FLOP/s; None without a number of updates.

    Batches of an update are dealt over the GPUs (``fairkd train --processes``).
    """
    if found.flops is None or found.updates is None:
        return None
    recipe, arms = profile.recipe, list({str(arm.content()): arm for arm in profile.all_arms()}.values())
    most = recipe.micro_batch_tokens or tokens_at_once(
        teacher, arms, recipe, longest=profile.corpus.max_length, memory=memory, chunk=CHUNK["cuda"]
    )
    own = found.tokens / gpus
    read = min(own, max(most, recipe.batch_size * found.length))  # no batch is split
    passes = max(1, math.ceil(own / read))
    longest = profile.corpus.max_length
    rows = math.ceil(recipe.gradient_accumulation_steps / gpus) * recipe.batch_size
    widest = batch_of(recipe, min(rows, max(recipe.batch_size, most // longest)), longest)  # not every pass is the mean
    kernels = KERNELS_A_READING * teacher.layers + sum(KERNELS_AN_ARM + KERNELS_A_LAYER * arm.layers for arm in arms)
    launch = found.trainings * found.updates * passes * kernels * LAUNCH_SECONDS
    arithmetic = found.flops / (GPU_UTILISATION * rate * gpus)
    return GpuCost(
        batches=recipe.gradient_accumulation_steps,
        at_once=round(read),
        passes=passes * gpus,
        arithmetic_seconds=arithmetic,
        launch_seconds=launch,
        seconds=max(arithmetic, launch),
        memory=memory_bytes(teacher, arms, widest, chunk=CHUNK["cuda"], passes=passes),
    )


def tokens_at_once(
    teacher: Shape, arms: Sequence[Arm], recipe: Recipe, *, longest: int, memory: float, chunk: int
) -> int:
    """Tokens of a forward pass that fit a device of so many bytes, beside all that stays there.

    What a pass keeps grows with its tokens, most where all are of the longest sequences. Never more than
    :data:`MOST_AT_ONCE`, with which a GPU is busy, and never less than one sequence: whether that fits shows when it is
    read.

    >>> from fairkd.arms import named_arm
    >>> arms, bert = [named_arm("full", student_layers=6)], Shape(12, 768, 3072, 30522)
    >>> fitting = [tokens_at_once(bert, arms, Recipe(), longest=71, memory=gb * 1e9, chunk=8192) for gb in (16, 80)]
    >>> fitting[0] < fitting[1] == MOST_AT_ONCE
    True
    """
    one, two = (memory_bytes(teacher, arms, batch_of(recipe, n, longest), chunk=chunk, passes=2) for n in (1, 2))
    sequences = max(1.0, (GPU_SHARE * memory - one) / (two - one))
    return min(MOST_AT_ONCE, int(sequences * longest))


def adaptation_flops(teacher: Shape, sequences: int, length: float, mask_prop: float) -> float:
    """An update of the teacher's adaptation: forward and backward pass, the head at the labelled tokens."""
    tokens = sequences * length
    return 3 * (body_flops(teacher, tokens, length) + head_flops(teacher, mask_prop * tokens))


def recorded_shape(profile: Profile) -> Shape | None:
    """The teacher's shape as its config.json says it; None if there is none here, as of a teacher from scratch.

    Nothing is downloaded; of a checkpoint of the hub the cached file is read.

    Raises:
        InputError: the config.json cannot be read, or lacks what a BERT's has; or the teacher is neither a folder nor
            a name that the hub could have, or a folder of a store in which something was changed.
    """
    source = profile.teacher.source
    folder = profile.path(source)
    if source == "scratch":
        return None
    if source == "embedded" and not folder.is_dir():
        folder = embedded_folder()
    check_entry(folder)
    path: Any = folder / "config.json"
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            path = try_to_load_from_cache(source, "config.json")
        except HFValidationError:  # a folder that is not there
            raise InputError(f"teacher {source!r} is neither a folder that is here nor a name on the hub") from None
        if not isinstance(path, str):
            return None
    values = read_json(Path(path))
    try:
        shape = Shape.of(SimpleNamespace(**values))
    except (AttributeError, TypeError) as error:
        raise InputError(f"{path} is no configuration of a BERT: {error}") from None
    for name, value in asdict(shape).items():
        if type(value) is not int or value < 1:
            raise InputError(f"{path} is no configuration of a BERT: {name} is {shown(value)}, no number of them")
    return shape


def check_depths(profile: Profile) -> None:
    """Refuses students that are deeper than their teacher, where its depth is known before it is loaded.

    Raises:
        InputError: names the first such arm.
    """
    teacher = profile.teacher
    most = teacher.layers if teacher.source == "scratch" else None
    with suppress(InputError):  # what is wrong with a teacher's folder is said by who loads it
        if (shape := recorded_shape(profile)) is not None:
            most = shape.layers
    if most is not None:
        _check_layers(profile.all_arms(), most)


def _check_layers(arms: Sequence[Arm], most: int) -> None:
    for arm in arms:
        if arm.layers > most:
            raise InputError(
                f"arm {arm.name!r}: a student of {arm.layers} layers from a teacher of {most}: allowed are 1 to {most}"
            )


def device_kind(profile: Profile) -> str:
    """ "cpu" or "cuda", without asking torch: "auto" is taken for a GPU where Linux has NVIDIA's driver."""
    if profile.device != "auto":
        return profile.device.partition(":")[0]
    return "cuda" if DRIVER.exists() else "cpu"


def cpu_matmul_rate(size: int = 1024) -> float:
    """FLOP/s of a square matrix product in fp32 on the CPU, as numpy does it; best of three, a tenth of a second."""
    import numpy as np

    a, best = np.ones((size, size), dtype=np.float32), math.inf
    for _ in range(4):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best
