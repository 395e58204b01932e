"""Writes and reads the checkpoint folder of docs/checkpoint.md."""

import json

import torch
from safetensors.torch import load_file, save_file

from . import masks
from .effect import Head
from .model import Model

VERSION = "1.0"
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


def calibration(concept_logits, gold, temperature):
    """What the format's `calibration` holds, measured on `concept_logits` [N, K, C]."""
    classes = concept_logits.shape[-1]
    class_logits = [
        [concept_logits[gold[:, k] == j, k].mean(0).tolist() for j in range(classes)] for k in range(gold.shape[1])
    ]
    return {
        "temperature": temperature,
        "class_logits": class_logits,
        "mean_concept_logits": concept_logits.mean(0).tolist(),
        "mean_concept_probabilities": concept_logits.softmax(-1).mean(0).tolist(),
    }


def write(folder, model, block, tokenizer, schema, calibrated, effect, training):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = model.weights | model.heads | {"effect_head.weight": effect}
    tensors = {key: value.detach().half().contiguous() for key, value in tensors.items()}
    for name, mask in model.masks.items():
        tensors[f"{name}.mask_bits"] = masks.pack(mask, block).contiguous()
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
            "concepts": [{"name": n, "classes": c} for n, c in zip(schema.concepts, schema.classes)],
            "label": {"name": schema.label, "classes": schema.labels},
            "semantics": "as-intended",
            "pooling": "masked-mean",
            "max_length": tokenizer.truncation["max_length"],
            "intervention": "effect",
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


def write_logits(path, model, logits):
    """A safetensors file of each part's concept logits [N, K, C] and of the label head, to study the effect head apart."""
    save_file(logits | {key: model.heads[key] for key in HEADS if key.startswith("label")}, path)


def read(folder, kind):
    """The model and the label head of a checkpoint that `write` wrote, in float32. `kind` is its backbone's class."""
    backbone = kind(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    schema = json.loads((folder / "sparsecbm.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    heads = {key: tensors.pop(key).float() for key in HEADS}
    effect = tensors.pop("effect_head.weight").float()
    for key in (f"{name}.weight" for name in backbone.in_out):
        tensors[key] = tensors[key].T.contiguous()
    unpacked = {}
    for key in [key for key in tensors if key.endswith(".mask_bits")]:
        name = key.removesuffix(".mask_bits")
        unpacked[name] = masks.unpack(tensors.pop(key), *tensors[f"{name}.weight"].shape)
    weights = {key: value.float() for key, value in tensors.items()}
    temperature = schema["calibration"]["temperature"]
    head = Head(heads["label_head.weight"], heads["label_head.bias"], temperature, effect)
    return Model(backbone, weights, heads, unpacked), head


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def add_training(folder, training):
    """Puts metrics that were measured on the written checkpoint into it."""
    path = folder / "sparsecbm.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["training"] |= training
    write_json(path, schema)
