"""A profile with every stage cut short: to see on a machine that all of it runs, before it runs for days."""

from __future__ import annotations

from fairkd.errors import InputError
from fairkd.profile import Profile

PERMUTATIONS_A_STEP = 100
LEAST_SEQUENCES = 20
"""Of each kind in debiasing: fewer leave too few to train on beside those that are held out."""


def bounded(profile: Profile, steps: int) -> Profile:
    """The same profile with so many updates at most in every stage; its results are those of a variant.

    Adaptation and students take ``steps`` updates, each of so many batches at most; debiasing and fine-tuning one pass
    over what is read in so many updates; SEAT draws 100 permutations a step; there is no learning curve. Shapes, data
    and all else stay.

    Args:
        profile: with its own, larger numbers.
        steps: 1 or more; at least 2 where there is a warm-up, which begins at learning rate 0.

    Raises:
        InputError: fewer steps.

    >>> short = bounded(Profile.load("paper"), 2)
    >>> short.recipe.max_steps, short.recipe.gradient_accumulation_steps, short.teacher.adapt_steps
    (2, 2, 2)
    >>> short.glue_recipe.train_examples, short.debias.epochs
    (64, 1)
    """
    if steps < 1:
        raise InputError(f"--max-steps: {steps} must be 1 or more")
    debias, glue, recipe = profile.debias, profile.glue_recipe, profile.recipe
    most = {
        "max_steps": (recipe.max_steps, steps),
        "gradient_accumulation_steps": (recipe.gradient_accumulation_steps, steps),
        "adapt_steps": (profile.teacher.adapt_steps, steps),
        "debias_epochs": (debias.epochs, 1),
        "debias_sequences": (debias.sequences, max(LEAST_SEQUENCES, steps * debias.batch_size)),
        "glue_epochs": (glue.epochs, 1),
        "glue_train_examples": (glue.train_examples, steps * glue.batch_size),
        "seat_permutations": (profile.seat.permutations, PERMUTATIONS_A_STEP * steps),
    }
    values = {name: least if own is None else min(own, least) for name, (own, least) in most.items()}
    return profile.changed(**values, glue_learning_curve=None)
