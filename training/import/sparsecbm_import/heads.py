"""The heads of the reference code."""

import numpy

from .errors import Refused


def read(files):
    """Our four head tensors, from one joint file or from two of models trained independently."""
    tensors = {}
    for weights in files:
        for name, value in weights.tensors.items():
            short = name.removeprefix("first_model.").removeprefix("sec_model.")
            if short in tensors:
                raise Refused(f"{weights.place}: {name}", "a head that another file holds too", "each head once")
            tensors[short] = value.astype(numpy.float32)
    places = " and ".join(weights.place for weights in files)

    def need(name, dimensions):
        value = tensors.get(name)
        if value is None:
            raise Refused(places, f"no tensor '{name}'", "the concept heads all_fc.{k} and the label head linear")
        if value.ndim != dimensions:
            raise Refused(f"{places}: {name}", f"shape {list(value.shape)}", f"{dimensions} dimensions")
        return value

    concepts = len({name.split(".")[1] for name in tensors if name.startswith("all_fc.")})
    if "linear2.weight" in tensors:
        raise Refused(
            f"{places}: linear2.weight",
            "a label head of two layers",
            "a linear one: the shares of the concepts in the label would not be exact",
        )
    # A multi-task model without a bottleneck has the label as the first of its heads.
    numbers = range(concepts)
    result = {
        "concept_head.weight": [need(f"all_fc.{k}.fc.weight", 2) for k in numbers],
        "concept_head.bias": [need(f"all_fc.{k}.fc.bias", 1) for k in numbers],
    }
    if any(name.endswith(".fc_new.weight") for name in tensors):
        result["concept_expansion.weight"] = [need(f"all_fc.{k}.fc_new.weight", 2) for k in numbers]
        result["concept_expansion.bias"] = [need(f"all_fc.{k}.fc_new.bias", 1) for k in numbers]
    for name, parts in result.items():
        if len({part.shape for part in parts}) > 1:
            raise Refused(f"{places}: {name}", "heads of different shapes", "as many classes for every concept")
        result[name] = numpy.stack(parts) if parts else need("all_fc.0.fc.weight", 2)
    result["label_head.weight"] = need("linear.weight", 2)
    result["label_head.bias"] = need("linear.bias", 1)
    return result
