"""Writes integrated.json: what Captum's integrated gradients say of some texts, to compare the crate's with.

    python tests/goldens/integrated.py [--cebab CHECKPOINT] [--out FOLDER]

By Captum's own rule (Gauss-Legendre), from a baseline whose special tokens stay.
"""

import json

import torch
from captum.attr import LayerIntegratedGradients

from gradients import Branch
from make import REPOSITORY, numbers, options_of
from occlusion import TEXTS as OCCLUDED
from reference import Reference

STEPS = 20
TEXTS = {**OCCLUDED, "tests/models/roberta": ["The movie was very good"]}


def baseline(model):
    found = (model.tokenizer.token_to_id(piece) for piece in ("[MASK]", "<mask>", "[UNK]", "<unk>"))
    return next(id for id in found if id is not None)


def case(model, text, concept):
    """`[C, S]`: what each position adds to each logit of one concept."""
    masks = concept if model.schema["semantics"] == "as-intended" else 0
    branch = Branch(model, concept, masks)
    ids, attention = model.encode([text])
    special = torch.tensor(model.tokenizer.encode(text).special_tokens_mask)
    kept = torch.ones_like(ids, dtype=torch.bool)
    kept[0, : len(special)] = special == 1
    other = torch.where(kept, ids, baseline(model))
    found = [
        LayerIntegratedGradients(branch, branch.words)
        .attribute(ids, other, additional_forward_args=(attention,), target=target, n_steps=STEPS)
        .sum(2)
        for target in range(model.classes)
    ]
    # Padding that the model reads is not among the crate's positions.
    return {"concept": concept, "attributions": numbers(torch.cat(found)[:, : len(special)].detach())}


def of_text(model, folder, text):
    cases = [case(model, text, concept) for concept in (0, model.concepts - 1)]
    return {"model": folder, "text": text, "steps": STEPS, "cases": cases}


def main():
    options = options_of(__doc__)
    found = []
    for folder, texts in TEXTS.items():
        model = Reference(options.cebab if folder.endswith("cebab") else REPOSITORY / folder)
        found += [of_text(model, folder, text) for text in texts]
    lines = ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in found)
    (options.out / "integrated.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
