"""Whether the measuring follows a planted association of known strength: the judge of the controlled experiment."""

from __future__ import annotations

import numpy as np
import pandas as pd


def planted_checks(own: pd.DataFrame) -> dict[str, bool]:
    """What the mean signed d of one model should do if it follows the planted strength, and whether it does.

    Args:
        own: strength, signed, signed_low, signed_high (95 %), a row a strength.
    """
    own = own.sort_values("strength")
    zero, others = own[own.strength == 0], own[own.strength != 0]
    far = others[others.strength.abs() == others.strength.abs().max()]
    away = np.where(far.strength > 0, far.signed_low > 0, far.signed_high < 0)
    return {
        "rises with the strength, in point estimates": bool((own.signed.diff().iloc[1:] > 0).all()),
        "zero lies in the interval where nothing is planted": bool(
            ((zero.signed_low <= 0) & (zero.signed_high >= 0)).all()
        ),
        "has the sign of the strength, in point estimates": bool(
            (np.sign(others.signed) == np.sign(others.strength)).all()
        ),
        "its interval leaves zero at the largest strengths": bool(away.all()),
    }
