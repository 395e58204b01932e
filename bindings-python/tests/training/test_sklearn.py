"""The estimator of scikit-learn, and `sparsecbm train`, on a small table."""

import pathlib
import pickle
import subprocess
import sysconfig

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks
from sparsecbm import Model, SparseCbmError
from sparsecbm.sklearn import SparseCbmClassifier

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
VISITS = REPOSITORY / "examples/data/visits/visits.csv"
# Far too little to be good; enough to go the whole way.
QUICK = (
    "--dense-steps", "12", "--steps", "12", "--average-steps", "0", "--settle-steps", "0", "--plain-steps", "0",
    "--prunings", "2", "--fisher-batches", "2", "--whole-heads", "0", "--whole-neurons", "0", "--layers", "1",
    "--max-length", "32",
)  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(VISITS).drop(columns="visit")


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> SparseCbmClassifier:
    estimator = SparseCbmClassifier(text="review", quality="fast", options=QUICK)
    return estimator.fit(table.drop(columns="verdict"), table["verdict"])


def test_fit_and_predict(fitted: SparseCbmClassifier, table: pd.DataFrame) -> None:
    texts = table["review"].tolist()[:20]
    assert fitted.classes_.tolist() == ["bad", "good"]
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (20, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (fitted.predict(texts) == fitted.classes_[probabilities.argmax(axis=1)]).all()
    assert (fitted.predict(table.head(20)) == fitted.predict(texts)).all()
    assert fitted.predict_concepts(texts).columns.tolist() == ["dishes", "room", "staff", "sound"]
    assert 0 <= fitted.score(texts, table["verdict"][:20]) <= 1
    assert fitted.predict([]).shape == (0,)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(texts), probabilities)


def test_numbers_as_labels_stay_numbers(table: pd.DataFrame) -> None:
    estimator = SparseCbmClassifier(quality="fast", options=QUICK)
    y = np.where(table["verdict"] == "good", 10, 2)
    estimator.fit(table["review"], y, concepts=table[["dishes", "staff"]])
    assert estimator.classes_.tolist() == [2, 10]
    assert set(estimator.predict(table["review"][:5])) <= {2, 10}
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        clone(estimator).predict(["text"])


def test_what_cannot_be_trained_on(table: pd.DataFrame) -> None:
    estimator = SparseCbmClassifier(text="review", quality="fast")
    with pytest.raises(SparseCbmError, match="training"):
        estimator.fit(table.drop(columns="verdict"), ["one"] * len(table))
    with pytest.raises(ValueError, match="a label a text"):
        estimator.fit(table.drop(columns="verdict"), ["one"])
    with pytest.raises(ValueError, match="no concepts"):
        estimator.fit(table["review"], table["verdict"])
    with pytest.raises(ValueError, match="expected a text"):
        estimator.fit([1, 2], [0, 1], concepts=table[["dishes"]].head(2))


def test_of_a_file(fitted: SparseCbmClassifier, tmp_path: pathlib.Path) -> None:
    (tmp_path / "model.onnx").write_bytes(fitted.onnx_)
    texts = ["Lovely place.", "Never again."]
    loaded = SparseCbmClassifier.from_file(tmp_path / "model.onnx")
    np.testing.assert_array_equal(loaded.predict_proba(texts), fitted.predict_proba(texts))


# Of the checks those that fit nothing: the others fit numbers, and `check_estimator` itself leaves them out for an
# estimator that does not take any.
CHECKS = (
    "check_estimator_cloneable", "check_estimator_repr",
    "check_estimator_tags_renamed", "check_estimators_unfitted", "check_get_params_invariance", "check_mixin_order",
    "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_set_params",
    "check_valid_tag_types",
)  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_scikit_learn(check: str) -> None:
    getattr(estimator_checks, check)("SparseCbmClassifier", SparseCbmClassifier())


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_check_estimator() -> None:
    estimator_checks.check_estimator(SparseCbmClassifier())


def test_the_command_trains(tmp_path: pathlib.Path) -> None:
    program = pathlib.Path(sysconfig.get_path("scripts"), "sparsecbm")
    arguments = [program, "train", VISITS, "--text", "review", "--label", "verdict", "--ignore", "visit", *QUICK]
    told = subprocess.run([*map(str, arguments), "--out", tmp_path / "model"], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "sparsecbm explain" in told.stdout and "training/train" not in told.stdout
    assert Model.load(tmp_path / "model/model.onnx").label.classes == ["bad", "good"]
    wrong = subprocess.run([program, "train", VISITS], capture_output=True, text=True)
    assert wrong.returncode == 2 and "sparsecbm train" in wrong.stderr
