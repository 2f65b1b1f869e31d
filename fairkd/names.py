"""What tests and students are called, everywhere: in tables, figures, sentences and beside printed values."""

from __future__ import annotations

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
        title: in tables and figures.
        words: in a sentence.
        brief: beside a printed value.
        supervision: its row in Table 2; "" for an arm that Table 2 does not have.
    """

    title: str
    words: str
    brief: str = ""
    supervision: str = ""


ARM_NAMES = {
    "full": ArmName("L_mlm + L_cos + L_ce", "the original student", "all losses", "original teacher"),
    "no-cos": ArmName("L_mlm + L_ce", "the student without L_cos", "without L_cos"),
    "no-ce": ArmName("L_mlm + L_cos", "the student without L_ce", "without L_ce"),
    "mlm-only": ArmName("L_mlm (ours)", "the student of L_mlm alone"),
    "debiased-teacher": ArmName(
        "debiased teacher", "the student of the debiased teacher", "debiased teacher", "debiased teacher"
    ),
    "mixup-h": ArmName(
        "mixup: output embeddings", "the student with output embeddings mixed", "output embeddings", "output embeddings"
    ),
    "mixup-x": ArmName(
        "mixup: input embeddings", "the student with input embeddings mixed", "input embeddings", "input embeddings"
    ),
    "mixup-yh": ArmName(
        "mixup: logits + output",
        "the student with logits and output embeddings mixed",
        "logits and output embeddings",
        "logits + output embeddings",
    ),
    "mixup-xyh": ArmName(
        "mixup: all three",
        "the student with logits, output and input embeddings mixed",
        "all three levels",
        "logits + output + input embeddings",
    ),
    "mixup-xy": ArmName(
        "mixup: logits + input (proposed)",
        "the student of the proposed mixup",
        "proposed",
        "logits + input embeddings (proposed)",
    ),
    "mixup-y": ArmName("mixup: logits (ours)", "the student with logits mixed", "", "mixup of logits"),
    "mixup-xh": ArmName(
        "mixup: input + output (ours)",
        "the student with input and output embeddings mixed",
        "",
        "mixup of output + input embeddings",
    ),
    TEACHER: ArmName("teacher", "the teacher", "", "the teacher itself"),
    WARMER: ArmName("all losses, twice the temperature", "the student of twice the temperature"),
}
ORIGINAL = ArmName("original student", "the original student", "original", "original teacher")
"""The arm "full" among the arms of Table 2, where it is not told by its losses."""

TABLE2_GROUPS = {
    "Original supervision": ("full", "debiased-teacher"),
    "Mixup supervision": ("mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy"),
    "Ours, not in the paper": ("mixup-y", "mixup-xh"),
}
"""Table 2's rows by supervision; the last group is not in the paper."""


def arm_name(arm: str) -> ArmName:
    """What an arm is called; an arm of the profile's own by its name."""
    return ARM_NAMES.get(arm, ArmName(arm, arm, arm, arm))


def arm_title(arm: str) -> str:
    """Title of one arm in a table or figure.

    >>> arm_title("no-ce"), arm_title("my-arm")
    ('L_mlm + L_cos', 'my-arm')
    """
    return arm_name(arm).title


def arm_words(arm: str) -> str:
    """One arm in a sentence.

    >>> arm_words("mixup-xy")
    'the student of the proposed mixup'
    """
    return arm_name(arm).words


def arm_titles(arms: Iterable[str]) -> dict[str, str]:
    """Titles of arms that are shown together.

    "full" is told by its losses among students that differ in losses. Among those of Table 2 it is the original one.

    >>> arm_titles(["full", "no-ce"])["full"], arm_titles(["full", "mixup-xy"])["full"]
    ('L_mlm + L_cos + L_ce', 'original student')
    """
    names = list(arms)
    titles = {name: arm_title(name) for name in names}
    mitigated = {arm for group in TABLE2_GROUPS.values() for arm in group} - {"full"}
    if "full" in titles and mitigated & set(names):
        titles["full"] = ORIGINAL.title
    return titles
