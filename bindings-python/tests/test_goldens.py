"""The golden vectors from PyTorch, through every model of the registry on every engine."""

import json
import pathlib
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
from conftest import REGISTRY, REPOSITORY, Exported
from numpy.typing import NDArray
from sparsecbm import Model, Prediction, SparseCbmError

TOLERANCE = 1e-4
ENGINES = ("sparse", "tract", "ort-cpu")
LIBRARY = pathlib.Path(onnxruntime.__file__).parent / "capi"


def array(tensor: dict[str, Any]) -> NDArray[np.float32]:
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])


def token_ids(case: dict[str, Any], row: int) -> NDArray[np.int64]:
    ids, mask = (array(case["inputs"][name])[row] for name in ("input_ids", "attention_mask"))
    kept: NDArray[np.int64] = ids[mask == 1].astype(np.int64)
    return kept


def overridden(prediction: Prediction, case: dict[str, Any], row: int) -> Prediction:
    given = array(case["inputs"]["concept_override"])[row]
    for concept, question, values in zip(
        prediction.model.concepts, array(case["inputs"]["concept_override_mask"])[row], given, strict=True
    ):
        if question:
            ask = prediction.correct if question == 2 else prediction.suppose
            prediction = ask({concept.name: values[: len(concept.classes)]})
    return prediction


def compare(prediction: Prediction, case: dict[str, Any], row: int) -> None:
    golden = {name: array(tensor)[row] for name, tensor in case["outputs"].items()}
    positions = prediction.token_evidence.shape[2]
    assert not golden["token_evidence"][..., positions:].any()
    found = {
        "concept_logits": prediction.concept_logits,
        "concept_values": prediction.concept_probabilities,
        "label_logits": prediction.label_logits,
        "token_evidence": prediction.token_evidence,
    }
    golden["token_evidence"] = golden["token_evidence"][..., :positions]
    for name, values in found.items():
        np.testing.assert_allclose(values, golden[name], rtol=0, atol=TOLERANCE, err_msg=f"{case['name']}: {name}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("entry", REGISTRY, ids=[entry["name"] for entry in REGISTRY])
def test_goldens(entry: dict[str, Any], engine: str, exported: Exported) -> None:
    path = exported(entry["name"])
    try:
        model = Model.load(path, engine=engine, ort_library=LIBRARY)
    except SparseCbmError as error:
        # The sparse kernels do not take every encoder.
        assert error.kind == "unavailable" and engine == "sparse" and not entry["sparse"]
        return
    assert model.engine == engine
    goldens = json.loads((REPOSITORY / f"tests/goldens/{entry['name']}.json").read_text(encoding="utf-8"))
    assert goldens["cases"]
    for case in goldens["cases"]:
        rows = range(len(array(case["inputs"]["input_ids"])))
        together = model.predict([token_ids(case, row) for row in rows])
        for row in rows:
            alone = model.predict(token_ids(case, row))
            for prediction in (alone, together[row]):
                compare(overridden(prediction, case, row), case, row)
        if case.get("texts"):
            for row, prediction in enumerate(model.predict(case["texts"])):
                compare(overridden(prediction, case, row), case, row)
                compare(overridden(model.predict(case["texts"][row]), case, row), case, row)
