"""The BiLSTM with dot-product attention of docs/reference/checkpoint.md. It does not read padding."""

import json

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .dropout import keep
from .minilm import MiniLm
from .minilm import Source as MiniLmSource
from .product import product

HIDDEN = 128  # of one direction, where no folder says


class Source:
    """A local folder with config.json, model.safetensors and tokenizer.json."""

    layers = None
    teacher_layers = None

    def __init__(self, folder):
        self.folder = folder

    def tokenizer(self):
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def stored(self):
        """Configuration and weights."""
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return config, load_file(self.folder / "model.safetensors")

    def load(self, layers, pieces, positions):
        if layers not in (None, 1):
            raise ValueError(f"a BiLSTM has 1 layer, {layers} cannot be used")
        config, stored = self.stored()
        backbone = BiLstm(config)
        if missing := set(backbone.keys) - set(stored):
            raise ValueError(f"{self.folder} holds no weights for {', '.join(sorted(missing))}")
        weights = {key: stored[key].float() for key in backbone.keys}
        if pieces is not None:
            weights[BiLstm.word_table] = weights[BiLstm.word_table][pieces].clone()
            config["vocab_size"] = len(pieces)
        return backbone, weights


class Untrained(Source):
    """The word embeddings of all-MiniLM-L6-v2, and above them what PyTorch starts from, the same each time."""

    def __init__(self):
        super().__init__(MiniLmSource().folder)

    def stored(self):
        table = load_file(self.folder / "model.safetensors")[MiniLm.word_table]
        rows, columns = table.shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = {"lstm": lstm(columns, HIDDEN), "classifier.0": torch.nn.Linear(2 * HIDDEN, HIDDEN)}
        weights = {
            f"{name}.{key}": value.detach() for name, layer in layers.items() for key, value in layer.named_parameters()
        }
        config = {"model_type": "bilstm", "vocab_size": rows, "embedding_size": columns, "hidden_size": HIDDEN}
        return config, weights | {BiLstm.word_table: table}


def lstm(inputs, hidden):
    return torch.nn.LSTM(inputs, hidden, bidirectional=True, batch_first=True)


class BiLstm:
    batched = True
    narrows = False
    parts = None
    in_out: frozenset[str] = frozenset()
    linear_layers = ["classifier.0"]
    word_table = "embedding.weight"

    def __init__(self, config):
        self.config = config
        self.width = config["hidden_size"]
        self.lstm = lstm(config["embedding_size"], self.width)
        self.keys = [self.word_table, *(f"lstm.{key}" for key, _ in self.lstm.named_parameters())]
        self.keys += ["classifier.0.weight", "classifier.0.bias"]

    def is_trained(self, key):
        """No embeddings: see `MiniLm.is_trained`."""
        return key != self.word_table

    def embed(self, weights, texts, dtype, dropout=keep):
        """What was attended to [B, S, 2h], and each position's share in the pooled mean [B, S]."""
        words = dropout(weights[self.word_table][texts.ids].to(dtype))
        own = {key: weights[f"lstm.{key}"].to(dtype) for key, _ in self.lstm.named_parameters()}
        packed = pack_padded_sequence(words, texts.attention.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        outputs, _ = functional_call(self.lstm, own, (packed,))
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=words.shape[1])
        scores = (outputs @ outputs.transpose(1, 2)).float()
        scores = scores.masked_fill(texts.attention[:, None] == 0, -torch.inf)
        attended = scores.softmax(-1).to(dtype) @ outputs
        share = texts.attention.float() / texts.attention.sum(1, keepdim=True)
        return dropout(attended), share.to(dtype)

    def repeat(self, shared, count):
        attended, share = shared
        return attended.repeat(count, 1, 1), share.repeat(count, 1)

    def encode(self, weights, shared, weight, dropout=keep):
        attended, share = shared
        classified = product(attended, weight("classifier.0"), weights["classifier.0.bias"].to(attended.dtype))
        # The mean of these is that of the layer where it is positive, else 0.
        positive = torch.einsum("bs,bsd->bd", share, classified) > 0
        return classified * positive[:, None]
