"""Evaluates a checkpoint folder with PyTorch, for the golden vectors.

This is written to be compared with, not to be fast: it reads nothing but the checkpoint's four files, lets
Hugging Face's own model be the backbone, runs it once for each concept with the weights multiplied by that
concept's mask, in float32, and follows the formulas of docs/reference/checkpoint.md one by one. It shares no code with
the training recipe or with the Rust crates.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel
from transformers.pytorch_utils import Conv1D

from bilstm import BiLstm

HEADS = ("concept_expansion.", "concept_head.", "label_head.", "effect_head.", "suppose_head.", "suppose_hidden.", "correct_head.")


class Reference:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.schema = json.loads((folder / "sparsecbm.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        pieces = [self.tokenizer.token_to_id(piece) for piece in ("[PAD]", "<pad>")]
        own = (self.tokenizer.padding or {}).get("pad_id", 0)
        self.padding = next((found for found in pieces if found is not None), own)
        self.tokenizer.no_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.backbone = backbone(config, self.schema["pooling"] == "padded-mean").eval()
        linear = {n: m for n, m in self.backbone.named_modules() if isinstance(m, (torch.nn.Linear, Conv1D))}
        self.turned = turned = {n for n, m in linear.items() if isinstance(m, Conv1D)}  # whose weights are [in, out]
        tensors = load_file(folder / "model.safetensors")

        self.masks = {}  # name of a linear layer -> [K, …] of 0 and 1, shaped as its weight
        self.heights = {}  # of the blocks in which it keeps weights
        self.weights = {}  # every other tensor
        lists = {}
        for key, value in tensors.items():
            if key.endswith(".mask_bits"):
                name = key.removesuffix(".mask_bits")
                shape = tensors[f"{name}.weight"].shape
                masks = unpack(value, *(reversed(shape) if name in turned else shape))
                self.masks[name] = masks.transpose(1, 2) if name in turned else masks
                self.heights[name] = masks.shape[1] // value.shape[1]
            elif ".mask_list." in key:
                name, k = key.split(".mask_list.")
                lists.setdefault(name, {})[int(k)] = value.float()
            else:
                self.weights[key] = value.float()
        for name, masks in lists.items():
            self.masks[name] = torch.stack([masks[k] for k in range(len(masks))])
            self.heights[name] = 1
        self.heads = {key: self.weights.pop(key) for key in list(self.weights) if key.startswith(HEADS)}

        assert set(self.weights) == set(self.backbone.state_dict()) - {"embeddings.position_ids"}
        assert set(self.masks) == set(linear)

    @property
    def concepts(self):
        return len(self.schema["concepts"])

    @property
    def counts(self):
        """The number of classes of each concept."""
        return [len(concept["classes"]) for concept in self.schema["concepts"]]

    @property
    def classes(self):
        """The width of arrays [K, C]."""
        return max(self.counts)

    def encode(self, texts):
        """Token ids and attention mask of some texts, padded on the right as the pooling asks for."""
        encodings = self.tokenizer.encode_batch(list(texts))
        length = max(len(e.ids) for e in encodings)
        if self.schema["pooling"] == "padded-mean":
            length = self.schema["max_length"]
        ids = torch.full((len(texts), length), self.padding)
        attention = torch.zeros(len(texts), length, dtype=torch.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            attention[row, : len(encoding.ids)] = 1
        return ids, attention

    def hidden_states(self, k, ids, attention):
        """Last hidden states of the backbone under mask k."""
        masked = {
            key: value * self.masks[key.removesuffix(".weight")][k] if key.removesuffix(".weight") in self.masks else value
            for key, value in self.weights.items()
        }
        self.backbone.load_state_dict(masked, strict=False)
        return self.backbone(input_ids=ids, attention_mask=attention).last_hidden_state

    def shares(self, k, hidden, pool_weight):
        """Each position's share of ReLU(expansion(pooled)), of the heads that have two layers."""
        weight, bias = self.heads["concept_expansion.weight"][k], self.heads["concept_expansion.bias"][k]
        expanded = ((pool_weight[:, :, None] * hidden).sum(1) @ weight.T + bias).relu()
        shares = (hidden @ weight.T + bias) * (expanded > 0)[:, None, :]
        torch.testing.assert_close((pool_weight[:, :, None] * shares).sum(1), expanded, atol=1e-5, rtol=1e-5)
        return shares

    def answers(self, c, p, values, mask):
        """What supposed (1) and corrected (2) concepts change in the label logits, one concept at a time."""
        width = self.classes
        change = torch.zeros(len(c), len(self.heads["label_head.bias"]))
        for k in range(self.concepts):
            columns = slice(k * width, (k + 1) * width)
            supposed, corrected = (mask[:, k] == 1).float()[:, None], (mask[:, k] == 2).float()[:, None]
            difference = values[:, k] - p[:, k]
            change += supposed * (difference @ self.heads["suppose_head.weight"][:, columns].T)
            change += corrected * (difference @ self.heads["correct_head.weight"][:, columns].T)
            if "suppose_hidden.bias" in self.heads:
                context = c.flatten(1) @ self.heads["suppose_hidden.read"].T + self.heads["suppose_hidden.bias"]
                asserted = self.heads["suppose_hidden.asserted"][:, columns].T
                after, before = (context + values[:, k] @ asserted).relu(), (context + p[:, k] @ asserted).relu()
                change += supposed * ((after - before) @ self.heads["suppose_hidden.output"].T)
        return change

    @torch.no_grad()
    def __call__(self, input_ids, attention_mask, concept_override, concept_override_mask):
        """The four outputs of docs/reference/format.md."""
        if self.schema["pooling"] == "masked-mean":
            pooled = attention_mask.float()
        else:
            pooled = torch.ones_like(attention_mask, dtype=torch.float32)
        pool_weight = pooled / pooled.sum(1, keepdim=True)

        logits, evidence = [], []
        for k in range(self.concepts):
            used = k if self.schema["semantics"] == "as-intended" else 0
            hidden = self.hidden_states(used, input_ids, attention_mask)
            if "concept_expansion.weight" in self.heads:
                hidden = self.shares(k, hidden, pool_weight)
            z = (pool_weight[:, :, None] * hidden).sum(1)
            weight, bias = self.heads["concept_head.weight"][k], self.heads["concept_head.bias"][k]
            logits.append(z @ weight.T + bias)
            evidence.append((pool_weight[:, :, None] * (hidden @ weight.T)).transpose(1, 2))
        c = torch.stack(logits, 1)

        p = c.softmax(-1)
        overridden = (concept_override_mask > 0)[:, :, None].float()
        values = overridden * concept_override + (1 - overridden) * p

        temperature = self.schema["calibration"]["temperature"]
        head, bias = self.heads["label_head.weight"], self.heads["label_head.bias"]
        if self.schema["intervention"] == "suppose-correct":
            label = (c.flatten(1) @ head.T + bias) / temperature + self.answers(c, p, values, concept_override_mask)
        elif self.schema["intervention"] == "effect":
            label = (c.flatten(1) @ head.T + bias) / temperature
            label = label + (values - p).flatten(1) @ self.heads["effect_head.weight"].T
        else:
            class_logits = torch.tensor(self.schema["calibration"]["class_logits"])
            asserted = torch.einsum("bkj,kjc->bkc", concept_override, class_logits)
            replaced = overridden * asserted + (1 - overridden) * c
            label = (replaced.flatten(1) @ head.T + bias) / temperature
        return {
            "concept_logits": c,
            "concept_values": values,
            "label_logits": label,
            "token_evidence": torch.stack(evidence, 1),
        }


def backbone(config, padding_read):
    """The bare model that a configuration describes."""
    config = dict(config)
    kind = config.pop("model_type")
    if kind == "bilstm":
        return BiLstm(padding_read=padding_read, **config)
    more = {"add_pooling_layer": False} if kind in ("bert", "roberta", "xlm-roberta") else {}
    return AutoModel.from_config(AutoConfig.for_model(kind, **config), attn_implementation="eager", **more)


def unpack(bits, rows, columns):
    """`mask_bits` [K, rows / B, bytes] as [K, rows, columns] of 0 and 1 (docs/reference/checkpoint.md)."""
    height = rows // bits.shape[1]
    bit = (bits[..., None] >> torch.arange(8, dtype=torch.uint8)) & 1
    assert not bit.flatten(2)[:, :, columns:].any(), "unused bits are 0"
    return bit.flatten(2)[:, :, :columns].repeat_interleave(height, 1).float()
