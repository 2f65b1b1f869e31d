"""Which stimulus words a tokenizer does not know: the vector of "This is [UNK]." says nothing about a word."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fairkd.bias.stimuli import LISTS, ROLES, TESTS, forms, stimuli
from fairkd.engine.loading import refused
from fairkd.errors import InputError


def unknown_words(tokenizer: Any) -> dict[str, list[str]]:
    """The stimulus words of each test of which a tokenizer reads a form as unknown, such as the plural.

    Returns:
        test -> words, in the order of the test's lists.

    Raises:
        InputError: it knows no word of a list, so that the tests with this list would measure nothing.

    >>> from transformers import BertTokenizer
    >>> letters = [*"abcdefghijklmnopqrstuvwxyz.'", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    >>> unknown_words(BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}))["C6"]
    []
    """
    own = {word: forms(word) for members in LISTS.values() for word in members}
    every = sorted({form for found in own.values() for form in found})
    known = {form for form, unknown in zip(every, _unknown(tokenizer, every), strict=True) if not unknown}
    lost = {name: [w for w in members if not known.issuperset(own[w])] for name, members in LISTS.items()}
    for name, words in lost.items():
        if len(words) == len(LISTS[name]):
            tests = [test for test in TESTS if name in ROLES[test].values()]
            raise InputError(
                f"the tokenizer knows no word of the list {name} ({', '.join(words)}), so that {', '.join(tests)} "
                "would measure what the model makes of its unknown token: name its own tokenizer, or another model"
            )
    return {test: list(dict.fromkeys(w for name in ROLES[test].values() for w in lost[name])) for test in TESTS}


def unknown_sentences(tokenizer: Any) -> dict[str, int]:
    """How many of a test's sentences hold something that a tokenizer reads as unknown, by test."""
    found = {}
    for test in TESTS:
        sentences = list(dict.fromkeys(s for part in stimuli(test).values() for s in part))
        found[test] = sum(_unknown(tokenizer, sentences))
    return found


def unknown_line(words: Mapping[str, Sequence[str]], sentences: Mapping[str, int]) -> str:
    """What :func:`unknown_words` and :func:`unknown_sentences` found, in one line; "" if that is nothing."""
    parts = []
    for test in TESTS:
        if sentences[test]:
            total = len({s for part in stimuli(test).values() for s in part})
            count, names = len(words[test]), ", ".join(words[test])
            named = f", {count} stimulus word{'s' * (count > 1)} ({names})" if count else ""
            parts.append(f"{test}, {sentences[test]} of {total} sentences{named}")
    if not parts:
        return ""
    return f"the tokenizer does not know all words of these tests, so that their scores mean less: {'; '.join(parts)}"


def _unknown(tokenizer: Any, texts: list[str]) -> list[bool]:
    """Whether a tokenizer reads anything of a text as unknown, or nothing at all."""
    unknown = unknown_id(tokenizer)
    with refused(f"{type(tokenizer).__name__} cannot read the stimulus words"):
        rows: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [not ids or unknown in ids for ids in rows]


def unknown_id(tokenizer: Any) -> int | None:
    """The id that stands for what is unknown; None where there is none, as with pieces of single bytes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if tokenizer.unk_token_id is not None or backend is None:
        found: int | None = tokenizer.unk_token_id
        return found
    model = json.loads(backend.to_str())["model"]  # transformers may not have been told of it
    return model["unk_id"] if model.get("unk_id") is not None else backend.token_to_id(model.get("unk_token") or "")
