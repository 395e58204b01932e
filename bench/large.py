"""Makes a large model at random, and measures what it takes on the sparse kernels: `sparsecbm bench large` on it.

    training/import/import --help >/dev/null      # makes the environment with numpy and safetensors
    cargo build --release -p sparsecbm-cli
    training/import/.venv/bin/python bench/large.py target/release/sparsecbm --model opt-1.3b

Weights are 16-bit floats; each mask keeps a tenth of them (--keep) in blocks of four outputs (--block). The files take
some gigabytes of a temporary folder until the program ends. With --ort ONNX Runtime runs the same file, on one thread
with graph optimizations off: the 1.3 B model needs 12 GB of memory so; that needs the package onnxruntime. --json
prints one object.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import export

ORT = """
import json, resource, statistics, sys, time
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
start = time.monotonic()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
ready = time.monotonic() - start
k, c = session.get_inputs()[2].shape[1:]
ids = numpy.arange(int(sys.argv[2]), dtype=numpy.int64)[None]
inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids),
          "concept_override": numpy.zeros((1, k, c), numpy.float32),
          "concept_override_mask": numpy.zeros((1, k), numpy.float32)}
times = []
for _ in range(2):
    start = time.monotonic()
    session.run(None, inputs)
    times.append(time.monotonic() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds_to_ready": ready, "prediction_seconds": min(times), "peak": peak}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", help="the sparsecbm command")
    parser.add_argument("--model", choices=export.MODELS, default="opt-1.3b")
    parser.add_argument("--concepts", type=int, default=4)
    parser.add_argument("--keep", type=float, default=0.1, help="share of the weights that each mask keeps")
    parser.add_argument("--block", type=int, choices=(1, 4), default=4, help="outputs that masks keep together")
    parser.add_argument("--length", type=int, default=128, help="the model's maximum length")
    parser.add_argument("--tokens", type=int, default=32, help="positions of the text that is predicted")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ort", action="store_true", help="run it on ONNX Runtime too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint, file = folder / "checkpoint", folder / "model.onnx"
        checkpoint.mkdir()
        export.checkpoint(checkpoint, export.MODELS[options.model], options.concepts, options)
        form = ["--no-check", "--weights", "f16", "--masks", "packed"]
        exporting = [options.command, "export", checkpoint, "-o", file, *form]
        subprocess.run(exporting, check=True, stdout=subprocess.DEVNULL)
        size = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
        measuring = ["bench", "large", file, "--tokens", str(options.tokens), "--rounds", str(options.rounds), "--json"]
        report = {"model": options.model, "concepts": options.concepts, "keep": options.keep, "file": size}
        report |= json.loads(subprocess.check_output([options.command, *measuring]))
        if options.ort:
            command = [sys.executable, "-c", ORT, str(file), str(options.tokens)]
            report["ort"] = json.loads(subprocess.check_output(command))
    if options.json:
        print(json.dumps(report))
        return
    megabytes = lambda count: f"{count / 1e6:.0f} MB"
    own = report["private_ready"] - report["private_before"]
    print(f"{options.model}, {options.concepts} concepts, a file of {megabytes(size)}")
    print(f"ready after {report['seconds_to_ready']:.1f} s")
    print(f"memory of its own {megabytes(own)}, packed weights {megabytes(report['packed'])}")
    print(f"a prediction of {options.tokens} tokens {report['prediction']['median_us'] / 1e6:.2f} s on one core")
    if options.ort:
        ort = report["ort"]
        times = f"ready after {ort['seconds_to_ready']:.1f} s, a prediction {ort['prediction_seconds']:.1f} s"
        print(f"ONNX Runtime: {times}, at most {megabytes(ort['peak'])}")


if __name__ == "__main__":
    main()
