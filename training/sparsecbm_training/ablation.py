"""Whether a concept's subnetwork is its own: what switching it off does to each concept."""

import torch

from . import train
from .model import Model


def accuracies(model, tokens, dtype):
    """Of each concept, where it is labelled."""
    right = train.predict(model, tokens, dtype).argmax(-1) == tokens.concepts
    known = tokens.concepts >= 0
    return (right & known).sum(0) / known.sum(0).clamp_min(1)


def switched_off(model, off):
    """The model without the weights `off[name]`, a boolean [out, in], in any mask."""
    kept = {name: (mask.bool() & ~off[name]).to(mask.dtype) for name, mask in model.masks.items()}
    return Model(model.backbone, model.weights, model.heads, kept)


def drops(model, tokens, dtype):
    """Two tables [k][j] of how much accuracy concept j loses without weights of concept k: without those that only
    concept k's mask holds (no other concept can lose anything then), and without all that its mask holds."""
    before = accuracies(model, tokens, dtype)
    result = {"only_own": [], "all_used": []}
    for k in range(model.concepts):
        own, used = {}, {}
        for name, mask in model.masks.items():
            mask = mask.bool()
            used[name] = mask[k]
            own[name] = mask[k] & (mask.sum(0) == 1)
        for key, off in (("only_own", own), ("all_used", used)):
            result[key].append((before - accuracies(switched_off(model, off), tokens, dtype)).tolist())
    return result
