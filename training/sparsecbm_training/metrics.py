"""What is measured, defined as `sparsecbm eval` defines it. All shares are in 0 to 1.

Shapes: concept logits [N, K, C], gold concepts [N, K], label logits [N, L], gold labels [N]. A gold class of -1 stands
for one that nobody gave: it counts for nothing.
"""

import math

import torch
import torch.nn.functional as F


def accuracy(logits, gold):
    """Share of right classes; for concepts, over all that are labelled."""
    known = gold >= 0
    return float((logits.argmax(-1) == gold)[known].float().mean())


def macro_f1(logits, gold):
    """The ordinary macro-F1: the mean over classes of each class's F1."""
    predicted, known = logits.argmax(-1), gold >= 0
    scores = []
    for c in range(logits.shape[-1]):
        right = float(((predicted == c) & (gold == c)).sum())
        named = float((predicted == c)[known].sum() + (gold == c).sum())
        scores.append(2 * right / named if named else 0.0)
    return sum(scores) / len(scores)


def concept_macro_f1(logits, gold):
    """The mean over concepts of each concept's macro-F1."""
    count = gold.shape[1]
    return sum(macro_f1(logits[:, k], gold[:, k]) for k in range(count)) / count


def corrected(concept_logits, gold, count):
    """Concept probabilities after the first `count` wrong concepts of each review, in schema order, are put right."""
    p = concept_logits.softmax(-1)
    wrong = (concept_logits.argmax(-1) != gold) & (gold >= 0)
    chosen = wrong & (wrong.cumsum(1) <= count)
    return torch.where(chosen[..., None], F.one_hot(gold.clamp_min(0), p.shape[-1]).to(p.dtype), p)


def intervention_curve(head, concept_logits, gold, labels):
    """Label accuracy after 0, 1, … K wrong concepts are put right."""
    steps = range(gold.shape[1] + 1)
    return [accuracy(head(concept_logits, corrected(concept_logits, gold, n)), labels) for n in steps]


def overridden(concept_logits, pairs):
    """For each human edit, the original's concept logits, and its probabilities with the edited concept asserted."""
    logits = concept_logits[[pair.review for pair in pairs]]
    p = logits.softmax(-1)
    for row, pair in enumerate(pairs):
        p[row, pair.concept] = F.one_hot(torch.tensor(pair.new_class), p.shape[-1]).to(p.dtype)
    return logits, p


def edit_effect(head, concept_logits, pairs, stars):
    """How well an override predicts what a person's edit of that concept did to the stars: the correlation of the
    predicted with the real change, and the share of right signs where there is a real change."""
    logits, changed = overridden(concept_logits, pairs)
    stars = torch.tensor(stars)

    def expected(label_logits):
        return label_logits.softmax(-1) @ stars

    predicted = expected(head(logits, changed)) - expected(head(logits, logits.softmax(-1)))
    real = stars[[pair.new_label for pair in pairs]] - stars[[pair.old_label for pair in pairs]]
    moved = real != 0
    pearson = float(torch.corrcoef(torch.stack([predicted, real]))[0, 1])
    return {
        "pearson": pearson if math.isfinite(pearson) else None,  # undefined where the predictions are all the same
        "sign_accuracy": float((predicted.sign() == real.sign())[moved].float().mean()),
        "pairs": len(pairs),
        "pairs_that_change_the_label": int(moved.sum()),
    }


def evaluate(head, concept_logits, gold, labels, pairs, schema):
    """Every figure of a model, from its concept logits and its label function (see effect.Head)."""
    label_logits = head(concept_logits, concept_logits.softmax(-1))
    result = {
        "concept_accuracy": accuracy(concept_logits, gold),
        "concept_macro_f1": concept_macro_f1(concept_logits, gold),
        "label_accuracy": accuracy(label_logits, labels),
        "label_macro_f1": macro_f1(label_logits, labels),
        "concepts": {
            name: {
                "accuracy": accuracy(concept_logits[:, k], gold[:, k]),
                "macro_f1": macro_f1(concept_logits[:, k], gold[:, k]),
            }
            for k, name in enumerate(schema.concepts)
        },
        "intervention_curve": intervention_curve(head, concept_logits, gold, labels),
    }
    if pairs and schema.values:
        result["edit_effect"] = edit_effect(head, concept_logits, pairs, schema.values)
    return result
