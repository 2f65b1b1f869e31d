"""Words that a reader of a page may not know, each in a sentence."""

from __future__ import annotations

TERMS = {
    "SEAT": "Sentence encoder association test: whether sentences about two groups lie nearer to one of two topics.",
    "C6": "SEAT: male and female names beside career and family.",
    "C6b": "SEAT: male and female terms beside career and family.",
    "C7": "SEAT: mathematics and arts beside male and female terms.",
    "C7b": "SEAT: mathematics and arts beside male and female names.",
    "C8": "SEAT: science and arts beside male and female terms.",
    "C8b": "SEAT: science and arts beside male and female names.",
    "effect size": "How far apart two means lie, in standard deviations: SEAT's d, −2 to 2, zero for no association.",
    "arm": "A student of the experiment: what it learns from, and how many layers it has.",
    "mixup": "Training on a mixture of a sentence and its twin of the other gender, or of what a teacher says of both.",
    "λ": "Lambda, the share of the male form in a mixture; the female form has the rest.",
    "α": "Alpha, the parameter of the Beta distribution from which λ is drawn: below 1 mostly near 0 and 1.",
    "ρ": "Rho, the strength of an association that was planted in text, from −1 to 1.",
    "pooling": "How the vectors of a sentence's tokens become one: their mean, or that of [CLS] or the first token.",
    "KL": "Kullback–Leibler divergence: how much one distribution differs from another, zero where they are equal.",
    "nats": "The unit of log-probabilities and of KL where logarithms are natural: 0.69 nats are one bit.",
    "logits": "The scores of all words before they become probabilities.",
    "MLM": "Masked language modelling: guessing words that were hidden.",
    "pseudo-log-likelihood": "Sum of the log-probabilities of a sentence's words, each hidden in turn.",
    "ICAT": "StereoSet's score of a model: 100 for one that makes sense and prefers no stereotype.",
    "CrowS-Pairs": "Pairs of sentences, one with a stereotype and one against it, that differ in few words.",
    "StereoSet": "Sentences with a stereotype, one against it and one without sense, to choose between.",
    "seed": "A number that all draws of one training follow from: another seed, another student of the same kind.",
    "ruler": "A way to measure bias; SEAT is one.",
    "GLUE": "Nine tasks of language understanding, of which the paper takes eight.",
    "mini-GLUE": "Eight tasks of GLUE's form, made by rule; its scores say nothing about GLUE.",
    "Bonferroni": "Judging each of n claims at a level n times as strict, so that all hold together.",
    "power": "The chance to find a difference of a given size where there is one.",
    "stimulus words": "The words that stand in SEAT's sentences.",
}
"""Term -> what it is. Terms that are words may stand in the plural."""
