"""A plain classifier of the same backbone, which knows no concepts: what the bottleneck costs is measured beside it."""

import copy
import dataclasses

import torch

from . import metrics, train
from .batches import Tokens
from .data import NOT_GIVEN
from .model import Model, new_heads
from .targets import Targets


def fit(
    load: train.Loader, tokens: dict[str, Tokens], settings: train.Settings, device: torch.device
) -> dict[str, float]:
    """Its label accuracy on validation. The label stands in the place of a model's only concept."""
    backbone, weights = load()
    labels = tokens["fitting"].part.labels.shape[1]
    model = Model(backbone, weights, new_heads([labels], 1, backbone.width, settings.random)).to(device)
    targets, calibration, validation = (only_label(tokens[name]) for name in ("fitting", "calibration", "validation"))
    plan = train.Plan(
        settings.recipe.plain_steps or 1, settings.recipe.dense_rate or 0.0, settings.recipe.dense_dropout
    )
    wanted = train.Lessons(Targets(targets, settings.recipe.rare))
    model.restore(train.fit(model, targets, wanted, calibration, plan, settings))
    logits = train.predict(model.to("cpu"), validation)[:, 0]
    return {
        "label_accuracy": metrics.accuracy(logits, validation.concepts[:, 0]),
        "label_macro_f1": metrics.macro_f1(logits, validation.concepts[:, 0]),
    }


def only_label(tokens: Tokens) -> Tokens:
    """The same texts, with the label as the only concept, and no label."""
    part = tokens.part
    changed = copy.copy(tokens)
    changed.part = dataclasses.replace(
        part, concepts=part.labels[:, None], labels=torch.ones(len(part), 1), trust=NOT_GIVEN, checked=NOT_GIVEN
    )
    changed.concepts, changed.labels = changed.part.gold, changed.part.gold_labels
    return changed
