"""Fits again everything that comes after training, for a checkpoint of this recipe of either version: calibration,
suppose and correct (see answers.py). Masks and backbone stay byte for byte, unless --evidence-steps asks for more
training.

    PYTHONPATH=training training/.venv/bin/python -m sparsecbm_training.refit CHECKPOINT --out FOLDER OPTIONS…

OPTIONS are those of training, for the same data (--options training/recipes/cebab.toml). Texts of the fitting part are
of use too: small models that did not see them say what the checkpoint would have said (crossfit.logits).
"""

import argparse
import pathlib
import sys
import types
import typing

import torch
from safetensors.torch import load_file, save_file

from . import __main__ as command
from . import ablation, after, answers, checkpoint, crossfit, data, evidence, masks, metrics, options, prepare
from . import recipe, table, train
from .model import Model
from .run import Run

# What training measured of its weights and this program does not measure again.
OF_WEIGHTS = ("accuracy_drops", "vocabulary", "without_edits", "cross_fitted_label_accuracy")


def arguments() -> tuple[argparse.Namespace, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="python -m sparsecbm_training.refit", description=__doc__.split("\n\n")[0], allow_abbrev=False
    )  # fmt: skip
    add = parser.add_argument
    add("checkpoint", type=pathlib.Path)
    add(
        "--answer-folds",
        type=int,
        default=5,
        help="how many small models, each predicting what it did not see; 0: none",
    )
    add("--answer-models", type=int, help="train only the first N of them, and use only what they predict")
    add("--answer-epochs", type=int, default=4, help="epochs of each")
    add(
        "--evidence-steps",
        type=int,
        default=0,
        help="train it on, so that evidence stands where each concept does (evidence.py)",
    )
    add("--evidence-rate", type=float, default=1.5e-4, help="learning rate of these")
    add("--evidence-runs", type=int, default=1, help="how many times, in other orders; the mean of their weights stays")
    add("--prune-to", type=float, default=0.0, help="share of each matrix that each mask takes away before that")
    add("--logits", type=pathlib.Path, help="file for all concept logits: read where it is there, else written")
    add("--without-edits", action="store_true", help="fit as if the data had no edits")
    add("--ridge", type=float, default=float("inf"), help="on a shift of the label head (default: none)")
    own, others = parser.parse_known_args()
    return own, options.parse(others)


def tune(
    model: Model, tokenized: prepare.Tokenized, schema: data.Schema, own: argparse.Namespace, settings: train.Settings
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Trains the model on, towards its own answers and evidence in its place, and returns the tensors that changed. Of
    several runs the mean of the weights is left: it is often better than each of them (Wortsman et al. 2022, "Model
    soups", arXiv 2203.05482)."""
    fitting, recipe = tokenized.tokens["fitting"], settings.recipe
    places = evidence.Places(fitting, schema).of_edits(fitting, tokenized.cut)
    if not places.shares.any():
        raise table.DataError("--evidence-steps: expected human edits (--pairs) that show where concepts stand")
    model.masks = {name: mask.to(settings.dtype) for name, mask in (model.masks or {}).items()}
    if own.prune_to:
        masks.prune(model, fitting, own.prune_to, recipe, settings.random, settings.dtype)
    targets = train.towards(train.own_predictions(model, fitting, settings.dtype), model, fitting, settings, 1.0)
    lessons = train.Lessons(targets, None, places)
    plan = train.Plan(own.evidence_steps, own.evidence_rate, recipe.dropout)
    started = mean = model.state()
    for run in range(own.evidence_runs):
        model.restore(started)
        settings.random.manual_seed(1000 + recipe.seed + run)
        train.average(model, fitting, lessons, tokenized.tokens["calibration"], plan, settings)
        mean = train.drawn(mean, model.state(), 1 / (run + 1)) if run else model.state()
    model.restore(mean)
    checkpoint.round_to_half(model)
    trained = {key: value for key, value in model.weights.items() if model.backbone.is_trained(key)}
    turned = {f"{name}.weight" for name in model.backbone.in_out}
    changed = {key: value.T if key in turned else value for key, value in trained.items()}
    return changed | (checkpoint.mask_bits(model, recipe.block) if own.prune_to else {})


def main() -> None:
    own, given = arguments()
    torch.set_num_threads(given.threads or torch.get_num_threads())
    found = prepare.read(given, options.recipe_of(given))
    given_recipe = options.recipe_of(given)
    source = command.find_backbone(given.backbone)
    tokenized = prepare.tokenize(found, source, given_recipe, given.device)

    def load() -> tuple[typing.Any, dict[str, torch.Tensor]]:
        layers = given_recipe.layers or source.layers
        return source.load(layers, tokenized.pieces, given_recipe.max_length)  # type: ignore[no-any-return]

    body, weights = load()
    wanted = recipe.fitted_to(given_recipe, prepare.size(tokenized.tokens["fitting"], body, weights), given.quality)
    model, _ = checkpoint.read(own.checkpoint, type(body))
    parts, schema = found.parts, found.schema
    dtype = torch.bfloat16 if command.fast_here(given.device) and not given.float32 else torch.float32
    stages = train.Settings(wanted, dtype, Run(given.out, {}, {}, False), torch.Generator().manual_seed(wanted.seed))
    tuned: dict[str, torch.Tensor] = {}
    if own.evidence_steps:
        tuned = tune(model, tokenized, schema, own, stages)
    models = min(own.answer_models or own.answer_folds, own.answer_folds)
    if own.logits and own.logits.exists():
        logits = load_file(own.logits)
    else:
        logits = {name: train.predict(model, tokenized.tokens[name]) for name in ("calibration", "validation")}
        if models:
            logits["fitting"] = crossfit.logits(
                load, schema.counts, tokenized.cut, parts.fitting, tokenized.tokens["calibration"], model, stages,
                own.answer_folds, models, own.answer_epochs,
            )  # fmt: skip
            stages.run.finish()
        if own.logits:
            save_file(logits, own.logits)
    used, every = parts.calibration, logits["calibration"]
    if "fitting" in logits:
        seen = parts.fitting
        if models:
            seen = seen.take(torch.nonzero(data.folds(seen, own.answer_folds, 0) < models).flatten())
        used, every = data.joined([used, seen]), torch.cat([every, logits["fitting"]])
    models_own = torch.arange(len(used)) < len(parts.calibration)
    heads = dict(model.heads)
    random = torch.Generator().manual_seed(wanted.seed)
    examples = after.examples(used, every, not own.without_edits, models_own)
    chosen = types.SimpleNamespace(label_ridge=own.ridge)
    fitted = answers.fit(heads, examples, schema.counts, schema.values, chosen, random, print)
    temperatures = torch.tensor(fitted.notes["concept_temperatures"])[:, None]
    calibrated = checkpoint.calibration(every / temperatures, fitted.temperature, schema.counts)
    notes: dict[str, typing.Any] = {"answers": fitted.notes}
    if tuned:
        notes["tuned_for_evidence"] = {
            "steps": own.evidence_steps, "rate": own.evidence_rate, "runs": own.evidence_runs,
            "pruned_to": own.prune_to, "weight": wanted.evidence, "match": wanted.match,
        }  # fmt: skip
    checkpoint.rewrite(own.checkpoint, given.out, tuned | heads, fitted, calibrated, notes)
    if tuned:
        checkpoint.set_aside(given.out, OF_WEIGHTS, "before_tuning")
    model, written = checkpoint.read(given.out, type(body))
    validation = parts.validation
    figures = metrics.evaluate(
        written, train.predict(model, tokenized.tokens["validation"]), validation.gold, validation.gold_labels,
        data.human_edits(validation), schema,
    )  # fmt: skip
    if tuned:
        figures |= masks.measured(model.masks or {})
        if given.ablation:
            figures["accuracy_drops"] = ablation.drops(model, tokenized.tokens["validation"], dtype)
    figures["evidence"] = evidence.measured(model, tokenized.tokens["validation"], tokenized.cut, schema)
    checkpoint.add_training(given.out, figures)
    for key in ("concept_accuracy", "label_accuracy", "suppose", "correct", "calibration", "evidence"):
        print(f"  {key}: {figures.get(key)}")


if __name__ == "__main__":
    try:
        main()
    except table.DataError as error:
        sys.exit(f"error: {error}")
