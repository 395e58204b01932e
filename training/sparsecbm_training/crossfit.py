"""Cross-fitted teachers: honest predictions for the very texts that a model is trained on.

A model's predictions on its own training texts are little more than their gold classes, and so are poor targets to
learn from. Here the fitting part is divided, originals with their edits, into folds; for each fold a larger dense CBM
is trained on the others and predicts it. Its answers are soft where a text is hard to tell, and wrong about as often
as on new texts.
"""

import typing

import torch

from . import data, label_head, metrics, train
from .batches import Tokens
from .data import Part
from .model import Model, new_heads
from .targets import Targets


def predictions(
    load: train.Loader, classes: list[int], tokenizer: typing.Any,
    fitting: Part, calibration: Tokens, settings: train.Settings,
) -> dict[str, typing.Any]:  # fmt: skip
    """Probabilities of concepts [N, K, C] and label [N, L] of the texts `fitting`, each from a teacher that saw
    neither it nor another version of it; and figures of these predictions. The tokens `calibration` stop the teachers
    early. Labels come from a head fitted on held-out logits: a teacher's own expects the sure ones of its training."""
    recipe, run, random = settings.recipe, settings.run, settings.random
    folds = data.folds(fitting, recipe.teacher_folds, 0)
    halves = data.folds(fitting, 2, 1)
    gold, gold_labels, labels = fitting.gold, fitting.gold_labels, fitting.labels.shape[1]
    concept, label = torch.empty_like(fitting.concepts), torch.empty_like(fitting.labels)
    added = {"logits": 0.0, "logits_and_gold": 0.0}
    for fold in range(recipe.teacher_folds):
        held = folds == fold

        def one(held: torch.Tensor = held, fold: int = fold) -> dict[str, typing.Any]:
            random.manual_seed(recipe.seed + fold)
            backbone, weights = load()
            teacher = Model(backbone, weights, new_heads(classes, labels, backbone.width, random)).to(
                calibration.device
            )
            seen, unseen = (
                Tokens(tokenizer, fitting.take(torch.nonzero(side).flatten()), calibration.device)
                for side in (~held, held)
            )
            plan = train.Plan(recipe.teacher_steps or 1, recipe.teacher_rate, recipe.dense_dropout)
            teacher.restore(
                train.fit(teacher, seen, train.Lessons(Targets(seen, recipe.rare)), calibration, plan, settings)
            )
            return {"logits": train.predict(teacher, unseen, settings.dtype)}

        logits = run.stage(f"teacher {fold + 1}", one)["logits"]
        concept[held] = logits.softmax(-1)
        label[held] = label_head.cross_fitted(logits, gold_labels[held], halves[held], labels).softmax(-1)
        gain = label_head.what_gold_adds(logits, gold[held], gold_labels[held], halves[held], labels)
        added = {key: value + gain[key] * float(held.float().mean()) for key, value in added.items()}
    figures = {"concept_accuracy": metrics.accuracy(concept, gold), "label_accuracy": added}
    run.say(f"  on texts they did not see: {figures}")
    return {"concepts": concept, "labels": label, "figures": figures}


def logits(
    load: train.Loader, classes: list[int], tokenizer: typing.Any, fitting: Part, calibration: Tokens, model: Model,
    settings: train.Settings, folds: int, models: int, epochs: int,
) -> torch.Tensor:  # fmt: skip
    """Concept logits [N, K, C] of the texts of the first `models` of this many folds, as `model` would give them had it
    not been trained on them.

    For each fold a small dense CBM, of a few epochs, is trained on the others and predicts it. What it says is brought
    to the model's scale: an affine map of each concept's logits, the one that brings the mean of all small models
    closest to the model on the calibration part, which none of them has seen."""
    recipe, run, fold_of = settings.recipe, settings.run, data.folds(fitting, folds, 0)
    used = fold_of < models
    result = torch.empty_like(fitting.concepts)
    mean = torch.zeros_like(calibration.part.concepts)
    for fold in range(models):
        held = fold_of == fold
        seen, unseen = (
            Tokens(tokenizer, fitting.take(torch.nonzero(side).flatten()), calibration.device) for side in (~held, held)
        )
        run.say(f"small model {fold + 1} of {models}: {len(seen):,} texts")
        random = torch.Generator().manual_seed(recipe.seed + fold)
        backbone, weights = load()
        heads = new_heads(classes, fitting.labels.shape[1], backbone.width, random)
        small = Model(backbone, weights, heads).to(calibration.device)
        steps = epochs * -(-len(seen) // (recipe.batch or 32))
        plan = train.Plan(steps, recipe.dense_rate or 0.0, recipe.dense_dropout)
        stage = settings._replace(random=random)
        small.restore(train.fit(small, seen, train.Lessons(Targets(seen, recipe.rare)), calibration, plan, stage))
        result[held] = train.predict(small, unseen, settings.dtype)
        mean += train.predict(small, calibration, settings.dtype) / models
    result = alignment(mean, train.predict(model, calibration))(result[used])
    run.say(f"  concepts right on texts they did not see: {metrics.accuracy(result, fitting.gold[used]):.1%}")
    return result


def alignment(logits, own):
    """The function that maps a model's concept logits to another's, fitted on the same reviews [N, K, C]: an affine map
    of each concept's logits by least squares. Padding keeps its logit."""
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
