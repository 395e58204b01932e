"""Predictions from and as pandas tables."""

from collections.abc import Iterable

import pandas as pd

from ._sparsecbm import Model, Prediction


def to_frame(predictions: Iterable[Prediction], *, probabilities: bool = True) -> pd.DataFrame:
    """One row a prediction: its text, the label's class, and each concept's class.

    With `probabilities` also a column `NAME=CLASS` for each class of the label and of each concept, as the tables have
    them that `sparsecbm train` reads.
    """
    rows: list[dict[str, object]] = []
    for prediction in predictions:
        model = prediction.model
        row: dict[str, object] = {"text": prediction.text, model.label.name: prediction.label}
        for name, concept in prediction.concepts.items():
            row[name] = concept.class_name
        if probabilities:
            row |= shares(model.label.name, model.label.classes, prediction.label_probabilities.tolist())
            for variable in model.concepts:
                row |= shares(variable.name, variable.classes, prediction[variable.name].probabilities.tolist())
        rows.append(row)
    return pd.DataFrame(rows)


def shares(name: str, classes: list[str], probabilities: list[float]) -> dict[str, object]:
    return {f"{name}={each}": p for each, p in zip(classes, probabilities, strict=True)}


def predict_frame(model: Model, frame: pd.DataFrame, text: str, *, probabilities: bool = True) -> pd.DataFrame:
    """The predictions of the texts in column `text` of a table: rows and index as there."""
    if text not in frame.columns:
        raise KeyError(f"there is no column {text!r}; there are {', '.join(map(str, frame.columns))}")
    texts: list[str] = frame[text].tolist()
    result = to_frame(model.predict(texts), probabilities=probabilities)
    return result.set_axis(frame.index)
