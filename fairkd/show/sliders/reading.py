"""Mixup on one sentence (Section 5.1): the mixed word x̄, the mixed target ȳ, and what the student makes of x̄.

    x̄ = λ x_male + (1 - λ) x_female        the student's word embeddings
    ȳ = λ y_male + (1 - λ) y_female        the teacher's logits, softmax at the temperature of L_ce

As in training, all gender words of the sentence share λ, the teacher reads plain text only (the sentence, and the
sentence with all its gender words exchanged), and nothing is masked: the word itself is what the teacher sees.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.store import Store, read_json, write_json
from fairkd.errors import InputError, nearest
from fairkd.gender import PairTable
from fairkd.mixup import Mixing, Mixup, mix, mixed_embeddings, plan_mixing
from fairkd.rng import torch_generator
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import Loaded

READINGS = ("male", "female", "mixture", "student")
"""Of a word's place: the teacher's with the male word, with the female word, ȳ, and the student's of x̄."""


@dataclass(frozen=True)
class LambdaStep:
    """One value of λ.

    Attributes:
        lam: λ, the weight of the male word.
        probabilities: columns word, reading (one of ``READINGS``), probability; the same words at every λ.
        nearest: columns word, cosine: the vocabulary's words whose embeddings are nearest to x̄ in direction.
        to_male, to_female: cosine of x̄ with the embeddings of the pair's two words.
        kl: KL(ȳ ‖ student), both at the temperature, in nats; L_ce is this times the temperature squared.
    """

    lam: float
    probabilities: pd.DataFrame
    nearest: pd.DataFrame
    to_male: float
    to_female: float
    kl: float


class SentenceReading:
    """What teacher and student make of a sentence with a gender word, at any λ.

    The teacher reads twice and the student once for all of ``grid``; a step on the grid reads nothing again.

    Args:
        sentence: one sentence, not empty, with a word of ``pairs``.
        teacher, student: with MLM heads and one vocabulary.
        pairs: the set D in that vocabulary.
        temperature: of L_ce.
        word: which of the sentence's gender words to look at, from 0.
        top: how many words are shown.
        grid: the values of λ to prepare.

    Attributes:
        male, female: the pair's words at the place, as the vocabulary writes them.
        words: the gender words of the sentence, in order.

    Raises:
        InputError: the sentence is empty, too long or has no such word, the word has several pieces, or a model
            does not fit.
    """

    def __init__(
        self,
        sentence: str,
        *,
        teacher: Loaded,
        student: Loaded,
        pairs: PairTable,
        temperature: float,
        word: int = 0,
        top: int = 8,
        grid: Sequence[float] = LAMBDAS,
    ) -> None:
        check_models(teacher, student)
        self.sentence, self.temperature, self.top = sentence, temperature, top
        self._student, self._tokenizer = student.model, teacher.tokenizer
        longest = min(m.model.config.max_position_embeddings for m in (teacher, student))
        self._ids = encode_sentence(sentence, teacher.tokenizer, longest=longest)
        self._mixing = find_words(sentence, self._ids, pairs, teacher.tokenizer.get_vocab())
        self._index = pick(self._mixing, word, self._ids, pairs)
        pieces = teacher.tokenizer.convert_ids_to_tokens
        self.words: list[str] = pieces(self._mixing.own.tolist())
        both = torch.stack([self._mixing.own, self._mixing.counterpart])[:, self._index]
        self._pair = both if self._mixing.male[self._index] else both.flip(0)  # (male, female)
        self.male, self.female = pieces(self._pair.tolist())
        self._logits = self._read_twice(teacher.model)
        self._readings: dict[float, Tensor] = {}
        self._read_mixed(grid)
        self._shown = self._top_words()
        self._cosines = _Cosines(student.model, self._pair, teacher.tokenizer)

    @torch.inference_mode()
    def _read_twice(self, teacher: Any) -> Tensor:
        """The teacher's logits (2, vocab) at the word's place: with the male word there, and with the female."""
        ids = torch.cat([self._ids, self._mixing.swapped])
        hidden = last_hidden(teacher, ids, torch.ones_like(ids))[:, self._mixing.at[self._index]]
        logits = vocabulary_logits(teacher, hidden).double()
        return logits if self._mixing.male[self._index] else logits.flip(0)

    @torch.inference_mode()
    def _read_mixed(self, lams: Sequence[float]) -> None:
        """Keeps the student's log-probabilities (vocab,) at the word's place for these λ, in one batch."""
        new = [lam for lam in lams if lam not in self._readings]
        if not new:
            return
        mixed = torch.cat([mixed_embeddings(self._student, self._ids, _at(self._mixing, lam)) for lam in new])
        ids = self._ids.expand(len(new), -1)
        hidden = last_hidden(self._student, ids, torch.ones_like(ids), mixed)[:, self._mixing.at[self._index]]
        logits = vocabulary_logits(self._student, hidden).double() / self.temperature
        self._readings.update(zip(new, logits.log_softmax(1), strict=True))

    def mixture(self, lam: float) -> Tensor:
        """Log-probabilities (vocab,) of ȳ at the temperature."""
        male, female = self._logits
        both = mix(male[None], female[None], male=torch.tensor([True]), lam=torch.tensor([lam], dtype=torch.float64))
        return (both[0] / self.temperature).log_softmax(0)

    def student(self, lam: float) -> Tensor:
        """Log-probabilities (vocab,) of the student at the temperature when it reads x̄; read once a λ."""
        self._read_mixed([lam])
        return self._readings[lam]

    def at(self, lam: float) -> LambdaStep:
        """What there is to see at λ.

        Raises:
            InputError: λ does not lie in [0, 1].
        """
        if not 0 <= lam <= 1:
            raise InputError(f"λ: {lam} must lie between 0 (the female word) and 1 (the male word)")
        target, student = self.mixture(lam), self.student(lam)
        shown = torch.stack([self.mixture(1.0), self.mixture(0.0), target, student])[:, self._shown].exp()
        words = self._tokenizer.convert_ids_to_tokens(self._shown.tolist())
        rows = [
            {"word": word, "reading": reading, "probability": float(value)}
            for reading, values in zip(READINGS, shown, strict=True)
            for word, value in zip(words, values, strict=True)
        ]
        to_male, to_female, near = self._cosines.at(lam)
        kl = float((target.exp() * (target - student)).sum())
        return LambdaStep(lam, pd.DataFrame(rows), near, to_male, to_female, kl)

    def _top_words(self) -> Tensor:
        """Ids of the words shown: those that are likeliest in the male reading, the female one, or half way."""
        likely = torch.stack([self.mixture(lam) for lam in (0.0, 0.5, 1.0)]).amax(0)
        return likely.topk(min(self.top, len(likely))).indices


@dataclass(frozen=True)
class KnownReading:
    """What there is to see of a :class:`SentenceReading` on its grid, which has the same attributes."""

    sentence: str
    temperature: float
    male: str
    female: str
    words: list[str]
    steps: dict[float, LambdaStep]

    def at(self, lam: float) -> LambdaStep:
        """A step of the grid."""
        return self.steps[lam]

    @classmethod
    def of(cls, found: dict[str, Any]) -> KnownReading:
        """From plain values."""
        frames = {"probabilities": ["word", "reading", "probability"], "nearest": ["word", "cosine"]}
        steps = [
            LambdaStep(**one | {name: pd.DataFrame(one[name], columns=columns) for name, columns in frames.items()})
            for one in found["steps"]
        ]
        return cls(**found | {"steps": {step.lam: step for step in steps}})


def stored_reading(
    store: Store, sentence: str, *, teacher: Loaded, student: Loaded, pairs: PairTable, temperature: float
) -> KnownReading:
    """A :class:`SentenceReading` of the first gender word on its grid, from the store, or made once and kept there.

    Raises:
        InputError: as there.
    """
    spec = {
        "models": [teacher.digest, student.digest],
        "tokenizer": teacher.tokenizer_digest,
        "pairs": pairs.content,
        "sentence": sentence,
        "temperature": temperature,
        "grid": list(LAMBDAS),
    }

    def values() -> dict[str, Any]:
        made = SentenceReading(sentence, teacher=teacher, student=student, pairs=pairs, temperature=temperature)
        found = {name: getattr(made, name) for name in ("sentence", "temperature", "male", "female", "words")}
        steps = [made.at(lam) for lam in LAMBDAS]
        plain = [
            vars(step) | {name: getattr(step, name).to_dict("list") for name in ("probabilities", "nearest")}
            for step in steps
        ]
        return found | {"steps": plain}

    found = store.kept(
        "reading of a sentence",
        spec,
        values,
        write=lambda made, folder: write_json(folder / "reading.json", made),
        read=lambda folder: read_json(folder / "reading.json"),
        about={"weights": student.digest},
    )
    return KnownReading.of(found)


class _Cosines:
    """Cosines of all word embeddings with x̄, from those with its two ends: x̄ is linear in λ."""

    @torch.inference_mode()
    def __init__(self, student: Any, pair: Tensor, tokenizer: Any) -> None:
        embeddings = student.get_input_embeddings().weight.double()
        ends = embeddings[pair]  # (2, hidden)
        self._pair = pair
        self._products = embeddings @ ends.T / embeddings.norm(dim=1, keepdim=True).clamp(min=1e-12)  # (vocab, 2)
        self._gram = ends @ ends.T
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        special = [i for piece, i in vocabulary.items() if piece.startswith("[") and len(piece) > 1]
        self._hidden = torch.tensor([*special, *tokenizer.all_special_ids])

    def at(self, lam: float, *, n: int = 5) -> tuple[float, float, pd.DataFrame]:
        """Cosine with the male word, with the female word, and the n nearest words."""
        weights = torch.tensor([lam, 1 - lam], dtype=torch.float64)
        length = float(weights @ self._gram @ weights) ** 0.5
        cosines = self._products @ weights / max(length, 1e-12)
        to_male, to_female = cosines[self._pair].tolist()
        found = cosines.index_fill(0, self._hidden, -2).topk(min(n, len(cosines)))
        words = self._tokenizer.convert_ids_to_tokens(found.indices.tolist())
        return to_male, to_female, pd.DataFrame({"word": words, "cosine": found.values.numpy()})


def _at(mixing: Mixing, lam: float) -> Mixing:
    return dataclasses.replace(mixing, lam=torch.full_like(mixing.lam, lam))


def check_models(teacher: Loaded, student: Loaded) -> None:
    """Raises InputError where the two cannot be compared word by word."""
    for loaded in (teacher, student):
        if not loaded.has_head:
            raise InputError(f"{loaded.name!r} has no trained MLM head, so it says nothing about words; choose another")
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise InputError(
            f"{student.name!r} has another vocabulary than {teacher.name!r}: their words cannot be compared"
        )


def encode_sentence(sentence: str, tokenizer: Any, *, longest: int) -> Tensor:
    """Ids (1, tokens) of a sentence with its special tokens.

    Raises:
        InputError: it is empty, or longer than ``longest`` tokens.
    """
    if not sentence.strip():
        raise InputError("the sentence is empty: write one with a gender word, such as 'she is a nurse'")
    ids = tokenizer(sentence, truncation=False)["input_ids"]
    if len(ids) > longest:
        raise InputError(
            f"the sentence is too long: it has {len(ids)} tokens, with the two at its ends; allowed are {longest}"
        )
    return torch.tensor([ids])


def find_words(sentence: str, ids: Tensor, pairs: PairTable, vocabulary: Collection[str]) -> Mixing:
    """Where the gender words of a sentence stand, as training finds them; λ is still to be set.

    Raises:
        InputError: there is none; names the nearest.
    """
    tokens = torch.ones_like(ids)
    mixing = plan_mixing(
        ids, ids, tokens, tokens.flatten().nonzero()[:, 0], Mixup(pairs), torch_generator(0, "explore")
    )
    if mixing is None:
        known = [word for pair in pairs.pairs for word in (pair.female, pair.male)]
        lower = {word.lower(): word for word in known}
        # A word that the vocabulary has ("the") is hardly a mistyped one ("he").
        unknown = [word for word in re.findall(r"\w+", sentence.lower()) if word not in vocabulary]
        hints = [nearest(word, lower) for word in unknown]
        hint = next((h for h in hints if h), "")
        raise InputError(f"no gender word in {_short(sentence)!r}; the pairs have {', '.join(known)}.{hint}")
    return mixing


def pick(mixing: Mixing, word: int, ids: Tensor, pairs: PairTable) -> int:
    """The piece that word number ``word`` of a sentence is.

    Raises:
        InputError: there is no such word, or it has several pieces: then there is no one place to look at.
    """
    occurrence: NDArray[np.int64] = pairs.find(ids).occurrence.numpy()
    number = int(occurrence.max()) + 1
    if not 0 <= word < number:
        raise InputError(f"word: {word}, but the sentence has {number} gender words; allowed are 0 to {number - 1}")
    pieces = np.flatnonzero(occurrence == word)
    if len(pieces) > 1:
        raise InputError(f"gender word {word} of the sentence has {len(pieces)} pieces; choose a word of one piece")
    return int(pieces[0])


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else f"{text[:width]}…"
