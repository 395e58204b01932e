"""Models of the registry, exported once for all tests."""

import json
import pathlib
from collections.abc import Callable

import pytest
import sparsecbm
from sparsecbm import Model

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
REGISTRY = json.loads((REPOSITORY / "tests/models/registry.json").read_text(encoding="utf-8"))
CEBAB = REPOSITORY / "examples/models/cebab"
REVIEW = "The food was great but it was so loud, and our waiter was rude. 🙂"

Exported = Callable[[str], pathlib.Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The file of a model of the registry, in the form that keeps the checkpoint's numbers, with its gradients."""
    folder = tmp_path_factory.mktemp("models")

    def export(name: str) -> pathlib.Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            source = next(entry["folder"] for entry in REGISTRY if entry["name"] == name)
            sparsecbm.export(REPOSITORY / source, path, weights="f32", gradients=True)
        return path

    return export


@pytest.fixture(scope="session")
def cebab(exported: Exported) -> Model:
    return Model.load(exported("cebab"))


@pytest.fixture(scope="session")
def tiny(exported: Exported) -> Model:
    return Model.load(exported("tiny"))
