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
    """The ordinary macro-F1: the mean over the classes that occur of each class's F1."""
    predicted, gold = logits.argmax(-1)[gold >= 0], gold[gold >= 0]
    scores = []
    for c in range(logits.shape[-1]):
        right = float(((predicted == c) & (gold == c)).sum())
        named = float((predicted == c).sum() + (gold == c).sum())
        if named:
            scores.append(2 * right / named)
    return sum(scores) / max(1, len(scores))


def concept_macro_f1(logits, gold):
    """The mean over concepts of each concept's macro-F1."""
    count = gold.shape[1]
    return sum(macro_f1(logits[:, k], gold[:, k]) for k in range(count)) / count


BINS = 15


def confidence(probabilities, gold):
    """Expected calibration error over equal-width bins of the largest probability, and negative log likelihood, of
    probabilities [N, C]. Gold classes below 0 are not labelled and count for nothing."""
    probabilities, gold = probabilities[gold >= 0], gold[gold >= 0]
    if not len(gold):
        return {"ece": None, "nll": None}
    largest, predicted = probabilities.double().max(-1)
    right = (predicted == gold).double()
    bins = (largest * BINS).long().clamp(0, BINS - 1)
    gap = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, right - largest)
    nll = -probabilities.double().gather(1, gold[:, None]).clamp_min(1e-30).log().mean()
    return {"ece": float(gap.abs().sum()) / len(gold), "nll": float(nll)}


def classes_of(gold, width):
    """Gold classes [N, K] as probabilities [N, K, C], and which are known. A class below 0 is not labelled."""
    return F.one_hot(gold.clamp_min(0), width).float(), gold >= 0


def wrong(concept_logits, gold):
    """Which concepts [N, K] are labelled and predicted wrongly."""
    return (concept_logits.argmax(-1) != gold) & (gold >= 0)


def correct_curve(answers, concept_logits, gold, labels):
    """Label accuracy after 0, 1, … K wrong concepts of each review, in schema order, are corrected."""
    told, _ = classes_of(gold, concept_logits.shape[-1])
    amiss = wrong(concept_logits, gold)
    steps = [amiss & (amiss.cumsum(1) <= n) for n in range(gold.shape[1] + 1)]
    return [accuracy(answers(concept_logits, corrected=(chosen, told)), labels) for chosen in steps]


def all_told(answers, concept_logits, gold, labels):
    """Label accuracy after every labelled concept is told, the right ones too."""
    told, known = classes_of(gold, concept_logits.shape[-1])
    return accuracy(answers(concept_logits, corrected=(known, told)), labels)


def told_orders(answers, concept_logits, gold, labels, orders=10, seed=0):
    """The mean curve of telling one concept after another, in random orders."""
    told, known = classes_of(gold, concept_logits.shape[-1])
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros(gold.shape[1] + 1)
    for _ in range(orders):
        rank = torch.rand(gold.shape, generator=random).argsort(1).argsort(1)
        curve = [
            accuracy(answers(concept_logits, corrected=(known & (rank < n), told)), labels) for n in range(len(total))
        ]
        total += torch.tensor(curve) / orders
    return total.tolist()


def what_if(before, after, pairs, values):
    """How well label logits before and after something predict what people's edits did to the label."""
    old = torch.tensor([pair.old_label for pair in pairs])
    new = torch.tensor([pair.new_label for pair in pairs])
    result = {
        "label_moved": float((after.argmax(-1) != before.argmax(-1)).float().mean()),
        "label_right": float((after.argmax(-1) == new).float().mean()),
    }
    if values is None:
        return result
    values = torch.tensor(values, dtype=torch.float64)
    expected = after.double().softmax(-1) @ values
    predicted, real = expected - before.double().softmax(-1) @ values, values[new] - values[old]
    moved = real != 0
    pearson = float(torch.corrcoef(torch.stack([predicted, real]))[0, 1])
    squares = float(real.square().sum())
    return result | {
        "pearson": pearson if math.isfinite(pearson) else None,  # undefined where the predictions are all the same
        "sign_accuracy": float((predicted.sign() == real.sign())[moved].double().mean()) if moved.any() else None,
        "size": float((predicted * real).sum()) / squares if squares else None,
        "mean_error": float((expected - values[new]).abs().mean()),
    }


def suppose_effect(answers, concept_logits, pairs, values):
    """What supposing predicts over human edits, and the same figures of changing nothing and of reading the edited
    text."""
    if not pairs:
        return {"pairs": 0}
    logits = concept_logits[[pair.review for pair in pairs]]
    edited = F.one_hot(torch.tensor([pair.concept for pair in pairs]), logits.shape[1]).bool()
    said = F.one_hot(torch.tensor([pair.new_class for pair in pairs]), logits.shape[2]).float()
    before = answers(logits)
    after = answers(logits, supposed=(edited, said[:, None].expand(-1, logits.shape[1], -1)))
    reread = answers(concept_logits[[pair.after for pair in pairs]])
    return {
        "pairs": len(pairs),
        **what_if(before, after, pairs, values),
        "no_change": what_if(before, before, pairs, values),
        "reread": what_if(before, reread, pairs, values),
    }


def evaluate(answers, concept_logits, gold, labels, pairs, schema):
    """Every figure of a model, from its concept logits and its label function (see answers.Answers)."""
    label_logits = answers(concept_logits)
    probabilities = concept_logits.softmax(-1)
    return {
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
        "suppose": suppose_effect(answers, concept_logits, pairs, schema.values),
        "correct": {
            "curve": correct_curve(answers, concept_logits, gold, labels),
            "random_orders": told_orders(answers, concept_logits, gold, labels),
            "all_told": all_told(answers, concept_logits, gold, labels),
        },
        "calibration": {
            "label": confidence(label_logits.softmax(-1), labels),
            "concepts": {
                name: confidence(probabilities[:, k], gold[:, k]) for k, name in enumerate(schema.concepts)
            },
        },
    }
