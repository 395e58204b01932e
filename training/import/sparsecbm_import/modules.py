"""From what a file holds to named tensors."""

import dataclasses

import numpy

from .errors import Refused
from .unpickle import Stub, load


@dataclasses.dataclass
class Weights:
    """The tensors of a file by name, and what a whole module says beside them."""

    place: str
    tensors: dict
    classes: dict  # name of a module -> its class; empty for a plain state dict
    kept: dict  # name of a module -> the kept fraction that it holds


def read(path):
    """The tensors of a pickled module or of a state dict."""
    content = load(path)
    weights = Weights(str(path), {}, {}, {})
    if isinstance(content, Stub):
        walk(content, "", weights)
    elif isinstance(content, dict):
        weights.tensors = {name: value for name, value in content.items() if isinstance(value, numpy.ndarray)}
    if not weights.tensors:
        raise Refused(path, "no tensors", "a pickled module or a state dict")
    return weights


def walk(module, prefix, weights):
    """Names as PyTorch's `state_dict` gives them."""
    name = prefix.removesuffix(".")
    weights.classes[name] = module.origin[1]
    if isinstance(module.state.get("k"), float):
        weights.kept[name] = module.state["k"]
    for group in ("_parameters", "_buffers"):
        for own, value in (module.state.get(group) or {}).items():
            if isinstance(value, numpy.ndarray):
                weights.tensors[f"{prefix}{own}"] = value
    for own, child in (module.state.get("_modules") or {}).items():
        if isinstance(child, Stub):
            walk(child, f"{prefix}{own}.", weights)
