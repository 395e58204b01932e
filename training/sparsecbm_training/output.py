"""What comes out beside the checkpoint: figures, the validation part, model.onnx, and what to type next."""

import importlib.util
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import typing

import torch

from . import data, masks, metrics
from .data import Part, Schema
from .model import Model

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FILES = ("model.onnx", "validation.jsonl", "card.md", "card.html")
MANIFEST = REPOSITORY / "Cargo.toml"


def told(figures: dict[str, typing.Any]) -> str:
    return f"concepts {figures['concept_accuracy']:.1%}, label {figures['label_accuracy']:.1%}"


def measure(
    model: Model, head: typing.Any, logits: torch.Tensor, validation: Part, schema: Schema
) -> dict[str, typing.Any]:
    """Every figure of the written model, on validation."""
    gold, labels = validation.gold, validation.gold_labels
    figures = metrics.evaluate(head, logits, gold, labels, data.human_edits(validation), schema)
    label_logits = head(logits)
    assert model.masks
    figures |= masks.measured(model.masks) | {
        "confusion": {
            "label": confusion(label_logits, labels, len(schema.labels)),
            "concepts": {
                name: confusion(logits[:, k], gold[:, k], len(schema.classes[k]))
                for k, name in enumerate(schema.concepts)
            },
        },
        "calibration_bins": {
            "label": bins(label_logits, labels),
            "concepts": {name: bins(logits[:, k], gold[:, k]) for k, name in enumerate(schema.concepts)},
        },
        "worth": worth(head, schema),
        "density": {name: masks.density(model.masks, k) for k, name in enumerate(schema.concepts)},
        "checked": on_checked(logits, gold, validation.checked, schema),
        "labelled_concepts": [int((gold >= 0).sum()), gold.numel()],
        "always_the_commonest": {
            "label_accuracy": float(labels.bincount().max()) / len(labels),
            "concept_accuracy": commonest(gold),
        },
    }
    return figures


def on_checked(
    logits: torch.Tensor, gold: torch.Tensor, checked: torch.Tensor, schema: Schema
) -> dict[str, typing.Any] | None:
    """Accuracy on the labels that a person checked alone, where others are a model's; None where there are none."""
    checked = checked & (gold >= 0)
    if not checked.any():
        return None
    only = torch.where(checked, gold, -1)
    concepts = {
        name: {"labels": int(checked[:, k].sum()), "accuracy": metrics.accuracy(logits[:, k], only[:, k])}
        for k, name in enumerate(schema.concepts) if checked[:, k].any()
    }  # fmt: skip
    return {"labels": int(checked.sum()), "concept_accuracy": metrics.accuracy(logits, only), "concepts": concepts}


def worth(head: typing.Any, schema: Schema) -> list[dict[str, typing.Any]]:
    """What supposing each class adds to the label's logits, beside the mean of the concept's classes."""
    result = []
    for k, (name, classes) in enumerate(zip(schema.concepts, schema.classes)):
        own = head.suppose[:, k * schema.width :][:, : len(classes)]
        values = (own - own.mean(1, keepdim=True)).T.tolist()
        result.append({"name": name, "rows": [{"name": each, "values": row} for each, row in zip(classes, values)]})
    return result


def commonest(gold: torch.Tensor) -> float:
    """Accuracy of always naming each concept's commonest class."""
    right = sum(int(column[column >= 0].bincount().max()) for column in gold.T if (column >= 0).any())
    return right / max(1, int((gold >= 0).sum()))


def confusion(logits: torch.Tensor, gold: torch.Tensor, classes: int) -> list[list[int]]:
    """[gold][predicted]: how often."""
    known = gold >= 0
    pairs = gold[known] * classes + logits.argmax(-1)[known]
    return pairs.bincount(minlength=classes * classes).view(classes, classes).tolist()  # type: ignore[no-any-return]


def bins(logits: torch.Tensor, gold: torch.Tensor, count: int = 10) -> list[dict[str, float]]:
    """How sure and how often right, by how sure: what is well calibrated is right as often as it is sure."""
    known = gold >= 0
    sure, named = logits.softmax(-1)[known].max(-1)
    right = (named == gold[known]).float()
    result = []
    for i in range(count):
        inside = (sure >= i / count) & ((sure < (i + 1) / count) | (i == count - 1))
        if inside.any():
            result.append(
                {"texts": int(inside.sum()), "sure": float(sure[inside].mean()), "right": float(right[inside].mean())}
            )
    return result


def write_validation(path: pathlib.Path, part: Part, schema: Schema) -> None:
    """JSON lines that `sparsecbm eval` reads; null where a concept is not labelled."""
    gold, labels = part.gold.tolist(), part.gold_labels.tolist()
    with open(path, "w", encoding="utf-8") as file:
        for i, text in enumerate(part.texts):
            row: dict[str, typing.Any] = {schema.text: text, schema.label: schema.labels[labels[i]]}
            for k, name in enumerate(schema.concepts):
                row[name] = schema.classes[k][gold[i][k]] if gold[i][k] >= 0 else None
            if schema.original and schema.edited:
                edited = part.edited[i]
                row |= {
                    schema.original: part.groups[i],
                    schema.edited: None if edited is None else schema.concepts[edited],
                }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def find_command() -> list[str] | None:
    """The sparsecbm command: the one that SPARSECBM names, an installed one, one built here, or what builds it."""
    built = [REPOSITORY / "target" / kind / "sparsecbm" for kind in ("release", "debug")]
    if named := os.environ.get("SPARSECBM"):
        return [named]
    if installed := shutil.which("sparsecbm"):
        return [installed]
    if there := [str(path) for path in built if path.is_file()]:
        return there[:1]
    if shutil.which("cargo") and MANIFEST.is_file():
        return ["cargo", "run", "--quiet", "--release", "--manifest-path", str(MANIFEST), "-p", "sparsecbm-cli", "--"]
    return None


def export(out: pathlib.Path, say: typing.Callable[[str], None]) -> list[str] | None:
    """Writes model.onnx, which the exporter compares with the checkpoint. Returns the command, None where that
    failed."""
    if "SPARSECBM" not in os.environ and importlib.util.find_spec("sparsecbm"):
        return export_here(out, say)
    command = find_command()
    if command is None:
        say("there is neither a sparsecbm command nor cargo to build it: model.onnx is not written")
        return None
    if command[0] == "cargo":
        say("building the sparsecbm command (once, some minutes)")
    result = subprocess.run(
        [*command, "export", str(out), "-o", str(out / "model.onnx")], capture_output=True, text=True, encoding="utf-8"
    )
    if result.returncode:
        say(f"model.onnx is not written; {shlex.join(command)} export said: {(result.stderr or result.stdout).strip()}")
        return None
    return command


def checked_line(figures: dict[str, typing.Any]) -> list[str]:
    """On the labels that people checked, beside the others, which say what a language model holds for right."""
    if not (checked := figures["checked"]):
        return []
    share = checked["concept_accuracy"]
    return [f"  on the {checked['labels']:,} concept labels there that a person checked alone: {share:.1%}"]


def export_here(out: pathlib.Path, say: typing.Callable[[str], None]) -> list[str] | None:
    """As `export`, by the Python package."""
    import sparsecbm

    try:
        sparsecbm.export(out, out / "model.onnx")
    except sparsecbm.SparseCbmError as error:
        say(f"model.onnx is not written: {error}")
        return None
    return ["sparsecbm"]


def closing(out: pathlib.Path, figures: dict[str, typing.Any], command: list[str] | None) -> list[str]:
    """The last lines: how good it is, and what to type next."""
    dense, plain = figures["dense_baseline"], figures.get("plain_classifier")
    known, all_of = figures["labelled_concepts"]
    of = "" if known == all_of else f" (concepts: {known:,} of {all_of:,} are labelled)"
    lines = [
        f"on validation: {told(figures)}{of}; its masks take away {figures['sparsity']:.1%}",
        *checked_line(figures),
        f"  the dense CBM: {told(dense)}"
        + (f"; a plain classifier: label {plain['label_accuracy']:.1%}" if plain else ""),
        f"written to {out}; card.md and card.html say more. Next:",
    ]
    name = shlex.join(command) if command else "sparsecbm"
    model = shlex.quote(str(out / "model.onnx"))
    if command is None:
        lines.append(f"  {name} export {shlex.quote(str(out))} -o {model}")
    lines += [
        f"  {name} explain {model} 'a text of yours'",
        f"  {name} eval {model} {shlex.quote(str(out / 'validation.jsonl'))}",
        f"  {name} inspect {model}",
    ]
    return lines
