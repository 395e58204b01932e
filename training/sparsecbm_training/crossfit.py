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


def logits(source, shape, pieces, tokenizer, fitting, calibration, model, options, say):
    """Concept logits [N, K, C] of the reviews `fitting` of the first `answer_models` folds, as `model` would give them had it not been trained on them.

    For each fold a small dense CBM (the model's own layers, few epochs) is trained on the others and predicts it. What
    it says is then brought to the model's scale: an affine map of each concept's logits, which brings the mean of all small
    models closest to the model on the calibration part, which none of them has seen."""
    folds = torch.tensor([label_head.part(review, options.answer_folds, 0) for review in fitting])
    concepts, classes, _, _ = shape
    result = torch.empty(len(fitting), concepts, classes)
    models = min(options.answer_models or options.answer_folds, options.answer_folds)
    mean = torch.zeros(len(calibration), concepts, classes)
    gold = torch.tensor([review.concepts for review in fitting])
    for fold in range(models):
        random = torch.Generator().manual_seed(options.seed + fold)
        backbone, weights = source.load(options.layers, pieces, options.max_length)
        small = Model(backbone, weights, new_heads(*shape, random)).to(calibration.device)
        held = folds == fold
        seen, unseen = (
            batches.Tokens(tokenizer, [fitting[i] for i in torch.nonzero(side).flatten()], calibration.device)
            for side in (~held, held)
        )
        say(f"  model {fold + 1} of {models}: {len(seen)} reviews")
        plan = options.answer_epochs, options.dense_rate, options.dense_dropout
        small.restore(train.fit(small, seen, train.Targets(seen, small), calibration, plan, options, random, say))
        result[held] = train.predict(small, unseen, train.fast(options))
        mean += train.predict(small, calibration, train.fast(options)) / models
    result = alignment(mean, train.predict(model, calibration))(result[folds < models])
    say(f"  concepts right on reviews they did not see: {metrics.accuracy(result, gold[folds < models]):.3f}")
    return result


def alignment(logits, own):
    """The function that maps a model's concept logits to another's, fitted on the same reviews [N, K, C]: an affine map of
    each concept's logits by least squares. Padding keeps its logit."""
    count, concepts, classes = own.shape
    ones = torch.ones(count, 1, dtype=torch.float64)
    small = 1e-6 * torch.eye(classes + 1, dtype=torch.float64)
    maps = []
    for k in range(concepts):
        inputs = torch.cat([logits[:, k].double(), ones], 1)
        maps.append(torch.linalg.solve(inputs.T @ inputs + small, inputs.T @ own[:, k].double()))

    def aligned(others):
        bias = torch.ones(len(others), 1, dtype=torch.float64)
        return torch.stack([torch.cat([others[:, k].double(), bias], 1) @ maps[k] for k in range(concepts)], 1).float()

    return aligned
