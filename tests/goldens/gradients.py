"""Writes gradients.json: what PyTorch's autograd gives for the gradient file (docs/reference/format.md), and what Captum's
integrated gradients say, to compare with.

    python tests/goldens/gradients.py [--cebab CHECKPOINT] [--out FOLDER]

Large gradients are told by their norm, by the sum of all entries times cos(index), to which every entry counts, and by
some entries.
"""

import json

import torch
from captum.attr import LayerIntegratedGradients
from torch.func import functional_call

from bilstm import BiLstm
from make import MODELS, REPOSITORY, REVIEWS, numbers, options_of
from reference import Reference

ENTRIES = 8
STEPS = 24


class Branch(torch.nn.Module):
    """One concept's logits from token ids, under any mask, with word embeddings that may be replaced."""

    def __init__(self, model, concept, masks):
        super().__init__()
        self.model, self.concept = model, concept
        self.masks = {name: mask[masks].clone().requires_grad_() for name, mask in model.masks.items()}
        kind = model.backbone
        self.words = kind.embedding if isinstance(kind, BiLstm) else kind.get_input_embeddings()
        table = next(key for key, value in model.weights.items() if key.endswith(".weight") and self.at(key) is self.words)
        self.table = model.weights[table]

    def at(self, key):
        return self.model.backbone.get_submodule(key.removesuffix(".weight"))

    def pool_weight(self, attention):
        pooled = attention.float() if self.model.schema["pooling"] == "masked-mean" else torch.ones_like(attention).float()
        return pooled / pooled.sum(1, keepdim=True)

    def forward(self, ids, attention):
        masked = {
            key: value * self.masks[key.removesuffix(".weight")] if key.removesuffix(".weight") in self.masks else value
            for key, value in self.model.weights.items()
        }
        hidden = functional_call(self.model.backbone, masked, (), {"input_ids": ids, "attention_mask": attention})
        pooled = (self.pool_weight(attention)[:, :, None] * hidden.last_hidden_state).sum(1)
        heads, k = self.model.heads, self.concept
        if "concept_expansion.weight" in heads:
            pooled = (pooled @ heads["concept_expansion.weight"][k].T + heads["concept_expansion.bias"][k]).relu()
        return pooled @ heads["concept_head.weight"][k].T + heads["concept_head.bias"][k]

    def of_words(self, words, ids, attention):
        """The logits with these word embeddings in the place of those of `ids`."""
        hook = self.words.register_forward_hook(lambda *_: words)
        try:
            return self(ids, attention)
        finally:
            hook.remove()


def told(tensor):
    """A gradient by its norm, a sum to which every entry counts, and some entries."""
    flat = tensor.detach().double().flatten()
    random = torch.Generator().manual_seed(len(flat))
    at = torch.randint(len(flat), (min(ENTRIES, len(flat)),), generator=random)
    wave = torch.arange(len(flat), dtype=torch.float64).cos()
    digits = lambda x: float(f"{x:.8g}")
    return {
        "shape": list(tensor.shape),
        "norm": digits(flat.norm()),
        "wave": digits(flat @ wave),
        "at": at.tolist(),
        "values": [digits(x) for x in flat[at]],
    }


def of_bits(model, name, gradient):
    """The gradient by a mask as [out / B, in]: what a bit of B weights has is the sum of theirs."""
    rows, columns = model.masks[name].shape[1:]
    if name in model.turned:
        gradient, rows, columns = gradient.T, columns, rows
    height = model.heights[name]
    return gradient.reshape(rows // height, height, columns).sum(1)


def baseline(model, ids, attention):
    """The same texts with another token in the place of each but the first."""
    result = ids.clone()
    result[:, 1:][attention[:, 1:] == 1] = model.padding
    return result


def case(model, texts, concept, masks, alpha, random):
    branch = Branch(model, concept, masks)
    ids, attention = model.encode(texts)
    other = baseline(model, ids, attention)
    given = (torch.randn(len(texts), model.classes, generator=random) * 1024).round() / 1024
    words, before = branch.table[ids], branch.table[other]
    alpha = torch.tensor(alpha)
    between = (before + alpha[:, None, None] * (words - before)).requires_grad_()
    logits = branch.of_words(between, ids, attention)
    (logits * given).sum().backward()
    return {
        "masks": masks,
        "inputs": {
            "input_ids": numbers(ids),
            "baseline_ids": numbers(other),
            "alpha": numbers(alpha),
            "attention_mask": numbers(attention),
            "concept": numbers(torch.tensor([concept])),
            "logit_gradient": numbers(given),
        },
        "concept_logits": numbers(logits.detach()),
        "gradients": {
            "embedding_gradient": told(between.grad),
            "embedding_change": told(words - before),
            **{f"{name}.mask_gradient": told(of_bits(model, name, mask.grad)) for name, mask in branch.masks.items()},
        },
    }


def integrated(model, text, concept, target):
    """Integrated gradients of one logit, a number for each position."""
    masks = concept if model.schema["semantics"] == "as-intended" else 0
    branch = Branch(model, concept, masks)
    ids, attention = model.encode([text])
    other = baseline(model, ids, attention)
    found = LayerIntegratedGradients(branch, branch.words).attribute(
        ids, other, additional_forward_args=(attention,), target=target, n_steps=STEPS, method="riemann_middle"
    )
    return {
        "text": text,
        "concept": concept,
        "class": target,
        "masks": masks,
        "steps": STEPS,
        "inputs": {"input_ids": numbers(ids), "baseline_ids": numbers(other), "attention_mask": numbers(attention)},
        "attributions": numbers(found.sum(2).detach()),
    }


def of_model(name, folder, texts):
    model = Reference(folder)
    random = torch.Generator().manual_seed(0)
    last = model.concepts - 1
    return {
        "model": name,
        "cases": [
            case(model, [texts[0]], 0, 0, [1.0], random),
            # The masks of one concept under another's head, and words that are no text's.
            case(model, texts[:2], last, 0, [1.0, 0.25], random),
            case(model, texts[:1], 0, last, [0.0], random),
        ],
        "integrated": [integrated(model, texts[0], last, model.classes - 1)],
    }


def main():
    options = options_of(__doc__)
    sets = [of_model(f"tests/models/{name}", REPOSITORY / "tests/models" / name, texts) for name, texts in MODELS.items()]
    sets.append(of_model("examples/models/cebab", options.cebab, REVIEWS))
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in sets)
    (options.out / "gradients.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
