"""The report's sentences follow from numbers and intervals, and claim nothing that those do not carry."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from frames import ABLATION, CAPACITY, averages, correlation

from fairkd import report

FACTS = {
    "corpus": {"sources": ["generated"], "tokens": 12345},
    "teacher": {"source": "scratch", "layers": 3, "hidden": 32},
    "updates": 12,
    "seeds": [0, 1],
}


def test_run_is_described_from_facts():
    text = report.what_was_run(FACTS)
    assert text == (
        "Students were distilled from the teacher 'scratch' (3 layers of 32 units) on 12,345 tokens of generated, "
        "12 updates each, with 2 seeds."
    )
    losses = {"adaptation_steps": 30, "heldout_mlm_loss_before": 5.5, "heldout_mlm_loss_after": 5.125}
    adapted = FACTS | {"teacher": FACTS["teacher"] | {"adapted": True, **losses}}
    assert report.what_was_run(adapted).removeprefix(text) == (
        " The teacher first learned to predict masked words in 30 updates: its loss on held-out text went from 5.50 "
        "to 5.12 nats a word piece."
    )
    assert report.what_was_run({"seeds": [0]}) == "Students were distilled, with 1 seed."


@pytest.mark.parametrize(
    ("r", "low", "high", "verdict"),
    [
        (-0.5, -0.9, 0.2, "cannot say"),
        (-0.8, -0.9, -0.1, "as in the paper"),
        (0.8, 0.1, 0.9, "against the paper"),
        (np.nan, np.nan, np.nan, "undefined"),
    ],
)
def test_verdict_on_capacity_needs_an_interval_without_zero(r, low, high, verdict):
    text = report.correlation_sentence(r, low, high, "stimulus words")
    others = {"cannot say", "as in the paper", "against the paper", "undefined"} - {verdict}
    assert verdict in text
    assert not any(other in text for other in others)
    assert "r = −0.82" in text


def test_capacity_sentence_names_lowest_and_highest_and_the_teacher():
    results = {"capacity_averages": averages(CAPACITY), "capacity_correlation": correlation()}
    text = report.capacity_sentence(results)
    assert "between 1.10 (1 layer) and 1.30 (4 layers); the teacher's is 1.00 [0.80, 1.30]" in text
    assert "mean pooling" in text


def test_ablation_sentence_names_our_lowest_and_the_papers_with_both_of_its_averages():
    text = report.ablation_sentence({"ablation_averages": averages(ABLATION)})
    assert "lowest average SEAT is 1.10 [0.90, 1.40] with L_mlm + L_cos + L_ce" in text
    assert "in the paper it is 0.670 with L_mlm + L_cos (0.697 by the six values that it prints)" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.5, 0.1, "cannot say"), (-0.5, -0.1, "adds bias"), (0.1, 0.5, "removes bias")]
)
def test_verdict_on_losses_needs_an_interval_without_zero(low, high, verdict):
    row = {"arm": "no-ce", "baseline": "full", "pooling": "mean", "difference": (low + high) / 2}
    text = report.difference_sentence(pd.DataFrame([row | {"low": low, "high": high}]), "mean")
    assert verdict in text.split(": ", 1)[1]
    assert report.difference_sentence(pd.DataFrame([row | {"low": low, "high": high}]), "cls") == ""


def test_summary_says_what_is_missing_and_escapes_names():
    hostile = {**FACTS, "teacher": {"source": "<script>x</script>", "layers": 1, "hidden": 2}}
    soup = BeautifulSoup(report.summary(hostile, None, None).text, "html.parser")
    assert "01_capacity has not finished" in soup.get_text()
    assert "02_ablation has not finished" in soup.get_text()
    assert "<script>x</script>" in soup.get_text()
    assert not soup.find("script")
