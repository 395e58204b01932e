"""Whole heads and neurons: where a mask keeps little of one, all of it goes.

What a mask keeps is not all that costs time. A head whose key keeps a single block compares every token with every
other, and neurons that keep one have their activation evaluated for every token. So each concept loses the heads'
comparisons and the neurons that matter least to it, and the model then learns to answer as it did before.

Heads are few, so what each one is worth is tried: how far the concept's predictions move without it, as the mean
Kullback-Leibler divergence (cf. Michel et al. 2019, "Are Sixteen Heads Really Better than One?", arXiv 1905.10650). A
gradient does not tell it: on texts that the model knows by heart it is next to nothing even by a head that all depends
on.

Neurons are thousands. Their saliency is that of `saliency.py` with everything that goes as one group: ½ wᵀ F w =
½ E (Σ g w)², over the gradients g of the concept's own loss on minibatches.
"""

import dataclasses

import torch
import torch.nn.functional as F

from . import saliency


@dataclasses.dataclass(frozen=True)
class Piece:
    """Rows or columns of one masked layer."""

    layer: str
    index: tuple  # of a matrix [out, in]


@dataclasses.dataclass(frozen=True)
class Part:
    """A head, or neighbouring neurons: masked weights that go together."""

    decisive: Piece  # without it, the others change nothing
    others: Piece


def live_heads(model, k):
    """Those that compare tokens under concept k's mask. A query without weights still asks, by its bias."""
    return [head for head in model.backbone.parts.heads() if kept(model, k, head.decisive)]


def live_neurons(model, k, count):
    """Groups of this many neurons whose activation has to be evaluated for each token."""
    groups = model.backbone.parts.neurons(count)
    return [group for group in groups if kept(model, k, group.decisive) and kept(model, k, group.others)]


def kept(model, k, piece):
    return bool(model.masks[piece.layer][k][piece.index].any())


def tried(model, heads, k, tokens, options, random, dtype):
    """How far concept k's predictions move without each head, in nats."""
    batches = tokens.batches(options.batch, random)[: options.whole_batches]

    def predictions():
        with torch.no_grad():
            logits = [model.concept_logits(tokens.pad(batch), dtype, only=k)[:, 0] for batch in batches]
        return torch.cat(logits).log_softmax(-1)

    before = predictions()
    moved = []
    for head in heads:
        mask = model.masks[head.decisive.layer][k]
        there = mask[head.decisive.index].clone()
        mask[head.decisive.index] = 0
        moved.append(float(F.kl_div(predictions(), before, log_target=True, reduction="batchmean")))
        mask[head.decisive.index] = there
    return moved


def tried_by_all(model, heads, tokens, options, random, dtype):
    """The same of every concept, [heads][K], for a model without masks: one pass of it tells of all concepts."""
    batches = tokens.batches(options.batch, random)[: options.whole_batches]

    def predictions():
        with torch.no_grad():
            logits = [model.concept_logits(tokens.pad(batch), dtype) for batch in batches]
        return torch.cat(logits).log_softmax(-1)

    before = predictions()
    moved = []
    for head in heads:
        key = model.weights[f"{head.decisive.layer}.weight"].detach()
        there = key[head.decisive.index].clone()
        key[head.decisive.index] = 0
        apart = F.kl_div(predictions(), before, log_target=True, reduction="none")
        moved.append(apart.sum(-1).mean(0).tolist())
        key[head.decisive.index] = there
    return moved


def saliencies(model, parts, k, tokens, options, random, dtype):
    """The saliency of each part for concept k's own loss."""
    totals = [0.0] * len(parts)
    layers = {part.decisive.layer for part in parts}
    for gradients in saliency.gradients(model, tokens, k, options.whole_batches, options.batch, random, dtype):
        changes = {
            name: gradient * model.weights[f"{name}.weight"].detach() * model.masks[name][k]
            for name, gradient in zip(model.layers, gradients)
            if name in layers
        }
        for i, part in enumerate(parts):
            totals[i] += changes[part.decisive.layer][part.decisive.index].sum().square()
    return [0.5 * float(total) / options.whole_batches for total in totals]


def take_least(model, parts, scores, share, k):
    """Takes that share of the parts, those with the lowest scores, from concept k's masks, in place. Returns how many
    stay."""
    order = sorted(range(len(parts)), key=scores.__getitem__)
    gone = order[: round(share * len(parts))]
    for i in gone:
        for piece in (parts[i].decisive, parts[i].others):
            model.masks[piece.layer][k][piece.index] = 0
    return len(parts) - len(gone)
