"""What is fitted after training, on texts that weights and masks did not see: the seam to `effect.py`."""

import types
import typing

import torch

from . import data, effect, train
from .batches import Tokens
from .data import Schema
from .model import Model
from .recipe import Recipe

OPTIONS = types.SimpleNamespace(
    effect_ridge=1e-3, label_ridge=1.0, effect_strength=0.35, effect_softness=2.5, effect_draws=16, effect_subsets=1.0,
    effect_wrong=1.0, effect_edits=1.0, effect_concepts=0.2,
)  # fmt: skip


def fit(model: Model, calibration: Tokens, schema: Schema, recipe: Recipe) -> typing.Any:
    """The label function; the model's heads change with it."""
    values = schema.values or [float(i) for i in range(len(schema.labels))]
    return effect.fit(
        model.heads, train.predict(model, calibration), calibration.concepts.clamp_min(0), calibration.labels,
        data.human_edits(calibration.part), values, OPTIONS, torch.Generator().manual_seed(recipe.seed),
    )  # fmt: skip
