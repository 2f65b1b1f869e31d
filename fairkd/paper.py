"""What Ahn et al. (2022) printed, as data, to stand beside what we measure.

Arms are named as in the experiments: ``full`` is the paper's DistilBERT with all three losses, ``no-cos`` lacks
L_cos, ``no-ce`` lacks L_ce.
"""

from __future__ import annotations

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

# Figure 1: Pearson's r of the number of layers with the average SEAT effect size. The points are not printed.
FIGURE1_R = -0.82

CITATION = (
    "Jaimeen Ahn, Hwaran Lee, Jinhwa Kim and Alice Oh. 2022. Why Knowledge Distillation Amplifies Gender Bias and "
    "How to Mitigate from the Perspective of DistilBERT. In Proceedings of the 4th Workshop on Gender Bias in Natural "
    "Language Processing (GeBNLP), pages 266–272, Seattle, Washington. Association for Computational Linguistics. "
    "https://doi.org/10.18653/v1/2022.gebnlp-1.27"
)

BIBTEX = """\
@inproceedings{ahn-etal-2022-knowledge,
  title     = {Why Knowledge Distillation Amplifies Gender Bias and How to Mitigate from the Perspective of
               {DistilBERT}},
  author    = {Ahn, Jaimeen and Lee, Hwaran and Kim, Jinhwa and Oh, Alice},
  booktitle = {Proceedings of the 4th Workshop on Gender Bias in Natural Language Processing (GeBNLP)},
  year      = {2022},
  month     = jul,
  pages     = {266--272},
  address   = {Seattle, Washington},
  publisher = {Association for Computational Linguistics},
  doi       = {10.18653/v1/2022.gebnlp-1.27},
}
"""


def table1_average(arm: str) -> float:
    """The mean of an arm's six effect sizes in Table 1, from its own cells.

    It differs from the printed one for ``no-ce``: 0.697, not 0.670 (and by rounding for the others).
    """
    cells = TABLE1[arm].values()
    return sum(cells) / len(cells)
