"""fairkd: why does knowledge distillation amplify gender bias, and how do we stop it?

A reproduction of Ahn et al., "Why Knowledge Distillation Amplifies Gender Bias and How to Mitigate from the
Perspective of DistilBERT" (GeBNLP 2022). Pipeline: corpus → teacher → students (``distill``) → SEAT → tables
and figures in notebooks → report.
"""

from fairkd.errors import InputError
from fairkd.profile import Profile

__version__ = "0.1.0"
__all__ = ["InputError", "Profile", "__version__"]
