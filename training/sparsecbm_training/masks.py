"""Masks of the concepts: choosing them, packing them, comparing them."""

import torch

from . import saliency as second_order


def sparsity_at(event, events, final, start=0.2):
    """Sparsity after pruning number `event` of `events`: the cubic schedule of Zhu and Gupta 2017
    (arXiv 1710.01878), which prunes fast while weights are plenty and slowly near the end."""
    start = min(start, final)
    return final + (start - final) * (1 - event / events) ** 3


def blocks_of(mask, block):
    """One entry for each block of a [K, out, in] mask."""
    return mask[:, ::block]


def choose(saliencies, alive, kept, distinct):
    """Which blocks each concept keeps: the highest scoring share `kept` of each matrix.

    `saliencies` and `alive` are [K, rows, columns] for one matrix; what a concept has lost stays lost. Saliency alone
    gives all concepts the same weights, because some weights matter to everything. So a block counts for more
    where it matters more to this concept than to the others: score = s_k * (s_k / mean over concepts of s)^distinct,
    each concept's saliency first brought to mean 1.
    """
    s = saliencies * alive
    s = s / s.mean((1, 2), keepdim=True).clamp_min(1e-30)
    share = s / s.mean(0, keepdim=True).clamp_min(1e-30)
    score = (s.clamp_min(1e-30).log() + distinct * share.clamp_min(1e-30).log()).masked_fill(~alive, -torch.inf)
    count = round(kept * score[0].numel())
    masks = torch.zeros_like(alive)
    for k, one in enumerate(score.flatten(1)):
        masks[k].view(-1)[one.topk(count).indices] = True
    return masks & alive


def prune(model, tokens, sparsity, options, random, dtype):
    """Prunes every mask of the model to `sparsity`, computing in `dtype`."""
    measured = [
        second_order.measure(
            model, tokens, k, options.block, options.damping, options.fisher_batches, options.batch, random, dtype
        )
        for k in range(model.concepts)
    ]
    for name in model.layers:
        alive = blocks_of(model.masks[name], options.block).bool()
        stacked = torch.stack([one[name] for one in measured])
        chosen = choose(stacked, alive, 1 - sparsity, options.distinct)
        model.masks[name] = chosen.repeat_interleave(options.block, 1).to(dtype)


def full(model, dtype):
    """Masks that keep everything: where pruning starts."""
    matrices = {name: model.weights[f"{name}.weight"] for name in model.layers}
    return {name: torch.ones(model.concepts, *w.shape, dtype=dtype, device=w.device) for name, w in matrices.items()}


def pack(mask, block):
    """[K, out, in] as bytes [K, out / block, ceil(in / 8)], lowest bit first (docs/reference/checkpoint.md)."""
    bits = blocks_of(mask, block).to(torch.uint8)
    count, rows, columns = bits.shape
    padded = torch.zeros(count, rows, -(-columns // 8) * 8, dtype=torch.uint8)
    padded[:, :, :columns] = bits
    return (padded.view(count, rows, -1, 8) << torch.arange(8, dtype=torch.uint8)).sum(-1, dtype=torch.uint8)


def unpack(packed, rows, columns):
    """The inverse of `pack`, as booleans [K, rows, columns]."""
    bits = (packed[..., None] >> torch.arange(8, dtype=torch.uint8)) & 1
    bits = bits.flatten(2)[:, :, :columns].bool()
    return bits.repeat_interleave(rows // packed.shape[1], 1)


def sparsity(masks):
    """Share of the masked weights that a concept's mask takes away, on average over the concepts."""
    return 1 - sum(float(mask.float().sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())


def density(masks, k):
    """Share of the weights that concept k keeps in each layer."""
    return {name: float(mask[k].float().mean()) for name, mask in masks.items()}


def overlap(masks):
    """Jaccard similarity between the masks of every two concepts over the whole backbone."""
    flat = [mask.flatten(1).float() for mask in masks.values()]
    both = sum(mask @ mask.T for mask in flat)
    size = both.diagonal()
    return both / (size[:, None] + size[None, :] - both)


def mean_overlap(matrix):
    """Mean over the pairs of different concepts."""
    count = len(matrix)
    if count == 1:
        return 0.0
    return float((matrix.sum() - matrix.diagonal().sum()) / (count * (count - 1)))


def measured(masks):
    """How much the masks take away, and what each two have in common."""
    shared = overlap(masks)
    return {"sparsity": sparsity(masks), "mask_overlap": shared.tolist(), "mean_mask_overlap": mean_overlap(shared)}
