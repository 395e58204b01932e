"""The concept bottleneck model: backbone, one mask and one head for each concept, and the label head."""

import torch

from .backbone.dropout import keep


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

    def __init__(self, backbone, weights, heads, masks=None):
        self.backbone = backbone
        self.weights = weights
        self.heads = heads
        self.masks = masks  # name of a linear layer -> [K, out, in] of 0 and 1

    @property
    def layers(self):
        return self.backbone.linear_layers

    @property
    def concepts(self):
        return len(self.heads["concept_head.weight"])

    def state(self):
        """A copy of everything that training changes."""
        return (
            {key: value.detach().clone() for key, value in self.weights.items() if self.backbone.is_trained(key)},
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

        return Model(self.backbone, moved(self.weights), moved(self.heads), moved(self.masks))

    def concept_logits(self, texts, dtype=torch.float32, dropout=keep, only=None):
        """Concept logits [batch, K, C] in float32; with `only`, of that one concept [batch, 1, C]."""
        shared = self.backbone.embed(self.weights, texts, dtype, dropout)
        cast = {name: self.weights[f"{name}.weight"].to(dtype) for name in self.layers}
        pool = (texts.attention.float() / texts.attention.sum(1, keepdim=True)).to(dtype)
        chosen = range(self.concepts) if only is None else [only]
        if self.masks is None:
            z = [self.pooled(shared, pool, lambda name: cast[name], dropout)] * len(chosen)
        elif only is None and self.together(texts):
            z = self.pooled_together(shared, pool, cast, dropout)
        else:
            z = [self.pooled(shared, pool, lambda name: cast[name] * self.masks[name][k], dropout) for k in chosen]
        logits = []
        for k, inputs in zip(chosen, z):
            weight, bias = self.heads["concept_head.weight"][k], self.heads["concept_head.bias"][k]
            logits.append(dropout(inputs).float() @ weight.T + bias)
        return torch.stack(logits, 1)

    def together(self, texts):
        """Whether the branches are computed together: on a GPU the count of operations is the cost."""
        return texts.ids.is_cuda and self.backbone.batched

    def pooled(self, shared, pool, weight, dropout):
        """Mean of the last hidden states [B, d], of one pass of the backbone."""
        hidden = self.backbone.encode(self.weights, shared, weight, dropout)
        return torch.einsum("bs,bsd->bd", pool, hidden)

    def pooled_together(self, shared, pool, cast, dropout):
        """The same of every subnetwork [K, B, d], one batched product at a time."""
        shared, pool = self.backbone.repeat(shared, self.concepts), pool.repeat(self.concepts, 1)
        z = self.pooled(shared, pool, lambda name: cast[name] * self.masks[name], dropout)
        return z.unflatten(0, (self.concepts, -1))

    def label_logits(self, concept_logits):
        """Raw label logits, before any temperature or override, computed where the concept logits are."""
        weight, bias = (self.heads[f"label_head.{part}"].to(concept_logits.device) for part in ("weight", "bias"))
        return concept_logits.flatten(1) @ weight.T + bias
