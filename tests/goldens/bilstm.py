"""The BiLSTM with dot-product attention, as a module that answers like Hugging Face's."""

import types

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLstm(torch.nn.Module):
    """`padding_read`: whether padding is read like text, or packed away."""

    def __init__(self, vocab_size, embedding_size, hidden_size, padding_read):
        super().__init__()
        self.padding_read = padding_read
        self.embedding = torch.nn.Embedding(vocab_size, embedding_size)
        self.lstm = torch.nn.LSTM(embedding_size, hidden_size, bidirectional=True, batch_first=True)
        self.classifier = torch.nn.Sequential(torch.nn.Linear(2 * hidden_size, hidden_size), torch.nn.ReLU())

    def forward(self, input_ids, attention_mask):
        read = torch.ones_like(attention_mask) if self.padding_read else attention_mask
        words = self.embedding(input_ids)
        packed = pack_padded_sequence(words, read.sum(1), batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=words.shape[1])
        scores = outputs @ outputs.transpose(1, 2)
        scores = scores.masked_fill(read[:, None, :] == 0, -torch.inf)
        attended = scores.softmax(-1) @ outputs
        # What the model classifies: the mean of what was attended to.
        mean = (attended * read[:, :, None]).sum(1) / read.sum(1, keepdim=True)
        classified = self.classifier(mean)
        # Each position's share of that: the linear layer alone, where the mean came out positive.
        shares = self.classifier[0](attended) * (classified > 0)[:, None, :]
        pooled = (shares * read[:, :, None]).sum(1) / read.sum(1, keepdim=True)
        torch.testing.assert_close(pooled, classified, atol=1e-5, rtol=1e-5)
        return types.SimpleNamespace(last_hidden_state=shares)
