"""How much each concept's loss would rise if a weight, or a block of weights, were taken away.

The paper's second-order saliency (its section on sparsity; after Kurtic et al. 2022, "The Optimal BERT Surgeon",
arXiv 2203.07259): with F the empirical Fisher matrix of the loss, taken as block-diagonal,

    F = damping * I + 1/m * sum of g gᵀ over m minibatch gradients g,

removing weight i raises the loss by w_i² / (2 [F⁻¹]_ii), and removing a group G of weights by
½ w_Gᵀ ([F⁻¹]_GG)⁻¹ w_G. Here a Fisher block is one mask block: the weights of four neighbouring outputs from one
input. Two things are unlike the paper's code: the loss is the concept's own and not the joint one, without which the
masks of all concepts come out nearly the same; and the damping is far below the Fisher entries, above which the
saliency is only the magnitude.
"""

import torch
import torch.nn.functional as F

HEIGHT = 4  # outputs in a Fisher block


def fisher_blocks(matrix):
    """[out, in] as [out / 4, in, 4]: one row for each Fisher block."""
    rows, columns = matrix.shape
    return matrix.view(rows // HEIGHT, HEIGHT, columns).transpose(1, 2)


def expect_whole_blocks(model):
    """Refuses a backbone whose layers cannot be divided so."""
    for name in model.layers:
        rows = len(model.weights[f"{name}.weight"])
        if rows % HEIGHT:
            raise ValueError(f"{name} has {rows} outputs, not a multiple of {HEIGHT}")


class BlockSaliency:
    """For blocks of four. The group is the whole Fisher block, so the two inverses cancel and the saliency is
    ½ wᵀ F w: the mean of (gᵀ w)² over the minibatches, halved. No matrix is ever formed."""

    def __init__(self, weight, damping):
        self.weight = fisher_blocks(weight)
        self.total = torch.zeros(self.weight.shape[:2], device=weight.device)
        self.count = 0
        self.damping = damping

    def add(self, gradient):
        self.total += (fisher_blocks(gradient) * self.weight).sum(-1).square()
        self.count += 1

    def value(self):
        """[out / 4, in]"""
        return 0.5 * (self.total / self.count + self.damping * self.weight.square().sum(-1))


class WeightSaliency:
    """For single weights: w_i² / (2 [F⁻¹]_ii), the inverse kept up to date by rank-one (Sherman-Morrison) steps,
    F⁻¹ ← F⁻¹ − (F⁻¹g)(F⁻¹g)ᵀ / (m + gᵀF⁻¹g), the paper's formula. `count` is m. In float64: with little damping,
    the inverse starts at numbers so great that float32 loses what is left of them."""

    def __init__(self, weight, damping, count):
        self.weight = fisher_blocks(weight).double()
        start = torch.eye(HEIGHT, dtype=torch.float64, device=weight.device) / damping
        self.inverse = start.expand(*self.weight.shape[:2], HEIGHT, HEIGHT).clone()
        self.count = count

    def add(self, gradient):
        g = fisher_blocks(gradient).double()
        step = (self.inverse @ g[..., None])[..., 0]
        scale = self.count + (step * g).sum(-1)
        self.inverse -= step[..., :, None] * (step / scale[..., None])[..., None, :]

    def value(self):
        """[out, in]"""
        saliency = self.weight.square() / (2 * self.inverse.diagonal(dim1=-2, dim2=-1))
        return saliency.transpose(1, 2).reshape(-1, saliency.shape[1]).float()


def gradients(model, tokens, k, count, size, random, dtype):
    """The gradients of concept k's own loss by the weights of every masked layer, of one minibatch after the other."""
    weights = [model.weights[f"{name}.weight"].requires_grad_() for name in model.layers]
    gold = tokens.concepts[:, k].to(tokens.device)
    for batch in tokens.batches(size, random)[:count]:
        own = gold[batch.indices]
        logits = model.concept_logits(tokens.pad(batch), dtype, only=k)[:, 0]
        loss = F.cross_entropy(logits, own, ignore_index=-1, reduction="sum") / (own >= 0).sum().clamp_min(1)
        yield torch.autograd.grad(loss, weights)


def measure(model, tokens, k, block, damping, count, size, random, dtype):
    """Saliency of each block (or weight) of each masked layer for concept k's own loss, from `count` minibatches."""
    names = model.layers
    weights = [model.weights[f"{name}.weight"] for name in names]
    if block == 1:
        saliency = [WeightSaliency(weight.detach(), damping, count) for weight in weights]
    else:
        saliency = [BlockSaliency(weight.detach(), damping) for weight in weights]
    for of_all in gradients(model, tokens, k, count, size, random, dtype):
        for one, gradient in zip(saliency, of_all):
            one.add(gradient)
    return {name: one.value() for name, one in zip(names, saliency)}
