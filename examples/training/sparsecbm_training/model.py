"""The concept bottleneck model: backbone, one mask and one head for each concept, and the label head."""

import torch
import torch.nn.functional as F

from . import backbone


def new_heads(concepts, classes, labels, hidden, random):
    """Untrained heads."""
    return {
        "concept_head.weight": 0.02 * torch.randn(concepts, classes, hidden, generator=random),
        "concept_head.bias": torch.zeros(concepts, classes),
        "label_head.weight": 0.02 * torch.randn(labels, concepts * classes, generator=random),
        "label_head.bias": torch.zeros(labels),
    }


class Model:
    """Weights, heads and masks. Without masks it is the dense CBM: all concepts share one pass of the backbone."""

    def __init__(self, config, weights, heads, masks=None):
        self.config = config
        self.weights = weights
        self.heads = heads
        self.masks = masks  # name of a linear layer -> [K, out, in] of 0 and 1

    @property
    def layers(self):
        return backbone.linear_layers(self.config)

    @property
    def concepts(self):
        return len(self.heads["concept_head.weight"])

    def state(self):
        """A copy of everything that training changes."""
        return (
            {key: value.detach().clone() for key, value in self.weights.items() if backbone.is_trained(key)},
            {key: value.detach().clone() for key, value in self.heads.items()},
        )

    def restore(self, state):
        for target, source in zip((self.weights, self.heads), state):
            for key, value in source.items():
                target[key] = value.clone()

    def to(self, device):
        """The model on a device; what is there already is shared."""

        def moved(tensors):
            return tensors and {key: value.to(device) for key, value in tensors.items()}

        return Model(self.config, moved(self.weights), moved(self.heads), moved(self.masks))

    def concept_logits(self, texts, dtype=torch.float32, dropout=backbone.keep, only=None):
        """Concept logits [batch, K, C] in float32; with `only`, of that one concept [batch, 1, C]."""
        x = backbone.embed(self.weights, self.config, texts.ids, dtype, dropout)
        cast = {name: self.weights[f"{name}.weight"].to(dtype) for name in self.layers}
        padding = backbone.padding(texts)
        pool = (texts.attention.float() / texts.attention.sum(1, keepdim=True)).to(dtype)
        chosen = range(self.concepts) if only is None else [only]
        if self.masks is None:
            z = self.pooled(x, padding, pool, lambda name, inputs, bias: F.linear(inputs, cast[name], bias), dropout)
            z = [z] * len(chosen)
        elif only is None and self.together(x):
            z = self.pooled_together(x, padding, pool, cast, dropout)
        else:
            z = [
                self.pooled(
                    x,
                    padding,
                    pool,
                    lambda name, inputs, bias: F.linear(inputs, cast[name] * self.masks[name][k], bias),
                    dropout,
                )
                for k in chosen
            ]
        logits = []
        for k, inputs in zip(chosen, z):
            weight, bias = self.heads["concept_head.weight"][k], self.heads["concept_head.bias"][k]
            logits.append(dropout(inputs).float() @ weight.T + bias)
        return torch.stack(logits, 1)

    def together(self, x):
        """Whether the branches are computed together: on a GPU the count of operations is the cost."""
        return x.is_cuda

    def pooled(self, x, padding, pool, linear, dropout):
        """Mean of the last hidden states [B, d], of one pass of the backbone."""
        hidden = backbone.encode(self.weights, self.config, x, padding, linear, dropout)
        return torch.einsum("bs,bsd->bd", pool, hidden)

    def pooled_together(self, x, padding, pool, cast, dropout):
        """The same of every subnetwork [K, B, d], one batched product at a time."""

        def linear(name, inputs, bias):
            weight = (cast[name] * self.masks[name]).transpose(1, 2)
            product = torch.baddbmm(bias, inputs.reshape(self.concepts, -1, inputs.shape[-1]), weight)
            return product.view(*inputs.shape[:-1], -1)

        if padding is not None:
            padding = padding.repeat(self.concepts, 1, 1, 1)
        x, pool = x.repeat(self.concepts, 1, 1), pool.repeat(self.concepts, 1)
        return self.pooled(x, padding, pool, linear, dropout).unflatten(0, (self.concepts, -1))

    def label_logits(self, concept_logits):
        """Raw label logits, before any temperature or override, computed where the concept logits are."""
        weight, bias = (self.heads[f"label_head.{part}"].to(concept_logits.device) for part in ("weight", "bias"))
        return concept_logits.flatten(1) @ weight.T + bias
