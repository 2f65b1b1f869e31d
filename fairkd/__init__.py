"""fairkd: why does knowledge distillation amplify gender bias, and how do we stop it?

A reproduction of Ahn et al., "Why Knowledge Distillation Amplifies Gender Bias and How to Mitigate from the
Perspective of DistilBERT" (GeBNLP 2022). Pipeline: corpus → teacher → students (``distill``) → SEAT → tables
and figures in notebooks → report.
"""

from typing import TYPE_CHECKING, Any

from fairkd.errors import InputError

if TYPE_CHECKING:
    from fairkd.profile import Profile

__version__ = "0.1.0"
__all__ = ["InputError", "Profile", "__version__"]


def __getattr__(name: str) -> Any:
    """``Profile``, once it is asked for: what starts a kernel need not wait for pydantic, a quarter of a second."""
    if name != "Profile":
        raise AttributeError(f"module 'fairkd' has no attribute {name!r}")
    from fairkd.profile import Profile

    return Profile
