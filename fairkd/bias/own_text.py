"""Counterfactual invariance on a text of one's own, such as one that was held out of a training."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fairkd.bias.counterfactual import COUNTERFACTUAL, exchanged, measure_sentences
from fairkd.bias.ruler import Ruler
from fairkd.engine.yaml_text import utf8_text
from fairkd.errors import InputError
from fairkd.pairs import PAIRS


def read_sentences(path: Path) -> list[str]:
    """The different sentences of a file that have a word of gender: a line each.

    Raises:
        InputError: the file cannot be read, or no line has one.
    """
    try:
        lines = [line.strip() for line in utf8_text(path).splitlines()]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    found = [line for line in dict.fromkeys(lines) if exchanged(line)[3]]
    if not found:
        raise InputError(f"{path}: none of its {len(lines)} lines has a word of gender, such as 'she'")
    return found


def own_text_ruler(path: Path) -> Ruler:
    """The ruler of :mod:`fairkd.bias.counterfactual` on a file's sentences.

    What is resampled are the pairs of words: a sentence goes with the first of its own. A text without words outside D,
    or without words of D, has no score of them.

    Raises:
        InputError: as :func:`read_sentences`.
    """
    sentences = read_sentences(path)
    inside = {exchanged(sentence)[3][0] in PAIRS for sentence in sentences}
    scores = tuple(score for score in COUNTERFACTUAL.scores if (score.name == "in-d") in inside)
    measure = partial(measure_sentences, sentences=sentences)
    return Ruler("own-text", f"counterfactual invariance, {path.name}", COUNTERFACTUAL.source, measure, scores)
