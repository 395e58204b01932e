"""The concept bottleneck model: backbone, one mask and one head for each concept, and the label head."""

import torch

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

    def concept_logits(self, ids, attention, dtype=torch.float32, dropout=backbone.keep, only=None):
        """Concept logits [batch, K, C] in float32; with `only`, of that one concept [batch, 1, C]."""
        x = backbone.embed(self.weights, self.config, ids, dtype, dropout)
        cast = {name: self.weights[f"{name}.weight"].to(dtype) for name in self.layers}
        pool = attention.float() / attention.sum(1, keepdim=True)

        def pooled(linear):
            hidden = backbone.encode(self.weights, self.config, x, attention, linear, dropout)
            return torch.einsum("bs,bsd->bd", pool.to(dtype), hidden)

        chosen = range(self.concepts) if only is None else [only]
        if self.masks is None:
            z = pooled(cast.__getitem__)
            z = [z] * len(chosen)
        else:
            z = [pooled(lambda name: cast[name] * self.masks[name][k]) for k in chosen]
        logits = []
        for k, inputs in zip(chosen, z):
            weight, bias = self.heads["concept_head.weight"][k], self.heads["concept_head.bias"][k]
            logits.append(dropout(inputs).float() @ weight.T + bias)
        return torch.stack(logits, 1)

    def label_logits(self, concept_logits):
        """Raw label logits, before any temperature or override."""
        return concept_logits.flatten(1) @ self.heads["label_head.weight"].T + self.heads["label_head.bias"]
