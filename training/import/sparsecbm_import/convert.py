"""Puts a checkpoint together."""

import json
import pathlib
import shutil
import tempfile

import numpy
from safetensors.numpy import save_file
from sparsecbm import SparseCbmError, inspect

from . import heads, masks, modules
from .errors import Refused

# The reference code pads every text to this length, and means over the padding.
EXECUTED_LENGTH = 512
# Conv1D and LSTM weights, which the reference code gives no masks.
UNMASKED = {"gpt2": (".attn.c_attn", ".attn.c_proj", ".mlp.c_fc", ".mlp.c_proj"), "bilstm": ()}


def checkpoint(options):
    """Writes the folder `options.output`, and gives what was done, in words."""
    config = read_json(options.config)
    model = modules.read(options.model)
    head_tensors = heads.read([modules.read(path) for path in options.heads])
    k, c = head_tensors["concept_head.bias"].shape
    labels = len(head_tensors["label_head.bias"])
    schema, notes = schema_of(options, k, c, labels)
    tensors = backbone(model, config, k, options)
    check_semantics(model, options.semantics)
    write(options, schema, tensors | head_tensors)
    masked = sum(name.endswith(".mask_bits") for name in tensors)
    return [f"{masked} masked layers, {k} concepts of {c} classes, {labels} label classes, {options.semantics}", *notes]


def write(options, schema, tensors):
    """The whole folder once the exporter's own reader finds nothing wrong in it, or nothing."""
    output = options.output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise Refused(output, "something that exists", "a folder that does not, or an empty one")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as kept:
        part = pathlib.Path(kept, output.name)
        part.mkdir()
        contiguous = {name: numpy.ascontiguousarray(value) for name, value in tensors.items()}
        save_file(contiguous, part / "model.safetensors")
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        (part / "sparsecbm.json").write_text(text, encoding="utf-8")
        shutil.copyfile(options.config, part / "config.json")
        shutil.copyfile(options.tokenizer, part / "tokenizer.json")
        try:
            inspect(part)
        except SparseCbmError as error:
            place = error.place.replace(str(part), str(output))
            raise Refused(place, error.found, error.expected) from error
        if output.exists():
            output.rmdir()
        part.rename(output)


def check_semantics(model, semantics):
    """As executed, layers with unstructured scores do switch masks, while the label reads mask 0 alone."""
    scores = [name for name in model.tensors if ".popup_scores." in name]
    switched = [name for name, kind in model.classes.items() if kind == "SubnetLinear"]
    if semantics == "as-executed" and scores and (switched or not model.classes):
        if not any(kind == "SubnetLinear_Structure" for kind in model.classes.values()):
            raise Refused(
                f"{model.place}: {scores[0]}",
                "layers whose masks the reference code does switch, with a label from mask 0 alone",
                "--semantics as-intended: a checkpoint has no such reading, unless the scores choose rows and the "
                "file is a whole module that says so",
            )


def backbone(model, config, concepts, options):
    """The backbone's tensors under our names, with packed masks."""
    kind = config.get("model_type")
    layers = {name.removesuffix(".fc.weight") for name in model.tensors if name.endswith(".fc.weight")}
    result = {}
    for name, value in model.tensors.items():
        if ".mask_list." in name or ".popup_scores." in name or name.endswith("position_ids"):
            continue
        layer = next((layer for layer in layers if name.startswith(f"{layer}.fc.")), None)
        if layer is None:
            result[name] = as_float(value)
        elif layer != "pooler.dense":
            # The pooler is not on the path to the output.
            result[name.replace(f"{layer}.fc.", f"{layer}.")] = as_float(value)
    for layer in sorted(layers - {"pooler.dense"}):
        result[f"{layer}.mask_bits"] = masks.pack(masks.of_layer(model, layer, concepts, options))
    result = {name: value for name, value in result.items() if not name.startswith("pooler.")}
    for name, value in list(result.items()):
        layer = name.removesuffix(".weight")
        if kind in UNMASKED and layer.endswith(UNMASKED[kind]) and name.endswith(".weight"):
            # Dense in the reference code: every concept keeps every weight.
            result[f"{layer}.mask_bits"] = masks.pack(numpy.ones((concepts, *value.T.shape), bool))
    return result


def as_float(value):
    return value if value.dtype in (numpy.float16, numpy.float32) else value.astype(numpy.float32)


def schema_of(options, concepts, classes, labels):
    """Our schema: what the given one says, with what the semantics decide."""
    schema = read_json(options.schema)
    for name, found, expected in (
        ("concepts", [len(concept["classes"]) for concept in schema["concepts"]], [classes] * concepts),
        ("label.classes", len(schema["label"]["classes"]), labels),
    ):
        if found != expected:
            raise Refused(f"{options.schema}: {name}", str(found), f"{expected}, as the heads have")
    executed = options.semantics == "as-executed"
    decided = {
        "version": "1.0",
        "semantics": options.semantics,
        "pooling": "padded-mean" if executed or options.padded else "masked-mean",
        "max_length": options.max_length,
        "intervention": "replace",
    }
    notes = []
    if "calibration" not in schema:
        if not options.uncalibrated:
            raise Refused(
                f"{options.schema}: calibration",
                "none",
                "one (docs/reference/checkpoint.md), or --uncalibrated to do without",
            )
        notes.append("uncalibrated: an override feeds the label head a bare one-hot, which it has never seen")
        one_hot = numpy.eye(classes).tolist()
        schema["calibration"] = {
            "temperature": 1.0,
            "class_logits": [one_hot] * concepts,
            "mean_concept_logits": [[0.0] * classes] * concepts,
            "mean_concept_probabilities": [[1 / classes] * classes] * concepts,
        }
    return {**schema, **decided}, notes


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(path, str(error), "a JSON file") from error
