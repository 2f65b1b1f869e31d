"""Profiles: every parameter of an experiment in one flat, validated file (``papermill_params/*.yaml``).

A profile is complete: it names each parameter once, and the parameters cell of every notebook has exactly the
same names, so that a whole file can be handed to papermill with ``-f`` and single values changed with ``-p``.
The values of the paper's Appendix D stand under the names that they have there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from fairkd.arms import GROUPS, NAMED, Arm, capacity_arms, named_arm
from fairkd.engine.messages import explain, similar_path
from fairkd.engine.store import Store
from fairkd.errors import InputError, nearest
from fairkd.glue.tasks import find_tasks
from fairkd.text.sources import is_path

PARAMETERS = "papermill_params"
NAMED_WEIGHTS: dict[str, dict[str, float]] = {
    "distilbert": {"ce": 5.0, "mlm": 2.0, "cos": 1.0},  # used for the released DistilBERT
    "paper-sum": {"ce": 1.0, "mlm": 1.0, "cos": 1.0},  # the plain sum that Section 2 prints
}


def project_root() -> Path:
    """The folder that holds ``papermill_params/``: this one or the nearest above, else beside the package."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / PARAMETERS).is_dir():
            return folder
    return here


def _items(value: Any) -> Any:
    """Lists become tuples; text such as "[0, 1]" (papermill's -p passes it so) is read as the list it shows."""
    value = _read(value, "[")
    return tuple(value) if isinstance(value, list) else value


def _mapping(value: Any) -> Any:
    return _read(value, "{")


def _read(value: Any, bracket: str) -> Any:
    if not isinstance(value, str) or not value.strip().startswith(bracket):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"{value!r} is not a complete list or mapping") from None


Ints = Annotated[tuple[int, ...], BeforeValidator(_items), Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_items), Field(min_length=1)]
Strengths = Annotated[tuple[Annotated[float, Field(ge=-1, le=1)], ...], BeforeValidator(_items), Field(min_length=1)]
Floats2 = Annotated[tuple[float, float], BeforeValidator(_items)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
LossName = Literal["ce", "mlm", "cos"]
Weights = Annotated[
    Literal["distilbert", "paper-sum"] | dict[LossName, Annotated[float, Field(ge=0)]],
    BeforeValidator(_mapping),
]


class Profile(BaseModel):
    """All parameters of an experiment. Fields have no defaults: a file that lacks one is an error.

    A relative path is relative to the project's root (see :func:`project_root`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    profile: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name; products go to runs_dir/<name>")
    teacher: str = Field(min_length=1, description="embedded, scratch, a hub id or a folder")
    teacher_layers: Count | None = Field(description="layers of a scratch teacher, else None")
    teacher_hidden: Count | None = Field(description="hidden size of a scratch teacher, else None")
    adapt: Literal["auto", "always", "never"] = Field(
        description="continue its MLM training; auto: if it has no MLM head"
    )
    adapt_steps: Count = Field(description="updates of that training")
    adapt_batch_size: Count = Field(description="its sequences a batch")
    adapt_learning_rate: Positive = Field(description="its peak learning rate")
    corpus: Texts = Field(description="embedded, generated, paths, hub:repo[:config[:split]]")
    corpus_column: str = Field(min_length=1, description="text column of jsonl, parquet and hub sources")
    corpus_fraction: Annotated[float, Field(gt=0, le=1)] = Field(description="share of documents used")
    corpus_seed: int = Field(description="seed of that sample")
    heldout_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="share of documents kept for held-out loss"
    )
    max_length: Annotated[int, Field(ge=12, le=512)] = Field(description="longest sequence, in tokens")
    arms: Annotated[tuple[str | Arm, ...], BeforeValidator(_items), Field(min_length=1)] = Field(
        description="table-1, table-2, ours, names, or {name, layers, losses, mix, teacher}"
    )
    depths: Ints = Field(description="layers of the students of Figure 1")
    student_layers: Count = Field(description="layers of the arm 'full' and its variants")
    loss_weights: Weights = Field(description="distilbert (5, 2, 1), paper-sum (1, 1, 1) or {ce, mlm, cos}")
    temperature: Positive = Field(description="softens both distributions in L_ce")
    mlm_mask_prop: Annotated[float, Field(gt=0, lt=1)] = Field(description="share of tokens to predict")
    word_mask: Share = Field(description="share of those shown as [MASK]")
    word_keep: Share = Field(description="share of those left as they are")
    word_rand: Share = Field(description="share of those replaced by a random token")
    mlm_smoothing: Annotated[float, Field(ge=0)] = Field(description="exponent: rare tokens are predicted more often")
    n_epoch: Count = Field(description="passes over the corpus")
    max_steps: Count | None = Field(description="updates at most; None: n_epoch decides")
    batch_size: Count = Field(description="sequences a batch")
    gradient_accumulation_steps: Count = Field(description="batches an update")
    warmup_prop: Share = Field(description="share of updates with rising learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(description="AdamW, not on biases and LayerNorm")
    learning_rate: Positive = Field(description="peak learning rate of the students")
    max_grad_norm: Positive = Field(description="global norm to which gradients are clipped")
    adam_epsilon: Positive = Field(description="AdamW epsilon")
    adam_betas: Floats2 = Field(description="AdamW betas")
    initializer_range: Positive = Field(description="standard deviation of weights that start random")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(description="dropout of students, and of a scratch teacher")
    freeze_positions: bool = Field(description="keep the teacher's position embeddings fixed")
    ce_token_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        description="random share of tokens in L_ce; 1 is all"
    )
    alpha: Positive = Field(description="mixup: λ ~ Beta(alpha, alpha)")
    lambda_scope: Literal["sequence", "batch", "occurrence"] = Field(description="mixup: what shares one λ")
    counterpart: Literal["pass", "vocabulary"] = Field(
        description="mixup: logits of the other word, from a second pass or from the vocabulary"
    )
    gender_pairs: str = Field(min_length=1, description="appendix-c, or a YAML or CSV file of female, male pairs")
    debias_words: str = Field(
        min_length=1, description="built-in, or a YAML file of the lists female, male, stereotype"
    )
    debias_layers: Literal["all", "first", "last"] = Field(description="hidden states that are debiased")
    debias_target: Literal["token", "sentence"] = Field(description="debias the stereotype words or whole sentences")
    debias_alpha: Positive = Field(description="weight of the debiasing loss")
    debias_beta: Annotated[float, Field(ge=0)] = Field(description="weight of staying near the original teacher")
    debias_learning_rate: Positive = Field(description="peak learning rate of debiasing")
    debias_batch_size: Count = Field(description="sequences a batch in debiasing")
    debias_epochs: Count = Field(description="passes at most; the best on held-out sequences is kept")
    debias_sequences: Count | None = Field(description="sequences of each kind at most, or None")
    debias_square_of_mean: bool = Field(description="square after averaging, as the public program of debiasing does")
    planted_strengths: Strengths | None = Field(description="planted associations that 06_planted compares, or None")
    checkpoint_every: Count = Field(description="updates between checkpoints")
    seeds: Ints = Field(description="one student of each arm a seed")
    seat_poolings: Annotated[
        tuple[Literal["mean", "cls", "first_token"], ...], BeforeValidator(_items), Field(min_length=1)
    ] = Field(description="sentence vectors; the first is the headline")
    seat_permutations: Annotated[int, Field(ge=2)] = Field(description="random splits behind a p-value")
    seat_bootstrap: Annotated[int, Field(ge=100)] = Field(description="resamples behind an interval, of GLUE too")
    glue_source: str | None = Field(description="mini (synthetic), hub:REPO, a folder with GLUE, or None: no GLUE")
    glue_tasks: Texts = Field(description="all, or names of tasks, as in Table 3")
    glue_arms: Texts = Field(description="arms that are fine-tuned, by name; all is every arm")
    glue_seeds: Ints = Field(description="fine-tuning runs of each student")
    glue_max_length: Annotated[int, Field(ge=8, le=512)] = Field(description="longest example, in tokens")
    glue_batch_size: Count = Field(description="examples a batch")
    glue_learning_rate: Positive = Field(description="learning rate of fine-tuning, falling to zero")
    glue_epochs: Count = Field(description="passes over a task's examples")
    glue_train_examples: Count | None = Field(description="training examples of a task at most, or None")
    glue_freeze_embeddings: bool = Field(description="fine-tune all but the embeddings: cheaper, for small budgets")
    glue_dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        description="dropout of fine-tuning, or None: that of the encoder"
    )
    glue_learning_curve: Annotated[tuple[Count, ...], BeforeValidator(_items), Field(min_length=1)] | None = Field(
        description="numbers of training examples to compare, or None"
    )
    glue_keep_weights: bool = Field(description="keep the fine-tuned models too")
    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    runs_dir: str = Field(min_length=1, description="folder of the products")
    store_dir: str = Field(min_length=1, description="folder of finished students, shared by profiles")
    prepare_only: bool = Field(description="check everything and print the plan, train nothing")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        total = self.word_mask + self.word_keep + self.word_rand
        if abs(total - 1) > 1e-9:
            raise ValueError(f"word_mask + word_keep + word_rand must be 1, not {total:g}")
        for name in ("seeds", "depths", "seat_poolings"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: {list(values)} names a value twice")
        if not all(0 <= beta < 1 for beta in self.adam_betas):
            raise ValueError(f"adam_betas: {list(self.adam_betas)} must lie in [0, 1)")
        if any(depth < 1 for depth in self.depths):
            raise ValueError(f"depths: {list(self.depths)} must be 1 or more")
        if self.teacher == "scratch" and (self.teacher_layers is None or self.teacher_hidden is None):
            raise ValueError("teacher 'scratch' needs teacher_layers and teacher_hidden")
        if self.teacher in ("embedded", "scratch") and self.adapt == "never":
            raise ValueError(f"adapt: teacher {self.teacher!r} has no trained MLM head, so 'never' is not possible")
        if isinstance(self.loss_weights, dict):
            missing = [name for name in get_args(LossName) if name not in self.loss_weights]
            if missing:
                raise ValueError(f"loss_weights: {missing} missing; give all of {list(get_args(LossName))}")
        self._check_paths()
        self._check_glue()
        if self.planted_strengths and not self.corpus[0].startswith("planted:"):
            raise ValueError(
                f"planted_strengths: needs the corpus 'planted:STRENGTH', not {list(self.corpus)}; or write null"
            )
        for arm in self.all_arms():
            if not any(self.weights[name] > 0 for name in arm.losses):
                raise ValueError(f"loss_weights: arm {arm.name!r} learns from {list(arm.losses)}, all of weight 0")
        return self

    def _check_glue(self) -> None:
        find_tasks(self.glue_tasks)
        known = ["all", *NAMED, *(arm.name for arm in self.all_arms())]
        for name in self.glue_arms:
            if name not in known:
                raise ValueError(f"glue_arms: {name!r} is no arm; allowed are {known}.{nearest(name, known)}")

    def _check_paths(self) -> None:
        for key, values in (("teacher", (self.teacher,)), ("corpus", self.corpus)):
            for value in values:
                if value.startswith((".", "/", "~")) or (key == "corpus" and is_path(value)):
                    self._check_path(key, value)
        if self.glue_source is not None and self.glue_source != "mini" and not self.glue_source.startswith("hub:"):
            self._check_path("glue_source", self.glue_source)
        for key, built_in in (("gender_pairs", "appendix-c"), ("debias_words", "built-in")):
            if getattr(self, key) != built_in:
                self._check_path(key, getattr(self, key))

    def _check_path(self, key: str, value: str) -> None:
        path = self.path(value)
        if not path.exists():
            raise ValueError(f"{key}: {value!r} does not exist (looked for {path}).{similar_path(path)}")

    @classmethod
    def load(cls, name_or_path: str | Path) -> Self:
        """Reads and checks a profile.

        Args:
            name_or_path: a file's name in ``papermill_params/`` without its suffix, or a path to a YAML file.

        Raises:
            InputError: the file does not exist, is not YAML, or holds a wrong key or value (all are named).
        """
        folder = project_root() / PARAMETERS
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = folder / f"{name_or_path}.yaml"
        if not path.is_file():
            names = sorted(p.stem for p in folder.glob("*.yaml"))
            raise InputError(f"no profile {str(name_or_path)!r}: {names} exist.{nearest(str(name_or_path), names)}")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not a YAML file: {error}") from error
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold 'key: value' lines, not {type(values).__name__}")
        return cls.check(values, where=str(path))

    @classmethod
    def check(cls, values: dict[str, Any], *, where: str = "parameters") -> Self:
        """A profile from plain values; every problem is listed in one :class:`InputError`."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [explain(problem, cls.model_fields) for problem in error.errors()]
            raise InputError(f"{where}: " + "; ".join(lines)) from None

    def values(self) -> dict[str, Any]:
        """Plain values (as in the YAML file), in the order of the fields."""
        return self.model_dump(mode="json")

    @staticmethod
    def effective(values: dict[str, Any]) -> dict[str, Any]:
        """The values that have an effect on results: not where things lie or how often they are saved."""
        without = ("runs_dir", "store_dir", "checkpoint_every", "prepare_only")
        return {name: value for name, value in values.items() if name not in without}

    @property
    def is_demonstration(self) -> bool:
        """Whether anything but seeds and device differs from the shipped profile ``paper``."""
        paper = self.effective(type(self).load("paper").values())
        free = ("seeds", "device")
        return any(value != paper[k] for k, value in self.effective(self.values()).items() if k not in free)

    @property
    def scale(self) -> str:
        """What the numbers of this profile are, in a sentence that stands wherever they are shown."""
        if not self.is_demonstration:
            return f"Profile '{self.profile}': the paper's setting."
        return (
            f"Demonstration: the profile '{self.profile}' is not the paper's setting (teacher, corpus, training). "
            "Its numbers show how the experiment works; they neither confirm nor refute the paper."
        )

    def changed(self, **values: Any) -> Self:
        """A copy with some values replaced, checked like a file."""
        return type(self).check(self.values() | values)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss term, by name."""
        named = self.loss_weights
        return dict(NAMED_WEIGHTS[named]) if isinstance(named, str) else {str(k): v for k, v in named.items()}

    def table_arms(self) -> list[Arm]:
        """The arms that ``arms`` names, one by one or by group, at their depths; each once."""
        found: list[Arm] = []
        for entry in self.arms:
            if isinstance(entry, Arm):
                arms = [entry]
            else:
                names = GROUPS.get(entry, (entry,))
                arms = [named_arm(name, student_layers=self.student_layers) for name in names]
            found += [arm for arm in arms if arm not in found]
        return found

    def all_arms(self) -> list[Arm]:
        """All arms of the profile: Figure 1's, then the tables'. Raises if a name stands for two arms."""
        found: dict[str, Arm] = {}
        for arm in (*capacity_arms(self.depths), *self.table_arms()):
            if arm.name in found:
                raise ValueError(f"arms: the name {arm.name!r} is used twice")
            found[arm.name] = arm
        return list(found.values())

    def path(self, value: str) -> Path:
        """``value`` as a path, relative to the project's root."""
        return project_root() / Path(value).expanduser()

    @property
    def output_dir(self) -> Path:
        """Folder of this profile's products."""
        return self.path(self.runs_dir) / self.profile

    def store(self) -> Store:
        """The store of finished work that this profile uses."""
        return Store(self.path(self.store_dir))
