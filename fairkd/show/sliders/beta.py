"""The law of mixup's weight (Section 5.1): λ ~ Beta(α, α), its density, draws, and how much of it is near an end.

The paper takes α = 0.4: a U, under which most occurrences of a gender word stay close to one of its two forms.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betainc, betaln  # scipy.stats takes a second to import

from fairkd.errors import InputError
from fairkd.mixup import draw_lambda
from fairkd.rng import torch_generator

LAMBDAS = tuple(step / 20 for step in range(21))
"""The values of λ that sliders step through."""
NEAR = 0.1
"""A λ this near 0 or 1 leaves one of the two words almost as it is."""


def density(alpha: float, *, points: int = 200) -> pd.DataFrame:
    """The density of Beta(alpha, alpha) in the middle of ``points`` equal parts of [0, 1].

    The ends themselves are left out: below alpha = 1 the density is infinite there.

    Returns:
        Columns lam, density; a row a part.

    Raises:
        InputError: alpha is not above 0, or there are no points.
    """
    _check(alpha)
    if points < 1:
        raise InputError(f"points: {points} must be 1 or more")
    lam = (np.arange(points) + 0.5) / points
    logs = (alpha - 1) * (np.log(lam) + np.log1p(-lam)) - betaln(alpha, alpha)
    return pd.DataFrame({"lam": lam, "density": np.exp(logs)})


def samples(alpha: float, *, size: int, seed: int = 0) -> NDArray[np.float64]:
    """``size`` draws of λ, as training draws them; the same seed gives the same draw for every alpha, stretched.

    Raises:
        InputError: alpha is not above 0, or size is negative.
    """
    _check(alpha)
    if size < 0:
        raise InputError(f"size: {size} must be 0 or more")
    drawn: NDArray[np.float64] = draw_lambda(alpha, size, torch_generator(seed, "explore λ")).numpy()
    return drawn


def share_near_ends(alpha: float, *, near: float = NEAR) -> float:
    """P(λ <= near or λ >= 1 - near): by symmetry twice the incomplete beta function I_near(alpha, alpha).

    Raises:
        InputError: alpha is not above 0, or near does not lie in (0, 0.5].
    """
    _check(alpha)
    if not 0 < near <= 0.5:
        raise InputError(f"near: {near} must be above 0 and at most 0.5")
    return float(2 * betainc(alpha, alpha, near))


def _check(alpha: float) -> None:
    if not 0 < alpha < np.inf:
        raise InputError(f"alpha: {alpha!r} must be above 0 and finite; λ is drawn from Beta(alpha, alpha)")
