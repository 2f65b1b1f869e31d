"""An experiment, as the notebooks see it: students, scores and tables of a profile, made when asked for.

Pipeline: 1 parameters are checked; 2 corpus, teacher and students are loaded from the store or made; 3 SEAT is
measured and cached; 4 tables and figures are shown and saved; 5 the last cell writes the notebook's manifest. Results
without that manifest were never finished and are not read.
"""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairkd.arms import Arm, capacity_arms
from fairkd.bias.stimuli import LISTS, ROLES, TESTS, shared_words
from fairkd.engine.provenance import environment
from fairkd.errors import InputError, nearest
from fairkd.frames import SWEEP_DIFFERENCES, TESTED_WORDS
from fairkd.glue.data import check_source
from fairkd.glue.tasks import find_tasks
from fairkd.lab.bias import Bias
from fairkd.lab.calibration import Calibration
from fairkd.lab.materials import Materials
from fairkd.lab.other_claims import other_claims
from fairkd.lab.plan import plan
from fairkd.lab.quality import Quality
from fairkd.lab.results import REPORT, Results, controlled
from fairkd.lab.rulers import Rulers
from fairkd.lab.shell import check_names, skip_the_rest, stop_skipping
from fairkd.lab.sweeps import sweep_differences
from fairkd.lab.training import DOSES, TrainingJob, first_students, train, twice_the_temperature
from fairkd.lab.variants import declare
from fairkd.profile import Profile
from fairkd.settings import GROUPED
from fairkd.show import sentences, tables
from fairkd.text import corpus as corpora
from fairkd.text.sequences import SHORTEST

NOT_SWEPT = ("seeds", "teacher_seeds", "seat_bootstrap", "seat_poolings", "profile", "prepare_only")
"""Parameters whose values give nothing that is paired."""
DEBIASED = ("updates", "sequences_read", "tokens_read")
"""What the facts say of debiasing."""


class Experiment:
    """What a notebook works with; see the module docstring. Made by :meth:`begin`.

    Attributes:
        profile: its parameters.
        materials: corpus, teacher and students.
        bias: SEAT of students and teacher.
        rulers: every other ruler of bias on them.
        calibration: all rulers where the bias is known (profile ``planted``).
        quality: GLUE scores of students.
        tables: the frames that were saved, by name.
    """

    def __init__(self, notebook: str, profile: Profile) -> None:
        self.notebook, self.profile = notebook, profile
        self.materials = Materials(profile)
        self.bias, self.quality = Bias(self.materials), Quality(self.materials)
        self.rulers, self.calibration = Rulers(self.materials), Calibration(profile)
        self._results = Results(notebook, profile)
        self._read: dict[tuple[str, str], Results] = {}
        self.tables: dict[str, pd.DataFrame] = {}
        self._warnings: list[str] = []
        self._absent: dict[str, str] = {}

    @classmethod
    def begin(cls, notebook: str, parameters: dict[str, Any]) -> Experiment:
        """Checks a notebook's parameters and prints what is about to run.

        With ``prepare_only`` it prints the plan, and the cells below do nothing until this one runs again. Values other
        than those of the profile that they name make a variant, whose results lie apart; it prints where.

        Args:
            notebook: its name, such as "01_capacity".
            parameters: the notebook's ``globals()``: a profile and what is changed of it, see :meth:`Profile.based`.

        Raises:
            InputError: a parameter is unknown or wrong, there is no such profile, something that it names cannot be
                used, or the values are those of another profile than the one that they name.
        """
        stop_skipping()
        begun = parameters.get("_fairkd_begun", ())  # later runs see the notebook's own variables too
        check_names(parameters, slips_only=bool(begun), known=begun)
        parameters["_fairkd_begun"] = (True, *parameters)
        given = {name: parameters[name] for name in (*Profile.parameters(), *GROUPED) if name in parameters}
        profile = Profile.based(given)
        if profile.name != given["profile"]:  # a file, whose values are what the profile of its name is
            declare(Profile.load(given["profile"]))
        materials = Materials(profile)
        corpora.check_sources(materials.sources, column=profile.corpus.column, join=materials.join)
        if profile.glue.source is not None:
            tasks = find_tasks(profile.glue.tasks)
            check_source(profile.glue.source, tasks, folder=profile.path(profile.glue.source))
        experiment = cls(notebook, profile)
        print(experiment.identity())
        if place := experiment._results.place():
            print(f"\n{place}")
        if profile.prepare_only:
            print("\nPlan (prepare_only: nothing is trained, the cells below do nothing):\n")
            print(plan(profile).to_string(index=False))
            skip_the_rest()
        return experiment

    def identity(self) -> str:
        """Profile, seeds, device and versions in a few lines of text."""
        profile, device = self.profile, self.materials.device
        about = environment(device)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        return "\n".join(
            [
                f"{self.notebook} · profile {profile.name!r} · seeds {list(profile.student_seeds)}",
                f"teacher {profile.teacher.source!r} · corpus {list(profile.corpus.sources)} · device {device}",
                textwrap.fill(f"{versions} · commit {about['git_commit']}", 88, break_on_hyphens=False),
            ]
        )

    def arms(self, group: str) -> list[Arm]:
        """Arms of the profile: "capacity" (Figure 1), "ablation" (Table 1), "mixup" (Table 2), "glue" (Table 3), "all".

        Arms of the profile's own go with Table 2 if they mix or have the debiased teacher, else with Table 1. Both
        tables begin with the arm "full", if the profile has it; "planted" is that arm alone. "glue" is ``glue_arms``.
        """
        profile = self.profile
        table = profile.table_arms()
        mitigated = [arm for arm in table if arm.levels or arm.teacher == "debiased"]
        full = [arm for arm in table if arm.name == "full"]
        groups = {
            "capacity": capacity_arms(profile.depths),
            "ablation": [arm for arm in table if arm not in mitigated],
            "mixup": full + mitigated,
            "planted": full,
            "glue": self.quality.arms(),
            "all": profile.all_arms(),
        }
        if group not in groups:
            raise InputError(f"arms {group!r}: allowed are {list(groups)}.{nearest(group, groups)}")
        if not groups[group]:
            raise InputError(f"profile {profile.name!r} has no arm for {group!r}; it has {[a.name for a in table]}")
        return groups[group]

    def train(self, arms: Sequence[Arm]) -> None:
        """Trains what the store lacks of these arms, for all seeds, those of a seed side by side.

        Raises:
            InputError: an arm is deeper than the teacher; or training has failed just before this notebook
                (``FAIRKD_NO_TRAINING``) and a student is missing.
            DivergedError: a loss became NaN or infinite.
        """
        self._train([(self.materials, arms)])

    def _train(self, jobs: Sequence[TrainingJob]) -> None:
        if os.environ.get("FAIRKD_NO_TRAINING"):
            for materials, arms in jobs:
                for arm, seed in itertools.product(arms, materials.profile.student_seeds):
                    materials.student(arm, seed)
            return
        if unknown := self.materials.checkpoint.unknown:
            self.warn(f"SEAT: {unknown}.")
        train(jobs, known_as=self.profile)

    def sweep(self, parameter: str, values: Sequence[Any], *, arm: str = "mixup-xy") -> pd.DataFrame:
        """Average SEAT against a parameter of the profile, as in ``exp.sweep("alpha", [0.1, 0.4, 1.0])``.

        Trains the arm with each value, for all seeds, where the store lacks it. The draws are shared: the same batches,
        masks and uniform numbers behind λ.

        Args:
            parameter: a flat name of the profile's parameters, such as "alpha" or "gender_pairs".
            values: of that parameter, one after the other.
            arm: name of one arm of the profile.

        Returns:
            As :meth:`fairkd.lab.bias.Bias.averages`, with the columns ``value`` (as given; a list as text) and
            ``step`` (which of the values, from 0): the teacher and the arm for each value and pooling.

        Raises:
            InputError: no such parameter, value or arm.
        """
        others = self._at_values(parameter, values, arm)
        self._train([(other, [found]) for other, found in others])
        shown = [str(value) if isinstance(value, list) else value for value in values]
        frames = [
            Bias(other).averages([found]).assign(value=value, step=step)
            for step, ((other, found), value) in enumerate(zip(others, shown, strict=True))
        ]
        return pd.concat(frames, ignore_index=True)

    def dose(
        self, parameter: str, values: Sequence[Any], *, arm: str = "mixup-xy", baseline: str = "full"
    ) -> pd.DataFrame:
        """What a parameter does to bias by every ruler, as in ``exp.dose("temperature", [1, 4], arm="full")``.

        Trains the arm with each value as :meth:`sweep` does, and compares it with the baseline at the profile's own.

        Args:
            parameter, values, arm: as for :meth:`sweep`.
            baseline: name of the arm that is subtracted.

        Returns:
            The columns :data:`fairkd.frames.SWEEP_DIFFERENCES`.

        Raises:
            InputError: no such parameter, value or arm.
        """
        own = self._arm(baseline)
        others = self._at_values(parameter, values, arm)
        self._train([(self.materials, [own]), *((other, [found]) for other, found in others)])
        shown = [value if type(value) in (int, float) else str(value) for value in values]
        return sweep_differences(parameter, (self.materials, own), dict(zip(shown, others, strict=True)))

    def doses(self) -> pd.DataFrame:
        """:meth:`dose` of each of :data:`fairkd.lab.training.DOSES` whose arm the profile has, on first students."""
        names, first = [arm.name for arm in self.arms("all")], Experiment(self.notebook, first_students(self.profile))
        own = [first.dose(name, values, arm=arm) for arm, name, values in DOSES if {arm, "full"} <= set(names)]
        return pd.concat(own, ignore_index=True) if own else pd.DataFrame(columns=SWEEP_DIFFERENCES)

    def _arm(self, name: str) -> Arm:
        arms = {one.name: one for one in self.arms("all")}
        if name not in arms:
            raise InputError(f"arm {name!r} is not in the profile; it has {list(arms)}.{nearest(name, arms)}")
        return arms[name]

    def _at_values(self, parameter: str, values: Sequence[Any], arm: str) -> list[tuple[Materials, Arm]]:
        """The arm under each value of a parameter, all checked before any work."""
        self._arm(arm)
        if parameter in NOT_SWEPT:
            raise InputError(f"{parameter}: its values are not compared, as they change what is drawn or resampled")
        if len({str(value) for value in values}) < len(values):
            raise InputError(f"{parameter}: {list(values)} names a value twice")
        others = [Experiment(self.notebook, self.profile.changed(**{parameter: value})) for value in values]
        return [(other.materials, other._arm(arm)) for other in others]

    def other_claims(self) -> pd.DataFrame:
        """The claims of others than the paper, judged by every ruler; trains "full" at twice the temperature.

        Columns: :data:`fairkd.frames.RULER_VERDICTS`, see :func:`fairkd.lab.other_claims.other_claims`.
        """
        warmer = Materials(twice_the_temperature(self.profile))
        self._train([(warmer, [self._arm("full")])])
        return other_claims(self.materials, warmer)

    def planted(self) -> pd.DataFrame:
        """Average SEAT of the teacher and of the arm "full" against the planted strength (profile ``planted``).

        As :meth:`fairkd.lab.bias.Bias.averages`, with the column ``strength``.
        """
        profile = self.profile
        if not profile.planted_strengths:
            raise InputError(
                f"profile {profile.name!r} has no planted_strengths; the profile 'planted' has, and its corpus"
            )
        strengths = np.array(profile.planted_strengths)
        frame = self.sweep("corpus", [[f"planted:{strength:g}"] for strength in strengths], arm="full")
        return frame.assign(strength=strengths[frame.step]).drop(columns=["value", "step"])

    def metrics(self, arms: Sequence[Arm]) -> pd.DataFrame:
        """Training metrics: a row an arm, seed and step.

        Columns: arm, layers, seed, :data:`fairkd.frames.TRAINING_METRICS` and the terms of the losses.
        """
        frames = [
            pd.read_parquet(self.materials.student(arm, seed) / "metrics.parquet").assign(
                arm=arm.name, layers=arm.layers, seed=seed
            )
            for arm in arms
            for seed in self.profile.student_seeds
        ]
        # Students of earlier versions have their speed beside their losses: of the machine, not of the model.
        return pd.concat(frames, ignore_index=True).drop(columns="tokens_per_second", errors="ignore")

    def facts(self) -> dict[str, Any]:
        """What the numbers rest on: corpus, teacher, what was read and environment, as plain values; makes nothing.

        "corpus", "teacher" (the first of several, whose digests are in "teachers") and "students" are missing where the
        store does not have corpus and teacher. "students" is what each student of a seed reads.
        """
        materials, profile = self.materials, self.profile
        about: dict[str, Any] = {"profile": self.profile.name, "seeds": list(profile.student_seeds)}
        if not any(own.missing() for own in materials.family):
            manifest = materials.corpus.manifest
            names = (
                "documents",
                "sequences",
                "tokens",
                "longest",
                "mean_length",
                "dropped_short",
                "dropped_unknown",
                "digest",
            )
            train = manifest["splits"]["train"]
            about["corpus"] = {"sources": list(self.profile.corpus.sources), **{name: manifest[name] for name in names}}
            about["corpus"] |= {f"training_{name}": train[name] for name in ("documents", "sequences", "tokens")}
            about["teacher"] = {**materials.teacher.record, "digest": materials.teacher.digest}
            if len(materials.family) > 1:
                about["teachers"] = {
                    f"seed {own.teacher_seed}": {"corpus": own.corpus.digest, "digest": own.teacher.digest}
                    for own in materials.family
                }
            about["updates"] = self.profile.recipe.schedule(len(materials.corpus.train)).updates
            about["students"] = {f"seed {seed}": materials.text_read(seed).record() for seed in profile.student_seeds}
            if any(arm.teacher == "debiased" for arm in self.profile.all_arms()):
                record = materials.debias_record() or {}
                about["debiasing"] = {name: record[name] for name in DEBIASED if name in record}
        about |= self.quality.facts()
        if self._warnings:
            about["warnings"] = self._warnings
        return about | environment(materials.device)

    def pairs(self) -> pd.DataFrame:
        """How often the gender words occur, see :func:`fairkd.gender.count`; warns if none does."""
        counts = self.materials.pair_counts
        if not counts.positions.sum():
            self.warn(
                "None of the gender words occurs in the training text. Mixup changes nothing: every student with mixup "
                "has the weights of the same student without it."
            )
        return counts

    def words_met(self) -> pd.DataFrame:
        """How often the students meet the gender words, a row a seed and pair; warns if none is ever visible.

        The columns :data:`fairkd.frames.WORDS_MET`, see :func:`fairkd.batches.words_met`.
        """
        met = pd.concat([self.materials.words_met(seed) for seed in self.profile.student_seeds], ignore_index=True)
        occur = self.materials.pair_counts.positions.any()  # where none does, that has been said
        whole = (met.batches_counted == met.batches_read).all()
        if occur and whole and not met[["visible_female", "visible_male"]].to_numpy().any():
            self.warn(
                "No gender word is visible in anything that the students read. Mixup changes nothing: every student "
                "with mixup has the weights of the same student without it."
            )
        return met

    def sentence(self, suggested: str) -> str:
        """A line that training could read and that has a gender word: ``suggested`` or, with a warning, another one.

        The other one is of the training text: where the suggested one has none of the profile's gender words, or fewer
        or more word pieces than training or the teacher reads.

        Raises:
            InputError: it is more than one line, or the training text has no gender word either.
        """
        if "\n" in suggested:
            raise InputError(f"the sentence must be one line, not {suggested.count(chr(10)) + 1}")
        pairs, tokenizer = self.materials.pairs, self.materials.checkpoint.tokenizer
        pieces = tokenizer(suggested)["input_ids"]
        longest = self.materials.checkpoint.model.config.max_position_embeddings
        fits = SHORTEST <= len(pieces) <= longest
        if fits and len(pairs.find(torch.tensor([pieces])).at):
            return suggested
        why = (
            "none of the profile's gender words" if fits else f"{len(pieces)} word pieces, not {SHORTEST} to {longest}"
        )
        train = self.materials.corpus.train
        for ids, sequence, _ in train.chunks():
            found = pairs.find(torch.from_numpy(ids.astype(np.int64))[None]).at
            if len(found):
                self.warn(f"The sentence has {why}; this one is of the training text.")
                return str(tokenizer.decode(train[[sequence[found[0]]]][0], skip_special_tokens=True))
        raise InputError("gender_pairs: none of their words occurs in the training text")

    def warn(self, text: str) -> None:
        """Shows a warning in the notebook and writes it into the record."""
        from IPython.display import display

        self._warnings.append(text)
        display(tables.missing("Warning", text))

    def corpus_size(self) -> dict[str, int]:
        """Documents and sequences of the training text."""
        size = self.materials.corpus.manifest["splits"]["train"]
        return {"documents": size["documents"], "sequences": size["sequences"]}

    def debiasing(self) -> dict[str, dict[str, Any]]:
        """What debiasing did: the record of each teacher of :meth:`fairkd.lab.bias.Bias.debiased`, by its name.

        Where the profile has several teachers, of the first.
        """
        return {name: teacher.record["debias"] for name, teacher in self.bias.debiased().items()}

    def tested_words(self) -> pd.DataFrame:
        """Which words of SEAT are also in the gender pairs and in the lists of debiasing; a row a list.

        The columns :data:`fairkd.frames.TESTED_WORDS`; nothing is in the lists of debiasing if no arm needs them.
        """
        lists = self.materials.debias_words
        debiased = any(arm.teacher == "debiased" for arm in self.profile.all_arms())
        pairs = shared_words(word for pair in self.materials.pair_list for word in (pair.female, pair.male))
        debiasing = shared_words([*lists.female, *lists.male, *lists.stereotype] if debiased else [])
        users = {name: [test for test in TESTS if name in ROLES[test].values()] for name in LISTS}
        rows = [(name, users[name], list(words), pairs[name], debiasing[name]) for name, words in LISTS.items()]
        return pd.DataFrame(rows, columns=TESTED_WORDS)

    def sample(self, *, documents: int) -> pd.DataFrame:
        """The first documents of the corpus, a row each."""
        source, column = self.materials.sources[0], self.profile.corpus.column
        texts = corpora.documents(source, column=column, join=self.materials.join.get(source, 1))
        return pd.DataFrame({"text": list(itertools.islice(texts, documents))})

    def save(self, name: str, frame: pd.DataFrame) -> None:
        """Saves a tidy table as ``results/<name>.parquet``; :meth:`finish` makes it part of the results."""
        self._results.save(name, frame)
        self.tables[name] = frame

    def show(
        self, name: str, what: Any, *, data: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None, caption: str = ""
    ) -> None:
        """Displays a figure or a table, and saves it under a name, so that the report can show it as it is.

        What its numbers are ("demonstration") stands in the caption of a table and in small type below a figure, so
        that it goes along with a copy.

        Args:
            name: of the piece: letters, digits, - and _.
            what: a figure of :mod:`fairkd.show.figures`, or what a function of :mod:`fairkd.show.tables` returns.
            data: the frames behind it, by the names of the result tables that they are saved as; a frame alone is saved
                under the name of the piece. The exported page offers those of a figure as a file.
            caption: of a figure, in plain text; a table has its own.

        Raises:
            InputError: the name has other characters.
        """
        frames = {name: data} if isinstance(data, pd.DataFrame) else dict(data or {})
        for table, frame in frames.items():
            self.save(table, frame)
        if isinstance(what, tables.Html):
            shown = {"text/html": what.badged(self.badge)._repr_html_(), "text/plain": repr(what)}
            bundle: dict[str, Any] = {"data": shown, "metadata": {}}
        else:
            from fairkd.show import figures  # here, as it takes a second: the command line has no figures

            given: dict[str, Any] = {"note": f"{self.badge.capitalize()}.", "name": name.lower().replace("_", "-")}
            words = f"{caption}." if caption else None
            bundle = figures.bundle(what, data=list(frames.values()) or None, caption=words, **given)
        self._results.save_piece(name, bundle)
        _display(bundle)

    def piece(self, notebook: str, name: str) -> None:
        """Displays what another notebook showed under a name; nothing where that notebook has no results to show.

        Then :meth:`absent` says why. Those of 06_planted are of the controlled experiment beside this profile.

        Raises:
            InputError: the notebook has finished, and showed nothing under this name.
        """
        found = self._reads(notebook, self._whose(notebook))
        try:
            found.intact()
        except InputError:
            self._absent[notebook] = self.why_missing(notebook)
        else:
            _display(found.piece(name))

    def absent(self) -> dict[str, str]:
        """Why :meth:`piece` and :meth:`results` found nothing, by notebook."""
        return dict(sorted(self._absent.items()))

    @property
    def badge(self) -> str:
        """What the numbers are, in the few words that stand at each figure and table."""
        return sentences.badge(self.profile)

    def _whose(self, notebook: str) -> Profile:
        of_controlled = notebook == "06_planted" and not self.profile.planted_strengths
        return controlled(self.profile) if of_controlled else self.profile

    def finish(self) -> dict[str, Any]:
        """Writes the notebook's manifest, the last thing it does, and returns it."""
        return self._results.finish(self.facts(), failures=self.quality.failures(), read=self._read.values())

    def results(self, notebook: str) -> dict[str, pd.DataFrame] | None:
        """Tables by name of another notebook of this profile, see :meth:`fairkd.lab.results.Results.read`."""
        found = self._reads(notebook, self.profile).read()
        if found is None:
            self._absent[notebook] = self.why_missing(notebook)
        return found

    def why_missing(self, notebook: str) -> str:
        """Why :meth:`results` has no tables of a notebook, as in "01_capacity has not finished"; "" if it has.

        Of 06_planted in a profile that is not the controlled experiment: why that has none.
        """
        if notebook == "04_glue" and self.profile.glue.source is None:
            return "this profile has no GLUE tasks (glue_source)"
        return Results(notebook, self._whose(notebook)).why_missing()

    def controlled(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Tables of the controlled experiment that lies beside this one: of its report and its "strengths".

        Empty for the controlled experiment itself, and where it has not finished.
        """
        if self.profile.planted_strengths:
            return {}
        other = controlled(self.profile)
        names = {"report": REPORT, "strengths": "06_planted"}
        found = {name: self._reads(notebook, other).read() for name, notebook in names.items()}
        return {name: frames for name, frames in found.items() if frames is not None}

    def _reads(self, notebook: str, profile: Profile) -> Results:
        """The results of another notebook; this one's manifest will say which they were."""
        return self._read.setdefault((profile.name, notebook), Results(notebook, profile))


def _display(bundle: Mapping[str, Any]) -> None:
    from IPython.display import display

    display(bundle["data"], raw=True, metadata=bundle["metadata"])
