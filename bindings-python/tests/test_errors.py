"""Every failure is one class, which names the place, what was found and what was expected."""

import pathlib
import pickle

import numpy as np
import pytest
import sparsecbm
from conftest import REPOSITORY, REVIEW, Exported
from sparsecbm import MaskPatch, Model, SparseCbmError


def refused(call: object, *arguments: object, **named: object) -> SparseCbmError:
    with pytest.raises(SparseCbmError) as info:
        call(*arguments, **named)  # type: ignore[operator]
    error = info.value
    assert str(error) == f"{error.place}: found {error.found}, expected {error.expected}"
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, str(again)) == (error.kind, str(error))
    return error


def test_files(tmp_path: pathlib.Path, exported: Exported) -> None:
    error = refused(Model.load, tmp_path / "none.onnx")
    assert error.kind == "io" and "none.onnx" in error.place
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(exported("tiny").read_bytes()[:2000])
    assert refused(Model.load, cut).kind == "format"
    assert refused(Model.from_bytes, b"nonsense").kind == "format"
    assert refused(sparsecbm.export, tmp_path, tmp_path / "model.onnx").kind == "io"
    assert refused(sparsecbm.inspect, cut).kind == "format"
    assert refused(MaskPatch.from_json, "{}").kind == "format"
    source = REPOSITORY / "tests/models/tiny"
    error = refused(sparsecbm.export, source, tmp_path / "model.onnx", weights="f8")
    assert (error.place, error.found, error.expected) == ("weights", "'f8'", "one of f32, f16, int8")


def test_engines(exported: Exported) -> None:
    assert refused(Model.load, exported("tiny"), engine="fast").place == "engine"
    assert refused(Model.load, exported("bilstm"), engine="sparse").kind == "unavailable"
    assert refused(Model.load, exported("tiny"), engine="ort-cpu", ort_library="/nowhere").kind == "unavailable"


@pytest.mark.parametrize(
    "wrong",
    [None, 3.5, b"bytes", {"text": "a"}, ["text", None], ["text", float("nan")], [None], [[]], [[1, -1]], [1, 2.5],
     [10**9], [[0, 10**9]], [2**40], object()],
    ids=repr,
)  # fmt: skip
def test_inputs(wrong: object, tiny: Model) -> None:
    assert refused(tiny.predict, wrong).kind == "input"
    assert refused(tiny, wrong).kind == "input"


def test_inputs_name_their_place(tiny: Model) -> None:
    error = refused(tiny.predict, ["a", None])
    assert (error.place, error.found, error.expected) == ("texts: 1", "NoneType None", "a str")
    with pytest.raises(UnicodeEncodeError):
        tiny.predict("\ud800")


@pytest.mark.parametrize(
    "value",
    ["purple", 7, -1, True, 0.5, None, [0.5], [0.5, 0.6, 0.1], [2, -1, 0], {"a": 1}, [float("nan")] * 3,
     ["a", "b", "c"],
     np.array([[1, 0, 0]])],
    ids=repr,
)  # fmt: skip
def test_overrides(value: object, cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    for ask in (prediction.suppose, prediction.correct):
        assert refused(ask, noise=value).kind == "input"


def test_names(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    assert "'taste'" in refused(prediction.suppose, taste="good").found
    assert refused(prediction.suppose).found == "none"
    assert refused(prediction.suppose, ["noise"]).place == "concepts"
    assert refused(prediction.suppose, {1: "positive"}).place == "concept"
    assert refused(prediction.undo, "taste").kind == "input"
    assert refused(prediction.suggest, policy="luck").kind == "input"
    assert refused(prediction.suggest, costs={"noise": -1}).kind == "input"
    with pytest.raises(KeyError):
        prediction["taste"]
    with pytest.raises(TypeError):
        cebab.predict()  # type: ignore[call-overload]
