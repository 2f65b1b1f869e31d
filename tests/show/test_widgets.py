"""The panels, driven without a browser: what a step shows and does not compute again, and what wrong input says."""

import asyncio
import re

import ipywidgets
import pytest
from bs4 import BeautifulSoup

from fairkd.errors import InputError
from fairkd.lab.materials import Materials
from fairkd.lab.training import train
from fairkd.profile import Profile
from fairkd.show.sliders import choices, widgets
from fairkd.show.sliders.choices import TEACHER, Models

TEXT = "the nurse said that he was late ."
FULL, MIXED = "original, seed 0", "mixup of input + logits, seed 0"


@pytest.fixture(autouse=True)
def no_loop():
    """The browser of another file's tests in this process leaves its event loop running: a panel would wait for it."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Models:
    folder = tmp_path_factory.mktemp("widgets")
    profile = Profile.load("tiny").changed(
        store_dir=str(folder / "store"), runs_dir=str(folder / "runs"), seeds=[0], max_steps=2, adapt_steps=2,
        arms=["full", "mixup-xy"], depths=[1], seat_permutations=2, seat_bootstrap=100, alpha=0.6,
    )  # fmt: skip
    materials = Materials(profile, progress=False)
    train([(materials, profile.table_arms())])
    return Models(materials)


@pytest.fixture
def alpha(models):
    return widgets.Alpha(models)


@pytest.fixture
def sentence(models):
    return widgets.Sentence(models, TEXT, student=MIXED)


@pytest.fixture
def seat(models):
    return widgets.Seat(models)


@pytest.fixture
def comparison(models):
    return widgets.Comparison(models, FULL, MIXED)


def words(panel) -> str:
    return BeautifulSoup(panel.shown.value, "html.parser").get_text(" ")


def controls(widget):
    for child in getattr(widget, "children", ()):
        yield from controls(child)
    if isinstance(widget, ipywidgets.DOMWidget) and "description" in widget.keys and hasattr(widget, "tooltip"):
        yield widget


def test_alpha_has_no_zero_though_its_slider_begins_there(alpha):
    alpha.alpha.value = 0.0
    assert alpha.alpha.value == widgets.LEAST_ALPHA
    assert "α = 0.05" in words(alpha)


@pytest.mark.parametrize("name", ["alpha", "sentence", "seat", "comparison"])
def test_every_control_has_a_description_and_a_tooltip(name, request):
    panel = request.getfixturevalue(name)
    found = [c for c in controls(panel) if not isinstance(c, ipywidgets.HTML)]
    assert len(found) >= 2
    for control in found:
        assert control.description
        assert control.tooltip
    assert panel.message.value == ""
    assert panel.shown.value


def test_alpha_begins_at_the_profiles_and_a_step_changes_the_curve(alpha):
    assert alpha.alpha.value == 0.6
    assert "α = 0.6: " in words(alpha)
    before = alpha.shown.value
    alpha.alpha.value = 2.0
    assert "α = 2: 5.6 % of λ lie within 0.1 of an end" in words(alpha)  # P = 2 (3/100 - 2/1000)
    paths = [
        [tag["d"] for tag in BeautifulSoup(h, "html.parser").select("path[d]")] for h in (before, alpha.shown.value)
    ]
    assert paths[0] != paths[1]
    alpha.seed.value = 1
    assert alpha.shown.value != before


def test_a_report_takes_the_student_that_it_wants_or_what_there_is(models):
    assert models.stored("no-such", "mixup-xy", "full") == MIXED
    assert models.stored("full-and-more") == models.names()[-1]


def test_a_step_of_lambda_on_a_sentence_reads_nothing(sentence, monkeypatch):
    monkeypatch.setattr(widgets, "SentenceReading", lambda *_, **__: pytest.fail("read again"))
    assert sentence.word.label == "1: he"
    sentence.lam.value = 0.0
    assert "λ = 0: " in words(sentence)
    assert "with he and 1.00 with she" in words(sentence)
    sentence.lam.value = 1.0
    assert "cosine 1.00 with he" in words(sentence)


def test_what_the_panels_begin_with_is_kept_and_needs_no_model(models, monkeypatch):
    panels = [widgets.Sentence(models, TEXT, student=MIXED), widgets.Seat(models, model=MIXED)]
    fresh = Models(Materials(models.materials.profile, progress=False))
    monkeypatch.setattr(choices, "from_folder", lambda *_: pytest.fail("loaded"))
    monkeypatch.setattr(choices, "_on_cpu", lambda *_: pytest.fail("loaded"))
    again = [widgets.Sentence(fresh, TEXT, student=MIXED), widgets.Seat(fresh, model=MIXED)]
    assert [panel.shown.value for panel in again] == [panel.shown.value for panel in panels]
    with pytest.raises(pytest.fail.Exception, match="loaded"):
        again[0].text.value = "she was late ."


def test_another_sentence_is_read_once_and_offers_its_words(sentence, monkeypatch):
    sentence.text.value = "she said that he was late ."
    assert [label for label, _ in sentence.word.options] == ["1: she", "2: he"]
    assert sentence.word.label == "1: she"
    assert "in the place of she/he" in words(sentence)
    first = words(sentence)
    sentence.word.value = 1
    assert words(sentence) != first
    sentence.text.value = TEXT
    assert [label for label, _ in sentence.word.options] == ["1: he"]
    monkeypatch.setattr(widgets, "SentenceReading", lambda *_, **__: pytest.fail("read again"))
    sentence.lam.value = 0.25


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the sentence is empty"),
        ("the nurse was late .", "no gender word in"),
        ("he " + "was " * 100, "the sentence is too long"),
        ("<script>alert(1)</script>", "no gender word in '<script>alert(1)</script>'"),
    ],
)
def test_wrong_input_is_said_in_place_and_right_input_takes_it_away(sentence, text, says):
    sentence.text.value = text
    message = BeautifulSoup(sentence.message.value, "html.parser")
    assert message.p["role"] == "alert"
    assert says in message.get_text()
    assert not message.find("script")
    assert sentence.shown.value == ""
    sentence.lam.value = 0.75  # a step in between changes nothing about it
    assert says in BeautifulSoup(sentence.message.value, "html.parser").get_text()
    sentence.text.value = TEXT
    assert sentence.message.value == ""
    assert "λ = 0.75" in words(sentence)


def test_a_sentence_stays_text_in_the_picture(sentence):
    sentence.text.value = "he said <img src=x onerror=alert(1)> ."
    page = BeautifulSoup(sentence.shown.value, "html.parser")
    assert not page.find("img")
    assert "<img src=x onerror=alert(1)>" in page.get_text()


def test_the_folder_of_any_encoder_can_be_chosen_and_a_wrong_one_is_said(seat, models):
    seat.model.listed.value = widgets.FOLDER
    assert not seat.model.folder.disabled
    assert "no model: choose one of" in seat.message.value
    seat.model.folder.value = "no/such<b>"
    assert "no/such&lt;b&gt;" in seat.message.value
    seat.model.folder.value = str(models.students()[FULL])
    assert seat.message.value == ""
    assert str(models.students()[FULL]) in words(seat)
    seat.model.listed.value = TEACHER
    assert seat.model.folder.disabled


def test_a_step_of_lambda_on_seat_measures_nothing(seat, monkeypatch):
    curve = seat.drawing().grid["frames"][0]["lines"][0]["y"]
    monkeypatch.setattr(widgets, "stored_curve", lambda *_, **__: pytest.fail("measured again"))
    for lam, d in ((0.0, curve[0]), (0.35, curve[7]), (1.0, curve[-1])):
        seat.lam.value = lam
        shown = re.search(r"d = (\S+)", words(seat))[1].replace("−", "-")
        assert float(shown) == pytest.approx(d, abs=0.005)
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        seat.test.value = "C8"
    monkeypatch.undo()
    seat.refresh()
    assert "Test C8 on teacher" in words(seat)
    assert re.search(r"X: 0 of \d+, Y: 0 of \d+, A: \d+ of \d+", words(seat))


def test_the_comparison_draws_both_and_only_what_is_new(comparison, monkeypatch):
    images = BeautifulSoup(comparison.shown.value, "html.parser").find_all("img")
    assert [name in images[0]["alt"] for name in (FULL, MIXED)] == [True, True]
    assert images[1]["alt"].startswith("Each sentence of test C6b on the gender direction")
    assert all(int(image["width"]) and int(image["height"]) for image in images)
    first = comparison.shown.value
    comparison.test.value = "C7"
    assert comparison.shown.value != first
    monkeypatch.setattr(widgets, "effects", lambda *_, **__: pytest.fail("measured again"))
    comparison.test.value = "C6b"
    assert comparison.shown.value == first
    monkeypatch.undo()
    comparison.second.listed.value = FULL  # the same model twice is one model
    assert len(BeautifulSoup(comparison.shown.value, "html.parser").find_all("img")) == 2


def test_the_seat_panel_has_the_intervals_of_the_tables(models, monkeypatch):
    """As many replicates as the profile's own measurement, so that one quantity has one interval."""
    asked = []

    def curve(*_, n_bootstrap, **__):
        asked.append(n_bootstrap)
        raise InputError("asked")

    monkeypatch.setattr(widgets, "stored_curve", curve)
    widgets.Seat(models, model=TEACHER)
    assert set(asked) == {models.materials.profile.seat.bootstrap}


@pytest.mark.parametrize(("name", "explorers"), [("alpha", 1), ("sentence", 2), ("seat", 1), ("comparison", 0)])
def test_an_exported_page_holds_the_explorer_instead(name, explorers, request):
    bundle = request.getfixturevalue(name)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    assert len(page.select("figure.explorer input[type=range]")) == explorers
    assert explorers or page.find("img")


def test_an_exported_page_says_what_was_wrong(sentence):
    sentence.text.value = "nobody"
    assert "no gender word" in sentence._repr_mimebundle_()["text/html"]


def test_something_unforeseen_is_said_and_raised(sentence, monkeypatch):
    def broken():
        raise RuntimeError("<broken>")

    monkeypatch.setattr(sentence, "show", broken)
    with pytest.raises(RuntimeError):
        sentence.refresh()
    assert "RuntimeError: &lt;broken&gt;" in sentence.message.value


def test_many_changes_in_a_row_are_answered_once():
    calls = []
    debounced = widgets.Debounced(lambda: calls.append(1), 0.02)
    debounced()
    assert len(calls) == 1  # without an event loop at once

    async def drag():
        for _ in range(20):
            debounced({"new": 1})
        assert len(calls) == 1
        while len(calls) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(drag(), timeout=20))
    assert len(calls) == 2
