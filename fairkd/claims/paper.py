"""What Ahn et al. (2022) printed, as data, to stand beside what we measure.

Arms are named as in the experiments. Table 1: ``full`` is the paper's DistilBERT with all three losses, ``no-cos``
lacks L_cos, ``no-ce`` lacks L_ce. Table 2: the student of a ``debiased-teacher``, and mixup in output embeddings (h),
input embeddings (x) and logits (y), of which ``mixup-xy`` is the proposed method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

# Table 1, SEAT half: arm -> test -> effect size. ``pandas.DataFrame(TABLE1)`` has the table's layout.
TABLE1: dict[str, dict[str, float]] = {
    "full": {"C6": 1.236, "C6b": 0.499, "C7": 0.907, "C7b": 1.428, "C8": 0.534, "C8b": 1.347},
    "no-cos": {"C6": 1.137, "C6b": 0.557, "C7": 1.041, "C7b": 1.316, "C8": 0.475, "C8b": 1.237},
    "no-ce": {"C6": 1.093, "C6b": 0.292, "C7": 1.153, "C7b": 0.139, "C8": 0.852, "C8b": 0.653},
}

# Table 1, row "Avg.", as printed.
TABLE1_PRINTED_AVERAGE: dict[str, float] = {"full": 0.992, "no-cos": 0.960, "no-ce": 0.670}

# Table 1, row "GLUE Avg.", in percent.
TABLE1_GLUE_AVERAGE: dict[str, float] = {"full": 76.7, "no-cos": 76.3, "no-ce": 75.2}

# Table 2: arm -> test -> effect size, in the order of its rows.
TABLE2: dict[str, dict[str, float]] = {
    "full": {"C6": 1.236, "C6b": 0.499, "C7": 0.907, "C7b": 1.428, "C8": 0.534, "C8b": 1.347},
    "debiased-teacher": {"C6": 0.889, "C6b": 0.294, "C7": 0.509, "C7b": 1.192, "C8": 0.838, "C8b": 1.292},
    "mixup-h": {"C6": 1.215, "C6b": 0.460, "C7": 0.761, "C7b": 1.541, "C8": 0.650, "C8b": 1.420},
    "mixup-x": {"C6": 1.305, "C6b": 0.049, "C7": 0.460, "C7b": 1.334, "C8": 0.465, "C8b": 1.342},
    "mixup-yh": {"C6": 1.310, "C6b": 0.397, "C7": 1.325, "C7b": 0.989, "C8": 0.863, "C8b": 1.321},
    "mixup-xyh": {"C6": 1.246, "C6b": 0.049, "C7": 0.566, "C7b": 1.367, "C8": 0.407, "C8b": 1.144},
    "mixup-xy": {"C6": 1.176, "C6b": 0.062, "C7": 0.447, "C7b": 1.218, "C8": 0.310, "C8b": 1.211},
}

# Table 2, column "Avg.", as printed. That of ``mixup-x`` does not follow from its row (0.826); the others do.
TABLE2_PRINTED_AVERAGE: dict[str, float] = {
    "full": 0.992,
    "debiased-teacher": 0.836,
    "mixup-h": 1.008,
    "mixup-x": 0.830,
    "mixup-yh": 1.034,
    "mixup-xyh": 0.796,
    "mixup-xy": 0.738,
}

# Table 3: arm -> GLUE task -> score, in percent.
TABLE3: dict[str, dict[str, float]] = {
    "full": {
        "MNLI": 80.6, "QQP": 85.9, "QNLI": 86.5, "SST-2": 90.4, "CoLA": 44.8, "STS-B": 83.2, "MRPC": 82.2, "RTE": 59.9,
    },
    "mixup-xy": {
        "MNLI": 80.4, "QQP": 85.3, "QNLI": 86.2, "SST-2": 90.7, "CoLA": 43.6, "STS-B": 83.2, "MRPC": 81.7, "RTE": 62.1,
    },
}  # fmt: skip

# Table 3, row "Avg.", as printed.
TABLE3_PRINTED_AVERAGE: dict[str, float] = {"full": 76.7, "mixup-xy": 76.7}

# Figure 1: Pearson's r of the number of layers with the average SEAT effect size. The points are not printed.
FIGURE1_R = -0.82

CITATION = (
    "Jaimeen Ahn, Hwaran Lee, Jinhwa Kim and Alice Oh. 2022. Why Knowledge Distillation Amplifies Gender Bias and "
    "How to Mitigate from the Perspective of DistilBERT. In Proceedings of the 4th Workshop on Gender Bias in Natural "
    "Language Processing (GeBNLP), pages 266–272, Seattle, Washington. Association for Computational Linguistics. "
    "https://doi.org/10.18653/v1/2022.gebnlp-1.27"
)


def average(cells: Mapping[str, float]) -> float:
    """The mean of the cells of one arm in a printed table, such as ``average(TABLE2["mixup-x"])``."""
    return math.fsum(cells.values()) / len(cells)


def follows(printed: float, cells: Mapping[str, float], *, digits: int = 3) -> bool:
    """Whether a printed average can be the mean of the printed cells, all of them rounded to ``digits`` decimals.

    Each cell and the average are off by at most half a unit of the last place, so the two may differ by one unit.
    False for two averages of the paper: ``no-ce`` in Table 1 (0.670, by its column 0.697) and ``mixup-x`` in Table 2
    (0.830, by its row 0.826).
    """
    return abs(printed - average(cells)) <= 10.0**-digits + 1e-9
