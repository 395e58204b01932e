"""Cross-fitted teachers: honest predictions for the very reviews that a model is trained on.

A model's predictions on its own training reviews are little more than their gold classes, and so are poor targets to
learn from. Here the fitting part is divided, originals with their edits, into folds; for each fold a larger dense CBM
is trained on the others and predicts it. Its answers are soft where a review is hard to tell, and wrong about as often
as on new reviews.
"""

import torch

from . import batches, label_head, metrics, train
from .model import Model, new_heads


def predictions(source, shape, pieces, tokenizer, fitting, calibration, options, random, say):
    """Probabilities of concepts [N, K, C] and label [N, L] of the reviews `fitting`, each from a teacher that saw
    neither it nor another version of it; and figures of these predictions. The tokens `calibration` stop the teachers
    early. Labels come from a head fitted on held-out logits: a teacher's own expects the sure ones of its training."""
    folds = torch.tensor([label_head.part(review, options.teacher_folds, 0) for review in fitting])
    halves = torch.tensor([label_head.part(review, 2, 1) for review in fitting])
    concepts, classes, labels, _ = shape
    gold = torch.tensor([review.concepts for review in fitting])
    gold_labels = torch.tensor([review.label for review in fitting])
    concept, label = torch.empty(len(fitting), concepts, classes), torch.empty(len(fitting), labels)
    added = {"logits": 0.0, "logits_and_gold": 0.0}
    for fold in range(options.teacher_folds):
        backbone, weights = source.load(options.teacher_layers, pieces, options.max_length)
        teacher = Model(backbone, weights, new_heads(*shape, random)).to(calibration.device)
        held = folds == fold
        seen, unseen = (
            batches.Tokens(tokenizer, [fitting[i] for i in torch.nonzero(side).flatten()], calibration.device)
            for side in (~held, held)
        )
        say(f"  teacher {fold + 1} of {options.teacher_folds}: {len(seen)} reviews")
        plan = options.teacher_epochs, options.teacher_rate, options.dense_dropout
        targets = train.Targets(seen, teacher)
        teacher.restore(train.fit(teacher, seen, targets, calibration, plan, options, random, say))
        logits = train.predict(teacher, unseen, train.fast(options))
        concept[held] = logits.softmax(-1)
        label[held] = label_head.cross_fitted(logits, gold_labels[held], halves[held], labels).softmax(-1)
        gain = label_head.what_gold_adds(logits, gold[held], gold_labels[held], halves[held], labels)
        added = {key: value + gain[key] * float(held.float().mean()) for key, value in added.items()}
    figures = {"concept_accuracy": metrics.accuracy(concept, gold), "label_accuracy": added}
    say(f"  on reviews they did not see: {figures}")
    return concept, label, figures
