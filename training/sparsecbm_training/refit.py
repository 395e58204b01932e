"""Fits anew everything that comes after training, for a checkpoint of this recipe of either version: calibration, suppose
and correct (see answers.py). Backbone and masks stay byte for byte.

    PYTHONPATH=training training/.venv/bin/python -m sparsecbm_training.refit CHECKPOINT --out FOLDER

Training reviews are of use too: small models that did not see them say what the checkpoint would have said (crossfit.logits).
"""

import argparse
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from . import __main__ as recipe
from . import answers, backbone, checkpoint, crossfit, data, label_head, metrics, train


def arguments():
    parser = argparse.ArgumentParser(prog="python -m sparsecbm_training.refit", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("checkpoint", type=pathlib.Path)
    add("--out", type=pathlib.Path, required=True, help="folder to write to; the checkpoint's own is fine")
    add("--data", nargs="+", default=[str(recipe.REPOSITORY / "examples/data/cebab")])
    add("--backbone", help="as in training")
    add("--layers", type=int, help="as in training")
    add("--answer-folds", type=int, default=5, help="how many small models, each predicting what it did not see; 0: none")
    add("--answer-models", type=int, help="train only the first so many of them, and use only what they predict")
    add("--answer-epochs", type=int, default=4, help="epochs of each")
    add("--label-ridge", type=float, default=float("inf"), help="ridge on a shift of the label head (default: none)")
    add("--without-edits", action="store_true", help="fit as if the data had no edits")
    add("--logits", type=pathlib.Path, help="file for all concept logits: read where it is there, else written")
    add("--dense-rate", type=float, default=3e-4)
    add("--dense-dropout", type=float, default=0.1)
    add("--max-length", type=int, default=128)
    add("--calibration-share", type=float, default=0.15)
    add("--calibration-part", type=int, default=0)
    add("--batch", type=int, default=32)
    add("--weight-decay", type=float, default=0.01)
    add("--concept-weight", type=float, default=5.0)
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--device", type=recipe.device, default="cpu")
    add("--float32", dest="bf16", action="store_false")
    return parser.parse_args()


def examples(reviews, logits, schema, own, edits=True):
    """What `answers.fit` learns from: reviews and their concept logits."""
    gold, known = metrics.classes_of(torch.tensor([review.concepts for review in reviews]), len(schema.classes))
    labels = F.one_hot(torch.tensor([review.label for review in reviews]), len(schema.labels)).float()
    return answers.Examples(
        logits=logits,
        concepts=gold,
        known=known,
        labels=labels,
        weights=torch.ones(len(reviews)),
        pairs=data.fitting_pairs(reviews) if edits else [],
        groups=torch.tensor([label_head.part(review, 60, 2) for review in reviews]),
        own=own,
    )


def all_logits(model, source, schema, reviews, tokens, tokenizer, pieces, options):
    """Concept logits of each part, the fitting part's from models that did not see it."""
    if options.logits and options.logits.exists():
        return load_file(options.logits)
    parts = {name: train.predict(model, tokens[name]) for name in ("calibration", "validation")}
    if options.answer_folds:
        recipe.say("small models")
        shape = len(schema.concepts), len(schema.classes), len(schema.labels), model.backbone.width
        parts["fitting"] = crossfit.logits(
            source, shape, pieces, tokenizer, reviews["fitting"], tokens["calibration"], model, options, recipe.say
        )
    if options.logits:
        save_file(parts, options.logits)
    return parts


def fit(heads, reviews, logits, schema, options, edits=True, originals=False):
    """The label function fitted on all reviews whose logits are there; the calibration part's are the model's own."""
    if "fitting" in logits:
        models = options.answer_models or options.answer_folds
        seen = [review for review in reviews["fitting"] if label_head.part(review, options.answer_folds, 0) < models]
        reviews = reviews | {"fitting": seen}
    parts = [part for part in ("calibration", "fitting") if part in logits]
    everything = [review for part in parts for review in reviews[part]]
    own = torch.arange(len(everything)) < len(reviews["calibration"])
    every = torch.cat([logits[part] for part in parts])
    if originals:
        chosen = torch.tensor([review.edited is None for review in everything])
        everything, every, own = [review for review in everything if review.edited is None], every[chosen], own[chosen]
    given = examples(everything, every, schema, own, edits)
    random = torch.Generator().manual_seed(options.seed)
    classes = [len(schema.classes)] * len(schema.concepts)
    found = answers.fit(heads, given, classes, schema.stars, options, random, recipe.say)
    temperatures = torch.tensor(found.notes["concept_temperatures"])[:, None]
    return found, every / temperatures, classes


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    source = backbone.source(options.backbone)
    options.layers = options.layers or source.layers
    schema, reviews, _, tokens, _, tokenizer, pieces = recipe.prepare(source, options)
    body, _ = source.load(options.layers, pieces, options.max_length)
    model, _ = checkpoint.read(options.checkpoint, type(body))
    logits = all_logits(model, source, schema, reviews, tokens, tokenizer, pieces, options)

    recipe.say("answers")
    heads = dict(model.heads)
    found, every, classes = fit(heads, reviews, logits, schema, options, not options.without_edits)
    calibrated = checkpoint.calibration(every, found.temperature, classes)
    kept = {
        key: value
        for key, value in vars(options).items()
        if key not in ("checkpoint", "out", "data", "logits", "threads", "device") and value not in (None, float("inf"))
    }
    record = {"answers": {"options": kept} | found.notes}
    checkpoint.rewrite(options.checkpoint, options.out, heads, found, calibrated, record)

    recipe.say("measuring what was written, on validation")
    model, written = checkpoint.read(options.out, type(body))
    figures = measured(written, train.predict(model, tokens["validation"]), reviews["validation"], schema)
    if not options.without_edits:
        recipe.say("the same without edits")
        figures["without_edits"] = {}
        options.correct_ridges = (found.notes["correct"]["ridge"] or 300.0,)
        for name, originals in (("edits as ordinary reviews", False), ("originals only", True)):
            other, _, _ = fit(dict(model.heads), reviews, rescaled(logits, found), schema, options, False, originals)
            validation = rescaled(rescaled(logits, found), other)["validation"]
            hidden = measured(other, validation, reviews["validation"], schema)
            figures["without_edits"][name] = {key: hidden[key] for key in ("label_accuracy", "suppose", "correct")}
    checkpoint.add_training(options.out, figures)
    for key in ("concept_accuracy", "label_accuracy", "suppose", "correct", "calibration", "without_edits"):
        recipe.say(f"  {key}: {figures.get(key)}")


def rescaled(logits, found):
    """Logits divided by the concept temperatures that were found."""
    temperatures = torch.tensor(found.notes["concept_temperatures"])[:, None]
    return {part: value / temperatures for part, value in logits.items()}


def measured(label_function, logits, reviews, schema):
    gold = torch.tensor([review.concepts for review in reviews])
    labels = torch.tensor([review.label for review in reviews])
    return metrics.evaluate(label_function, logits, gold, labels, data.human_edits(reviews), schema)


if __name__ == "__main__":
    main()
