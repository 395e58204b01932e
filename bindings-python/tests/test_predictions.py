"""What a prediction says, and what overrides make of it."""

from typing import cast

import numpy as np
import pandas as pd
import pytest
from conftest import REVIEW
from sparsecbm import Model, SparseCbmError
from sparsecbm.frames import predict_frame, to_frame


def test_label_concepts_and_shapes(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    concepts, classes, labels = len(cebab.concepts), 3, len(cebab.label.classes)
    positions = len(prediction.tokens)
    assert prediction.label == cebab.label.classes[prediction.label_index]
    assert prediction.label_index == prediction.label_probabilities.argmax()
    assert prediction.label_probabilities.shape == prediction.label_logits.shape == (labels,)
    assert prediction.concept_logits.shape == prediction.concept_probabilities.shape == (concepts, classes)
    assert prediction.token_evidence.shape == (concepts, classes, positions)
    assert list(prediction.concepts) == [concept.name for concept in cebab.concepts]
    np.testing.assert_allclose(prediction.label_probabilities.sum(), 1, atol=1e-5)
    stars = np.array([1, 2, 3, 4, 5])
    assert prediction.expected_value == pytest.approx((stars * prediction.label_probabilities).sum(), abs=1e-4)
    noise = prediction["noise"]
    assert (noise.class_name, str(noise)) == ("negative", "negative")
    assert not noise.overridden and noise.question is None


def test_tokens_are_placed_in_characters(cebab: Model) -> None:
    text = "Café 🙂 naïve food, loud"
    for token in cebab.predict(text).tokens:
        if token.start is not None:
            piece = token.piece.removeprefix("##")
            assert len(text[token.start : token.end]) == len(piece) or "[" in piece
    word = cebab.predict(text).explain().evidence["words"][-1]
    assert text[word["start"] : word["end"]] == "loud"


def test_overrides_leave_the_prediction_as_it_was(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    supposed = prediction.suppose(noise="positive", food=[0.2, 0.3, 0.5])
    assert supposed["noise"].class_name == "positive" and supposed["noise"].question == "suppose"
    np.testing.assert_allclose(supposed["food"].probabilities, [0.2, 0.3, 0.5])
    assert not prediction["noise"].overridden
    corrected = prediction.correct({"noise": 0})
    assert corrected["noise"].question == "correct"
    assert (corrected.label_logits != prediction.suppose(noise=0).label_logits).any()
    assert supposed.undo("noise")["food"].overridden and not supposed.undo("noise")["noise"].overridden
    np.testing.assert_array_equal(supposed.undo().label_logits, prediction.label_logits)
    probabilities = np.array([0.0, 1.0, 0.0], np.float32)
    np.testing.assert_array_equal(
        prediction.suppose(noise=probabilities).label_logits, prediction.suppose(noise=np.int64(1)).label_logits
    )


def test_arrays_are_shared_and_cannot_be_written(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    evidence = prediction.token_evidence
    assert cast(object, evidence.base) is prediction and not evidence.flags.writeable
    with pytest.raises(ValueError):
        evidence[0, 0, 0] = 1
    with pytest.raises(ValueError):
        evidence.flags.writeable = True
    pointer = evidence.__array_interface__["data"][0]
    assert prediction.token_evidence.__array_interface__["data"][0] == pointer
    copied = evidence.copy()
    del prediction
    np.testing.assert_array_equal(evidence, copied)


def test_lists_keep_their_order(cebab: Model) -> None:
    texts = [REVIEW[: 10 + 3 * i] for i in range(18)] + [""]
    together = cebab.predict(texts)
    assert [prediction.text for prediction in together] == texts
    for text, prediction in zip(texts, together, strict=True):
        np.testing.assert_array_equal(prediction.label_logits, cebab.predict(text).label_logits)
    ids = [[token.id for token in prediction.tokens] for prediction in together]
    for given, prediction in zip(cebab.predict(ids), together, strict=True):
        np.testing.assert_array_equal(given.label_logits, prediction.label_logits)
        assert given.text is None
    nothing: list[str] = []
    assert cebab.predict(nothing) == []
    assert len(cebab.predict(pd.Series(texts))) == len(texts)
    assert len(cebab.predict(np.array(texts))) == len(texts)


def test_answers_like_a_pipeline(cebab: Model) -> None:
    (answer,) = cebab(REVIEW)
    assert answer == cebab([REVIEW])[0] == cebab.predict(REVIEW).to_dict()
    assert answer["label"] == cebab.predict(REVIEW).label
    assert answer["concepts"]["noise"]["label"] == "negative"


def test_frames(cebab: Model) -> None:
    table = pd.DataFrame({"review": [REVIEW, "Fine."], "other": [1, 2]}, index=[7, 9])
    found = predict_frame(cebab, table, "review")
    assert found.index.tolist() == [7, 9]
    assert found["noise"].tolist()[0] == "negative"
    shares = found[[f"{cebab.label.name}={each}" for each in cebab.label.classes]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    short = to_frame(cebab.predict(table["review"].tolist()), probabilities=False)
    assert list(short) == ["text", cebab.label.name, *(concept.name for concept in cebab.concepts)]
    with pytest.raises(KeyError, match="there are review, other"):
        predict_frame(cebab, table, "text")


def test_shown(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW).suppose(noise="positive")
    assert repr(prediction).startswith("Prediction(") and "supposed" in repr(prediction)
    assert "\n" not in repr(prediction)
    assert "supposed: positive" in str(prediction) and "\x1b" not in str(prediction)
    assert "→" in repr(cebab) and "noise" in repr(cebab)
    assert repr(prediction["noise"]) == "Concept(noise: positive 100.0 %, supposed)"


def test_concepts_of_different_numbers_of_classes(exported: object) -> None:
    model = Model.load(exported("ragged"))  # type: ignore[operator]
    counts = [len(concept.classes) for concept in model.concepts]
    assert len(set(counts)) > 1
    prediction = model.predict("bad plot, unwatched acting!")
    assert [len(concept.probabilities) for concept in prediction.concepts.values()] == counts
    assert prediction.concept_logits.shape == (len(counts), max(counts))


def test_threads_of_a_model(exported: object) -> None:
    path = exported("cebab")  # type: ignore[operator]
    texts = [REVIEW, "Cold soup.", "The service was quick and kind."] * 4
    one = Model.load(path, threads=1).predict(texts)
    for threads in (2, 5):
        for a, b in zip(one, Model.load(path, threads=threads).predict(texts), strict=True):
            np.testing.assert_array_equal(a.label_logits, b.label_logits)
    with pytest.raises((SparseCbmError, ValueError, OverflowError)):
        Model.load(path, threads=0)
