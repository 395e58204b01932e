"""Turns texts into batches of similar length."""

import dataclasses
import typing

import torch
from tokenizers import Tokenizer

from . import vocabulary
from .data import Part


@dataclasses.dataclass
class Batch:
    """Some of the texts: their indices, a tensor on the device, and what is known of their lengths without asking
    it."""

    indices: torch.Tensor
    length: int  # tokens to pad to
    full: bool  # whether nothing is padding

    def __len__(self) -> int:
        return len(self.indices)


class Texts(typing.NamedTuple):
    """Ids and attention mask [B, S] of a batch, and whether nothing of it is padding."""

    ids: torch.Tensor
    attention: torch.Tensor
    full: bool


def shortened(texts: Texts, most: float, random: torch.Generator, multiple: int) -> Texts:
    """The texts with tokens left out at random: of each text a share drawn from 0 to `most`. First and last stay."""
    count, length = texts.ids.shape
    shares = most * torch.rand(count, 1, generator=random)
    kept = (torch.rand(count, length, generator=random) > shares).to(texts.ids.device)
    positions = torch.arange(length, device=texts.ids.device)
    kept |= (positions == 0) | (positions == texts.attention.sum(1, keepdim=True) - 1)
    kept &= texts.attention.bool()
    order = (~kept).long().argsort(dim=1, stable=True)
    # Without a wait for a GPU to say how long the longest is, its texts keep their length.
    longest = length if kept.is_cuda else min(length, -(-int(kept.sum(1).max()) // multiple) * multiple)
    return Texts(texts.ids.gather(1, order)[:, :longest], kept.gather(1, order)[:, :longest].long(), False)


class Tokens:
    """The tokenized texts of a part, on the device that computes, and their gold classes, on the CPU."""

    def __init__(self, tokenizer: Tokenizer, part: Part, device: str | torch.device = "cpu") -> None:
        self.ids = [encoding.ids for encoding in tokenizer.encode_batch(part.texts)]
        self.part = part
        self.concepts, self.labels = part.gold, part.gold_labels
        self.device = torch.device(device)
        # Few different shapes serve a GPU better than little padding; a CPU compiles a product for each.
        self.multiple = 8 if self.device.type == "cuda" else 4
        longest = self.rounded(max(map(len, self.ids)))
        padded = torch.full((len(self), longest), vocabulary.padding(tokenizer), dtype=torch.long)
        for row, ids in zip(padded, self.ids):
            row[: len(ids)] = torch.tensor(ids)
        self.padded = padded.to(self.device)
        self.lengths = torch.tensor([len(ids) for ids in self.ids]).to(self.device)
        self.positions = torch.arange(padded.shape[1]).to(self.device)

    def __len__(self) -> int:
        return len(self.ids)

    def rounded(self, length: int) -> int:
        return -(-length // self.multiple) * self.multiple

    def pad(self, batch: Batch) -> Texts:
        """The texts of a batch, padded to its length."""
        attention = self.positions[: batch.length] < self.lengths[batch.indices, None]
        return Texts(self.padded[batch.indices, : batch.length], attention.long(), batch.full)

    def batches(self, size: int, random: torch.Generator | None = None) -> list[Batch]:
        """The texts in batches. Those of equal length go together, so that little of a batch is padding; which
        of them, and the order of the batches, is random where a generator is given."""
        noise = torch.rand(len(self), generator=random) if random else torch.zeros(len(self))
        order = sorted(range(len(self)), key=lambda i: len(self.ids[i]) + float(noise[i]))
        indices = torch.tensor(order).to(self.device)
        result = []
        for start in range(0, len(order), size):
            lengths = [len(self.ids[i]) for i in order[start : start + size]]
            length = self.rounded(max(lengths))
            result.append(Batch(indices[start : start + size], length, min(lengths) == length))
        if random:
            result = [result[i] for i in torch.randperm(len(result), generator=random)]
        return result
