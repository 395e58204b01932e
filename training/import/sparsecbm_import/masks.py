"""The masks of the reference code's layers."""

import numpy

from .errors import Refused


def of_layer(weights, layer, concepts, options):
    """[K, out, in] booleans of one layer, from `mask_list` or `popup_scores`."""
    listed = numbered(weights, f"{layer}.mask_list", concepts)
    if listed is not None:
        if not numpy.isin(listed, (0, 1)).all():
            raise Refused(f"{weights.place}: {layer}.mask_list", "numbers that are neither 0 nor 1", "0 or 1")
        return listed == 1
    scores = numpy.abs(numbered(weights, f"{layer}.popup_scores", concepts))
    kept = kept_fraction(weights, layer, options.kept)
    select = top_rows if structured(weights, layer, options.structured) else top_weights
    return numpy.stack([select(own, kept) for own in scores])


def numbered(weights, name, concepts):
    """The tensors NAME.0 … NAME.K−1 in one, or None where there are none."""
    found = sorted(key for key in weights.tensors if key.startswith(f"{name}."))
    if not found:
        return None
    expected = [f"{name}.{k}" for k in range(concepts)]
    if found != sorted(expected):
        raise Refused(f"{weights.place}: {name}", f"{len(found)} masks", f"one for each of {concepts} concepts")
    return numpy.stack([weights.tensors[key] for key in expected])


def kept_fraction(weights, layer, given):
    """What share of its weights a layer with scores keeps: said, or held by the pickled module."""
    held = weights.kept.get(layer)
    if given is None and held is None:
        raise Refused(
            f"{weights.place}: {layer}.popup_scores",
            "scores, but not how many of them are kept",
            "--kept FRACTION: the file does not hold it",
        )
    if given is not None and held is not None and abs(given - held) > 1e-9:
        raise Refused(f"{weights.place}: {layer}", f"a kept fraction of {held}", f"{given}, as --kept says")
    return held if given is None else given


def structured(weights, layer, given):
    """Whether whole rows are kept: said, or the class of the pickled module."""
    held = {"SubnetLinear": False, "SubnetLinear_Structure": True}.get(weights.classes.get(layer))
    if given is None and held is None:
        raise Refused(
            f"{weights.place}: {layer}.popup_scores",
            "scores, but not of what",
            "--rows or --weights: whether the scores choose whole rows or single weights",
        )
    if given is not None and held is not None and given != held:
        found = "row" if held else "weight"
        raise Refused(f"{weights.place}: {layer}", f"a layer that keeps each {found} by itself", "what the option says")
    return held if given is None else given


def top_weights(scores, kept):
    """All but the lowest ⌊(1 − kept) · n⌋ scores."""
    chosen = numpy.ones(scores.size, bool)
    chosen[numpy.argsort(scores, axis=None, kind="stable")[: int((1 - kept) * scores.size)]] = False
    return chosen.reshape(scores.shape)


def top_rows(scores, kept):
    """All but the ⌊(1 − kept) · rows⌋ rows of the smallest L2 norm."""
    norms = numpy.linalg.norm(scores, axis=1)
    chosen = numpy.ones(len(norms), bool)
    chosen[numpy.argsort(norms, kind="stable")[: int((1 - kept) * len(norms))]] = False
    return numpy.broadcast_to(chosen[:, None], scores.shape)


def pack(masks):
    """[K, out, in] booleans as `mask_bits` (docs/reference/checkpoint.md)."""
    return numpy.packbits(masks, axis=2, bitorder="little")
