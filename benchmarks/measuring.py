"""Goal e: six SEAT tests with permutations, against one sentence at a time and permutations in a Python loop."""

from __future__ import annotations

import random
import statistics
from typing import Any

import torch
from transformers import BertConfig, BertForMaskedLM

from benchmarks.machine import plain_products, seconds
from benchmarks.table import Row
from fairkd import seat
from fairkd.bias.stimuli import TESTS, stimuli
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import load_checkpoint

PERMUTATIONS = 100_000


class Literal:
    """SEAT as a reader of Section 3 would first write it; vectors are lists of Python's numbers."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.model, self.tokenizer, self.device = model, tokenizer, device

    @torch.no_grad()
    def vector(self, sentence: str) -> torch.Tensor:
        """The mean of the last hidden states, one sentence at a time."""
        tokens = self.tokenizer(sentence, return_tensors="pt").to(self.device)
        hidden = self.model.base_model(**tokens).last_hidden_state[0].mean(0).double().cpu()
        return hidden / hidden.norm()

    def scores(self, test: str) -> tuple[list[float], list[float]]:
        """s(w, A, B) of the targets X and Y: mean cosine with A minus mean cosine with B, pair by pair."""
        vectors = {role: [self.vector(text) for text in texts] for role, texts in stimuli(test).items()}

        def association(w: torch.Tensor) -> float:
            return statistics.fmean(float(w @ a) for a in vectors["A"]) - statistics.fmean(
                float(w @ b) for b in vectors["B"]
            )

        return [association(w) for w in vectors["X"]], [association(w) for w in vectors["Y"]]


def permute(x: list[float], y: list[float], permutations: int) -> float:
    """One-sided p: how often a random split of all scores is as extreme as the observed one."""
    scores, observed, hits = x + y, sum(x), 0
    draw = random.Random(0)
    for _ in range(permutations):
        draw.shuffle(scores)
        hits += sum(scores[: len(x)]) >= observed
    return (hits + 1) / (permutations + 1)


def run(quick: bool, device: torch.device, repeats: int = 3) -> list[Row]:
    """Row e. The Python loop runs a fiftieth of the permutations and counts fifty times."""
    torch.manual_seed(0)
    tokenizer = load_checkpoint("embedded").tokenizer
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2} if quick else {}
    teacher = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape))
    model: Any = student_from_teacher(teacher, 6).to(device).eval()
    del teacher
    total = PERMUTATIONS // 50 if quick else PERMUTATIONS
    part = total // 50
    literal, found = Literal(model, tokenizer, device), {}

    def encode() -> None:
        found.update({test: literal.scores(test) for test in TESTS})

    def loop() -> None:
        for x, y in found.values():
            permute(list(x), list(y), part)

    with plain_products():
        times = range(1 if quick else repeats)
        slow = [seconds(encode, device) + total / part * seconds(loop, device) for _ in times]

    def measure() -> None:
        seat.measure(model, tokenizer, n_samples=total, n_bootstrap=0, device=str(device))

    fast = []
    for _ in range(repeats):
        _forget_splits()
        fast.append(seconds(measure, device))
    ratios = [statistics.median(slow) / one for one in fast]
    details = {"seconds": fast, "baseline_seconds": slow, "permutations": total, "baseline_permutations_run": part}
    return [Row("e", "SEAT against one sentence and one permutation at a time", 30, ratios, "×", details)]


def _forget_splits() -> None:
    from fairkd.bias import association

    association._random_splits.cache_clear()
