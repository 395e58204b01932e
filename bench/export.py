"""Measures the export of large models: time, peak memory and file size of each form.

    training/import/import --help >/dev/null      # makes the environment with numpy and safetensors
    cargo build --release -p sparsecbm-cli
    training/import/.venv/bin/python bench/export.py target/release/sparsecbm --concepts 4 10
    training/import/.venv/bin/python bench/export.py target/release/sparsecbm --model opt-1.3b --masks packed

The weights are random, in half precision, with masks that keep an eighth of them (--keep), single ones or in blocks
(--block 4); each layer is a file of its own, so that making them takes little memory. With --checkpoint FOLDER such a
model is only put there, for other commands such as `sparsecbm bench sparse FOLDER`. With --check each export is also
run and compared with an evaluation of the checkpoint, as exports are unless told otherwise. With --run each file is
loaded in ONNX Runtime, graph optimizations off (they would unpack every mask and store it), and run on one text of 16
tokens; that needs the package onnxruntime. Time and memory are the whole command's.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
from safetensors.numpy import save_file

BERT_BASE = {
    "model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}  # fmt: skip
OPT_1_3B = {
    "model_type": "opt", "vocab_size": 50272, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
    "ffn_dim": 8192, "max_position_embeddings": 2048, "word_embed_proj_dim": 2048, "do_layer_norm_before": True,
    "activation_function": "relu",
}  # fmt: skip
OPT_125M = OPT_1_3B | {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072, "word_embed_proj_dim": 768,
}  # fmt: skip
MODERNBERT_BASE = {
    "model_type": "modernbert", "vocab_size": 50368, "hidden_size": 768, "num_hidden_layers": 22,
    "num_attention_heads": 12, "intermediate_size": 1152, "max_position_embeddings": 8192, "norm_eps": 1e-5,
    "hidden_activation": "gelu", "local_attention": 128, "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
}  # fmt: skip
MODELS = {"bert-base": BERT_BASE, "modernbert-base": MODERNBERT_BASE, "opt-125m": OPT_125M, "opt-1.3b": OPT_1_3B}
CLASSES, LABELS = ["negative", "positive", "unknown"], ["1", "2", "3", "4", "5"]
RUN = """
import resource, sys, time
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
start = time.monotonic()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
loaded = time.monotonic() - start
k, c = session.get_inputs()[2].shape[1:]
ids = numpy.arange(16, dtype=numpy.int64)[None]
inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids),
          "concept_override": numpy.zeros((1, k, c), numpy.float32),
          "concept_override_mask": numpy.zeros((1, k), numpy.float32)}
start = time.monotonic()
outputs = session.run(None, inputs)
run = time.monotonic() - start
assert all(numpy.isfinite(output).all() for output in outputs)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"ONNX Runtime {onnxruntime.__version__}: loaded in {loaded:.1f} s, one text in {run:.1f} s, peak {peak:.0f} MiB")
"""


class Files:
    """The checkpoint's tensors, a file at a time."""

    def __init__(self, folder, keep, block):
        self.folder, self.random, self.holders = folder, numpy.random.default_rng(0), {}
        self.keep, self.block = keep, block

    def save(self, name, tensors):
        save_file(tensors, self.folder / name)
        self.holders |= dict.fromkeys(tensors, name)

    def normal(self, *shape):
        return (0.02 * self.random.standard_normal(shape, numpy.float32)).astype(numpy.float16)

    def norm(self, name, size, bias=True):
        own = {f"{name}.bias": self.normal(size)} if bias else {}
        return {f"{name}.weight": 1 + self.normal(size)} | own

    def linear(self, name, rows, columns, concepts, bias=True):
        size = rows // self.block, columns
        kept = (self.random.random(size, numpy.float32) < self.keep for _ in range(concepts))
        bits = numpy.stack([numpy.packbits(mask, axis=-1, bitorder="little") for mask in kept])
        own = {f"{name}.bias": self.normal(rows)} if bias else {}
        return {f"{name}.weight": self.normal(rows, columns), f"{name}.mask_bits": bits} | own


def bert(files, config, concepts):
    d, inner = config["hidden_size"], config["intermediate_size"]
    tables = (("word", "vocab_size"), ("position", "max_position_embeddings"), ("token_type", "type_vocab_size"))
    tensors = {f"embeddings.{name}_embeddings.weight": files.normal(config[rows], d) for name, rows in tables}
    files.save("embeddings.safetensors", tensors | files.norm("embeddings.LayerNorm", d))
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}"
        parts = [(f"attention.{part}", d, d) for part in ("self.query", "self.key", "self.value", "output.dense")]
        tensors = {}
        for part, rows, columns in [*parts, ("intermediate.dense", inner, d), ("output.dense", d, inner)]:
            tensors |= files.linear(f"{name}.{part}", rows, columns, concepts)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            tensors |= files.norm(f"{name}.{norm}", d)
        files.save(f"layer-{i}.safetensors", tensors)


def opt(files, config, concepts):
    d, inner = config["hidden_size"], config["ffn_dim"]
    # The first two rows of the position table are left free.
    tables = (("tokens", config["vocab_size"]), ("positions", config["max_position_embeddings"] + 2))
    tensors = {f"decoder.embed_{name}.weight": files.normal(rows, d) for name, rows in tables}
    files.save("embeddings.safetensors", tensors | files.norm("decoder.final_layer_norm", d))
    for i in range(config["num_hidden_layers"]):
        name = f"decoder.layers.{i}"
        tensors = {}
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors |= files.linear(f"{name}.self_attn.{part}", d, d, concepts)
        tensors |= files.linear(f"{name}.fc1", inner, d, concepts) | files.linear(f"{name}.fc2", d, inner, concepts)
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            tensors |= files.norm(f"{name}.{norm}", d)
        files.save(f"layer-{i}.safetensors", tensors)


def modernbert(files, config, concepts):
    d, inner = config["hidden_size"], config["intermediate_size"]
    tensors = {"embeddings.tok_embeddings.weight": files.normal(config["vocab_size"], d)}
    for norm in ("embeddings.norm", "final_norm"):
        tensors |= files.norm(norm, d, bias=False)
    files.save("embeddings.safetensors", tensors)
    for i in range(config["num_hidden_layers"]):
        parts = (("attn.Wqkv", 3 * d, d), ("attn.Wo", d, d), ("mlp.Wi", 2 * inner, d), ("mlp.Wo", d, inner))
        tensors = {}
        for part, rows, columns in parts:
            tensors |= files.linear(f"layers.{i}.{part}", rows, columns, concepts, bias=False)
        # The first layer reads what the embeddings' norm gives.
        for norm in ("mlp_norm",) if i == 0 else ("attn_norm", "mlp_norm"):
            tensors |= files.norm(f"layers.{i}.{norm}", d, bias=False)
        files.save(f"layer-{i}.safetensors", tensors)


def checkpoint(folder, config, concepts, options):
    files = Files(folder, options.keep, options.block)
    {"bert": bert, "modernbert": modernbert, "opt": opt}[config["model_type"]](files, config, concepts)
    width = concepts * len(CLASSES)
    heads = {
        "concept_head.weight": (concepts, len(CLASSES), config["hidden_size"]),
        "concept_head.bias": (concepts, len(CLASSES)), "label_head.weight": (len(LABELS), width),
        "label_head.bias": (len(LABELS),), "effect_head.weight": (len(LABELS), width),
    }  # fmt: skip
    files.save("heads.safetensors", {name: files.normal(*shape) for name, shape in heads.items()})
    index = {"metadata": {}, "weight_map": files.holders}
    names = [f"concept {k}" for k in range(concepts)]
    flat = [[1 / 3] * 3] * concepts
    schema = {
        "version": "1.0", "concepts": [{"name": name, "classes": CLASSES} for name in names],
        "label": {"name": "stars", "classes": LABELS}, "semantics": "as-intended", "pooling": "masked-mean",
        "max_length": options.length, "intervention": "effect",
        "data_fields": {"text": "text", "concepts": {name: name for name in names}, "label": "stars"},
        "calibration": {"temperature": 1.0, "class_logits": [[[0.0] * 3] * 3] * concepts, "mean_concept_logits": flat,
                        "mean_concept_probabilities": flat},
    }  # fmt: skip
    tokenizer = {
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {f"w{i}": i for i in range(1000)}, "unk_token": "w0"},
    }  # fmt: skip
    contents = {"config": config, "sparsecbm": schema, "tokenizer": tokenizer, "model.safetensors.index": index}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def measure(command, folder, out, weights, masks, check):
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
    parser.add_argument("command", nargs="?", help="the sparsecbm command, which --checkpoint does not need")
    parser.add_argument("--model", choices=MODELS, default="bert-base")
    parser.add_argument("--concepts", type=int, nargs="+", default=[4])
    parser.add_argument("--weights", nargs="+", default=["f16"])
    parser.add_argument("--masks", nargs="+", default=["packed", "folded"])
    parser.add_argument("--layers", type=int, help="another number of layers than the model's")
    parser.add_argument("--length", type=int, default=128, help="the model's maximum length, which the check runs")
    parser.add_argument("--keep", type=float, default=0.125, help="share of the weights that each mask keeps")
    parser.add_argument("--block", type=int, choices=(1, 4), default=1, help="outputs that masks keep together")
    parser.add_argument("--checkpoint", type=pathlib.Path, help="a folder to put the model into, instead of measuring")
    parser.add_argument("--check", action="store_true", help="run and compare each exported file, which takes long")
    parser.add_argument("--run", action="store_true", help="run each exported file on ONNX Runtime")
    options = parser.parse_args()
    config = dict(MODELS[options.model])
    if options.layers:
        config["num_hidden_layers"] = options.layers
    if options.checkpoint:
        options.checkpoint.mkdir(parents=True)
        checkpoint(options.checkpoint, config, options.concepts[0], options)
        return
    if not options.command:
        parser.error("the sparsecbm command is needed, or --checkpoint")
    print("| K | weights | masks | time, s | peak memory, MiB | file, MB | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for concepts in options.concepts:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            # In a process of its own: Linux counts what a process had before it became another command.
            maker = multiprocessing.Process(target=checkpoint, args=(folder, config, concepts, options))
            maker.start()
            maker.join()
            assert maker.exitcode == 0, maker.exitcode
            for weights in options.weights:
                for masks in options.masks:
                    out = folder / "model.onnx"
                    found = measure(options.command, folder, out, weights, masks, options.check)
                    seconds, memory, size, worst = found
                    row = f"| {concepts} | {weights} | {masks} | {seconds:.1f} | {memory:.0f} | {size:.1f} | {worst} |"
                    print(row, flush=True)
                    if options.run:
                        # A process of its own, whose memory is its own.
                        subprocess.run([sys.executable, "-c", RUN, str(out)], check=True)


if __name__ == "__main__":
    main()
