"""Measures the export of a model of BERT-base's size: time, peak memory and file size of each form.

    exporter/import/import --help >/dev/null      # makes the environment with numpy and safetensors
    cargo build --release -p sparsecbm-exporter
    exporter/import/.venv/bin/python exporter/bench/export.py target/release/sparsecbm --concepts 4 10

The weights are random, in half precision, with masks that keep a tenth. With --check each export is also run and
compared with an evaluation of the checkpoint, as exports are unless told otherwise. Time and memory are the whole
command's.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy
from safetensors.numpy import save_file

CONFIG = {
    "model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}  # fmt: skip
CLASSES, LABELS = ["negative", "positive", "unknown"], ["1", "2", "3", "4", "5"]


def checkpoint(folder, concepts, layers, length):
    random = numpy.random.default_rng(0)
    config = {**CONFIG, "num_hidden_layers": layers}
    d, inner = config["hidden_size"], config["intermediate_size"]
    normal = lambda *shape: (0.02 * random.standard_normal(shape, numpy.float32)).astype(numpy.float16)
    tensors = {
        "embeddings.word_embeddings.weight": normal(config["vocab_size"], d),
        "embeddings.position_embeddings.weight": normal(config["max_position_embeddings"], d),
        "embeddings.token_type_embeddings.weight": normal(config["type_vocab_size"], d),
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(layers):
        name = f"encoder.layer.{i}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        parts = [(f"attention.{part}", d, d) for part in ("self.query", "self.key", "self.value", "output.dense")]
        for part, rows, columns in [*parts, ("intermediate.dense", inner, d), ("output.dense", d, inner)]:
            tensors[f"{name}.{part}.weight"] = normal(rows, columns)
            tensors[f"{name}.{part}.bias"] = normal(rows)
            kept = random.random((concepts, rows, columns), numpy.float32) < 0.1
            tensors[f"{name}.{part}.mask_bits"] = numpy.packbits(kept, axis=2, bitorder="little")
    for norm in norms:
        tensors |= {f"{norm}.weight": 1 + normal(d), f"{norm}.bias": normal(d)}
    width = concepts * len(CLASSES)
    tensors |= {
        "concept_head.weight": normal(concepts, len(CLASSES), d), "concept_head.bias": normal(concepts, len(CLASSES)),
        "label_head.weight": normal(len(LABELS), width), "label_head.bias": normal(len(LABELS)),
        "effect_head.weight": normal(len(LABELS), width),
    }  # fmt: skip
    save_file(tensors, folder / "model.safetensors")
    names = [f"concept {k}" for k in range(concepts)]
    flat = [[1 / 3] * 3] * concepts
    schema = {
        "version": "1.0", "concepts": [{"name": name, "classes": CLASSES} for name in names],
        "label": {"name": "stars", "classes": LABELS}, "semantics": "as-intended", "pooling": "masked-mean",
        "max_length": length, "intervention": "effect",
        "data_fields": {"text": "text", "concepts": {name: name for name in names}, "label": "stars"},
        "calibration": {"temperature": 1.0, "class_logits": [[[0.0] * 3] * 3] * concepts, "mean_concept_logits": flat,
                        "mean_concept_probabilities": flat},
    }  # fmt: skip
    tokenizer = {
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {f"w{i}": i for i in range(1000)}, "unk_token": "w0"},
    }  # fmt: skip
    for name, content in (("config", config), ("sparsecbm", schema), ("tokenizer", tokenizer)):
        (folder / f"{name}.json").write_text(json.dumps(content))


def measure(command, folder, weights, masks, check):
    out = folder / "model.onnx"
    arguments = ["export", str(folder), "-o", str(out), "--weights", weights, "--masks", masks, "--json"]
    if not check:
        arguments.append("--no-check")
    start = time.monotonic()
    process = subprocess.Popen([command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    report = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    size = sum(pathlib.Path(file).stat().st_size for file in report["files"])
    worst = f"{max(report['check']['differences'].values()):.0e}" if check else "not run"
    return time.monotonic() - start, usage.ru_maxrss / 1024, size / 1e6, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", help="the sparsecbm command")
    parser.add_argument("--concepts", type=int, nargs="+", default=[4, 10])
    parser.add_argument("--weights", nargs="+", default=["f16"])
    parser.add_argument("--layers", type=int, default=CONFIG["num_hidden_layers"])
    parser.add_argument("--length", type=int, default=128, help="the model's maximum length, which the check runs")
    parser.add_argument("--check", action="store_true", help="run and compare each exported file, which takes long")
    options = parser.parse_args()
    print("| K | weights | masks | time, s | peak memory, MiB | file, MB | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for concepts in options.concepts:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            checkpoint(folder, concepts, options.layers, options.length)
            for weights in options.weights:
                for masks in ("packed", "folded"):
                    seconds, memory, size, worst = measure(options.command, folder, weights, masks, options.check)
                    row = f"| {concepts} | {weights} | {masks} | {seconds:.1f} | {memory:.0f} | {size:.1f} | {worst} |"
                    print(row, flush=True)


if __name__ == "__main__":
    main()
