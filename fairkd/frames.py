"""The columns of the tables that travel between rooms and into the saved results, declared once.

Every table is tidy: a row is what its comment says. low and high are the ends of a 95 % interval, p is two-sided, for
"no difference" (nan with one seed), and p_holm is adjusted for the other rows of its table. The frames of ``exp.bias``
have the column ``pooling`` too, the last one (SEAT_SCORES has it anyway).

>>> SEAT_AVERAGES[:3]
['arm', 'layers', 'seeds']
"""

SEAT_SCORES = ["arm", "layers", "seed", "pooling", "test", "effect_size", "p_words", "p_value", "ci_low", "ci_high"]
"""A model, seed, pooling and test: signed d, its one-sided permutation p over words and, as published, over sentences,
and its interval over stimulus words."""
SEAT_TESTS = ["arm", "layers", "seeds", "test", "effect_size", "low", "high", "lowest"]
"""An arm and test: signed d, the mean over its seeds (how many). Of the students of a table the one that is the lowest
beyond doubt has lowest True: the intervals of its distances to all the others leave zero together."""
SEAT_AVERAGES = [
    "arm", "layers", "seeds", "average", "low", "high", "signed", "signed_low", "signed_high", "names", "names_low",
    "names_high", "lowest",
]  # fmt: skip
"""An arm: average is the mean of |d| over the tests, as the paper has it; signed is the mean of d; names is the mean of
|d| over C6, C7b and C8b, whose words mixup does not touch; lowest (of the average) as in SEAT_TESTS."""
SEAT_DIFFERENCES = ["arm", "baseline", "difference", "low", "high", "p", "p_holm"]
"""An arm: its average minus that of the baseline, paired over words and seeds."""
SEAT_GAPS = ["arm", "lowest", "difference", "low", "high", "seeds"]
"""An arm: its average minus that of the arm with the lowest; these intervals hold together."""
SEAT_CORRELATION = ["r", "low", "high", "seeds", "covers"]
"""One row: Pearson's r of layers and average SEAT (Figure 1), and what its interval covers, in words."""
VERDICT_ROWS = [
    "claim", "title", "statement", "source", "printed", "part", "verdict", "sentence", "what", "estimate", "low",
    "high", "level", "p", "seeds", "detectable", "p_adjusted",
]  # fmt: skip
"""A part of a claim of the paper ("" where it has one): the claim's number and words, the verdict and why, and the
estimate (what it is) behind it, with the ends of its interval of this level (not 95 %: the verdicts on all claims hold
together with 95 %); p is the row's own, p_adjusted is p times the number of all verdicts; detectable is the smallest
difference that an experiment like this finds with 80 % power (nan where the question is another, and with one seed)."""
RULER_VERDICTS = ["ruler", "score", *(name for name in VERDICT_ROWS if name != "part")]
"""A claim of the paper on bias, judged by a score of another ruler than SEAT: the columns of VERDICT_ROWS."""
SEAT_TABLE = ["test", "pooling", "effect_size", "p_words", "p_value", "ci_low", "ci_high"]
"""A test of one encoder, as ``fairkd.seat`` measures it; the numbers of sentences n_x, n_y, n_a and n_b follow."""
LONG_SEAT_NULL = ["test", "effect_size", "null_sd", "null_low", "null_high", "p"]
"""A test with long lists: d, and of d with random lists the standard deviation, the ends of the middle 95 %, and the
share (two-sided) that is as far from zero as d."""
BIAS_SCORES = ["ruler", "score", "model", "value", "low", "high", "items"]
"""A score of a ruler and a model: its value, over so many items, those of which every model has a value."""
BIAS_DIFFERENCES = ["ruler", "score", "model", "baseline", "difference", "low", "high"]
"""A score of a ruler and a model: its value minus that of the baseline, paired over items."""
BIAS_UNREAD = ["ruler", "model", "item", "unit", "problem"]
"""An item of which a model has no value, and why; it counts for no model."""
RULER_SCORES = ["arm", "seeds", "ruler", "score", "value", "low", "high", "items"]
"""A score of a ruler and an arm (or the teacher): the mean over its seeds, over so many items."""
RULER_DIFFERENCES = ["arm", "baseline", "seeds", "ruler", "score", "difference", "low", "high", "p"]
"""A score of a ruler and an arm: its value minus that of the baseline, paired over items and seeds."""
RULER_COMPONENTS = ["arm", "baseline", "seeds", "ruler", "score", "difference", "item_se", "student_sd", "teacher_sd"]
"""A score of a ruler and an arm: its difference from the baseline, the standard error of it over items (the models
given), and its standard deviations over students of one teacher and over teachers (the items given); nan for what there
is one of only."""
RULER_MEDIANS = ["ruler", "score", "difference", "item_se", "student_sd", "teacher_sd"]
"""Medians over arms of the sizes of :data:`RULER_COMPONENTS`."""
RULER_UNREAD = ["ruler", "arm", "item", "unit", "problem"]
"""An item of which a model has no value, and why; it counts for no model."""
SWEEP_DIFFERENCES = [
    "parameter", "value", "arm", "baseline", "seeds", "ruler", "score", "difference", "low", "high", "p",
]  # fmt: skip
"""A score of a ruler (SEAT among them) and an arm at a value of a parameter: its value minus that of the baseline,
which has the profile's own value, paired over items and seeds."""
CALIBRATION_SCORES = ["ruler", "score", "model", "strength", "seeds", "value", "low", "high"]
"""A score of a ruler (SEAT once a pooling), a kind of model (teacher or arm) and a planted strength."""
CALIBRATION = [
    "ruler", "score", "model", "size", "seeds", "slope", "slope_low", "slope_high", "p", "noise",
    "noise_in_strength", "strongest", "power", "power_low", "power_high", "smallest", "zero", "zero_low", "zero_high",
]  # fmt: skip
"""A score and a kind of model: what a strength of 1 adds to it (of a score of size: a strength of either sign) and p of
the slope; noise is the standard deviation over seeds at a strength, and the same divided by the slope; strongest is the
largest size that was planted, power how often a run like this tells it from none by what was seen there (of both signs
the lower), with a 95 % interval, and smallest the smallest planted size that is told with 80 % power (inf for none);
zero is the score where nothing is planted, less its neutral value."""
COVERAGE = ["ruler", "score", "model", "seed", "low", "high", "covers"]
"""A score with a sign, a kind of model and a seed (-1: all together): its interval where nothing is planted, over items
(all together: over seeds too), less the neutral value, and whether it holds zero."""
TRAINING_METRICS = ["step", "learning_rate", "loss", "grad_norm"]
"""An update: the weighted loss; a column for each of its terms, under the term's name, stands before it."""
GLUE_METRICS = ["arm", "layers", "seed", "run", "task", "split", "metric", "value"]
"""A student, fine-tuning run, task, split and metric: a fraction."""
GLUE_SCORES = ["arm", "seeds", "task", "score", "low", "high", "highest"]
"""An arm and task: the headline score in percent, the mean over its seeds; nan where the task failed. highest is True
for the arm that is the highest of its table beyond doubt, as in SEAT_TESTS. The frames of ``exp.quality`` have
``error`` besides, why there is none, or ""."""
GLUE_AVERAGES = ["arm", "seeds", "average", "low", "high", "highest"]
"""An arm: the mean of its scores in percent. Those of ``exp.quality`` have ``suite`` and ``tasks`` (how many) too."""
GLUE_DIFFERENCES = ["arm", "baseline", "task", "difference", "low", "high", "p", "p_holm"]
"""An arm and task, and its average as task "Avg.": points more than the baseline, paired over examples and seeds."""
GLUE_EXAMPLES = ["task", "split", "text", "label"]
"""A training example of a task."""
WORD_COUNTS = ["female", "male", "n_female", "n_male", "positions", "sequences", "documents"]
"""A gender pair: occurrences of either word, their word pieces, and the sequences and documents that have one."""
WORDS_MET = [
    "seed", "female", "male", "met_female", "met_male", "visible_female", "visible_male", "taught", "batches_counted",
    "batches_read",
]  # fmt: skip
"""A gender pair in what the students of a seed read: occurrences of either word before masking; those that stay
visible in the input, neither masked nor replaced; visible words of both at which L_ce looks; and in how many of the
batches that were read they were counted."""
TESTED_WORDS = ["list", "tests", "words", "pairs", "debiasing"]
"""A word list of SEAT: the tests that use it, its words, and those that the gender pairs and the lists of debiasing
hold too, all four as lists."""
GLUE_TRAINING = ["task", "examples", "epochs"]
"""A task: how many training examples a student is fine-tuned on, and how often it reads each."""
STUDENTS = ["arm", "layers", "losses", "mix", "teacher", "seed", "state", "key"]
"""A student of a profile: what it is, whether the store has it, and its key there ("" where it is not known yet)."""
