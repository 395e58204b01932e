"""What is fitted after training, on texts that weights and masks did not see: see `answers.py`."""

import types
import typing

import torch

from . import answers, data, train
from .batches import Tokens
from .data import Part, Schema
from .model import Model
from .recipe import Recipe


def examples(part: Part, logits: torch.Tensor, edits: bool = True, own: torch.Tensor | None = None) -> answers.Examples:
    """What the answers learn from: texts and their concept logits."""
    pairs = data.fitting_pairs(part) if edits else []
    return answers.Examples(
        logits, part.concepts, part.known, part.labels, part.weights, pairs, data.folds(part, 60, 2), own
    )


def fit(
    model: Model, calibration: Tokens, schema: Schema, recipe: Recipe, say: typing.Callable[[str], None]
) -> answers.Answers:
    """The label function; the model's heads change with it."""
    given = examples(calibration.part, train.predict(model, calibration))
    random = torch.Generator().manual_seed(recipe.seed)
    options = types.SimpleNamespace(label_ridge=recipe.label_ridge)
    return answers.fit(model.heads, given, schema.counts, schema.values, options, random, say)
