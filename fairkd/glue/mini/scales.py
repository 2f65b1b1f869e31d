"""Words with a side: each scale has words of one side and of the other, for training and for the development sets.

Words of one side mean nearly the same, words of the two sides the opposite. The scales are common to both
vocabularies, their words are not.
"""

from __future__ import annotations

from collections.abc import Mapping

Sides = tuple[tuple[str, ...], tuple[str, ...]]
"""The words of one side and those of the other."""
Scales = Mapping[str, tuple[Sides, Sides]]
"""(training, development) by name."""


def _sides(*texts: str) -> tuple[Sides, Sides]:
    """(training, development) of "one other" texts, in that order of vocabularies."""
    one, other, dev_one, dev_other = (tuple(text.split()) for text in texts)
    return (one, other), (dev_one, dev_other)


MOODS = {
    "joy": _sides(
        "happy glad cheerful joyous delighted", "sad unhappy miserable depressed heartbroken",
        "pleased merry thrilled ecstatic", "gloomy desperate lonely mournful",
    ),
    "wit": _sides(
        "smart clever wise", "stupid foolish silly naive",
        "intelligent genius", "dumb ignorant idiotic",
    ),
    "courage": _sides(
        "brave bold fearless", "afraid scared frightened timid",
        "courageous heroic", "terrified fearful anxious",
    ),
    "kindness": _sides(
        "kind friendly gentle polite caring", "cruel rude hostile brutal mean",
        "nice generous gracious loving", "nasty ruthless vicious savage",
    ),
    "wealth": _sides(
        "rich wealthy", "poor penniless",
        "affluent prosperous", "homeless bankrupt",
    ),
    "health": _sides(
        "healthy strong fit", "sick ill weak",
        "robust athletic", "unwell wounded disabled",
    ),
}  # fmt: skip
TRAITS = {
    "size": _sides(
        "big large huge enormous", "small little tiny",
        "giant massive immense gigantic", "mini miniature compact",
    ),
    "heat": _sides(
        "hot warm burning", "cold icy chilly",
        "boiling heated scorching", "frozen freezing cool",
    ),
    "age": _sides(
        "old ancient antique", "new modern recent",
        "aged medieval outdated", "contemporary latest novel",
    ),
    "worth": _sides(
        "good great excellent wonderful", "bad awful terrible horrible",
        "superb splendid fantastic perfect", "dreadful inferior lousy worthless",
    ),
    "beauty": _sides(
        "beautiful lovely pretty", "ugly hideous",
        "gorgeous stunning elegant", "grotesque disgusting",
    ),
    "price": _sides(
        "expensive costly precious", "cheap free",
        "valuable priceless", "affordable inexpensive",
    ),
}  # fmt: skip
HELP = {
    "help": _sides(
        "help support rescue assist", "harm hurt attack injure beat",
        "protect defend comfort heal", "wound assault punch strike",
    ),
    "liking": _sides(
        "love admire like adore", "hate despise dislike",
        "respect cherish worship", "detest loathe resent",
    ),
    "praise": _sides(
        "praise thank congratulate", "blame criticize insult mock",
        "applaud compliment bless", "accuse condemn curse",
    ),
    "freedom": _sides(
        "free release", "arrest capture jail",
        "liberate pardon", "imprison detain kidnap",
    ),
}  # fmt: skip
