"""Turns reviews into batches of similar length."""

import dataclasses
import typing

import torch

from . import vocabulary


@dataclasses.dataclass
class Batch:
    """Some of the reviews: their indices, a tensor on the device, and what is known of their lengths without asking it."""

    indices: torch.Tensor
    length: int  # tokens to pad to
    full: bool  # whether nothing is padding

    def __len__(self):
        return len(self.indices)


class Texts(typing.NamedTuple):
    """Ids and attention mask [B, S] of a batch, and whether nothing of it is padding."""

    ids: torch.Tensor
    attention: torch.Tensor
    full: bool


class Tokens:
    """The tokenized texts of some reviews, on the device that computes, and their gold classes, on the CPU."""

    def __init__(self, tokenizer, reviews, device="cpu"):
        self.ids = [encoding.ids for encoding in tokenizer.encode_batch([review.text for review in reviews])]
        self.concepts = torch.tensor([review.concepts for review in reviews])
        self.labels = torch.tensor([review.label for review in reviews])
        self.device = torch.device(device)
        # Few different shapes serve a GPU better than little padding.
        self.multiple = 8 if self.device.type == "cuda" else 1
        padded = torch.full((len(self), self.rounded(max(map(len, self.ids)))), vocabulary.padding(tokenizer))
        for row, ids in zip(padded, self.ids):
            row[: len(ids)] = torch.tensor(ids)
        self.padded = padded.to(self.device)
        self.lengths = torch.tensor([len(ids) for ids in self.ids]).to(self.device)
        self.positions = torch.arange(padded.shape[1]).to(self.device)

    def __len__(self):
        return len(self.ids)

    def rounded(self, length):
        return -(-length // self.multiple) * self.multiple

    def pad(self, batch):
        """The texts of a batch, padded to its length."""
        attention = self.positions[: batch.length] < self.lengths[batch.indices, None]
        return Texts(self.padded[batch.indices, : batch.length], attention.long(), batch.full)

    def batches(self, size, random=None):
        """The reviews in batches. Texts of equal length go together, so that little of a batch is padding; which
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
