"""The concept bottleneck model: backbone, one mask and one head for each concept, and the label head."""

import typing

import torch

from .backbone.dropout import keep
from .batches import Texts
from .narrow import Cache

State = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]
NEVER = -10000.0  # the logit of a class that a concept does not have: probability 0 in float32, and exact in float16


def new_heads(
    classes: typing.Sequence[int], labels: int, hidden: int, random: torch.Generator
) -> dict[str, torch.Tensor]:
    """Untrained heads for concepts of this many classes each. All have the width of the largest; what a concept lacks
    there is padding (docs/reference/checkpoint.md)."""
    concepts, width = len(classes), max(classes)
    real = torch.arange(width) < torch.tensor(classes)[:, None]
    return {
        "concept_head.weight": 0.02 * torch.randn(concepts, width, hidden, generator=random) * real[..., None],
        "concept_head.bias": torch.zeros(concepts, width).masked_fill(~real, NEVER),
        "label_head.weight": 0.02 * torch.randn(labels, concepts * width, generator=random) * real.flatten(),
        "label_head.bias": torch.zeros(labels),
    }


class Model:
    """Weights, heads and masks. Without masks it is the dense CBM: all concepts share one pass of the backbone."""

    def __init__(
        self, backbone: typing.Any, weights: dict[str, torch.Tensor], heads: dict[str, torch.Tensor],
        masks: dict[str, torch.Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.backbone = backbone
        self.weights = weights
        self.heads = heads
        self.masks = masks  # name of a linear layer -> [K, out, in] of 0 and 1
        self.subnetworks = Cache()

    @property
    def layers(self) -> list[str]:
        return self.backbone.linear_layers

    @property
    def concepts(self) -> int:
        return len(self.heads["concept_head.weight"])

    @property
    def real(self) -> torch.Tensor:
        """[K, C]: whether the concept has that class."""
        return self.heads["concept_head.bias"].detach() > NEVER / 2

    def state(self) -> State:
        """A copy of everything that training changes."""
        return (
            {key: value.detach().clone() for key, value in self.weights.items() if self.backbone.is_trained(key)},
            {key: value.detach().clone() for key, value in self.heads.items()},
        )

    def restore(self, state: State) -> None:
        for target, source in zip((self.weights, self.heads), state):
            for key, value in source.items():
                target[key] = value.clone()

    def to(self, device: str | torch.device) -> "Model":
        """The model on a device; what is there already is shared."""

        def moved(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {key: value.to(device) for key, value in tensors.items()}

        masks = None if self.masks is None else moved(self.masks)
        return Model(self.backbone, moved(self.weights), moved(self.heads), masks)

    def concept_logits(
        self, texts: Texts, dtype: torch.dtype = torch.float32, dropout: typing.Any = keep, only: int | None = None
    ) -> torch.Tensor:
        """Concept logits [batch, K, C] in float32; with `only`, of that one concept [batch, 1, C]."""
        return torch.stack([logits for logits, _, _ in self.read(texts, dtype, dropout, only)], 1)

    def logits_and_evidence(
        self, texts: Texts, dtype: torch.dtype = torch.float32, dropout: typing.Any = keep
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Concept logits [batch, K, C], and what each position would make of them alone [batch, K, S, C]: the mean over
        the positions, and the bias, are the logit."""
        logits, hidden, weights = zip(*self.read(texts, dtype, dropout))
        evidence = [states.float() @ weight.T for states, weight in zip(hidden, weights)]
        return torch.stack(logits, 1), torch.stack(evidence, 1)

    def read(
        self, texts: Texts, dtype: torch.dtype, dropout: typing.Any, only: int | None = None
    ) -> typing.Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Of each concept, or of that one: its logits [B, C], the hidden states [B, S, d] that they are read from, and
        the weight that reads them."""
        pool = (texts.attention.float() / texts.attention.sum(1, keepdim=True)).to(dtype)
        for k, hidden in self.hidden(texts, dtype, dropout, only):
            weight, bias = self.heads["concept_head.weight"][k], self.heads["concept_head.bias"][k]
            pooled = torch.einsum("bs,bsd->bd", pool, hidden)
            yield dropout(pooled).float() @ weight.T + bias, hidden, weight

    def hidden(
        self, texts: Texts, dtype: torch.dtype, dropout: typing.Any, only: int | None = None
    ) -> typing.Iterator[tuple[int, torch.Tensor]]:
        """The last hidden states [B, S, d] that each concept reads, or that one; the dense CBM's read the same."""
        shared = self.backbone.embed(self.weights, texts, dtype, dropout)
        cast = {name: self.weights[f"{name}.weight"].to(dtype) for name in self.layers}
        chosen = range(self.concepts) if only is None else [only]
        if self.masks is None:
            hidden = self.backbone.encode(self.weights, shared, lambda name: cast[name], dropout)
            yield from ((k, hidden) for k in chosen)
        elif only is None and self.together(texts):
            yield from enumerate(self.hidden_together(shared, cast, dropout))
        else:
            turned: dict[str, torch.Tensor] = {}
            for k in chosen:
                yield k, self.hidden_of(k, shared, cast, turned, dropout, texts.ids.is_cuda)

    def together(self, texts: Texts) -> bool:
        """Whether the branches are computed together: on a GPU the count of operations is the cost."""
        return texts.ids.is_cuda and self.backbone.batched

    def hidden_of(
        self, k: int, shared: typing.Any, cast: dict[str, torch.Tensor], turned: dict[str, torch.Tensor],
        dropout: typing.Any, on_gpu: bool,
    ) -> torch.Tensor:  # fmt: skip
        """Of subnetwork k, without the heads and neurons that it has lost where the backbone can do that."""
        masks = self.masks or {}
        if not self.backbone.narrows or on_gpu:  # a GPU would wait to see its masks
            hidden = self.backbone.encode(self.weights, shared, lambda name: cast[name] * masks[name][k], dropout)
        else:
            own = self.subnetworks.get(masks, k, self.backbone.parts)
            hidden = self.backbone.encode(self.weights, shared, own.weight(cast, turned), dropout, own.left)
        return typing.cast(torch.Tensor, hidden)

    def hidden_together(self, shared: typing.Any, cast: dict[str, torch.Tensor], dropout: typing.Any) -> torch.Tensor:
        """Of every subnetwork [K, B, S, d], one batched product at a time."""
        masks = self.masks or {}
        repeated = self.backbone.repeat(shared, self.concepts)
        hidden = self.backbone.encode(self.weights, repeated, lambda name: cast[name] * masks[name], dropout)
        return typing.cast(torch.Tensor, hidden.unflatten(0, (self.concepts, -1)))

    def label_logits(self, concept_logits: torch.Tensor) -> torch.Tensor:
        """Raw label logits, before any temperature or override, computed where the concept logits are."""
        weight, bias = (self.heads[f"label_head.{part}"].to(concept_logits.device) for part in ("weight", "bias"))
        return concept_logits.flatten(1) @ weight.T + bias
