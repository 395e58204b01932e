"""Subnetworks without what they have lost: of a head without a key, or a neuron that nothing reads, nothing is
computed.

What comes out is the same, and so are all gradients but those that the mask takes away; it only takes less time.
"""

import dataclasses
import typing

import torch

Weights = dict[str, torch.Tensor]


class Left(typing.NamedTuple):
    """What of a layer is left to a concept, by number; None: all."""

    heads: torch.Tensor | None = None
    neurons: torch.Tensor | None = None


ALL = Left()


class Taken(torch.autograd.Function):
    """Some rows of a matrix, under a mask. Its gradient is written, not added up: no row is taken twice."""

    @staticmethod
    def forward(context: typing.Any, matrix: torch.Tensor, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(rows, mask)
        context.shape = matrix.shape
        return matrix.index_select(0, rows).mul_(mask)

    @staticmethod
    def backward(context: typing.Any, gradient: torch.Tensor) -> typing.Any:  # type: ignore[override]
        rows, mask = context.saved_tensors
        whole = gradient.new_zeros(context.shape)
        return whole.index_copy_(0, rows, gradient * mask), None, None


class Cut(typing.NamedTuple):
    """Rows of a matrix, or of the matrix turned: taking columns is slow."""

    rows: torch.Tensor
    mask: torch.Tensor
    turned: bool


@dataclasses.dataclass
class Subnetwork:
    """One concept's: its masks, what is left of each layer, and how the matrices there are cut."""

    masks: Weights  # name of a linear layer -> [out, in]
    left: dict[int, Left]
    cuts: dict[str, Cut]

    def weight(self, cast: Weights, turned: Weights) -> typing.Callable[[str], torch.Tensor]:
        """The weights of the linear layers, as `encode` asks for them. `turned` keeps turned ones for other
        concepts."""

        def own(name: str) -> torch.Tensor:
            cut = self.cuts.get(name)
            if cut is None:
                return cast[name] * self.masks[name]
            if not cut.turned:
                return typing.cast(torch.Tensor, Taken.apply(cast[name], cut.rows, cut.mask))
            if name not in turned:
                turned[name] = cast[name].T.contiguous()
            return typing.cast(torch.Tensor, Taken.apply(turned[name], cut.rows, cut.mask)).T

        return own


def subnetwork(masks: Weights, parts: typing.Any) -> Subnetwork:
    """Of the masks [out, in] of one concept; `parts` tells where the backbone's heads and neurons lie."""
    left: dict[int, Left] = {}
    cuts: dict[str, Cut] = {}
    for i in range(parts.layers):
        query, key, inner, outer = (name.format(i) for name in parts.names)
        by_head = masks[key].unflatten(0, (parts.heads_each, -1))
        heads = chosen(by_head.any(-1).any(-1))
        neurons = chosen(masks[outer].any(0))
        left[i] = Left(heads, neurons)
        if heads is not None:
            rows = (heads[:, None] * by_head.shape[1] + torch.arange(by_head.shape[1], device=heads.device)).flatten()
            for name in (query, key):
                cuts[name] = Cut(rows, masks[name][rows], False)
        if neurons is not None:
            cuts[inner] = Cut(neurons, masks[inner][neurons], False)
            cuts[outer] = Cut(neurons, masks[outer].T[neurons].contiguous(), True)
    return Subnetwork(masks, left, cuts)


def chosen(alive: torch.Tensor) -> torch.Tensor | None:
    """Their numbers; None if that is all."""
    return None if bool(alive.all()) else alive.nonzero().flatten()


class Cache:
    """The subnetworks of a model's masks, made again when those have changed: they are few, and change seldom."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[list[tuple[int, int]], Subnetwork]] = {}

    def get(self, masks: Weights, k: int, parts: typing.Any) -> Subnetwork:
        # A tensor counts every writing to it and to its views.
        state = [(id(mask), mask._version) for mask in masks.values()]
        if k not in self.made or self.made[k][0] != state:
            self.made[k] = state, subnetwork({name: mask[k] for name, mask in masks.items()}, parts)
        return self.made[k][1]
