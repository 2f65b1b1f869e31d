"""Panels of controls for JupyterLab and Voilà: α, λ on a sentence, λ on SEAT, and two models side by side.

Each panel draws what :mod:`fairkd.show.sliders` computes. A step of a slider draws a picture of a grid that was
computed before; a model is read only where a model, a sentence or a test is new. Until then the last picture stays, and
is marked as old. What cannot be used is said beside the controls, and the last picture goes away. In an exported page,
where no kernel runs, a panel is the explorer of :mod:`fairkd.show.sliders.explorer` that holds the same pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd

from fairkd.errors import InputError
from fairkd.names import TEST_TITLES
from fairkd.seat import TESTS
from fairkd.show import figures
from fairkd.show.html import PIECES, Html, render
from fairkd.show.sliders import grid
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import TEACHER, LateLoaded, Models
from fairkd.show.sliders.compare import effects, stored_projections
from fairkd.show.sliders.drawing import Drawing, image
from fairkd.show.sliders.explorer import explorer
from fairkd.show.sliders.reading import KnownReading, SentenceReading, stored_reading
from fairkd.show.sliders.seat_lambda import WEIGHED, stored_curve
from fairkd.show.tables import paragraph

FOLDER = "another encoder"
SENTENCE = "the engineer said that he would fix the machine himself."
"""What the panel of a sentence begins with."""
STEP_SECONDS, TYPING_SECONDS = 0.03, 0.5
"""How long a panel waits for the next change before it answers one: of a slider or a list, and of text."""
_DIGITS = ".4"
"""Of a slider's number, in d3's words: four at most, and no zeros at the end, so that 0.4 reads 0.4."""
LEAST_ALPHA = 0.05
"""Of the slider of α."""
_LOOK: dict[str, Any] = {"style": {"description_width": "9em"}, "layout": {"width": "34em", "max_width": "100%"}}


class Debounced:
    """Calls ``act`` once changes have stopped for ``seconds``; at once where no event loop runs."""

    def __init__(self, act: Callable[[], None], seconds: float) -> None:
        self._act, self._seconds = act, seconds
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, _change: Any = None) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._act()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._seconds, self._act)


def slider_names() -> ipywidgets.Output:
    """An empty output whose script names the sliders of its panel for screen readers, which ipywidgets does not."""
    script = (PIECES / "slider_names.js").read_text(encoding="utf-8")
    output = {"output_type": "display_data", "data": {"application/javascript": script}, "metadata": {}}
    return ipywidgets.Output(outputs=(output,), layout={"height": "0"})


class Panel(ipywidgets.VBox):
    """Controls, a message beside them, and what they show.

    Attributes:
        message: what is wrong, or being done; empty otherwise.
        shown: the pictures.
    """

    def __init__(self, *controls: Any) -> None:
        self.message, self.shown = ipywidgets.HTML(), ipywidgets.HTML()
        self._picture = Html("")
        super().__init__([*controls, self.message, self.shown, slider_names()], layout={"max_width": "100%"})
        quick, slow = Debounced(self.refresh, STEP_SECONDS), Debounced(self.refresh, TYPING_SECONDS)
        for control in controls:
            for part in control.children if isinstance(control, ModelChoice) else [control]:
                part.observe(slow if isinstance(part, ipywidgets.Text) else quick, "value")
        self.refresh()

    def show(self) -> Html:
        """The pictures for what the controls say; raises InputError for what cannot be used."""
        raise NotImplementedError

    def pages(self) -> list[dict[str, Any]]:
        """Arguments of :func:`fairkd.show.sliders.explorer.explorer` for an exported page."""
        return []

    def refresh(self) -> None:
        """Shows what the controls say, or why it cannot be shown."""
        try:
            shown = self.show()
        except InputError as error:
            self._draw(Html(""))
            self.say(str(error), wrong=True)
        except Exception as error:  # in a callback nobody would see it
            self._draw(Html(""))
            self.say(f"{type(error).__name__}: {error}", wrong=True)
            raise
        else:
            self._draw(shown)
            self.say("")

    def _draw(self, picture: Html) -> None:
        self._picture = picture
        self.shown.value = picture.text

    def wait(self, text: str) -> None:
        """Says what is being done, which takes a while, and marks the picture that is there as old."""
        self.say(text)
        if self._picture.text:
            self.shown.value = render("pictures.old", picture=self._picture).text

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Writes the message, which screen readers say."""
        self.message.value = render("notes.message", text=text, wrong=wrong).text if text else ""

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        try:
            page = "".join(explorer(**page).text for page in self.pages())
        except InputError as error:
            page = paragraph(str(error)).text
        return bundle | {"text/html": page or self.shown.value}


class Alpha(Panel):
    """The law of λ under an α of one's choice; it begins at the profile's."""

    def __init__(self, models: Models, *, draws: int = 1000) -> None:
        self.draws = draws
        alpha = min(max(models.materials.profile.mixup.alpha, LEAST_ALPHA), 5.0)
        # It counts its steps from its minimum: from 0.05 screen readers would be told 0.39999999999999997, not 0.4.
        self.alpha = ipywidgets.FloatSlider(
            min=0.0, max=5.0, step=0.05, value=alpha, description="α", readout_format=_DIGITS,
            tooltip="α of Beta(α, α): the smaller, the more often λ is near 0 or 1", **_LOOK,
        )  # fmt: skip
        self.seed = ipywidgets.BoundedIntText(
            min=0, max=10**6, description="seed of draws", tooltip="another seed draws other λ", **_LOOK
        )
        self.alpha.observe(self._keep_positive, "value")
        super().__init__(self.alpha, self.seed)

    def _keep_positive(self, change: Any) -> None:
        """There is no Beta(0, 0): the slider goes back to its first step."""
        self.alpha.value = max(change["new"], LEAST_ALPHA)

    def show(self) -> Html:
        frame = grid.alpha_frame(round(self.alpha.value, 4), draws=self.draws, seed=self.seed.value)
        return Drawing({"title": "The law of λ", "values": [0.0], "frames": [frame], **grid.ALPHA_AXES}).at(0.0)

    def pages(self) -> list[dict[str, Any]]:
        return [grid.alpha_grid(start=self.alpha.value, draws=self.draws, seed=self.seed.value)]


class Sentence(Panel):
    """A sentence of one's own at λ: the mixed word x̄, the teacher's two readings and ȳ, and the student's of x̄."""

    def __init__(self, models: Models, text: str = SENTENCE, *, student: str | None = None) -> None:
        self.models = models
        self.student = ModelChoice(models, "student", student)
        self.text = ipywidgets.Text(
            value=text, description="sentence", placeholder="one sentence with a gender word",
            tooltip="one sentence with a word of a gender pair, such as he or she", **_LOOK,
        )  # fmt: skip
        self.word = ipywidgets.Dropdown(description="gender word", tooltip="which of its gender words to see", **_LOOK)
        self.lam = _lambda(0.5, "λ: 0 is the female word, 1 the male word")
        self._listed: tuple[str, str] | None = None
        self._first = (self.student.name, text)
        self._made: dict[tuple[str, str, int], list[Drawing]] = {}
        super().__init__(self.student, self.text, self.word, self.lam)

    def show(self) -> Html:
        return render("pictures.side_by_side", drawings=[drawing.at(self.lam.value) for drawing in self.drawings()])

    def drawings(self) -> list[Drawing]:
        """The two pictures at all λ, made once a student, sentence and word."""
        new = (self.student.name, self.text.value)
        if new != self._listed:
            words = self._read(new, 0).words
            self._listed = new
            self.word.options = [(f"{number + 1}: {word}", number) for number, word in enumerate(words)]
            self.word.index = 0  # a list that was empty chooses nothing by itself
        key = (*new, self.word.index or 0)
        if key not in self._made:
            reading = self._read(new, key[2])
            self._made[key] = [Drawing(grid.word_grid(reading)), Drawing(grid.reading_grid(reading))]
        return self._made[key]

    def _read(self, what: tuple[str, str], word: int) -> SentenceReading | KnownReading:
        """Kept in the store for what the panel begins with, which a page shows each time that it is made."""
        self.wait("Reading …")
        models, (student, text) = self.models, what
        given: dict[str, Any] = {
            "teacher": models.load(TEACHER),
            "student": models.load(student),
            "pairs": models.materials.pairs,
            "temperature": models.materials.profile.recipe.temperature,
        }
        if what == self._first and not word and isinstance(given["student"], LateLoaded):
            return stored_reading(models.materials.store, text, **given)
        return SentenceReading(text, word=word, **given)

    def pages(self) -> list[dict[str, Any]]:
        return [drawing.grid for drawing in self.drawings()]


class Seat(Panel):
    """A test's effect size while the gender words of its sentences are mixed."""

    def __init__(self, models: Models, *, test: str = "C6b", model: str = TEACHER) -> None:
        self.models = models
        self.model = ModelChoice(models, "model", model)
        self.test = _tests(test)
        self.pooling = _poolings(models)
        self.weighs = ipywidgets.Dropdown(
            options=[(title, name) for name, title in WEIGHED.items()], description="λ is the weight of",
            tooltip="the word that stands there: λ = 1 is the published test; the male word: as in training", **_LOOK,
        )  # fmt: skip
        self.lam = _lambda(1.0, "λ, the weight of what is chosen above")
        self._made: dict[tuple[str, ...], Drawing] = {}
        super().__init__(self.model, self.test, self.pooling, self.weighs, self.lam)

    def show(self) -> Html:
        return self.drawing().at(self.lam.value)

    def drawing(self) -> Drawing:
        """The picture at all λ, made once a model, test, pooling and reading of λ."""
        key = (self.model.name, self.test.value, self.pooling.value, self.weighs.value)
        if key not in self._made:
            self.wait("Measuring …")
            loaded, (_, test, pooling, weighs) = self.models.load(key[0]), key
            pairs = self.models.pairs(loaded)
            store = self.models.materials.store
            n_bootstrap = self.models.materials.profile.seat.bootstrap
            curve, mixed = stored_curve(
                store, loaded, pairs, test, pooling=pooling, weighs=weighs, n_bootstrap=n_bootstrap
            )
            drawn = grid.seat_grid(curve, test=test, model=loaded.name, weighs=weighs)
            self._made[key] = Drawing({**drawn, "note": _what_is_mixed(mixed)})
        return self._made[key]

    def pages(self) -> list[dict[str, Any]]:
        return [self.drawing().grid]


class Comparison(Panel):
    """Two models: their six effect sizes, and where the sentences of a test lie on their gender directions."""

    def __init__(self, models: Models, first: str, second: str, *, test: str = "C6b") -> None:
        self.models = models
        self.first, self.second = ModelChoice(models, "first model", first), ModelChoice(models, "second model", second)
        self.test, self.pooling = _tests(test), _poolings(models)
        self._made: dict[tuple[str, ...], Html] = {}
        super().__init__(self.first, self.second, self.test, self.pooling)

    def show(self) -> Html:
        names = list(dict.fromkeys((self.first.name, self.second.name)))
        key = (*names, self.test.value, self.pooling.value)
        if key not in self._made:
            self.wait("Measuring …")
            found = effects(self.models, names, pooling=self.pooling.value)
            store, test, pooling = self.models.materials.store, self.test.value, self.pooling.value
            of_each = [stored_projections(store, self.models.load(n), test, pooling=pooling) for n in names]
            strips = figures.projection_strips(pd.concat(of_each, ignore_index=True), test=self.test.value)
            self._made[key] = image(figures.compare_effects(found)) + image(strips)
        return self._made[key]


class ModelChoice(ipywidgets.VBox):
    """A list of the store's models, and a folder for any other encoder."""

    def __init__(self, models: Models, description: str, value: str | None) -> None:
        names = models.names()
        listed = value in names or value is None
        self.listed = ipywidgets.Dropdown(
            options=[*names, FOLDER], value=(value or names[-1]) if listed else FOLDER, description=description,
            tooltip="the teacher and the trained students of the store, or another encoder", **_LOOK,
        )  # fmt: skip
        self.folder = ipywidgets.Text(
            value="" if listed else str(value), description="its folder", placeholder="folder of a BERT-like encoder",
            tooltip=f"read where '{FOLDER}' is chosen", disabled=listed, **_LOOK,
        )  # fmt: skip
        self.listed.observe(self._enable, "value")
        super().__init__([self.listed, self.folder])

    def _enable(self, change: Any) -> None:
        self.folder.disabled = change["new"] != FOLDER

    @property
    def name(self) -> str:
        """Name of the model that is chosen, or the folder."""
        return str(self.folder.value.strip() if self.listed.value == FOLDER else self.listed.value)


def _lambda(value: float, tooltip: str) -> Any:
    return ipywidgets.FloatSlider(
        min=0.0,
        max=1.0,
        step=LAMBDAS[1],
        value=value,
        description="λ",
        readout_format=_DIGITS,
        tooltip=tooltip,
        **_LOOK,
    )


def _tests(value: str) -> Any:
    options = [(f"{test}: {TEST_TITLES[test]}", test) for test in TESTS]
    return ipywidgets.Dropdown(options=options, value=value, description="test", tooltip="test of SEAT", **_LOOK)


def _poolings(models: Models) -> Any:
    options = list(models.materials.profile.seat.poolings)
    return ipywidgets.Dropdown(
        options=options, description="pooling", tooltip="how token vectors become a sentence vector", **_LOOK
    )


def _what_is_mixed(counts: pd.DataFrame) -> str:
    hits = ", ".join(f"{row.role}: {row.mixed} of {row.sentences}" for row in counts.itertuples())
    return f"Sentences with a word of the gender pairs, which is mixed with its counterpart: {hits}. All others stay."
