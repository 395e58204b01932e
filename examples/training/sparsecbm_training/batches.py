"""Turns reviews into batches of similar length."""

import torch


class Tokens:
    """The tokenized texts of some reviews, with their gold classes."""

    def __init__(self, tokenizer, reviews):
        self.ids = [encoding.ids for encoding in tokenizer.encode_batch([review.text for review in reviews])]
        self.concepts = torch.tensor([review.concepts for review in reviews])
        self.labels = torch.tensor([review.label for review in reviews])
        self.padding = tokenizer.token_to_id("[PAD]")

    def __len__(self):
        return len(self.ids)

    def pad(self, chosen):
        """Ids and attention mask of some texts, padded to the longest of them."""
        length = max(len(self.ids[i]) for i in chosen)
        ids = torch.full((len(chosen), length), self.padding)
        attention = torch.zeros(len(chosen), length, dtype=torch.int64)
        for row, i in enumerate(chosen):
            ids[row, : len(self.ids[i])] = torch.tensor(self.ids[i])
            attention[row, : len(self.ids[i])] = 1
        return ids, attention

    def batches(self, size, random=None):
        """Lists of indices. Texts of equal length go together, so that little of a batch is padding; which
        of them, and the order of the batches, is random where a generator is given."""
        noise = torch.rand(len(self), generator=random) if random else torch.zeros(len(self))
        order = sorted(range(len(self)), key=lambda i: len(self.ids[i]) + float(noise[i]))
        result = [order[start : start + size] for start in range(0, len(order), size)]
        if random:
            result = [result[i] for i in torch.randperm(len(result), generator=random)]
        return result
