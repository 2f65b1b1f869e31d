"""Co-distillation: any set of arms side by side, on the same batches.

Pipeline of a step: 1 a batch is masked once; 2 the teacher reads it once, and once more with gender words exchanged
if any arm mixes; 3 every arm's student reads it, takes its own losses (Section 2) against the same teacher outputs,
and makes its own update. Differences between arms are therefore paired, and an arm trained alone has the same bits as
the same arm trained beside others. (On a GPU, how many batches a pass reads follows from the memory that all arms
need, and dropout draws by pass: there both are the same but for dropout's draws and rounding.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fairkd.arms import DISTILBERT, Arm
from fairkd.batches import MaskedBatch, MaskedBatches, Setting, text_read
from fairkd.engine.digests import added_sources, weights_digest
from fairkd.engine.loading import quiet
from fairkd.engine.provenance import environment, peak_memory_bytes
from fairkd.engine.recipe import Schedule
from fairkd.engine.store import REVISIONS, Store
from fairkd.engine.training import Learner, fit, precision
from fairkd.engine.world import ONE_PROCESS, World
from fairkd.errors import DivergedError, InputError
from fairkd.gender import PairTable, appendix_c
from fairkd.losses import LOSSES, targets_of
from fairkd.micro_batches import read, shares_of
from fairkd.mixup import COUNTERPARTS, LEVELS, PAPER_LEVELS, SCOPES, Mixup, mixes
from fairkd.objective import Supervision, arm_losses, supervise
from fairkd.students import layer_map, student_from_teacher
from fairkd.teachers.checkpoints import Teacher
from fairkd.wording import how_many


def student_key(arm: Arm, setting: Setting, *, teacher: Teacher, mixup: Mixup | None = None) -> str:
    """Key of an arm's student in the store: a hash of everything that determines its weights, and of nothing else.

    ``teacher`` is the arm's own; ``mixup`` is needed for an arm that mixes.
    """
    recipe = setting.recipe
    values = recipe.content()
    values["loss_weights"] = {name: recipe.weights[name] for name in arm.losses}
    unused = {"initializer_range"}  # every weight of a student comes from its teacher
    if "logits" not in targets_of(arm.losses):
        unused |= {"temperature", "ce_token_fraction"}
    spec: dict[str, Any] = {
        "engine": REVISIONS["student"],
        "arm": arm.content(),
        "recipe": {name: value for name, value in values.items() if name not in unused},
        "seed": setting.seed,
        "corpus": setting.corpus.digest,
        "teacher": teacher.digest,
        "tokenizer": teacher.tokenizer_digest,
        "precision": precision(setting.device),
    }
    if arm.levels:
        assert mixup is not None
        spec["mixup"] = {"alpha": mixup.alpha, "scope": mixup.scope, "pairs": mixup.pairs.content}
        if any(LEVELS[level].mixes != "input" for level in arm.levels):
            spec["mixup"]["counterpart"] = mixup.counterpart
    if added := added_formulas(arm, mixup):
        spec["functions"] = added
    return Store.key("student", spec)


def added_formulas(arm: Arm, mixup: Mixup | None) -> dict[str, str]:
    """What determines the student beyond the package: digests of formulas that somebody added to its tables."""
    functions: dict[str, Callable[..., Any]] = {f"loss {name}": LOSSES[name].rows for name in arm.losses}
    known = [f"loss {name}" for name in DISTILBERT]
    if mixup is not None and arm.levels:
        functions |= {f"level {name}": LEVELS[name].mix for name in arm.levels}
        functions |= {f"scope {mixup.scope}": SCOPES[mixup.scope]}
        if make := COUNTERPARTS[mixup.counterpart]:
            functions |= {f"counterpart {mixup.counterpart}": make}
        known += [f"level {name}" for name in PAPER_LEVELS]
        known += ["scope sequence", "scope batch", "scope occurrence", "counterpart vocabulary"]
    return added_sources(functions, known)


def distill(
    arms: Sequence[Arm],
    setting: Setting,
    *,
    teacher: Teacher,
    debiased: Teacher | None = None,
    mixup: Mixup | None = None,
    parameters: dict[str, Any] | None = None,
    progress: bool = True,
    everyone: World = ONE_PROCESS,
) -> dict[str, Path]:
    """Trains the arms that the store lacks, side by side, and returns the folder of each arm by name.

    A run that was stopped goes on from its last checkpoints and ends with the same bits.

    Args:
        arms: names must be unique; arms of equal content share one student.
        setting: corpus, recipe, seed, store and device of all of them.
        teacher: the original one, with its tokenizer and digest.
        debiased: the teacher of the arms that name "debiased" (:mod:`fairkd.debias`), of the same depth.
        mixup: gender words and λ of the arms that mix; the pairs of Appendix C and α = 0.4 if not given.
        parameters: written into the manifests (the profile's values).
        progress: show a line of progress.
        everyone: the processes that train together, each of which calls this with the same arguments.

    Raises:
        InputError: an arm is deeper than the teacher, or lacks what it needs (a debiased teacher, a second pass); or no
            update would change a weight (:meth:`fairkd.engine.recipe.Recipe.schedule`); or there are more processes
            than batches an update.
        DivergedError: a loss became NaN or infinite; the other arms are finished and stored first.
        LostError: one of several processes is gone; what was trained is saved.

    Two updates of two small students, on the teacher and the corpus of a profile; the second time both are there:

    >>> import tempfile
    >>> from fairkd.arms import Arm
    >>> from fairkd.lab.materials import Materials
    >>> from fairkd.profile import Profile
    >>> folder = tempfile.TemporaryDirectory()
    >>> tiny = Profile.load("tiny").changed(store_dir=folder.name, adapt_steps=2, max_steps=2, device="cpu")
    >>> materials = Materials(tiny, progress=False)
    >>> arms = [Arm(name="full", layers=2), Arm(name="proposed", layers=2, mix=("x", "y"))]
    >>> students = distill(arms, materials.setting(0), teacher=materials.teacher, progress=False)
    >>> sorted(students), (students["proposed"] / "model.safetensors").is_file()
    (['full', 'proposed'], True)
    >>> students == distill(arms, materials.setting(0), teacher=materials.teacher, progress=False)
    True
    >>> folder.cleanup()
    """
    store = setting.store
    teachers = {"original": teacher} | ({"debiased": debiased} if debiased else {})
    if debiased is None and any(arm.teacher == "debiased" for arm in arms):
        raise InputError("an arm has the debiased teacher, but no debiased teacher was given")
    if mixup is None and any(arm.levels for arm in arms):
        mixup = Mixup(PairTable(appendix_c(), teacher.tokenizer))
    check_arms(arms, teacher.model.config.num_hidden_layers, mixup.counterpart if mixup else "pass")
    schedule = setting.schedule()
    if everyone.size > schedule.window:
        raise InputError(
            f"processes: {everyone.size}, but an update has {schedule.window} batches to deal out "
            f"(gradient_accumulation_steps); allowed: at most {schedule.window}"
        )
    keys = {arm.name: student_key(arm, setting, teacher=teachers[arm.teacher], mixup=mixup) for arm in arms}
    wanted = {keys[arm.name]: arm for arm in reversed(arms)}
    with ExitStack() as locks:
        found = _locked_and_missing(store, list(wanted), locks) if everyone.writes else []
        missing = {key: wanted[key] for key in everyone.told(found)}
        if missing:
            run = _Run(missing, setting, schedule, teachers=teachers, mixup=mixup, everyone=everyone)
            run.train(progress=progress and everyone.writes)
            run.store_results(parameters or {})
    return {name: store.root / key for name, key in keys.items()}


def _locked_and_missing(store: Store, keys: Sequence[str], locks: ExitStack) -> list[str]:
    """The keys that the store lacks, locked: nobody else makes them meanwhile."""
    for key in sorted(key for key in keys if store.find(key) is None):
        locks.enter_context(store.lock(key))
    missing = [key for key in keys if store.find(key) is None]
    for key in set(keys) - set(missing):
        store.clear_unfinished(key)  # left by a process that was killed just after it finished
    return missing


def check_arms(arms: Sequence[Arm], depth: int, counterpart: str) -> None:
    """Raises InputError if a name stands for two arms, or an arm is deeper than the teacher or mixes what it cannot."""
    for arm in arms:
        try:
            layer_map(arm.layers, depth)
        except InputError as error:
            raise InputError(f"arm {arm.name!r}: {error}") from None
        if mixes(arm.levels, "hidden") and COUNTERPARTS[counterpart] is not None:
            possible = " and ".join(name for name, level in LEVELS.items() if level.mixes != "hidden")
            raise InputError(
                f"counterpart: {counterpart!r} knows no hidden states of the other word, which arm {arm.name!r} "
                f"mixes ({', '.join(arm.levels)}); allowed is 'pass', or arms that mix {possible} only"
            )
    if len({arm.name for arm in arms}) != len(arms):
        raise InputError(f"arms: each name may stand once, not {[arm.name for arm in arms]}")


class _Run:
    """One training, side by side, of the arms that are missing, by key."""

    def __init__(
        self,
        arms: dict[str, Arm],
        setting: Setting,
        schedule: Schedule,
        *,
        teachers: Mapping[str, Teacher],
        mixup: Mixup | None,
        everyone: World,
    ) -> None:
        self.arms, self.setting, self.schedule, self.teachers = arms, setting, schedule, teachers
        self.everyone = everyone
        self.tokenizer = teachers["original"].tokenizer
        mixup = mixup if any(arm.levels for arm in arms.values()) else None
        self.batches = MaskedBatches(setting, self.tokenizer, mixup)
        here = environment(setting.device)
        about = {name: here[name] for name in ("device", "processor", "threads", "matrix_products", "git_commit")}
        self.how = {"processes": everyone.size, "tokens_at_once": setting.at_once, **about}
        self.learners = {key: self._learner(key, arm) for key, arm in arms.items()}
        self.seconds = 0.0

    def _learner(self, key: str, arm: Arm) -> Learner:
        recipe = self.setting.recipe
        student: Any = student_from_teacher(
            self.teachers[arm.teacher].model,
            arm.layers,
            dropout=recipe.dropout,
            freeze_positions=recipe.freeze_positions,
        )
        return Learner(
            name=arm.name,
            model=student.to(self.setting.device).train(),
            losses=lambda model, supervision: arm_losses(model, supervision, arm, recipe),
            recipe=recipe,
            folder=self.setting.store.unfinished(key),
            how=self.how,
        )

    def train(self, *, progress: bool) -> None:
        setting = self.setting
        models = {name: teacher.model.to(setting.device).eval() for name, teacher in self.teachers.items()}
        arm_of = {id(learner): self.arms[key] for key, learner in self.learners.items()}

        def shared(batch: MaskedBatch, active: list[Learner]) -> tuple[Supervision, int]:
            arms = [arm_of[id(learner)] for learner in active]
            return supervise(models, batch, arms, setting.recipe, setting.device), batch.tokens

        started = time.perf_counter()
        fit(
            list(self.learners.values()),
            shared,
            schedule=self.schedule,
            recipe=setting.recipe,
            seed=setting.seed,
            device=setting.device,
            progress=f"{how_many(len(self.arms), 'student')}, seed {setting.seed}" if progress else "",
            groups=lambda numbers: shares_of(self.batches, numbers, everyone=self.everyone),
            prepare=lambda numbers: read(self.batches, numbers),
            everyone=self.everyone,
        )
        self.seconds = time.perf_counter() - started

    def store_results(self, parameters: dict[str, Any]) -> None:
        about = text_read(self.setting).record() | {"parameters": parameters}
        for key, learner in self.learners.items():
            if learner.divergence is None and self.everyone.writes:
                self._store(key, learner, about)
        self.everyone.wait()  # until the entries are there for all
        diverged = [str(learner.divergence) for learner in self.learners.values() if learner.divergence]
        if diverged:
            raise DivergedError(
                f"seed {self.setting.seed}: " + "; ".join(diverged) + ". The last good checkpoint is kept."
            )

    def _store(self, key: str, learner: Learner, about: dict[str, Any]) -> None:
        arm, setting = self.arms[key], self.setting
        student = learner.model.cpu().eval()
        manifest = {
            "kind": "student",
            "revision": REVISIONS["student"],
            "arm": arm.model_dump(mode="json"),
            "seed": setting.seed,
            "steps": self.schedule.updates,
            "corpus_digest": setting.corpus.digest,
            "teacher_digest": self.teachers[arm.teacher].digest,
            "weights_digest": weights_digest(student),
            "wall_seconds_of_the_pass": self.seconds,
            "resumed_from_step": learner.resumed_from,
            "stretches": learner.stretches,
            "processes": self.everyone.size,
            "tokens_at_once": setting.at_once,
            "arms_in_the_pass": [other.name for other in self.arms.values()],
            "peak_memory_bytes": peak_memory_bytes(setting.device),
            **learner.speed(),
            **about,
            **environment(setting.device),
        }
        with setting.store.write(key, manifest) as folder:
            with quiet():
                student.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            learner.metrics_frame().to_parquet(folder / "metrics.parquet")
        setting.store.clear_unfinished(key)
