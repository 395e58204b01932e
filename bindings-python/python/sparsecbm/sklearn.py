"""An estimator of scikit-learn: training with `fit`, and a trained model's predictions."""

import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.utils import Tags  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from ._command import missing, training_process
from ._error import SparseCbmError
from ._sparsecbm import Model, Prediction
from .frames import to_frame

TEXT, LABEL = "text", "label"


class SparseCbmClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of texts that says why: `fit` trains a SparseCBM, which reads concepts and the label from them.

    `text` is the column of the texts where X is a table, whose other columns are then the concepts, unless `fit` is
    given them. `quality` (`fast`, `standard`, `best`), `time_limit` (`30m`) and `options` (further arguments) are those
    of `sparsecbm train`. `out` is the folder that keeps the checkpoint and its card; without it only the model is kept.
    `engine` and `threads` are those of `Model.load`.

    After `fit`, `classes_` are the label's classes as `y` had them, and `model_` is the trained `Model`.
    """

    def __init__(
        self,
        *,
        text: str | None = None,
        quality: str = "standard",
        time_limit: str | None = None,
        options: Iterable[str] = (),
        out: str | os.PathLike[str] | None = None,
        engine: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.text = text
        self.quality = quality
        self.time_limit = time_limit
        self.options = options
        self.out = out
        self.engine = engine
        self.threads = threads

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **parameters: Any) -> "SparseCbmClassifier":
        """The estimator of an exported file, fitted already."""
        estimator = cls(**parameters)
        estimator.onnx_ = pathlib.Path(path).read_bytes()
        labels = estimator.model_.label
        estimator.classes_ = np.array(sorted(labels.classes))
        return estimator

    def fit(self, X: Any, y: Any, concepts: pd.DataFrame | None = None) -> "SparseCbmClassifier":
        """Trains on texts X, or a table with a column of texts, labels y, and a table of concepts, a column each.

        A concept's cell may be empty where it was not labelled. Raises `SparseCbmError` with what `sparsecbm train`
        says of data that it cannot be trained on.
        """
        if lacking := missing("train"):
            raise SparseCbmError("unavailable", "training", lacking, "an installation of sparsecbm[train]")
        texts = self._texts(X)
        labels = np.asarray(y)
        if labels.shape != (len(texts),):
            raise ValueError(f"y has shape {labels.shape}; expected ({len(texts)},), a label a text")
        if concepts is None and isinstance(X, pd.DataFrame):
            concepts = X.drop(columns=self.text)
        if concepts is None:
            raise ValueError("there are no concepts; expected a table of them: fit(X, y, concepts=...)")
        if clash := sorted({TEXT, LABEL} & set(map(str, concepts.columns))):
            raise ValueError(f"a concept is called {clash[0]!r}; expected another name")
        table = pd.DataFrame({TEXT: texts}).join(concepts.reset_index(drop=True).rename(columns=str))
        table[LABEL] = labels.astype(str)
        self.onnx_ = self._train(table)
        self.classes_ = np.unique(labels)
        self.__dict__.pop("_loaded", None)
        return self

    def _train(self, table: pd.DataFrame) -> bytes:
        """The exported file of a model that is trained on `table`."""
        with tempfile.TemporaryDirectory() as folder:
            data, out = pathlib.Path(folder, "data.parquet"), pathlib.Path(self.out or pathlib.Path(folder, "model"))
            table.to_parquet(data)
            arguments = [str(data), "--text", TEXT, "--label", LABEL, "--out", str(out), "--quality", self.quality]
            if self.time_limit:
                arguments += ["--time-limit", self.time_limit]
            program, environment = training_process("train", [*arguments, *self.options])
            done = subprocess.run(program, env=environment, capture_output=True, text=True, encoding="utf-8")
            if done.returncode or not (out / "model.onnx").is_file():
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()
                found = said[-1].removeprefix("error: ") if said else f"exit code {done.returncode}"
                raise SparseCbmError("input", "training", found, "data that a model can be trained on")
            return (out / "model.onnx").read_bytes()

    @property
    def model_(self) -> Model:
        """The trained model."""
        check_is_fitted(self, "onnx_")
        if "_loaded" not in self.__dict__:
            self._loaded = Model.from_bytes(self.onnx_, engine=self.engine, threads=self.threads)
        return self._loaded

    def predict(self, X: Any) -> NDArray[Any]:
        """[N]: the label's class of each text, as `y` had it."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """[N, L]: the label's probabilities, in the order of `classes_`."""
        model = self.model_
        own = {name: index for index, name in enumerate(model.label.classes)}
        order = [own[str(each)] for each in self.classes_]
        rows = [prediction.label_probabilities[order] for prediction in self.predict_texts(X)]
        return np.array(rows, dtype=np.float32).reshape(-1, len(order))

    def predict_concepts(self, X: Any) -> pd.DataFrame:
        """The class of each concept of each text, a column a concept."""
        frame = to_frame(self.predict_texts(X), probabilities=False)
        return frame[[concept.name for concept in self.model_.concepts]]

    def predict_texts(self, X: Any) -> list[Prediction]:
        """The whole predictions, which explain themselves and take corrections."""
        check_is_fitted(self, "onnx_")
        return self.model_.predict(self._texts(X))

    def _texts(self, X: Any) -> list[str]:
        if isinstance(X, pd.DataFrame):
            if self.text is None or self.text not in X.columns:
                raise ValueError(f"X is a table; expected the parameter `text` to name one of {', '.join(map(str, X))}")
            return self._texts(X[self.text].tolist())
        texts = list(X)
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"X[{index}] is {text!r}; expected a text: X is a sequence of str, or a table")
        return texts

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = cast(Any, super()).__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.non_deterministic = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "onnx_")

    def __getstate__(self) -> dict[str, Any]:
        state = cast(dict[str, Any], super().__getstate__())
        return {name: value for name, value in state.items() if name != "_loaded"}
