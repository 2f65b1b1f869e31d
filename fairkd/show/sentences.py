"""Sentences of the report, computed from saved tables: what was run, and what came out.

They state numbers. What the numbers decide is for the judges of the claims alone (:mod:`fairkd.claims.claims`), whose
sentences are printed as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fairkd.claims import claims, paper
from fairkd.claims.planted import planted_checks
from fairkd.lab.results import controlled
from fairkd.lab.variants import output_dir
from fairkd.names import TEACHER, arm_title, arm_titles
from fairkd.profile import Profile
from fairkd.show.html import Html, render
from fairkd.show.tables import frame as table
from fairkd.show.tables import missing, paragraph, paragraphs, verdicts
from fairkd.show.tables.baselines import beaten_sentence
from fairkd.show.tables.glue import failures
from fairkd.show.tables.plain import records
from fairkd.wording import interval, number

Tables = Mapping[str, pd.DataFrame]
VALUED = ["average", "low", "high"]

PLANTED_NOTE = (
    "Controlled experiment: text made by rule and small models. It shows whether the measuring works, not what real "
    "text would show."
)

TOGETHER_NOTE = (
    "The verdicts below hold together with 95 %. For that, the intervals in their sentences are longer than elsewhere: "
    "each is of the level that stands beside it."
)


def not_run(what: str, notebook: str, *, profile: str = "", why: str = "") -> Html:
    """Stands where the results of a notebook are not there; ``why``: the reason, if it is known."""
    command = f" (fairkd reproduce {profile})" if profile else ""
    return missing(what, f"not available: {why or f'notebook {notebook} has not finished'}{command}.")


def all_claims(*results: Tables | None, poolings: Sequence[str]) -> pd.DataFrame:
    """Every claim: a row a part of a claim and pooling, from the notebooks that judged them; "not run" for the others.

    Claims whose ruler knows no pooling, such as those on GLUE, stand with the headline's.

    Args:
        results: tables of each notebook by name, None if it did not finish.
        poolings: of the profile, the headline first.
    """
    judged = [frame for one in results if one for name, frame in one.items() if name.endswith("_claims")]
    nothing = claims.judge({}, layers={})
    once = [claim.number for claim in claims.CLAIMS if not claim.ruler.by_pooling]
    tables = []
    for pooling in poolings:
        headline = pooling == poolings[0]
        own = [frame[frame.pooling.isin([pooling, ""] if headline else [pooling])] for frame in judged]
        others = nothing if headline else nothing[~nothing.claim.isin(once)]
        table = pd.concat([*own, others], ignore_index=True).assign(pooling=pooling)
        table = table.drop_duplicates(["claim", "part"])
        tables.append(table.sort_values("claim", kind="stable", ignore_index=True))
    return pd.concat(tables, ignore_index=True)


def verdict_sentence(frame: pd.DataFrame, *, scale: str) -> Html:
    """How many claims are supported, contradicted or open (headline pooling), and what the numbers are."""
    headline = frame[frame.pooling == frame.pooling.iloc[0]]
    return paragraph(f"{claims.count_verdicts(headline)} {scale}")


def controlled_sentence(profile: Profile, frames: Mapping[str, Tables]) -> Html:
    """The verdicts of the controlled experiment (:func:`fairkd.experiment.Experiment.controlled`) with a link to it."""
    if profile.planted_strengths:
        return paragraph("This is the controlled experiment: its verdicts stand above.")
    if "report" not in frames:
        return missing(
            "The controlled experiment",
            "not run yet, or with other parameters or code. It takes some minutes: fairkd reproduce planted.",
        )
    frame = frames["report"]["report_claims"]
    headline = frame[frame.pooling == frame.pooling.iloc[0]]
    said = paragraph(f"{claims.count_verdicts(headline)} {PLANTED_NOTE}")
    address = os.path.relpath(output_dir(controlled(profile)) / "report.html", output_dir(profile))
    return said + verdicts(headline) + render("notes.planted_link", address=Path(address).as_posix())


def planted_sentence(frame: pd.DataFrame) -> Html:
    """What the measured bias should do (:func:`fairkd.claims.planted.planted_checks`), and whether it does.

    Args:
        frame: as from :meth:`fairkd.experiment.Experiment.planted`.
    """
    rows = []
    for (pooling, arm), own in frame.groupby(["pooling", "arm"], sort=False):
        own = own.sort_values("strength")
        values = ", ".join(f"{number(s, 2)}: {number(v, 2)}" for s, v in zip(own.strength, own.signed, strict=True))
        model = {"pooling": pooling, "model": arm, "seeds": int(own.seeds.min())}
        rows += [
            {**model, "mean signed d": text, "holds": "yes" if ok else "NO"} for text, ok in planted_checks(own).items()
        ]
        rows.append({**model, "mean signed d": f"by strength: {values}", "holds": ""})
    caption = f"Does the measured bias follow the planted one? {PLANTED_NOTE}"
    return table(pd.DataFrame(rows), caption=caption)


def summary(
    facts: Mapping[str, Any],
    judged: pd.DataFrame,
    capacity: Tables | None,
    ablation: Tables | None,
    mixup: Tables | None,
    glue: Tables | None,
) -> Html:
    """What was run, what came out in numbers, and what that says of each claim, in one paragraph each.

    Args:
        facts: of the experiment, see :meth:`fairkd.experiment.Experiment.facts`.
        judged: as from :func:`all_claims`; the headline's are told.
        capacity: tables of 01_capacity by name, None if it did not finish.
        ablation: tables of 02_ablation by name, None if it did not finish.
        mixup: tables of 03_mixup by name, None if it did not finish.
        glue: tables of 04_glue by name, None if it did not finish.
    """
    suite, fits = facts.get("glue", {}).get("suite", ""), " with these parameters and this code"
    no_glue = f"Table 3 is missing: 04_glue has not finished{fits}." if suite else "This profile has no GLUE tasks."
    texts = [
        what_was_run(facts, None if glue is None else glue.get("glue_training")),
        capacity_sentence(capacity) if capacity else f"Figure 1 is missing: 01_capacity has not finished{fits}.",
        ablation_sentence(ablation) if ablation else f"Table 1 is missing: 02_ablation has not finished{fits}.",
        mixup_sentence(mixup) if mixup else f"Table 2 is missing: 03_mixup has not finished{fits}.",
        glue_sentence(glue, suite=suite) if glue else no_glue,
    ]
    texts.append(TOGETHER_NOTE)
    headline = judged[judged.pooling == judged.pooling.iloc[0]]
    texts += [
        f"Claim {row.claim} ({row.title}{f'; {row.part}' if row.part else ''}), {row.verdict}: {row.sentence}"
        for row in records(headline)
    ]
    return paragraphs(*texts)


def what_was_run(facts: Mapping[str, Any], fine_tuned: pd.DataFrame | None = None) -> str:
    """Teacher, corpus and training in a few sentences: who was trained on how much; leaves out what is not known.

    Args:
        facts: of the experiment: corpus (sources, training_tokens), teacher (source, layers, hidden, adapted,
            sequences_read, tokens_read), students (what those of each seed read), updates, debiasing, seeds.
        fine_tuned: the columns :data:`fairkd.frames.GLUE_TRAINING`, where students were fine-tuned.
    """
    corpus, teacher, seeds = facts.get("corpus") or {}, facts.get("teacher") or {}, facts.get("seeds", [])
    text = "Students were distilled"
    if teacher:
        text += f" from the teacher '{teacher['source']}' ({teacher['layers']} layers of {teacher['hidden']} units)"
    if corpus:
        text += f" on {', '.join(corpus['sources'])}"
    if facts.get("updates"):
        text += f", {facts['updates']:,} updates each"
    count, teachers = len(seeds), len(facts.get("teachers") or {})
    text += f", with {count} seed{'s' if count != 1 else ''}{f' of {teachers} teachers' if teachers else ''}."
    whole = corpus.get("training_tokens", 0)
    if "students" in facts:
        read = _read(list(facts["students"].values()), whole)
        text += f" Each read {read} over the training text of {whole:,} tokens, counted before masking."
    if teacher.get("adapted"):
        before, after = teacher["heldout_mlm_loss_before"], teacher["heldout_mlm_loss_after"]
        text += (
            f" The teacher first learned to predict masked words in {teacher['adaptation_steps']:,} updates, in which "
            f"it read {_read([teacher], whole)}: its loss on held-out text went from {number(before, 2)} to "
            f"{number(after, 2)} nats a word piece."
        )
    if debiasing := facts.get("debiasing"):
        text += (
            f" Its debiased version was trained in {debiasing['updates']:,} updates, in which it read "
            f"{_read([debiasing], whole)}, in sequences that are chosen for their words."
        )
    return text + ("" if fine_tuned is None or fine_tuned.empty else _fine_tuned(fine_tuned))


def _read(records: Sequence[Mapping[str, Any]], whole: int) -> str:
    """What was read, by each alike or from least to most, as a share of one pass over ``whole`` tokens.

    Args:
        records: with sequences_read and tokens_read, as :meth:`fairkd.batches.TextRead.record` has them.
    """
    sequences, tokens = (
        _range_of([record[name] for record in records], "{:,}".format) for name in ("sequences_read", "tokens_read")
    )
    passes = [record["tokens_read"] / whole for record in records]
    share = (
        f"{_range_of([100 * part for part in passes], lambda value: number(value, 1))} % of one pass"
        if max(passes) < 1
        else f"{_range_of(passes, lambda value: number(value, 2))} passes"
    )
    return f"{sequences} sequences with {tokens} tokens, {share}"


def _range_of(values: Sequence[float], write: Callable[[float], str]) -> str:
    """The least and the largest value, once where they are written alike."""
    return " to ".join(dict.fromkeys([write(min(values)), write(max(values))]))


def _fine_tuned(training: pd.DataFrame) -> str:
    examples, epochs = (_range_of(training[name].tolist(), "{:,}".format) for name in ("examples", "epochs"))
    tasks = len(training)
    return (
        f" On {'each of the' if tasks > 1 else 'the'} {tasks} task{'s' if tasks > 1 else ''} of Table 3 a student is "
        f"fine-tuned on {examples} examples, each read {epochs} time{'' if epochs == '1' else 's'}."
    )


def capacity_sentence(results: Tables) -> str:
    """Figure 1 in numbers, for the headline pooling (the first)."""
    averages, correlation = results["capacity_averages"], results["capacity_correlation"]
    pooling = averages.pooling.iloc[0]
    rows = averages[averages.pooling == pooling]
    students = rows[rows.arm != TEACHER].sort_values("average")
    low, high = students.iloc[0], students.iloc[-1]
    text = (
        f"Capacity (Figure 1, {pooling} pooling): the students' average SEAT lies between {number(low.average, 2)} "
        f"({_layers(low.layers)}) and {number(high.average, 2)} ({_layers(high.layers)})"
    )
    for row in rows[rows.arm == TEACHER].itertuples():
        text += f"; the teacher's is {_valued(row.average, row.low, row.high)}"
    r = correlation[correlation.pooling == pooling].iloc[0]
    return (
        f"{text}. Its correlation with the number of layers is r = {_valued(r.r, r.low, r.high)} over {r.covers}; the "
        f"paper prints r = {number(paper.FIGURE1_R, 2)}."
    )


def ablation_sentence(results: Tables) -> str:
    """Table 1 in numbers, for the headline pooling: which arm is lowest, against whom, and in print."""
    averages, differences = results["ablation_averages"], results["ablation_differences"]
    pooling = averages.pooling.iloc[0]
    printed = paper.TABLE1_PRINTED_AVERAGE
    best = min(printed, key=lambda arm: printed[arm])
    lowest = _lowest(averages, results["ablation_behind_the_lowest"])
    text = (
        f"Losses (Table 1, {pooling} pooling): {lowest}. In the paper the lowest is {number(printed[best])} with "
        f"{arm_title(best)} ({number(paper.average(paper.TABLE1[best]))} by the six values that it prints)."
    )
    change = _without_ce(differences[differences.pooling == pooling])
    return f"{text} {change}." if change else text


def mixup_sentence(results: Tables) -> str:
    """Table 2 in numbers, for the headline pooling: which student is lowest, and against whom."""
    averages = results["mixup_averages"]
    lowest = _lowest(averages, results["mixup_behind_the_lowest"])
    return f"Mitigation (Table 2, {averages.pooling.iloc[0]} pooling): {lowest}."


def _lowest(averages: pd.DataFrame, behind: pd.DataFrame) -> str:
    """The lowest student of a table and the next one, with what lies between them (headline pooling)."""
    pooling = averages.pooling.iloc[0]
    rows = averages[(averages.pooling == pooling) & (averages.arm != TEACHER)].set_index("arm")
    titles, lowest = arm_titles(rows.index), str(rows.average.idxmin())
    text = f"the lowest average SEAT of {len(rows)} student{'s' if len(rows) > 1 else ''} is "
    text += f"{_valued(*rows.loc[lowest, VALUED])} with {titles[lowest]}"
    others = behind[behind.pooling == pooling].sort_values("difference", kind="stable")
    for row in records(others.head(1)):
        over = "stimulus words, with one seed" if row.seeds == 1 else "stimulus words and seeds"
        joint = f", 95 % for all {len(others)} distances together" if len(others) > 1 else ""
        distance = _valued(row.difference, row.low, row.high, 3)
        text += f"; the next, {titles[row.arm]}, lies {distance} above it (over {over}{joint})"
    return text


def glue_sentence(results: Tables, *, suite: str) -> str:
    """Quality in numbers: lowest and highest student, what leaving out L_ce changes, which baselines do better than a
    student, what failed.

    Args:
        results: of 04_glue by name: glue_tasks, glue_averages, and glue_differences and glue_baselines if they are
            there.
        suite: what the tasks are called, "GLUE" or another name.
    """
    texts, differences = [_range(results["glue_averages"], suite)], results.get("glue_differences")
    change = "" if differences is None else _without_ce(differences[differences.task == "Avg."], digits=1)
    if change:
        printed = number(paper.TABLE1_GLUE_AVERAGE["no-ce"] - paper.TABLE1_GLUE_AVERAGE["full"], 1)
        texts.append(f"{change} points{f', in the paper by {printed}' if suite == 'GLUE' else ''}.")
    if "glue_baselines" in results:
        texts.append(beaten_sentence(results["glue_tasks"], results["glue_baselines"]))
    failed = [what for what, _ in failures(results["glue_tasks"])]
    if failed:
        texts.append(f"Failed, so that averages are missing: {'; '.join(failed)}.")
    if suite != "GLUE":
        texts.append("These are synthetic tests, not those of the paper, and say nothing about its values.")
    return " ".join(filter(None, texts))


def winner(frame: pd.DataFrame) -> Html:
    """Which student is the lowest of a table, and for which others zero lies in the interval (headline pooling).

    Args:
        frame: as from :func:`fairkd.bias.comparisons.behind_the_lowest`, with the column ``pooling``.
    """
    if frame.empty:
        return paragraph("There is one student only.")
    own = frame[frame.pooling == frame.pooling.iloc[0]]
    titles = arm_titles([*own.lowest, *own.arm])
    near = [titles[arm] for arm in own.arm[~(own.low > 0)]]
    names = f": {', '.join(near)}" if near else ""
    one = " They are over stimulus words: one seed says nothing about another training." if min(own.seeds) == 1 else ""
    return paragraph(
        f"The lowest average is that of '{titles[own.lowest.iloc[0]]}'. Of the intervals of its distances to the "
        f"{len(own)} others, which hold together with 95 %, {len(near) or 'none'} "
        f"{'hold' if len(near) > 1 else 'holds'} zero{names}.{one}"
    )


def _range(averages: pd.DataFrame, suite: str) -> str:
    """Between which average scores the students lie."""
    students = averages[(averages.arm != TEACHER) & averages.average.notna()].sort_values("average", kind="stable")
    start = f"Quality (Table 3 on {suite}):"
    if students.empty:
        return f"{start} no student has an average, because tasks failed."
    titles = arm_titles(averages.arm)
    low, high = (
        f"{_valued(row.average, row.low, row.high, 1)} ({titles[row.arm]})"
        for row in (students.iloc[0], students.iloc[-1])
    )
    if len(students) == 1:
        return f"{start} the average score is {low} percent."
    return f"{start} the average scores of {len(students)} students lie between {low} and {high} percent."


def _without_ce(differences: pd.DataFrame, digits: int = 2) -> str:
    """What leaving out L_ce changes, "" where that was not compared; no claim is about these two students alone."""
    rows = differences[(differences.arm == "no-ce") & (differences.baseline == "full")]
    return "".join(
        f"Without L_ce the average changes by {_valued(row.difference, row.low, row.high, digits)}"
        for row in rows.head(1).itertuples()
    )


def _valued(value: Any, low: Any, high: Any, digits: int = 2) -> str:
    """A value and its interval, where there is one; the value has the interval's digits."""
    ends = interval(low, high, digits)
    if ends:
        digits = len(ends.rstrip("]").partition(".")[2].partition(",")[0])
    return f"{number(value, digits)} {ends}".strip()


def _layers(n: Any) -> str:
    return f"{n} layer" if n == 1 else f"{n} layers"
