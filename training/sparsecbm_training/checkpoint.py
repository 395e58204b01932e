"""Writes and reads the checkpoint folder of docs/reference/checkpoint.md."""

import json

import torch
from safetensors.torch import load_file, save_file

from . import masks
from .answers import Answers, Hidden
from .model import Model

VERSION = "1.1"
HIDDEN = ("read", "asserted", "bias", "output")
REPLACED = ("intervention_curve", "edit_effect")  # figures of version 1.0 that 1.1 measures otherwise
FILES = ("config.json", "sparsecbm.json", "model.safetensors", "tokenizer.json")
HEADS = ("concept_head.weight", "concept_head.bias", "label_head.weight", "label_head.bias")


def round_to_half(model):
    """Sets weights that no mask uses to zero and rounds every number to float16, in place, so that what is
    measured and fitted from here on is what the checkpoint holds."""
    for name, mask in model.masks.items():
        key = f"{name}.weight"
        model.weights[key] = model.weights[key].detach() * mask.any(0)
    for tensors in (model.weights, model.heads):
        for key, value in tensors.items():
            tensors[key] = value.detach().half().float()


def calibration(concept_logits, temperature, classes):
    """What the format's `calibration` holds, measured on `concept_logits` [N, K, C]; `classes` of each concept."""

    def rows(means):
        return [row[:count].tolist() for row, count in zip(means, classes)]

    return {
        "temperature": temperature,
        "mean_concept_logits": rows(concept_logits.mean(0)),
        "mean_concept_probabilities": rows(concept_logits.softmax(-1).mean(0)),
    }


def round_answers(answers):
    """Rounds what was fitted last to float16, in place, as `write` does."""
    answers.suppose, answers.correct = answers.suppose.half().float(), answers.correct.half().float()
    if answers.hidden:
        answers.hidden = Hidden(**{key: value.half().float() for key, value in vars(answers.hidden).items()})


def write(folder, model, block, tokenizer, schema, calibrated, answers, training):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = model.weights | model.heads | answers.tensors()
    tensors = {key: value.detach().half().contiguous() for key, value in tensors.items()}
    tensors |= mask_bits(model, block)
    for key in (f"{name}.weight" for name in model.backbone.in_out):
        tensors[key] = tensors[key].T.contiguous()
    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", model.backbone.config)
    write_json(
        folder / "sparsecbm.json",
        {
            "version": VERSION,
            "concepts": [{"name": name, "classes": own} for name, own in zip(schema.concepts, schema.classes)],
            "label": {"name": schema.label, "classes": schema.labels}
            | ({"values": schema.values} if schema.values else {}),
            "semantics": "as-intended",
            "pooling": "masked-mean",
            "max_length": tokenizer.truncation["max_length"],
            "intervention": "suppose-correct",
            "data_fields": {
                "text": schema.text,
                "concepts": {name: name for name in schema.concepts},
                "label": schema.label,
            }
            | ({"edited": schema.edited, "original_id": schema.original} if schema.edited else {}),
            "calibration": calibrated,
            "training": training,
        },
    )


def mask_bits(model, block):
    return {f"{name}.mask_bits": masks.pack(mask, block).contiguous() for name, mask in model.masks.items()}


def rewrite(source, folder, changed, answers, calibrated, training):
    """A checkpoint, of either version, with other tensors: what `changed` names, heads at least, and `training` added
    to what it recorded; everything else byte for byte as in `source`. To write into `source` itself is
    fine."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source / "model.safetensors")
    for key in [key for key in tensors if key.startswith(("effect_head.", "suppose_", "correct_head."))]:
        del tensors[key]
    given = (changed | answers.tensors()).items()
    fitted = {key: (value.detach().half() if value.is_floating_point() else value).contiguous() for key, value in given}
    schema = json.loads((source / "sparsecbm.json").read_text(encoding="utf-8"))
    old = {key: schema["training"][key] for key in REPLACED if key in schema["training"]}
    schema["training"] = {key: value for key, value in schema["training"].items() if key not in REPLACED + ("before",)}
    if old and schema["version"] == "1.0":
        schema["training"]["before"] = {"version": "1.0"} | old
    schema |= {"version": VERSION, "intervention": "suppose-correct", "calibration": calibrated}
    schema["training"] |= training
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    save_file(tensors | fitted, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "sparsecbm.json", schema)


def write_logits(path, model, logits):
    """A safetensors file of each part's concept logits [N, K, C] and of the label head, to study the fit apart."""
    save_file(logits | {key: model.heads[key] for key in HEADS if key.startswith("label")}, path)


def read(folder, kind):
    """The model and the label function of a checkpoint that `write` or `rewrite` wrote, in float32. `kind` is its
    backbone's class."""
    backbone = kind(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    schema = json.loads((folder / "sparsecbm.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    heads = {key: tensors.pop(key).float() for key in HEADS}
    if schema["intervention"] == "effect":  # version 1.0 answers both questions alike
        suppose = correct = tensors.pop("effect_head.weight").float()
    else:
        suppose, correct = (tensors.pop(f"{name}_head.weight").float() for name in ("suppose", "correct"))
    hidden = {key: tensors.pop(f"suppose_hidden.{key}").float() for key in HIDDEN if f"suppose_hidden.{key}" in tensors}
    for key in (f"{name}.weight" for name in backbone.in_out):
        tensors[key] = tensors[key].T.contiguous()
    unpacked = {}
    for key in [key for key in tensors if key.endswith(".mask_bits")]:
        name = key.removesuffix(".mask_bits")
        unpacked[name] = masks.unpack(tensors.pop(key), *tensors[f"{name}.weight"].shape)
    weights = {key: value.float() for key, value in tensors.items()}
    temperature = schema["calibration"]["temperature"]
    answers = Answers(
        heads["label_head.weight"],
        heads["label_head.bias"],
        temperature,
        suppose,
        correct,
        Hidden(**hidden) if hidden else None,
    )
    return Model(backbone, weights, heads, unpacked), answers


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def add_training(folder, training):
    """Puts metrics that were measured on the written checkpoint into it."""
    change_training(folder, lambda recorded: recorded.update(training))


def set_aside(folder, keys, name):
    """Moves what was measured on other weights under `name`."""

    def move(recorded):
        recorded[name] = {key: recorded.pop(key) for key in keys if key in recorded}

    change_training(folder, move)


def change_training(folder, change):
    """Changes what a written checkpoint records of its training."""
    path = folder / "sparsecbm.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    change(schema["training"])
    write_json(path, schema)
