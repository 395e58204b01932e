"""How `effect_strength` and `effect_softness` were chosen: by cross-validation inside the calibration part.

    python -m sparsecbm_training.factors CHECKPOINT LOGITS [CHECKPOINT LOGITS …]

CHECKPOINT is what the recipe wrote, LOGITS what it wrote for `--logits`; several runs of other seeds are averaged. Each
line gives both factors, label accuracy after 0, 1, … wrong concepts are put right, and the correlation of the
predicted with the real change of stars on human edits: fitted on four fifths of the calibration part, measured on the
fifth, and the same fitted on all of it and measured on validation, for which nothing was chosen.
"""

import argparse
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

from . import data, effect, label_head, metrics

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STRENGTHS = (0.1, 0.15, 0.25, 0.35, 0.5, 1.0)
SOFTNESSES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
FOLDS = 5


class Part:
    """Some reviews and what a run says of them."""

    def __init__(self, reviews, logits):
        self.reviews, self.logits = reviews, logits
        self.gold = torch.tensor([review.concepts for review in reviews])
        self.labels = torch.tensor([review.label for review in reviews])
        self.edits = data.human_edits(reviews)

    def where(self, chosen):
        indices = torch.nonzero(chosen).flatten()
        return Part([self.reviews[i] for i in indices], self.logits[indices])

    def tempered(self, scale):
        """With the concepts' temperatures, [K, C, C], applied."""
        return Part(self.reviews, torch.einsum("nkc,kdc->nkd", self.logits, scale))


def fitted(part, label_head_tensors, stars, options):
    """The label function for both factors at 1, and the concepts' temperatures [K, C, C] as matrices."""
    concepts, classes = part.logits.shape[1:]
    heads = {key: value.clone() for key, value in label_head_tensors.items()}
    heads["concept_head.weight"] = torch.eye(classes).repeat(concepts, 1, 1)
    heads["concept_head.bias"] = torch.zeros(concepts, classes)
    random = torch.Generator().manual_seed(options.seed)
    head = effect.fit(heads, part.logits, part.gold, part.labels, part.edits, stars, options, random)
    return head, heads["concept_head.weight"]


def measured(head, strength, softness, part, stars):
    """Accuracies of the label after 0, 1, … corrections, and the correlation on edits."""
    head = effect.Head(head.weight, head.bias, head.temperature * softness, head.effect * strength / softness)
    curve = metrics.intervention_curve(head, part.logits, part.gold, part.labels)
    return torch.tensor([*curve, metrics.edit_effect(head, part.logits, part.edits, stars)["pearson"]])


def of_run(checkpoint, logits, factors):
    """Figures of one run, [factors, 2, K + 2]: cross-validated, and on validation."""
    recorded = json.loads((checkpoint / "sparsecbm.json").read_text())["training"]["options"]
    options = argparse.Namespace(**recorded | {"effect_strength": 1.0, "effect_softness": 1.0})
    schema, train, validation = data.read(*data.paths([str(REPOSITORY / "examples/data/cebab")]))
    usable = data.without_texts(train, validation)
    _, calibration = data.split(usable, options.calibration_share, options.calibration_part)
    tensors = {key: value.float() for key, value in load_file(logits).items()}
    heads = {key: tensors[key] for key in ("label_head.weight", "label_head.bias")}
    calibration = Part(calibration, tensors["calibration"])
    validation = Part(validation, tensors["validation"])
    folds = torch.tensor([label_head.part(review, FOLDS, 2) for review in calibration.reviews])
    held = torch.zeros(len(factors), len(calibration.gold[0]) + 2)
    for fold in range(FOLDS):
        head, scale = fitted(calibration.where(folds != fold), heads, schema.stars, options)
        part = calibration.where(folds == fold).tempered(scale)
        for row, pair in enumerate(factors):
            held[row] += measured(head, *pair, part, schema.stars) / FOLDS
    head, scale = fitted(calibration, heads, schema.stars, options)
    validation = validation.tempered(scale)
    new = [measured(head, *pair, validation, schema.stars) for pair in factors]
    return torch.stack([held, torch.stack(new)], 1)


def main():
    torch.set_num_threads(1)
    paths = [pathlib.Path(path) for path in sys.argv[1:]]
    if not paths or len(paths) % 2:
        sys.exit(__doc__)
    factors = [(strength, softness) for strength in STRENGTHS for softness in SOFTNESSES]
    runs = [of_run(checkpoint, logits, factors) for checkpoint, logits in zip(paths[::2], paths[1::2])]
    for (strength, softness), (held, new) in zip(factors, torch.stack(runs).mean(0)):
        for kind, figures in (("cross-validated", held), ("validation", new)):
            curve = " ".join(f"{100 * share:.2f}" for share in figures[:-1])
            print(f"strength {strength} softness {softness} {kind}: labels {curve}; edits {figures[-1]:.3f}")


if __name__ == "__main__":
    main()
