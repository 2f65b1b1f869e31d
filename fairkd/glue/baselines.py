"""What a task of GLUE gives away without understanding: the majority class, and a regression on its words.

A fine-tuned student has learned something only where it lies above these, and above a model of its own shape that
starts from random weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fairkd.glue.data import TaskData


def majority(data: TaskData) -> dict[str, pd.DataFrame]:
    """The commonest label of the training examples (their mean for a regression), whatever the example.

    Returns:
        By development split: label, prediction; a row an example.
    """
    labels = np.asarray(data.train["label"])
    guess: Any = np.bincount(labels).argmax() if data.task.labels else labels.mean()
    return {split: _frame(rows, np.full(len(rows), guess)) for split, rows in data.dev.items()}


def bag_of_words(data: TaskData) -> dict[str, pd.DataFrame]:
    """Logistic regression (ridge for a regression) on which words occur, those of the two texts of a pair apart.

    Returns:
        As :func:`majority`.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    words = [(column, CountVectorizer(binary=True), column) for column in data.task.columns]
    head = LogisticRegression(max_iter=1000) if data.task.labels else Ridge()
    model = make_pipeline(ColumnTransformer(words), head)
    model.fit(_texts(data.train, data), np.asarray(data.train["label"]))
    return {split: _frame(rows, model.predict(_texts(rows, data))) for split, rows in data.dev.items()}


def _texts(rows: Any, data: TaskData) -> pd.DataFrame:
    return pd.DataFrame({column: list(rows[column]) for column in data.task.columns})


def _frame(rows: Any, predictions: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"label": np.asarray(rows["label"]), "prediction": predictions})
