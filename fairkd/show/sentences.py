"""Sentences of the report and the findings of notebooks, computed from their tables: what was run, what came out.

They state numbers. What the numbers decide is for the judges of the claims alone (:mod:`fairkd.claims.claims`), whose
verdicts are told as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fairkd.bias.rulers import planted_score
from fairkd.claims import claims, paper
from fairkd.claims.bias import NO_RESULT
from fairkd.claims.contrasts import VERDICTS
from fairkd.claims.planted import planted_checks
from fairkd.lab.calibration import ruler_title
from fairkd.lab.results import CONTROLLED, controlled
from fairkd.lab.variants import output_dir
from fairkd.names import TEACHER, arm_title, arm_titles, with_titles
from fairkd.profile import Profile
from fairkd.show.html import Html, render
from fairkd.show.tables import frame as table
from fairkd.show.tables import paragraph
from fairkd.show.tables.baselines import beaten_sentence
from fairkd.show.tables.glue import failures, several_seeds
from fairkd.show.tables.judged import detectable_difference
from fairkd.show.tables.plain import records
from fairkd.text.planted import PREFIX, strength
from fairkd.wording import how_many, interval, listed, number, percent

Tables = Mapping[str, pd.DataFrame]
VALUED = ["average", "low", "high"]

ASKED = (
    "Ahn et al. (2022) find that a distilled student is more gender-biased than its teacher, and that mixup of "
    "gendered words helps. Here?"
)
ASKED_PLANTED = (
    "Which rulers find a gender association that was planted in the text, and what becomes of the claims of Ahn et al. "
    "(2022) there?"
)
DECIDED = ("supported", "contradicted")
UNFINISHED = (
    "No notebook that has finished with these values and this code judges it; the end of this report says which lack."
)
LEADING = {0: "Distillation", 4: "Mixup"}
"""The claims that the card tells one by one: the paper's first finding, and its remedy."""
SHOWN_BY = {
    "00_method": "The method on one sentence",
    "01_capacity": "Figure 1",
    "02_ablation": "Table 1",
    "03_mixup": "Table 2",
    "04_glue": "Table 3",
    "06_planted": "Rulers where the bias is known",
    "07_rulers": "Other rulers than SEAT",
}
"""What the report shows of each notebook."""


def badge(profile: Profile) -> str:
    """What the numbers of a profile are, in the few words that stand in every caption."""
    if not profile.is_demonstration:
        return "published setting"
    return "demonstration: controlled experiment" if profile.planted_strengths else "demonstration"


def finding(*texts: str) -> Html:
    """What a notebook found, a paragraph each, at its end."""
    return render("notes.finding", texts=[text for text in texts if text])


def not_in_this_run(why: Mapping[str, str], profile: Profile) -> Html:
    """One line for each section that is not there, with the command that makes it.

    Args:
        why: by notebook, as :meth:`fairkd.experiment.Experiment.absent` has it.
        profile: of the report.
    """
    rows = []
    for notebook, reason in why.items():
        own = profile.name if notebook != "06_planted" or profile.planted_strengths else CONTROLLED
        makes = notebook != "04_glue" or profile.glue.source is not None
        command = f"fairkd reproduce {own}" if own != profile.name else f"fairkd run {notebook} --profile {own}"
        rows.append({"what": SHOWN_BY.get(notebook, notebook), "why": reason, "command": command if makes else ""})
    return render("notes.absent", rows=rows) if rows else paragraph("Every notebook of this profile is in it.")


def all_claims(*results: Tables | None, poolings: Sequence[str]) -> pd.DataFrame:
    """Every claim: a row a part of a claim and pooling, from the notebooks that judged them; "not run" for the others.

    Claims whose ruler knows no pooling, such as those on GLUE, stand with the headline's.

    Args:
        results: tables of each notebook by name, None if it did not finish.
        poolings: of the profile, the headline first.
    """
    judged = [frame for one in results if one for name, frame in one.items() if name.endswith("_claims")]
    nothing = claims.judge({}, layers={})
    nothing.loc[nothing.sentence.str.startswith(NO_RESULT), "sentence"] = UNFINISHED
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


def controlled_sentence(profile: Profile, report: Tables | None) -> Html:
    """How many claims the controlled experiment decides, with a link to its report; nothing where it was not run.

    Args:
        profile: of this report.
        report: tables of the controlled experiment's report by name, None if it did not finish.
    """
    if profile.planted_strengths or report is None:
        return Html("")
    told = counted(report["report_claims"])
    text = f"In the controlled experiment, on text made by rule and small models: {told[0].lower()}{told[1:]}"
    address = os.path.relpath(output_dir(controlled(profile)) / "report.html", output_dir(profile))
    return render("notes.planted", text=text, address=Path(address).as_posix())


def planted_sentence(frame: pd.DataFrame) -> Html:
    """What the measured bias should do (:func:`fairkd.claims.planted.planted_checks`), and whether it does.

    Args:
        frame: as from :meth:`fairkd.experiment.Experiment.planted`.
    """
    rows = []
    for (pooling, arm), own in frame.groupby(["pooling", "arm"], sort=False):
        own = own.sort_values("strength")
        values = ", ".join(f"{number(s, 2)}: {number(v, 2)}" for s, v in zip(own.strength, own.signed, strict=True))
        model = {"pooling": pooling, "model": arm_title(str(arm)), "seeds": int(own.seeds.min())}
        rows += [
            {**model, "mean signed d": text, "holds": "yes" if ok else "NO"} for text, ok in planted_checks(own).items()
        ]
        rows.append({**model, "mean signed d": f"by strength: {values}", "holds": ""})
    return table(pd.DataFrame(rows), caption="Does the measured bias follow the planted one?")


def card(
    facts: Mapping[str, Any],
    judged: pd.DataFrame,
    profile: Profile,
    *,
    rulers: pd.DataFrame | None = None,
    met: pd.DataFrame | None = None,
    planted: Tables | None = None,
) -> Html:
    """The report's opening: what was asked, what was run, and what the verdicts say in three lines.

    A controlled experiment asks about rulers first, and has a line that says which follow what was planted.

    Args:
        facts: of the experiment, see :meth:`fairkd.experiment.Experiment.facts`.
        judged: as from :func:`all_claims`; the headline's are told.
        profile: of the report.
        rulers: the verdicts of rulers other than SEAT (:data:`fairkd.frames.RULER_VERDICTS`), where they were judged.
        met: gender words that students met (:data:`fairkd.frames.WORDS_MET`), where they were counted.
        planted: tables of 06_planted by name, where it was run with this profile.
    """
    headline = judged[judged.pooling == judged.pooling.iloc[0]]
    first = counted(headline)
    if rulers is not None:
        decided = int(rulers.verdict.isin(DECIDED).sum())
        are = "are" if decided > 1 else "is"
        first += f" By other rulers than SEAT {decided or 'none'} of {len(rulers)} {are}."
    follow = [_follow(planted["calibration"])] if planted else []
    answer = [*follow, first, *(_told(headline, claim, word) for claim, word in LEADING.items())]
    level = percent(claims.family_level())
    how = f'Differences of average SEAT, intervals of {level} or more; "finds": in 80 % of such runs.'
    run = f"{_run_briefly(facts)} {_mixed(met)}".strip()
    asked = ASKED_PLANTED if profile.planted_strengths else ASKED
    return render("notes.card", badge=badge(profile), asked=asked, run=run, answer=answer, how=how)


def counted(judged: pd.DataFrame) -> str:
    """How many verdicts there are of each kind, and on which claims where they are decided (headline pooling)."""
    headline = judged[judged.pooling == judged.pooling.iloc[0]]
    parts, decided = [], int(headline.verdict.isin(DECIDED).sum())
    for verdict in VERDICTS:
        own = headline[headline.verdict == verdict]
        which = f" ({_numbers(own.claim)})" if verdict in DECIDED and len(own) else ""
        if len(own):
            parts.append(f"{len(own)} {verdict}{which}")
    are = "are" if decided > 1 else "is"
    checks = int((headline.part == claims.NAMES).sum())
    ours = f" ({checks} are checks of ours, on names)" if checks else ""
    text = f"Of the {len(headline)} verdicts on the paper's claims{ours}"
    return f"{text} {decided or 'none'} {are} decided: {listed(parts)}."


def _numbers(claims: Iterable[int]) -> str:
    found = [str(claim) for claim in dict.fromkeys(claims)]
    return f"claim{'s' if len(found) > 1 else ''} {listed(found)}"


def _told(headline: pd.DataFrame, claim: int, word: str) -> str:
    """One claim's verdict with its numbers, and what would have been found."""
    row = records(headline[headline.claim == claim])[0]
    if row.verdict == "not run":
        return f"{word}: not run."
    pair = with_titles(row.what).rpartition(", ")[2]
    text = f"{word} ({pair}): {number(row.estimate)} {interval(row.low, row.high, 3)}".rstrip() + f", {row.verdict}"
    if row.seeds == 1:
        return f"{text}, as one seed decides nothing."
    found = detectable_difference(row.detectable) if row.verdict == "inconclusive" else ""
    return f"{text}; finds ≥\N{NO-BREAK SPACE}{found}." if found else f"{text}."


def _run_briefly(facts: Mapping[str, Any]) -> str:
    """Teacher, corpus, training and seeds in a sentence; leaves out what is not known."""
    corpus, teacher, seeds = facts.get("corpus") or {}, facts.get("teacher") or {}, facts.get("seeds", [])
    text = how_many(len(seeds), "seed")
    if teacher:
        several = len(facts.get("teachers") or {})
        each = len(seeds) // several if several else len(seeds)
        text = f"{several} teachers" if several else f"One teacher, '{teacher['source']}'"
        text += f" ({_shape(teacher)}), {how_many(each, 'student')} "
        text += "of each kind from each" if several else "of each kind"
    planted = [strength(source) for source in corpus.get("sources", ()) if source.startswith(PREFIX)]
    if planted:
        text += f", on text with ρ = {number(planted[0], 1)} planted"
    if facts.get("updates"):
        text += f", {how_many(facts['updates'], 'update')} each"
    if "students" in facts and corpus:
        shares = [100 * read["tokens_read"] / corpus["training_tokens"] for read in facts["students"].values()]
        text += f" over {_range_of(shares, lambda value: number(value, 0 if value >= 10 else 1))} % of "
        text += f"{corpus['training_tokens']:,} tokens"
    return f"{text}."


def _mixed(met: pd.DataFrame | None) -> str:
    """On how many words mixup acts: where they are few, it can do little, whatever its intervals are."""
    if met is None or met.empty:
        return ""
    by_seed = met.assign(visible=met.visible_female + met.visible_male).groupby("seed")[["visible", "taught"]].sum()
    inputs, logits = (_range_of(by_seed[name].tolist(), "{:,.0f}".format) for name in ("visible", "taught"))
    looks = f"{logits} of them where L_ce looks"
    if by_seed.visible.equals(by_seed.taught):
        looks = "and L_ce looks at all"
    return f"In each, mixup met {inputs} visible gender words, {looks}."


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
        text += f" from the teacher '{teacher['source']}' ({_shape(teacher)})"
    if corpus:
        text += f" on {', '.join(corpus['sources'])}"
    if facts.get("updates"):
        text += f", {facts['updates']:,} updates each"
    count, teachers = len(seeds), len(facts.get("teachers") or {})
    text += f", with {how_many(count, 'seed')}{f' of {teachers} teachers' if teachers else ''}."
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
    return f"{text} {change} (95 %, by itself)." if change else text


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
    text = f"the lowest average SEAT of {how_many(len(rows), 'student')} is "
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
    if not several_seeds(results["glue_tasks"]):
        texts.append("Intervals are over examples: one seed says nothing about another training.")
    if "glue_baselines" in results:
        texts.append(beaten_sentence(results["glue_tasks"], results["glue_baselines"]))
    failed = [what for what, _ in failures(results["glue_tasks"])]
    if failed:
        texts.append(f"Failed, so that averages are missing: {'; '.join(failed)}.")
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


def planted_finding(strengths: pd.DataFrame, calibration: pd.DataFrame) -> str:
    """Which rulers follow what was planted, and with which power each finds it.

    Args:
        strengths: as from :meth:`fairkd.experiment.Experiment.planted`.
        calibration: the columns :data:`fairkd.frames.CALIBRATION`; the student's row of the score about what is planted
            counts for each ruler.
    """
    own = strengths[(strengths.pooling == strengths.pooling.iloc[0]) & (strengths.arm != TEACHER)]
    low, high = own.loc[own.strength.idxmin()], own.loc[own.strength.idxmax()]
    rise, rest = _rising(calibration)
    text = (
        f"The student's mean signed d ({own.pooling.iloc[0]} pooling) is "
        f"{_valued(low.signed, low.signed_low, low.signed_high)} at planted strength ρ = {number(low.strength, 1)} and "
        f"{_valued(high.signed, high.signed_low, high.signed_high)} at ρ = {number(high.strength, 1)}. Of "
        f"{len(rise) + len(rest)} rulers on the students, {_so_many_rise(rise)} with it"
    )
    if rise:
        powers = [f"{_power(row)} ({ruler_title(row.ruler)})" for row in rise]
        text += (
            f". A run like this tells ρ = ±{number(rise[0].strongest, 1)} from none with a power of {listed(powers)}"
        )
    text += "."
    return f"{text} Not shown to rise: {listed([ruler_title(row.ruler) for row in rest])}." if rest else text


def _rising(calibration: pd.DataFrame) -> tuple[list[Any], list[Any]]:
    """The students' rows of the scores about what is planted: of rulers that rise with it, and of the others."""
    rows = [row for row in records(calibration[calibration.model != TEACHER]) if planted_score(row.ruler) == row.score]
    return [row for row in rows if row.slope_low > 0], [row for row in rows if not row.slope_low > 0]


def _so_many_rise(rise: Sequence[Any]) -> str:
    return f"{len(rise) or 'none'} {'rises' if len(rise) == 1 else 'rise'}"


def _follow(calibration: pd.DataFrame) -> str:
    """How many rulers follow what was planted."""
    rise, rest = _rising(calibration)
    return f"Of {len(rise) + len(rest)} rulers on the students, {_so_many_rise(rise)} with what was planted."


def _power(row: Any) -> str:
    """In percent, with its interval."""
    return f"{number(100 * row.power, 0)} % {interval(100 * row.power_low, 100 * row.power_high, 0)}"


def rulers_finding(verdicts: pd.DataFrame) -> str:
    """What rulers other than SEAT decide of the paper's claims on bias.

    Args:
        verdicts: the columns :data:`fairkd.frames.RULER_VERDICTS`.
    """
    rulers = how_many(verdicts.ruler.nunique(), "ruler")
    decided = [
        f"claim {row.claim} {row.verdict} by {ruler_title(row.ruler)} ({_valued(row.estimate, row.low, row.high, 3)})"
        for row in records(verdicts[verdicts.verdict.isin(DECIDED)])
    ]
    text = (
        f"By {rulers} other than SEAT, {len(decided) or 'none'} of {len(verdicts)} verdicts on the paper's "
        f"claims {'are' if len(decided) > 1 else 'is'} decided"
    )
    if not decided:
        return f"{text}."
    return f"{text}: {'; '.join(decided)}. The verdicts of one ruler hold together with 95 %, those of several do not."


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


def _shape(teacher: Mapping[str, Any]) -> str:
    return f"{how_many(teacher['layers'], 'layer')} of {teacher['hidden']} units"


def _layers(n: Any) -> str:
    return how_many(n, "layer")
