"""What tests and students are called, everywhere: in tables, figures, sentences and beside printed values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

TEACHER = "teacher"
"""What the column "arm" says in the teacher's rows."""
DEBIASED_TEACHER, WARMER = "the debiased teacher", "full, warmer"
"""Models that only claims of others than the paper are about: the debiased teacher itself, and the student with all
losses at twice the temperature."""

TEST_TITLES = {
    "C6": "names, career / family",
    "C6b": "terms, career / family",
    "C7": "math / arts, terms",
    "C7b": "math / arts, names",
    "C8": "science / arts, terms",
    "C8b": "science / arts, names",
}


@dataclass(frozen=True)
class ArmName:
    """What an arm is called.

    Attributes:
        title: in tables and figures, and beside printed values.
        words: in a sentence.
        learns: what it learns from, in the key to the names.
    """

    title: str
    words: str
    learns: str = ""


ARM_NAMES = {
    "full": ArmName("original", "the original student", "all three losses, L_mlm + L_cos + L_ce, as DistilBERT"),
    "no-cos": ArmName("no L_cos", "the student without L_cos", "L_mlm + L_ce: nothing asks for the teacher's states"),
    "no-ce": ArmName("no L_ce", "the student without L_ce", "L_mlm + L_cos: nothing asks for the teacher's logits"),
    "mlm-only": ArmName(
        "L_mlm alone", "the student of L_mlm alone", "the text, and nothing of a teacher; not in print"
    ),
    "debiased-teacher": ArmName(
        "debiased teacher", "the student of the debiased teacher", "all losses, of a teacher that was debiased first"
    ),
    "mixup-h": ArmName(
        "mixup of output", "the student with output embeddings mixed", "all losses; the teacher's last states are mixed"
    ),
    "mixup-x": ArmName(
        "mixup of input", "the student with input embeddings mixed", "all losses; its own input embeddings are mixed"
    ),
    "mixup-yh": ArmName(
        "mixup of logits + output",
        "the student with logits and output embeddings mixed",
        "all losses; the teacher's logits and last states are mixed",
    ),
    "mixup-xyh": ArmName(
        "mixup of all three",
        "the student with logits, output and input embeddings mixed",
        "all losses; input embeddings, logits and last states are mixed",
    ),
    "mixup-xy": ArmName(
        "mixup of input + logits",
        "the student of the proposed mixup",
        "all losses; input embeddings and logits are mixed: what the paper proposes",
    ),
    "mixup-y": ArmName(
        "mixup of logits", "the student with logits mixed", "all losses; the teacher's logits are mixed; not in print"
    ),
    "mixup-xh": ArmName(
        "mixup of input + output",
        "the student with input and output embeddings mixed",
        "all losses; input embeddings and last states are mixed; not in print",
    ),
    TEACHER: ArmName("teacher", "the teacher"),
    WARMER: ArmName("original, twice the temperature", "the student of twice the temperature"),
}

_NAMES = re.compile(rf"(?<![\w-])({'|'.join(sorted(map(re.escape, ARM_NAMES), key=len, reverse=True))})(?![\w-])")

TABLE2_GROUPS = {
    "Original supervision": ("full", "debiased-teacher"),
    "Mixup supervision": ("mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy"),
    "Ours, not in the paper": ("mixup-y", "mixup-xh"),
}
"""Table 2's rows by supervision; the last group is not in the paper."""


def arm_name(arm: str) -> ArmName:
    """What an arm is called; one of Figure 1 by its layers, an arm of the profile's own by its name."""
    layers = re.fullmatch(r"capacity-(\d+)", arm)
    title = f"{layers[1]} layer{'' if layers[1] == '1' else 's'}" if layers else arm
    return ARM_NAMES.get(arm, ArmName(title, arm, "all losses, at this depth (Figure 1)" if layers else ""))


def arm_title(arm: str) -> str:
    """Title of one arm in a table or figure.

    >>> arm_title("no-ce"), arm_title("capacity-1"), arm_title("my-arm")
    ('no L_ce', '1 layer', 'my-arm')
    """
    return arm_name(arm).title


def with_titles(text: str) -> str:
    """A text about arms, in which the titles stand for their names.

    >>> with_titles("difference of average SEAT, mixup-xy − full")
    'difference of average SEAT, mixup of input + logits − original'
    """
    return _NAMES.sub(lambda found: arm_title(found[0]), text)


def arm_words(arm: str) -> str:
    """One arm in a sentence.

    >>> arm_words("mixup-xy")
    'the student of the proposed mixup'
    """
    return arm_name(arm).words


def student_title(arm: str, seed: int) -> str:
    """What one student is called in lists and figures of single students.

    >>> student_title("mixup-xy", 0)
    'mixup of input + logits, seed 0'
    """
    return f"{arm_title(arm)}, seed {seed}"


def arm_titles(arms: Iterable[str]) -> dict[str, str]:
    """Titles of arms that are shown together.

    >>> arm_titles(["full", "mixup-xy"])
    {'full': 'original', 'mixup-xy': 'mixup of input + logits'}
    """
    return {arm: arm_title(arm) for arm in arms}
